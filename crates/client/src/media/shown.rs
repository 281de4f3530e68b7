//! A file as an answer: shown in the page only where that can do no harm, and for the asker's eyes alone (spec, "Serving inline
//! content", "Content repository"; hazard M10).

use http::{HeaderName, HeaderValue, header};
use media::File;
use ruma_common::http_headers::{ContentDisposition, ContentDispositionType};
use web::{Body, Error, Raw, Response, Result};

/// Types that no script comes in with.
const INLINE: [&str; 26] = [
    "application/json",
    "application/ld+json",
    "audio/aac",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/wave",
    "audio/webm",
    "audio/x-flac",
    "audio/x-pn-wav",
    "audio/x-wav",
    "image/apng",
    "image/avif",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/css",
    "text/csv",
    "text/plain",
    "video/mp4",
    "video/ogg",
    "video/quicktime",
    "video/webm",
];
const POLICY: HeaderValue = HeaderValue::from_static(
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';",
);
/// The bytes of an id are always the same.
const KEEP: HeaderValue = HeaderValue::from_static("private, max-age=86400, immutable");

pub(super) fn shown(file: File) -> Result<Raw> {
    let essence = file.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let place =
        if INLINE.contains(&&*essence) { ContentDispositionType::Inline } else { ContentDispositionType::Attachment };
    let disposition = ContentDisposition::new(place).with_filename(file.name).to_string();
    let value = |text: &str| HeaderValue::from_str(text).map_err(Error::internal);
    let headers: [(HeaderName, HeaderValue); 6] = [
        (header::CONTENT_TYPE, value(&file.content_type)?),
        (header::CONTENT_LENGTH, file.content.bytes().into()),
        (header::CONTENT_DISPOSITION, value(&disposition)?),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
        (header::CACHE_CONTROL, KEEP),
    ];
    let mut response = Response::new(Body::stream(file.content.pieces()));
    response.headers_mut().extend(headers);
    Ok(Raw(response))
}
