//! Thumbnails: of a few sizes, made when they are asked for, of formats that safe decoders read (hazards M8, M9).

use std::{io::Cursor, sync::Arc};

use bytes::Bytes;
use image::{DynamicImage, ImageFormat, ImageReader, Limits, imageops::FilterType};
use kernel::{RemoteError, id::ServerName};

use crate::{
    Error, Media, RemoteFile, Result,
    download::{File, Key, presentable},
};

/// Points of an image that is scaled: four bytes each while it is.
const PIXELS_MAX: u64 = 50_000_000;
const SIDE_MAX: u32 = 20_000;
/// Bytes of memory that decoding one may take.
const DECODER_BYTES_MAX: u64 = 256 << 20;
/// Longest file that a thumbnail is made of, and longest that is its own.
const SOURCE_BYTES_MAX: u64 = 20 << 20;
const ORIGINAL_BYTES_MAX: usize = 1 << 20;
/// Of JPEG, in a hundred.
const QUALITY: u8 = 80;

/// How an image is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// To fill the size, what is beyond cut off.
    Crop,
    /// To be no larger in either direction.
    Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    pub width: u32,
    pub height: u32,
    pub method: Method,
}

/// The sizes that are made (spec, "Thumbnails").
const SIZES: [Size; 5] = [
    Size { width: 32, height: 32, method: Method::Crop },
    Size { width: 96, height: 96, method: Method::Crop },
    Size { width: 320, height: 240, method: Method::Scale },
    Size { width: 640, height: 480, method: Method::Scale },
    Size { width: 800, height: 600, method: Method::Scale },
];

impl Size {
    /// The smallest of the sizes made that is no smaller than asked for, of the same method if there is one; else the largest.
    fn made(self) -> Self {
        let is_enough = |size: &&Self| size.width >= self.width && size.height >= self.height;
        let of_method = SIZES.iter().find(|size| is_enough(size) && size.method == self.method);
        *of_method.or_else(|| SIZES.iter().find(is_enough)).unwrap_or(&SIZES[SIZES.len() - 1])
    }
}

impl Media {
    /// A thumbnail of a file of this server or of another.
    ///
    /// # Errors
    /// As [`Media::file`], and `NoThumbnail`.
    pub async fn thumbnail(&self, server: &ServerName, id: &str, size: Size) -> Result<File> {
        if *server == *self.inner.server_name {
            return self.own_thumbnail(id, size).await;
        }
        let size = size.made();
        let key = Key::Thumbnail(server.to_owned(), id.to_owned(), size);
        if let Some(known) = self.inner.kept.get(&key) {
            return Ok(known.into());
        }
        // Also while it is scaled, so that few files are in memory.
        let _place = self.place_to_fetch().await?;
        let fetch = async {
            let told = match self.inner.remote.thumbnail(server, id, size).await {
                Ok(told) => presentable(told),
                // It makes none of this file: then we do.
                Err(
                    RemoteError::NotFound(_)
                    | RemoteError::Malformed(_)
                    | RemoteError::Refused { status: 400 | 404 | 413, .. },
                ) => self.scaled(self.fetched_here(server, id).await?.bytes, size).await?,
                Err(error) => return Err(error.into()),
            };
            Ok::<_, Error>(told)
        };
        Ok(self.inner.kept.get_or_insert_async(&key, fetch).await?.into())
    }

    /// A thumbnail of a file of this server.
    ///
    /// # Errors
    /// As [`Media::own_file`], and `NoThumbnail`.
    pub async fn own_thumbnail(&self, id: &str, size: Size) -> Result<File> {
        let size = size.made();
        let key = Key::Thumbnail(self.inner.server_name.clone(), id.to_owned(), size);
        if let Some(known) = self.inner.kept.get(&key) {
            return Ok(known.into());
        }
        if self.row(id)?.bytes > SOURCE_BYTES_MAX {
            return Err(too_large());
        }
        let _place = self.place_to_fetch().await?;
        let make = async {
            let file = self.own_file(id).await?;
            self.scaled(file.content.whole().await?, size).await
        };
        Ok(self.inner.kept.get_or_insert_async(&key, make).await?.into())
    }

    async fn scaled(&self, bytes: Bytes, size: Size) -> Result<RemoteFile> {
        if bytes.len() as u64 > SOURCE_BYTES_MAX {
            return Err(too_large());
        }
        let turn = Arc::clone(&self.inner.scalings).acquire_owned().await;
        let turn = turn.map_err(|_| Error::Internal("no more scalings"))?;
        let scale = move || {
            // Its turn ends with it, also when nobody waits for it any more.
            let _turn = turn;
            scale(&bytes, size)
        };
        let scaled = tokio::task::spawn_blocking(scale).await;
        let (format, bytes) = scaled.map_err(|_| Error::NoThumbnail("it cannot be read".to_owned()))??;
        Ok(RemoteFile { content_type: Some(format.to_mime_type().to_owned()), name: None, bytes })
    }
}

fn too_large() -> Error {
    Error::NoThumbnail("the file is too large".to_owned())
}

/// The image in the size, or as it is if it is no larger. Its format is what it is, whatever it was said to be.
fn scale(bytes: &Bytes, size: Size) -> Result<(ImageFormat, Bytes)> {
    let none = |error: &dyn std::fmt::Display| Error::NoThumbnail(error.to_string());
    let reader = || {
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| none(&error))?;
        let mut limits = Limits::default();
        (limits.max_image_width, limits.max_image_height) = (Some(SIDE_MAX), Some(SIDE_MAX));
        limits.max_alloc = Some(DECODER_BYTES_MAX);
        reader.limits(limits);
        Ok::<_, Error>(reader)
    };
    let format = reader()?.format().ok_or_else(|| none(&"it is no image that this server knows"))?;
    // Before anything of it is decoded.
    let (width, height) = reader()?.into_dimensions().map_err(|error| none(&error))?;
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(none(&"the image is too large"));
    }
    let is_small = width <= size.width && height <= size.height;
    if is_small && bytes.len() <= ORIGINAL_BYTES_MAX {
        return Ok((format, bytes.clone()));
    }
    let image = reader()?.decode().map_err(|error| none(&error))?;
    let image = match size.method {
        _ if is_small => image,
        Method::Crop => fill(&image, size),
        Method::Scale => image.resize(size.width, size.height, FilterType::Triangle),
    };
    encode(&image, format).map_err(|error| none(&error))
}

/// The middle of the image in the very size. Cut out first: what is scaled is never larger than the image.
fn fill(image: &DynamicImage, size: Size) -> DynamicImage {
    let (width, height) = (u64::from(image.width()), u64::from(image.height()));
    let (to_width, to_height) = (u64::from(size.width), u64::from(size.height));
    let side = |side: u64| u32::try_from(side.max(1)).unwrap_or(u32::MAX);
    let cut_width = side(width.min(height * to_width / to_height));
    let cut_height = side(height.min(width * to_height / to_width));
    let (x, y) = ((image.width() - cut_width) / 2, (image.height() - cut_height) / 2);
    image.crop_imm(x, y, cut_width, cut_height).resize_exact(size.width, size.height, FilterType::Triangle)
}

/// Drawings stay sharp, photographs small.
fn encode(image: &DynamicImage, original: ImageFormat) -> image::ImageResult<(ImageFormat, Bytes)> {
    let mut encoded = Cursor::new(Vec::new());
    if image.color().has_alpha() || matches!(original, ImageFormat::Png | ImageFormat::Gif) {
        image.write_to(&mut encoded, ImageFormat::Png)?;
        return Ok((ImageFormat::Png, encoded.into_inner().into()));
    }
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut encoded, QUALITY);
    image.to_rgb8().write_with_encoder(encoder)?;
    Ok((ImageFormat::Jpeg, encoded.into_inner().into()))
}
