//! Requests that ruma has types for: what they are on the wire, and their answers read.

use std::time::Duration;

use http::Response;
use kernel::id::ServerName;
use kernel::{RemoteError, RemoteResult};
use ruma_common::api::{IncomingResponse, OutgoingBody, OutgoingRequest, path_builder::PathBuilder};
use serde_json::value::RawValue;

use super::link::{Call, Link};

/// How long an answer may take, and how long it may be.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) deadline: Duration,
    pub(super) bytes_max: usize,
}

const MIB: usize = 1 << 20;

impl Patience {
    /// For what a server looks up.
    pub(super) const LOOKUP: Self = Self { deadline: Duration::from_secs(20), bytes_max: 4 * MIB };
    /// For what it may have to ask others for itself.
    pub(super) const HANDSHAKE: Self = Self { deadline: Duration::from_secs(60), bytes_max: 4 * MIB };
    /// For pages of events.
    pub(super) const EVENTS: Self = Self { deadline: Duration::from_secs(60), bytes_max: 64 * MIB };
    /// For the state of a room.
    pub(super) const STATE: Self = Self { deadline: Duration::from_mins(3), bytes_max: 64 * MIB };
    /// For the state of a room and all that led to it: of the largest, tens of megabytes.
    pub(super) const JOIN: Self = Self { deadline: Duration::from_mins(10), bytes_max: 256 * MIB };
}

impl Link {
    /// # Errors
    /// As [`Link::call`], and [`RemoteError::Malformed`] for an answer of another shape.
    pub(super) async fn ask<R>(
        &self,
        to: &ServerName,
        request: R,
        patience: Patience,
    ) -> RemoteResult<R::IncomingResponse>
    where
        R: OutgoingRequest,
        R::PathBuilder: for<'a> PathBuilder<Input<'a> = ()>,
    {
        let malformed = || RemoteError::Malformed(to.to_owned());
        let call = on_the_wire(to, request, patience).ok_or_else(malformed)?;
        let answer = self.call_whole(call).await?;
        let (parts, body) = answer.into_parts();
        R::IncomingResponse::try_from_http_response_inner(Response::from_parts(parts, &*body)).map_err(|error| {
            tracing::debug!(server = %to, %error, "an answer cannot be understood");
            malformed()
        })
    }

    /// As [`Link::ask`], for answers of which ruma's type would lose something: a JSON object, as it came.
    pub(super) async fn ask_text<R>(&self, to: &ServerName, request: R, patience: Patience) -> RemoteResult<String>
    where
        R: OutgoingRequest,
        R::PathBuilder: for<'a> PathBuilder<Input<'a> = ()>,
    {
        let malformed = || RemoteError::Malformed(to.to_owned());
        let call = on_the_wire(to, request, patience).ok_or_else(malformed)?;
        let answer = self.call(call).await?;
        web::check_json_object(&answer).map_err(|_| malformed())?;
        String::from_utf8(answer.into()).map_err(|_| malformed())
    }
}

fn on_the_wire<R>(to: &ServerName, request: R, patience: Patience) -> Option<Call<'_>>
where
    R: OutgoingRequest,
    R::PathBuilder: for<'a> PathBuilder<Input<'a> = ()>,
{
    let (parts, body) = request.try_into_http_request_inner("", ()).ok()?.into_parts();
    let is_json = body.content_type().is_some();
    let body: Vec<u8> = body.try_into_buf().ok()?;
    Some(Call {
        to,
        method: parts.method,
        uri: parts.uri.path_and_query()?.as_str().to_owned(),
        body: if is_json { Some(String::from_utf8(body).ok()?) } else { None },
        deadline: patience.deadline,
        bytes_max: patience.bytes_max,
    })
}

/// JSON text of a raw value, without a copy.
pub(crate) fn text(raw: Box<RawValue>) -> String {
    Box::<str>::from(raw).into_string()
}

/// The texts of at most `max` values; what is beyond was not asked for.
pub(super) fn texts(raw: Vec<Box<RawValue>>, max: usize) -> Vec<String> {
    raw.into_iter().take(max).map(text).collect()
}
