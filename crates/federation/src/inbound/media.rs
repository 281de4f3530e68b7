//! `media/download` and `media/thumbnail`: this town's files, for the servers of its federation.

use std::sync::Arc;

use media::{File, Method, Size};
use ruma_common::{
    http_headers::{ContentDisposition, ContentDispositionType},
    media::Method as AskedMethod,
};
use ruma_federation_api::authenticated_media::{
    Content, ContentMetadata, FileOrLocation, get_content::v1 as get_content,
    get_content_thumbnail::v1 as get_thumbnail,
};
use web::Homeserver;

use crate::Town;

pub(super) async fn download(
    town: Arc<Town>,
    _: Homeserver,
    ask: get_content::Request,
) -> web::Result<get_content::Response> {
    let file = town.media.own_file(&ask.media_id).await?;
    Ok(get_content::Response::new(ContentMetadata::new(), told(file).await?))
}

pub(super) async fn thumbnail(
    town: Arc<Town>,
    _: Homeserver,
    ask: get_thumbnail::Request,
) -> web::Result<get_thumbnail::Response> {
    let side = |side| u32::try_from(u64::from(side)).unwrap_or(u32::MAX);
    let method = if ask.method == Some(AskedMethod::Crop) { Method::Crop } else { Method::Scale };
    let size = Size { width: side(ask.width), height: side(ask.height), method };
    let file = town.media.own_thumbnail(&ask.media_id, size).await?;
    Ok(get_thumbnail::Response::new(ContentMetadata::new(), told(file).await?))
}

async fn told(file: File) -> web::Result<FileOrLocation> {
    // Where it is shown is for the other server to decide.
    let disposition = ContentDisposition::new(ContentDispositionType::Attachment).with_filename(file.name);
    let bytes = file.content.whole().await?;
    Ok(FileOrLocation::File(Content::new(bytes.into(), file.content_type, disposition)))
}
