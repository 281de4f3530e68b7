//! `POST /_matrix/media/v3/upload` and how large a file may be.

use std::sync::Arc;

use http::{Method, header};
use media::NewFile;
use ruma_client_api::authenticated_media::get_media_config::v1 as get_config;
use serde::Deserialize;
use serde_json::json;
use web::{Access, Caller, Error, Json, Rate, Response, Result, Upload, Visit};

use crate::Town;

/// More than any town's own bound, which the owner keeps.
const BYTES_MAX: usize = 1 << 30;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes
        .stream(Method::POST, "/_matrix/media/v3/upload", Access::Active, upload)
        .limited(Rate::Media)
        .body_max(BYTES_MAX);
    routes.user(config).also("/_matrix/media/v3/config");
}

async fn upload(town: Arc<Town>, caller: Option<Caller>, visit: Visit<Upload>) -> Result<Response> {
    #[derive(Deserialize)]
    struct Query {
        filename: Option<String>,
    }
    let caller = caller.ok_or_else(Error::missing_token)?;
    let name = visit.query::<Query>()?.filename;
    let content_type = Some(visit.header(header::CONTENT_TYPE).to_owned());
    let mut body = visit.body;
    let mut incoming = town.media.receive().await?;
    while let Some(piece) = body.chunk().await? {
        incoming.write(&piece).await?;
    }
    let id = town.media.keep(incoming, NewFile { uploader: caller.user.clone(), content_type, name }).await?;
    Ok(Json::of(&json!({ "content_uri": format!("mxc://{}/{id}", town.server_name) }))?.into())
}

async fn config(town: Arc<Town>, _: Caller, _: get_config::Request) -> Result<get_config::Response> {
    let bytes = town.media.file_bytes_max().try_into().map_err(Error::internal)?;
    Ok(get_config::Response::new(bytes))
}
