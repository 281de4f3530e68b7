//! One tenant's way to other servers: through its wall, under its signature, and no answer believed before it is understood.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use events::RequestToSign;
use http::{HeaderValue, Method, Request, Response, header};
use kernel::{
    Clock, RemoteError, RemoteResult,
    id::{OwnedServerName, ServerName},
};
use web::OutboundError;

use super::refusal;
use crate::{keys::OwnKeys, network::Network, wall::Wall};

/// A request to another server.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    pub to: &'a ServerName,
    pub method: Method,
    /// Path and query, as they are sent and signed.
    pub uri: String,
    /// JSON.
    pub body: Option<String>,
    /// From now to the last byte of the answer.
    pub deadline: Duration,
    /// Longest answer.
    pub bytes_max: usize,
}

#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) own: OwnedServerName,
    pub(crate) wall: Arc<Wall>,
    pub(crate) keys: Arc<OwnKeys>,
    pub(crate) network: Arc<Network>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Link {
    /// Signs the request, sends it and returns the body of an answer of status 200.
    ///
    /// # Errors
    /// [`RemoteError::NotAllowed`] before anything is looked up or sent; [`RemoteError::Unreachable`] at once for a server that
    /// is known to be down and was tried a moment ago; and what [`refusal::read`] makes of other answers.
    pub(crate) async fn call(&self, call: Call<'_>) -> RemoteResult<Bytes> {
        Ok(self.call_whole(call).await?.into_body())
    }

    /// As [`Link::call`], with the headers of the answer.
    pub(crate) async fn call_whole(&self, call: Call<'_>) -> RemoteResult<Response<Bytes>> {
        self.admit(call.to)?;
        if !self.network.health.may_be_asked(call.to) {
            return Err(RemoteError::Unreachable(call.to.to_owned()));
        }
        let signer = self.keys.current();
        let to_sign = RequestToSign {
            method: call.method.as_str(),
            uri: &call.uri,
            destination: call.to,
            content: call.body.as_deref(),
        };
        let signature = signer.sign_request(&to_sign).ok().and_then(|value| HeaderValue::from_str(&value).ok());
        let signature = signature.ok_or_else(|| own_fault(&call))?;
        self.send(call, Some(signature)).await
    }

    /// As [`Link::call`], for what is asked without a signature: keys. Also of a server that is down, for its keys are asked for
    /// when it calls.
    pub(crate) async fn call_unsigned(&self, call: Call<'_>) -> RemoteResult<Bytes> {
        self.admit(call.to)?;
        Ok(self.send(call, None).await?.into_body())
    }

    fn admit(&self, to: &ServerName) -> RemoteResult<()> {
        if self.wall.allows(to) { Ok(()) } else { Err(RemoteError::NotAllowed(to.to_owned())) }
    }

    async fn send(&self, call: Call<'_>, signature: Option<HeaderValue>) -> RemoteResult<Response<Bytes>> {
        let to = call.to;
        let request = Request::builder().method(&call.method).uri(&call.uri);
        let body = call.body.as_ref().map(|body| Bytes::copy_from_slice(body.as_bytes())).unwrap_or_default();
        let mut request = request.body(body).map_err(|_| own_fault(&call))?;
        if call.body.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        if let Some(signature) = signature {
            request.headers_mut().insert(header::AUTHORIZATION, signature);
        }
        match self.network.send(to, request, call.deadline, call.bytes_max).await {
            Ok(answer) => refusal::read(to, answer, &self.network.health),
            Err(error) => {
                tracing::debug!(server = %to, %error, "another server was not reached");
                Err(self.unreached(to, &error))
            }
        }
    }

    /// What a request means that brought no answer.
    fn unreached(&self, to: &ServerName, error: &OutboundError) -> RemoteError {
        match error {
            // It answers, if nothing that can be used.
            OutboundError::TooLarge | OutboundError::Encoded => RemoteError::Malformed(to.to_owned()),
            _ => {
                self.network.health.failed(to);
                RemoteError::Unreachable(to.to_owned())
            }
        }
    }
}

/// A request that we built wrongly: no other server's fault, and nobody else's business.
fn own_fault(call: &Call<'_>) -> RemoteError {
    tracing::error!(server = %call.to, method = %call.method, "a request to another server could not be built");
    RemoteError::Malformed(call.to.to_owned())
}
