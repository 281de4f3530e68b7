//! `GET /_matrix/client/v1/media/download/{serverName}/{mediaId}`, with a name of the asker's or without.

use std::sync::Arc;

use ruma_client_api::authenticated_media::{
    get_content::v1 as get_content, get_content_as_filename::v1 as get_content_as_filename,
};
use web::{Caller, Rate, Raw, Result};

use super::shown::shown;
use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    let path = "/_matrix/media/v3/download/{server_name}/{media_id}";
    routes.user(download).limited(Rate::Media).also(path);
    let path = "/_matrix/media/v3/download/{server_name}/{media_id}/{filename}";
    routes.user(download_as).limited(Rate::Media).also(path);
}

async fn download(town: Arc<Town>, _: Caller, ask: get_content::Request) -> Result<Raw> {
    shown(town.media.file(&ask.server_name, &ask.media_id).await?)
}

async fn download_as(town: Arc<Town>, _: Caller, ask: get_content_as_filename::Request) -> Result<Raw> {
    let mut file = town.media.file(&ask.server_name, &ask.media_id).await?;
    file.name = Some(ask.filename);
    shown(file)
}
