//! What media ask of other servers.

use std::time::Duration;

use async_trait::async_trait;
use kernel::{RemoteError, RemoteResult, id::ServerName};
use media::{Method, Remote, RemoteFile, Size};
use ruma_common::media::Method as AskedMethod;
use ruma_federation_api::authenticated_media::{
    FileOrLocation, get_content::v1 as get_content, get_content_thumbnail::v1 as get_thumbnail,
};

use super::{Peers, ask::Patience};

/// Longest thumbnail.
const THUMBNAIL_BYTES_MAX: usize = 4 << 20;
/// What is around a file in its answer.
const AROUND_BYTES_MAX: usize = 16_384;
const DEADLINE: Duration = Duration::from_secs(60);

#[async_trait]
impl Remote for Peers {
    async fn download(&self, of: &ServerName, id: &str, bytes_max: u64) -> RemoteResult<RemoteFile> {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX).saturating_add(AROUND_BYTES_MAX);
        let request = get_content::Request::new(id.to_owned());
        let answer = self.link.ask(of, request, Patience { deadline: DEADLINE, bytes_max }).await?;
        file(of, answer.content)
    }

    async fn thumbnail(&self, of: &ServerName, id: &str, size: Size) -> RemoteResult<RemoteFile> {
        let mut request = get_thumbnail::Request::new(id.to_owned(), size.width.into(), size.height.into());
        request.method = Some(match size.method {
            Method::Crop => AskedMethod::Crop,
            Method::Scale => AskedMethod::Scale,
        });
        let patience = Patience { deadline: DEADLINE, bytes_max: THUMBNAIL_BYTES_MAX + AROUND_BYTES_MAX };
        file(of, self.link.ask(of, request, patience).await?.content)
    }
}

/// A file that lies elsewhere is not gone for: nobody allowed that place.
fn file(of: &ServerName, content: FileOrLocation) -> RemoteResult<RemoteFile> {
    let FileOrLocation::File(content) = content else {
        tracing::info!(server = %of, "the other server has its files at another place, which is not gone to");
        return Err(RemoteError::Malformed(of.to_owned()));
    };
    Ok(RemoteFile {
        content_type: content.content_type,
        name: content.content_disposition.and_then(|disposition| disposition.filename),
        bytes: content.file.into(),
    })
}
