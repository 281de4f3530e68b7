//! Thumbnails: of a few sizes, made when they are asked for, of formats that safe decoders read (hazards M8, M9).

use std::io::Cursor;

use bytes::Bytes;
use image::{DynamicImage, ImageFormat, ImageReader, Limits, imageops::FilterType};
use kernel::id::ServerName;

use crate::{
    Error, Media, RemoteFile, Result,
    download::{File, Key, presentable},
};

/// Points of an image that is scaled: four bytes each while it is.
const PIXELS_MAX: u64 = 50_000_000;
const SIDE_MAX: u32 = 20_000;
/// Bytes of memory that decoding one may take.
const DECODER_BYTES_MAX: u64 = 256 << 20;
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
        let fetch = async {
            let told = match self.inner.remote.thumbnail(server, id, size).await {
                Ok(told) => presentable(told),
                Err(error @ (kernel::RemoteError::NotAllowed(_) | kernel::RemoteError::Unreachable(_))) => {
                    return Err(error.into());
                }
                // It makes none: then we do.
                Err(_) => self.scaled(self.fetched(server, id).await?.bytes, size).await?,
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
        let make = async {
            let file = self.own_file(id).await?;
            self.scaled(file.content.whole().await?, size).await
        };
        Ok(self.inner.kept.get_or_insert_async(&key, make).await?.into())
    }

    async fn scaled(&self, bytes: Bytes, size: Size) -> Result<RemoteFile> {
        let _turn = self.inner.scalings.acquire().await.map_err(|_| Error::Internal("no more scalings"))?;
        let scaled = tokio::task::spawn_blocking(move || scale(&bytes, size)).await;
        let (format, bytes) = scaled.map_err(|_| Error::NoThumbnail("it cannot be read".to_owned()))??;
        Ok(RemoteFile { content_type: Some(format.to_mime_type().to_owned()), name: None, bytes })
    }
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
    if width <= size.width && height <= size.height {
        return Ok((format, bytes.clone()));
    }
    let image = reader()?.decode().map_err(|error| none(&error))?;
    let image = match size.method {
        Method::Crop => image.resize_to_fill(size.width, size.height, FilterType::Triangle),
        Method::Scale => image.resize(size.width, size.height, FilterType::Triangle),
    };
    encode(&image, format).map_err(|error| none(&error))
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
