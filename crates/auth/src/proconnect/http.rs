//! How ProConnect is reached: by the process's one outbound client, within three seconds and some kilobytes (hazard A27).

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

const TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_BYTES_MAX: usize = 262_144;

/// Sends one request, without following redirects. The binary gives the outbound client, with its allowlist and roots.
#[async_trait]
pub trait Http: Send + Sync + 'static {
    async fn execute(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError>;
}

/// No answer came, or none that is of use. The text is logged: it names no secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct HttpError(pub String);

/// The outbound client within bounds, as `openidconnect` wants it.
pub(crate) struct Bounded(Arc<dyn Http>);

impl Bounded {
    pub(crate) fn new(outbound: Arc<dyn Http>) -> Self {
        Self(outbound)
    }

    /// # Errors
    /// When nothing came in time, too much came, or the server says that it cannot.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = tokio::time::timeout(TIMEOUT, self.0.execute(request.map(Bytes::from))).await;
        let answer = answer.map_err(|_| HttpError("no answer in time".to_owned()))??;
        if answer.status().is_server_error() {
            return Err(HttpError(format!("status {}", answer.status().as_u16())));
        }
        if answer.body().len() > ANSWER_BYTES_MAX {
            return Err(HttpError("the answer is too long".to_owned()));
        }
        Ok(answer.map(Vec::from))
    }
}

impl<'c> AsyncHttpClient<'c> for Bounded {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

#[async_trait]
impl Http for web::Outbound {
    async fn execute(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        // None of its errors holds the URL or anything of the request.
        Self::execute(self, request).await.map_err(|error| HttpError(error.to_string()))
    }
}
