//! Files of a town in a folder of the test, and another server that tells what it is told to.

use std::{
    io::Cursor,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};
use kernel::{
    RemoteError, RemoteResult, SystemClock, TenantId,
    id::{OwnedServerName, ServerName},
    random::SeededRandom,
};
use store::{Scope, Store, memory::Memory};

use crate::{Error, File, Media, Method, NewFile, Remote, RemoteFile, Settings, Size};

const BYTES_MAX: u64 = 1_000_000;
const SMALL: Size = Size { width: 30, height: 20, method: Method::Crop };
const LARGE: Size = Size { width: 300, height: 200, method: Method::Scale };

/// Answers each question with the same file, and counts them.
struct Abroad {
    file: RemoteFile,
    makes_thumbnails: bool,
    downloads: AtomicUsize,
}

#[async_trait]
impl Remote for Abroad {
    async fn download(&self, _: &ServerName, _: &str, _: u64) -> RemoteResult<RemoteFile> {
        self.downloads.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(self.file.clone())
    }

    async fn thumbnail(&self, of: &ServerName, _: &str, _: Size) -> RemoteResult<RemoteFile> {
        match self.makes_thumbnails {
            true => Ok(self.file.clone()),
            false => Err(RemoteError::NotFound(of.to_owned())),
        }
    }
}

fn server(name: &str) -> OwnedServerName {
    name.try_into().unwrap()
}

fn open(engine: &Memory, folder: &Path, remote: Arc<dyn Remote>) -> Media {
    let scope = Scope::new(&Store::open(engine.clone()).unwrap(), TenantId(1)).unwrap();
    let settings = Settings { folder: folder.to_owned(), file_bytes_max: BYTES_MAX };
    // Another start draws other ids.
    let random = Arc::new(SeededRandom::new(scope.position().0));
    Media::open(scope, server("metz.example"), settings, Arc::new(SystemClock), random, remote).unwrap()
}

fn town(folder: &Path) -> Media {
    open(&Memory::new(), folder, Arc::new(crate::Offline))
}

fn new_file(content_type: &str, name: &str) -> NewFile {
    NewFile {
        uploader: "@alice:metz.example".try_into().unwrap(),
        content_type: Some(content_type.to_owned()),
        name: Some(name.to_owned()),
    }
}

async fn upload(media: &Media, bytes: &[u8], content_type: &str, name: &str) -> crate::Result<String> {
    let mut incoming = media.receive().await?;
    for piece in bytes.chunks(50_000) {
        incoming.write(piece).await?;
    }
    media.keep(incoming, new_file(content_type, name)).await
}

async fn whole(file: File) -> (String, Option<String>, Bytes) {
    (file.content_type, file.name, file.content.whole().await.unwrap())
}

/// All files below the folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.file_name().unwrap().to_str().unwrap().to_owned()),
        }
    }
    found
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn dimensions(bytes: &[u8]) -> (u32, u32) {
    image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().into_dimensions().unwrap()
}

#[tokio::test]
async fn a_file_is_there_as_it_came_also_after_a_restart() {
    let (folder, engine) = (tempfile::tempdir().unwrap(), Memory::new());
    let bytes: Vec<u8> = (0..400_000_u32).map(|n| n as u8).collect();
    let media = open(&engine, folder.path(), Arc::new(crate::Offline));
    let id = upload(&media, &bytes, "text/plain; charset=utf-8", "notes d'été.txt").await.unwrap();
    let unfinished = media.receive().await.unwrap();
    // A killed process runs no destructors.
    std::mem::forget(unfinished);
    assert_eq!(files(folder.path()).len(), 2);
    let media = open(&engine, folder.path(), Arc::new(crate::Offline));
    assert_eq!(files(folder.path()), std::slice::from_ref(&id), "what was unfinished is gone");
    let file = media.file(&server("metz.example"), &id).await.unwrap();
    assert_eq!(file.content.bytes(), 400_000);
    let told = whole(file).await;
    assert_eq!(told, ("text/plain; charset=utf-8".to_owned(), Some("notes d'été.txt".to_owned()), bytes.into()));
    let bare = media.receive().await.unwrap();
    let new = NewFile { content_type: None, name: None, ..new_file("", "") };
    let bare = media.keep(bare, new).await.unwrap();
    let told = whole(media.own_file(&bare).await.unwrap()).await;
    assert_eq!(told, ("application/octet-stream".to_owned(), None, Bytes::new()));
}

#[tokio::test]
async fn what_is_refused_or_given_up_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let media = town(folder.path());
    let before = media.inner.scope.position();
    let large = vec![0; 1_000_001];
    assert!(matches!(upload(&media, &large, "a/b", "x").await, Err(Error::TooLarge(BYTES_MAX))));
    for (content_type, name) in
        [("html", "x"), ("a/b\r\nx: y", "x"), ("a/é", "x"), ("a/b", "x\ny"), ("a/b", &*"x".repeat(256))]
    {
        let refused = upload(&media, b"x", content_type, name).await;
        assert!(matches!(refused, Err(Error::InvalidParam(_))), "{content_type:?} {name:?}");
    }
    drop(media.receive().await.unwrap());
    assert_eq!((files(folder.path()), media.inner.scope.position()), (Vec::new(), before));
    assert!(upload(&media, &large[..1_000_000], "a/b", "x").await.is_ok());
}

/// Hazard M1.
#[tokio::test]
async fn an_id_is_no_path() {
    let folder = tempfile::tempdir().unwrap();
    let media = town(&folder.path().join("media"));
    std::fs::write(folder.path().join("secret"), "canary").unwrap();
    let long = "x".repeat(256);
    for id in ["", ".", "..", "../secret", "%2e%2e%2fsecret", "a/../../secret", "a\0b", "é", "／", "none", &*long] {
        for name in ["metz.example", "nancy.example"] {
            let found = media.file(&server(name), id).await;
            let is_asked_for = id == "none" && name == "nancy.example";
            assert!(matches!(found, Err(Error::NotFound)) || is_asked_for, "{name} {id:?}");
        }
        assert!(matches!(media.own_thumbnail(id, SMALL).await, Err(Error::NotFound)), "{id:?}");
    }
}

#[tokio::test]
async fn thumbnails_have_one_of_five_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let media = town(folder.path());
    let photograph = encoded(RgbImage::from_pixel(1_600, 1_200, image::Rgb([9, 99, 200])), ImageFormat::Jpeg);
    let drawing = encoded(RgbaImage::from_pixel(1_000, 500, image::Rgba([9, 99, 200, 0])), ImageFormat::Png);
    let tiny = encoded(RgbImage::new(20, 10), ImageFormat::Gif);
    // Whatever they are said to be.
    let photograph = upload(&media, &photograph, "text/html", "a").await.unwrap();
    let drawing = upload(&media, &drawing, "image/jpeg", "b").await.unwrap();
    let small = upload(&media, &tiny, "image/gif", "c").await.unwrap();
    let size = |width, height, method| Size { width, height, method };
    for (id, asked, content_type, expected) in [
        (&photograph, size(1, 1, Method::Crop), "image/jpeg", (32, 32)),
        (&photograph, size(64, 64, Method::Crop), "image/jpeg", (96, 96)),
        (&photograph, size(97, 97, Method::Crop), "image/jpeg", (320, 240)),
        (&photograph, size(400, 300, Method::Scale), "image/jpeg", (640, 480)),
        (&photograph, size(u32::MAX, 0, Method::Scale), "image/jpeg", (800, 600)),
        (&drawing, size(320, 240, Method::Scale), "image/png", (320, 160)),
        (&small, size(32, 32, Method::Crop), "image/gif", (20, 10)),
    ] {
        let (told, _, bytes) = whole(media.own_thumbnail(id, asked).await.unwrap()).await;
        assert_eq!((told.as_str(), dimensions(&bytes)), (content_type, expected), "{asked:?}");
    }
    // What is thin is not blown up on the way (it would fill the memory).
    let thin = encoded(RgbImage::new(20_000, 1), ImageFormat::Png);
    let thin = upload(&media, &thin, "image/png", "d").await.unwrap();
    for (method, expected) in [(Method::Crop, (96, 96)), (Method::Scale, (320, 1))] {
        let (_, _, bytes) = whole(media.own_thumbnail(&thin, size(96, 96, method)).await.unwrap()).await;
        assert_eq!(dimensions(&bytes), expected);
    }
    let (_, _, bytes) = whole(media.own_thumbnail(&small, SMALL).await.unwrap()).await;
    assert_eq!(bytes, tiny, "what is small enough stays as it is");
}

/// A PNG that says that it has so many points, and has none.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 6, 0, 0, 0]);
    let checksum = header.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    });
    [b"\x89PNG\r\n\x1a\n\0\0\0\r".as_slice(), &header, &(!checksum).to_be_bytes()].concat()
}

/// Hazard M8.
#[tokio::test]
async fn nothing_but_images_of_known_formats_and_sizes_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let media = town(folder.path());
    let mut broken = encoded(RgbImage::new(500, 500), ImageFormat::Jpeg);
    broken.truncate(200);
    let odd: [&[u8]; 9] = [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"II*\0\x08\0\0\0",
        b"BM\x46\0\0\0",
        b"\x89PNG\r\n\x1a\n",
        &broken,
        &bomb(30_000, 30_000),
        &bomb(10_000, 10_000),
    ];
    for (number, bytes) in odd.into_iter().enumerate() {
        let id = upload(&media, bytes, "image/png", "x").await.unwrap();
        for size in [SMALL, LARGE] {
            let made = media.own_thumbnail(&id, size).await;
            assert!(matches!(made, Err(Error::NoThumbnail(_))), "{number}");
        }
    }
}

#[tokio::test]
async fn another_server_s_file_is_fetched_once_for_many_and_shown_as_headers_can_bear_it() {
    let folder = tempfile::tempdir().unwrap();
    let abroad = Arc::new(Abroad {
        file: RemoteFile {
            content_type: Some("text/html\r\nx-evil: 1".to_owned()),
            name: Some(format!("a\r\nb{}", "é".repeat(500))),
            bytes: encoded(RgbImage::new(1_000, 1_000), ImageFormat::Png).into(),
        },
        makes_thumbnails: false,
        downloads: AtomicUsize::new(0),
    });
    let media = open(&Memory::new(), folder.path(), abroad.clone());
    let nancy = server("nancy.example");
    let asked = join_all((0..20).map(|_| media.file(&nancy, "id"))).await;
    for file in asked {
        let (content_type, name, bytes) = whole(file.unwrap()).await;
        assert_eq!((content_type.as_str(), bytes), ("application/octet-stream", abroad.file.bytes.clone()));
        assert_eq!(name.unwrap(), format!("ab{}", "é".repeat(98)));
    }
    assert_eq!(abroad.downloads.load(Ordering::SeqCst), 1);
    // It makes no thumbnails: this server does, from what it has in mind.
    let (content_type, _, bytes) = whole(media.thumbnail(&nancy, "id", LARGE).await.unwrap()).await;
    assert_eq!((content_type.as_str(), dimensions(&bytes)), ("image/png", (240, 240)));
    assert_eq!(abroad.downloads.load(Ordering::SeqCst), 1);
    assert!(files(folder.path()).is_empty(), "nothing of others lies on disk");
}

#[tokio::test]
async fn the_thumbnail_that_another_server_makes_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let abroad = Abroad {
        file: RemoteFile { content_type: Some("image/webp".to_owned()), name: None, bytes: Bytes::from_static(b"w") },
        makes_thumbnails: true,
        downloads: AtomicUsize::new(0),
    };
    let media = open(&Memory::new(), folder.path(), Arc::new(abroad));
    let told = whole(media.thumbnail(&server("nancy.example"), "id", SMALL).await.unwrap()).await;
    assert_eq!(told, ("image/webp".to_owned(), None, Bytes::from_static(b"w")));
}
