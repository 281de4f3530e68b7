//! Who asks: the server that signed the request (spec, server-server API, "Request Authentication"), if it may at all.

use bytes::Bytes;
use events::XMatrix;
use http::{StatusCode, header};
use kernel::Kind;
use web::{Arrival, Error, Homeserver, Result};

use crate::Town;

/// Bodies from this size on are verified beside the threads that serve.
const LARGE_BODY_BYTES: usize = 262_144;

impl Town {
    /// The server that signed this request to this town, alive and at its place.
    pub(crate) async fn signed_by(&self, request: &mut Arrival<'_>) -> Result<Homeserver> {
        let claim = claim(request)?;
        // Without a destination, what was signed for one town could be shown to another.
        if claim.destination.as_deref() != Some(&*self.server_name) {
            return Err(unauthorized("The request is not signed for this server"));
        }
        if !self.peers.allows(&claim.origin) {
            return Err(Error::new(Kind::Forbidden, "This server has no connection to yours"));
        }
        let body = request.body().await?.clone();
        let key = self.peers.keys.of_request(&claim.origin, &claim.key_id).await;
        let key = key.ok_or_else(|| unauthorized("The key of the signature is not known, or has expired"))?;
        let uri = request.uri().path_and_query().map_or("/", |uri| uri.as_str()).to_owned();
        let (origin, bytes) = (claim.origin.clone(), body.len());
        verify(claim, request.method().as_str().to_owned(), uri, body, key).await?;
        self.peers.alive(&origin);
        let place = self.places.enter(&origin, bytes).await?;
        Ok(Homeserver::new(origin, place))
    }
}

/// What the one `Authorization` header claims.
fn claim(request: &Arrival<'_>) -> Result<XMatrix> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(unauthorized("The request must bear one signature"));
    };
    let value = value.to_str().map_err(|_| unauthorized("The signature cannot be read"))?;
    XMatrix::parse(value).map_err(|error| unauthorized(error.to_string()))
}

async fn verify(claim: XMatrix, method: String, uri: String, body: Bytes, key: [u8; 32]) -> Result<()> {
    let is_large = body.len() >= LARGE_BODY_BYTES;
    let verify = move || {
        let content = std::str::from_utf8(&body).map_err(|_| Error::not_json("The body is not UTF-8"))?;
        let content = Some(content).filter(|content| !content.is_empty());
        claim.verify(&method, &uri, content, &key).map_err(|error| match error {
            events::Error::NotJson(_) => Error::not_json(error.to_string()),
            _ => unauthorized("The signature does not verify"),
        })
    };
    if !is_large {
        return verify();
    }
    tokio::task::spawn_blocking(verify).await.unwrap_or_else(|error| Err(Error::internal(error)))
}

fn unauthorized(message: impl Into<String>) -> Error {
    Error::custom(StatusCode::UNAUTHORIZED, "M_UNAUTHORIZED", message)
}
