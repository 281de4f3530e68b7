//! Signed requests between servers (spec, server-server API, "Request Authentication").

use std::borrow::Cow;

use kernel::id::{OwnedServerName, ServerName};
use serde_json::{Value, value::RawValue};

use crate::{
    Error, Result, Signer,
    canonical::{canonical_event, canonical_string},
    public_key::{check_signature, is_key_id},
};

/// Longest header that is read: two server names, a key's id and a signature take some 900 bytes at most.
const HEADER_BYTES_MAX: usize = 4_096;

/// A request of this server to another.
#[derive(Clone, Copy, Debug)]
pub struct RequestToSign<'a> {
    /// In capitals.
    pub method: &'a str,
    /// Path and query, as they are sent.
    pub uri: &'a str,
    pub destination: &'a ServerName,
    /// The body: JSON, if there is one at all.
    pub content: Option<&'a str>,
}

/// What an `Authorization` header of the scheme `X-Matrix` claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XMatrix {
    pub origin: OwnedServerName,
    /// Whom the request is meant for. Servers before Matrix 1.3 did not say: [`XMatrix::verify`] refuses that.
    pub destination: Option<OwnedServerName>,
    /// `ed25519:` and a version.
    pub key_id: String,
    /// In base64, as it was sent.
    pub signature: String,
}

impl Signer {
    /// The value of the request's `Authorization` header.
    ///
    /// # Errors
    /// [`Error::NotJson`] when the content is not JSON.
    pub fn sign_request(&self, request: &RequestToSign<'_>) -> Result<String> {
        let RequestToSign { method, uri, destination, content } = *request;
        let origin = self.server_name();
        let signature = self.sign(&signed_text(origin, destination, method, uri, content)?);
        let key_id = self.key_id();
        // Nothing in these needs escaping: server names have no quotes, neither have key ids and base64.
        Ok(format!("X-Matrix origin=\"{origin}\",destination=\"{destination}\",key=\"{key_id}\",sig=\"{signature}\""))
    }
}

impl XMatrix {
    /// Reads the header as leniently as the specification asks: parameters in any order, their names and the scheme in any
    /// case, values with or without quotes, colons in them or not, spaces around commas; unknown parameters are passed over.
    ///
    /// # Errors
    /// [`Error::Authorization`] for another scheme, a parameter that is missing, given twice or cannot be what it is, and
    /// for a header beyond 4 KiB.
    pub fn parse(header: &str) -> Result<Self> {
        if header.len() > HEADER_BYTES_MAX {
            return Err(Error::Authorization("it is too long"));
        }
        let (scheme, parameters) = header.trim().split_once(SPACES).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("X-Matrix") {
            return Err(Error::Authorization("its scheme is another"));
        }
        let mut named = Named::default();
        let mut rest = parameters;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (name, value, after) = parameter(rest)?;
            named.set(name, value)?;
            rest = after;
        }
        named.read()
    }

    /// Verifies that `origin` signed this request with `key`, its key of the id `key_id`.
    ///
    /// `method`, `uri` (path and query) and `content` are the request's as it came in. The caller sees to it that
    /// `destination` is its own name, that `origin` may call at all, and that the key is valid now.
    ///
    /// # Errors
    /// [`Error::InvalidSignature`], also without a destination; [`Error::NotJson`] when the content is not JSON.
    pub fn verify(&self, method: &str, uri: &str, content: Option<&str>, key: &[u8; 32]) -> Result<()> {
        let Some(destination) = &self.destination else {
            return Err(Error::InvalidSignature("the request does not say whom it is for".into()));
        };
        check_signature(key, &self.signature, &signed_text(&self.origin, destination, method, uri, content)?)
    }
}

const SPACES: [char; 2] = [' ', '\t'];

/// The parameters that matter, as far as they were read.
#[derive(Default)]
struct Named<'a> {
    origin: Option<Cow<'a, str>>,
    destination: Option<Cow<'a, str>>,
    key: Option<Cow<'a, str>>,
    sig: Option<Cow<'a, str>>,
}

impl<'a> Named<'a> {
    fn set(&mut self, name: &str, value: Cow<'a, str>) -> Result<()> {
        let place = match name.to_ascii_lowercase().as_str() {
            "origin" => &mut self.origin,
            "destination" => &mut self.destination,
            "key" => &mut self.key,
            "sig" => &mut self.sig,
            _ => return Ok(()),
        };
        match place.replace(value) {
            // Two programs on the way could each believe another one.
            Some(_) => Err(Error::Authorization("it has the same parameter twice")),
            None => Ok(()),
        }
    }

    fn read(self) -> Result<XMatrix> {
        let server = |name: Cow<'_, str>| {
            ServerName::parse(name).map_err(|_| Error::Authorization("a server's name cannot be one"))
        };
        let origin = self.origin.ok_or(Error::Authorization("it does not say who signed"))?;
        let key_id = self.key.ok_or(Error::Authorization("it names no key"))?;
        if !is_key_id(&key_id) {
            return Err(Error::Authorization("its key is of no kind that is known here"));
        }
        let signature = self.sig.ok_or(Error::Authorization("it has no signature"))?;
        Ok(XMatrix {
            origin: server(origin)?,
            destination: self.destination.map(server).transpose()?,
            key_id: key_id.into_owned(),
            signature: signature.into_owned(),
        })
    }
}

/// Splits `name=value, …` into the name, the value without its quotes, and what is left, which begins with a comma if
/// with anything.
fn parameter(text: &str) -> Result<(&str, Cow<'_, str>, &str)> {
    let (name, rest) = text.split_once('=').ok_or(Error::Authorization("it has a parameter without a value"))?;
    let name = name.trim_end_matches(SPACES);
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(Error::Authorization("it has a parameter of an odd name"));
    }
    let rest = rest.trim_start_matches(SPACES);
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_value(quoted)?,
        None => {
            let (value, rest) = rest.split_at(rest.find([' ', '\t', ',']).unwrap_or(rest.len()));
            (Cow::Borrowed(value), rest)
        }
    };
    let rest = rest.trim_start_matches(SPACES);
    if rest.is_empty() || rest.starts_with(',') {
        Ok((name, value, rest))
    } else {
        Err(Error::Authorization("two of its parameters have no comma between them"))
    }
}

/// The value up to the closing quote, `\` standing before characters that are meant as they are.
fn quoted_value(text: &str) -> Result<(Cow<'_, str>, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((Cow::Owned(value), text.get(at + 1..).unwrap_or_default())),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    Err(Error::Authorization("a quote is not closed"))
}

/// What is signed: the canonical JSON of an object that describes the request.
fn signed_text(
    origin: &ServerName,
    destination: &ServerName,
    method: &str,
    uri: &str,
    content: Option<&str>,
) -> Result<String> {
    let content = content.map(canonical_body).transpose()?;
    let mut text = String::with_capacity(content.as_ref().map_or(0, |content| content.len()) + 512);
    text.push('{');
    if let Some(content) = content {
        text.push_str("\"content\":");
        text.push_str(&content);
        text.push(',');
    }
    let [destination, method, origin, uri] =
        [destination.as_str(), method, origin.as_str(), uri].map(|field| Value::from(field).to_string());
    text.push_str(&format!(r#""destination":{destination},"method":{method},"origin":{origin},"uri":{uri}}}"#));
    Ok(text)
}

/// The body in canonical form, or as it is written where it has none: a client's message with a fraction in it travels
/// inside some transaction, and its server signs it as it writes it. To refuse it would hold up all that waits behind it;
/// whoever reads the body judges what is in it.
fn canonical_body(body: &str) -> Result<Cow<'_, str>> {
    if let Ok(object) = canonical_event(body) {
        return Ok(Cow::Owned(canonical_string(&object)));
    }
    let written: &RawValue = serde_json::from_str(body).map_err(|error| Error::NotJson(error.to_string()))?;
    Ok(Cow::Borrowed(written.get()))
}

#[cfg(test)]
mod tests;
