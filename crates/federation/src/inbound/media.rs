//! `media/download` and `media/thumbnail`: this town's files, for the servers of its federation.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, header};
use media::{File, Method, Size};
use ruma_common::{
    http_headers::{ContentDisposition, ContentDispositionType},
    media::Method as AskedMethod,
};
use ruma_federation_api::authenticated_media::{
    get_content::v1 as get_content, get_content_thumbnail::v1 as get_thumbnail,
};
use web::{Body, Error, Homeserver, Raw, Response};

use crate::Town;

/// Characters between the parts of an answer: no file has them by chance.
const BOUNDARY_LENGTH: usize = 40;

pub(super) async fn download(town: Arc<Town>, origin: Homeserver, ask: get_content::Request) -> web::Result<Raw> {
    told(&town, origin, town.media.own_file(&ask.media_id).await?)
}

pub(super) async fn thumbnail(town: Arc<Town>, origin: Homeserver, ask: get_thumbnail::Request) -> web::Result<Raw> {
    let side = |side| u32::try_from(u64::from(side)).unwrap_or(u32::MAX);
    let method = if ask.method == Some(AskedMethod::Crop) { Method::Crop } else { Method::Scale };
    let size = Size { width: side(ask.width), height: side(ask.height), method };
    told(&town, origin, town.media.own_thumbnail(&ask.media_id, size).await?)
}

/// An object that says nothing yet, and the file (spec, server-server API, "Content Repository"). Not by ruma, whose last boundary is
/// not marked as such, so that strict readers miss the end; and a file needs not be in memory.
fn told(town: &Town, origin: Homeserver, file: File) -> web::Result<Raw> {
    let boundary = town.random.token(BOUNDARY_LENGTH);
    // Where it is shown is for the other server to decide.
    let disposition = ContentDisposition::new(ContentDispositionType::Attachment).with_filename(file.name);
    let content_type = &file.content_type;
    let head = format!(
        "--{boundary}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n\
         --{boundary}\r\nContent-Type: {content_type}\r\nContent-Disposition: {disposition}\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let length = (head.len() + tail.len()) as u64 + file.content.bytes();
    let around = |text: String| stream::iter([Ok(Bytes::from(text))]);
    // Its server's place is taken until the last piece is gone.
    let pieces = around(head).chain(file.content.pieces()).chain(around(tail)).map(move |piece| {
        let _place = &origin;
        piece
    });
    let body = Body::stream(pieces);
    let mut response = Response::new(body);
    let content_type = format!("multipart/mixed; boundary={boundary}");
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::try_from(content_type).map_err(Error::internal)?);
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    Ok(Raw(response))
}
