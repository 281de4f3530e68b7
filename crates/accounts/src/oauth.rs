//! What the OAuth 2.0 API has to remember: clients, codes, device grants, consents. `auth` gives it its meaning.

pub(crate) mod clients;
pub(crate) mod codes;
pub(crate) mod consents;
pub(crate) mod device_grants;
