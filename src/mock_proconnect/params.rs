//! Parameters of a request, from a query or a form: each at most once (RFC 6749 §3.1).

use std::collections::BTreeMap;

use url::form_urlencoded;

/// Parameters of one request.
const PARAMS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// `None` when a name is repeated or there are too many.
    pub(super) fn parse(encoded: &[u8]) -> Option<Self> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if params.len() >= PARAMS_MAX || params.insert(name.into_owned(), value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Self(params))
    }

    /// A parameter without a value counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Present, even without a value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// `uri` with these parameters added to its query, and nothing else of it touched.
pub(super) fn with_query(uri: &str, params: &[(&str, &str)]) -> String {
    if params.is_empty() {
        return uri.to_owned();
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    format!("{uri}{}{query}", if uri.contains('?') { '&' } else { '?' })
}
