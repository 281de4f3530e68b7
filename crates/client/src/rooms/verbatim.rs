//! A request together with what the client wrote: ruma's types fold aliases of event types together and drop fields that they
//! do not know, and an event must be sent as it was written.

use ruma_common::api::{IncomingRequest, Metadata, error::DeserializationError};
use serde_json::{Map, Value};

/// ruma's request, and its path's values, query and body as they came.
pub(crate) struct Verbatim<R> {
    pub(crate) ask: R,
    path: Vec<String>,
    query: String,
    body: Vec<u8>,
}

impl<R> Verbatim<R> {
    /// The path's value at this index, percent-decoded; empty if there is none.
    pub(crate) fn path(&self, index: usize) -> &str {
        self.path.get(index).map_or("", String::as_str)
    }

    /// The query string, as a struct of its parameters; what cannot be read is taken as not there.
    pub(crate) fn query<Q: serde::de::DeserializeOwned + Default>(&self) -> Q {
        serde_html_form::from_str(&self.query).unwrap_or_default()
    }

    /// The body's fields.
    pub(crate) fn body(&self) -> Map<String, Value> {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl<R: Metadata> Metadata for Verbatim<R> {
    const METHOD: http::Method = R::METHOD;
    const RATE_LIMITED: bool = R::RATE_LIMITED;
    type Authentication = R::Authentication;
    type PathBuilder = R::PathBuilder;
    const PATH_BUILDER: Self::PathBuilder = R::PATH_BUILDER;
}

impl<R: IncomingRequest> IncomingRequest for Verbatim<R> {
    type EndpointError = R::EndpointError;
    type OutgoingResponse = R::OutgoingResponse;

    fn try_from_http_request_inner(
        request: http::Request<&[u8]>,
        path_args: &[&str],
    ) -> Result<Self, DeserializationError> {
        let path = path_args.iter().map(|value| (*value).to_owned()).collect();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = request.body().to_vec();
        Ok(Self { ask: R::try_from_http_request_inner(request, path_args)?, path, query, body })
    }
}
