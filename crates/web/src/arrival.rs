//! A request that has arrived and whose body is perhaps still on its way: a stranger's is left there until it is worth reading.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, request::Parts};

use crate::{Error, Result, Upload, ask, handler::CallBody, route::Intake};

/// A request as it came, for [`crate::Town::authenticate_server`]: a signature covers the method, the path and query in the very
/// bytes that were sent, and the body.
pub struct Arrival<'a> {
    parts: &'a Parts,
    intake: Intake,
    bytes_max: usize,
    body: State,
}

enum State {
    Coming(Upload),
    Read(Bytes),
    Failed,
}

impl<'a> Arrival<'a> {
    pub(crate) fn new(parts: &'a Parts, intake: Intake, bytes_max: usize, body: Upload) -> Self {
        Self { parts, intake, bytes_max, body: State::Coming(body) }
    }

    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    pub fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The body, read within the route's bounds when it is first asked for. `GET` has none: what came is left unread.
    ///
    /// # Errors
    /// As [`Upload::read`]; 415 for an encoded one; 400 where the route wants JSON and it is none.
    pub async fn body(&mut self) -> Result<&Bytes> {
        self.body = match std::mem::replace(&mut self.body, State::Failed) {
            State::Coming(body) => State::Read(read(self.parts, self.intake, self.bytes_max, body).await?),
            other => other,
        };
        match &self.body {
            State::Read(bytes) => Ok(bytes),
            State::Coming(_) | State::Failed => Err(Error::internal("a body was asked for again after it failed")),
        }
    }

    /// The body as the route's handler takes it.
    pub(crate) async fn take(mut self) -> Result<CallBody> {
        if self.intake == Intake::Stream {
            return match self.body {
                State::Coming(body) => Ok(CallBody::Unread(body.bounded(self.bytes_max)?)),
                _ => Err(Error::internal("a stream was read before its handler")),
            };
        }
        self.body().await.cloned().map(CallBody::Read)
    }
}

async fn read(parts: &Parts, intake: Intake, bytes_max: usize, body: Upload) -> Result<Bytes> {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(Bytes::new());
    }
    let body = body.bounded(bytes_max)?;
    ask::refuse_encodings(parts)?;
    let bytes = body.read().await?;
    if intake == Intake::Json {
        ask::check_json(&bytes)?;
    }
    Ok(bytes)
}
