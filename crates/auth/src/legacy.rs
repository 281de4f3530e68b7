//! The older sign-in (`m.login.sso`, `m.login.token`), which classic applications and programs know alone: they get an
//! access token that does not expire, unless they say that they can refresh it.

pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod refresh;
pub(crate) mod sso;
