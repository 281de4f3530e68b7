//! `GET /_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}`.

use std::sync::Arc;

use kernel::Kind;
use media::{Method, Size};
use ruma_client_api::authenticated_media::get_content_thumbnail::v1::Request;
use ruma_common::media::Method as AskedMethod;
use web::{Caller, Error, Rate, Raw, Result};

use super::shown::shown;
use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    let path = "/_matrix/media/v3/thumbnail/{server_name}/{media_id}";
    routes.user(thumbnail).limited(Rate::Media).also(path);
}

async fn thumbnail(town: Arc<Town>, _: Caller, ask: Request) -> Result<Raw> {
    let side = |side| u32::try_from(u64::from(side)).unwrap_or(u32::MAX);
    let method = match ask.method {
        Some(AskedMethod::Crop) => Method::Crop,
        Some(AskedMethod::Scale) | None => Method::Scale,
        Some(_) => return Err(Error::new(Kind::InvalidParam, "An image is cropped or scaled")),
    };
    let size = Size { width: side(ask.width), height: side(ask.height), method };
    shown(town.media.thumbnail(&ask.server_name, &ask.media_id, size).await?)
}
