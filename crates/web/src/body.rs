//! Bodies: what a handler answers with, and what a request brings, read within bounds.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use kernel::Kind;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{Error, Result};

/// A body that is read whole must arrive within this.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// A body that is read piece by piece has as long, and then must have come at this rate.
const BYTES_PER_SECOND_MIN: usize = 1_024;

pub type Response = http::Response<Body>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer: bytes, or a stream (a file).
pub struct Body(Content);

enum Content {
    Whole(Option<Bytes>),
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    pub fn empty() -> Self {
        Self(Content::Whole(None))
    }

    /// Sends what the stream brings. An error of the stream breaks the connection, so that the client sees that it is not whole.
    pub fn stream<E: Into<BoxError> + 'static>(chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Self {
        let frames = chunks.map(|chunk| chunk.map(Frame::data).map_err(Into::into));
        Self(Content::Stream(Box::pin(StreamBody::new(frames))))
    }

    /// All the bytes of a body.
    ///
    /// # Errors
    /// 500 if its stream fails.
    pub async fn into_bytes(self) -> Result<Bytes> {
        Ok(self.collect().await.map_err(Error::internal)?.to_bytes())
    }

    /// Bytes of a body that is not a stream.
    pub(crate) fn whole_len(&self) -> Option<usize> {
        match &self.0 {
            Content::Whole(bytes) => Some(bytes.as_ref().map_or(0, Bytes::len)),
            Content::Stream(_) => None,
        }
    }
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Self {
        let bytes = bytes.into();
        Self(Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Stream(stream) => stream.size_hint(),
        }
    }
}

/// The body of a request, not read yet, and how much of it may be read.
pub struct Upload {
    source: Source,
    bytes_max: usize,
    bytes_read: usize,
    /// Set by the first read.
    started: Option<Instant>,
}

enum Source {
    Wire(Incoming),
    Whole(Option<Bytes>),
}

impl Upload {
    pub(crate) fn wire(body: Incoming) -> Self {
        Self::new(Source::Wire(body))
    }

    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::new(Source::Whole(Some(bytes)))
    }

    fn new(source: Source) -> Self {
        Self { source, bytes_max: 0, bytes_read: 0, started: None }
    }

    /// Sets the bound and refuses at once what announces more.
    pub(crate) fn bounded(mut self, bytes_max: usize) -> Result<Self> {
        let announced = match &self.source {
            Source::Wire(body) => body.size_hint().lower(),
            Source::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
        };
        if announced > bytes_max as u64 {
            return Err(too_large(bytes_max));
        }
        self.bytes_max = bytes_max;
        Ok(self)
    }

    /// The next piece; None at the end.
    ///
    /// # Errors
    /// 413 when the body is over the route's limit, 408 when it comes too slowly, 400 when it broke off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let started = *self.started.get_or_insert_with(Instant::now);
        let earned = Duration::from_secs((self.bytes_read / BYTES_PER_SECOND_MIN) as u64);
        timeout_at(started + BODY_TIMEOUT + earned, self.next()).await.unwrap_or_else(|_| Err(too_slow()))
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`Upload::chunk`]; 408 when the whole took more than a minute.
    pub async fn read(mut self) -> Result<Bytes> {
        match &mut self.source {
            Source::Whole(bytes) => Ok(bytes.take().unwrap_or_default()),
            Source::Wire(body) if body.is_end_stream() => Ok(Bytes::new()),
            Source::Wire(_) => timeout(BODY_TIMEOUT, self.gather()).await.unwrap_or_else(|_| Err(too_slow())),
        }
    }

    /// Most bodies come as one piece, which is then passed on as it is.
    async fn gather(&mut self) -> Result<Bytes> {
        let first = self.next().await?.unwrap_or_default();
        let Some(second) = self.next().await? else { return Ok(first) };
        let mut all = BytesMut::from(&*first);
        all.extend_from_slice(&second);
        while let Some(chunk) = self.next().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let bytes = match &mut self.source {
            Source::Whole(bytes) => bytes.take(),
            Source::Wire(body) => next_data(body).await?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        self.bytes_read = self.bytes_read.saturating_add(bytes.len());
        if self.bytes_read > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        Ok(Some(bytes))
    }
}

/// The next data frame; trailers are passed over.
async fn next_data(body: &mut Incoming) -> Result<Option<Bytes>> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::new(Kind::BadJson, "The body of the request broke off"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn too_large(bytes_max: usize) -> Error {
    Error::new(Kind::TooLarge, format!("The body of the request is larger than {bytes_max} bytes"))
}

fn too_slow() -> Error {
    Error::custom(StatusCode::REQUEST_TIMEOUT, "M_UNKNOWN", "The body of the request came too slowly")
}
