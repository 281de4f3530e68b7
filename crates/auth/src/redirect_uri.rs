//! Where a client may have its people sent back to (RFC 8252; Matrix 1.15, "Client registration"; hazard A19).

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::settings::is_loopback;

const URI_BYTES_MAX: usize = 2_048;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ApplicationType {
    #[default]
    Web,
    Native,
}

/// Whether a client of this kind and home page may register the URI. `dev` lets a web client live on this machine.
pub(crate) fn may_register(uri: &str, kind: ApplicationType, home: &Url, dev: bool) -> Result<(), &'static str> {
    let url = parse(uri)?;
    let at_home = || is_at(&url, home).then_some(()).ok_or("its host is not that of client_uri");
    match (url.scheme(), kind) {
        ("https", _) => at_home(),
        ("http", _) if dev && is_loopback(&url) => Ok(()),
        ("http", ApplicationType::Native) if is_loopback(&url) => {
            if url.port().is_none() {
                Ok(())
            } else {
                Err("a loopback address is registered without a port")
            }
        }
        ("http", _) => Err("http is only for native applications on a loopback address"),
        (_, ApplicationType::Web) => Err("a web application needs https"),
        (scheme, ApplicationType::Native) => check_private_scheme(uri, scheme, home),
    }
}

/// Whether the URI of a request is the registered one: the same text, but for the port of a loopback address.
pub(crate) fn is_same(registered: &str, given: &str) -> bool {
    if registered == given {
        return true;
    }
    let (Ok(registered), Ok(given_url)) = (parse(registered), parse(given)) else { return false };
    if registered.scheme() != "http" || !is_loopback(&registered) || registered.port().is_some() {
        return false;
    }
    let mut without_port = given_url;
    without_port.set_port(None).is_ok() && without_port == registered
}

/// A URI whose parts every reader takes for the same.
pub(crate) fn parse(uri: &str) -> Result<Url, &'static str> {
    if uri.len() > URI_BYTES_MAX {
        return Err("it is too long");
    }
    if !uri.bytes().all(|byte| byte.is_ascii_graphic())
        || uri.contains(['\\', '*', '<', '>', '"', '`', '{', '}', '|', '^'])
    {
        return Err("it has characters that no URI has");
    }
    if uri.contains('#') {
        return Err("it has a fragment");
    }
    let path = uri.split('?').next().unwrap_or_default().to_ascii_lowercase();
    if path.replace("%2e", ".").split('/').any(|segment| segment == ".." || segment == ".") {
        return Err("its path leads out of itself");
    }
    let url = Url::parse(uri).map_err(|_| "it is no URI")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user name");
    }
    if matches!(url.scheme(), "http" | "https") {
        let authority = uri.get(url.scheme().len()..).unwrap_or_default();
        let slashes = authority.strip_prefix("://").is_some_and(|rest| !rest.starts_with('/'));
        if !slashes || authority.contains('@') && !authority.contains('/') {
            return Err("its host can be read in two ways");
        }
    }
    Ok(url)
}

/// `https` at the host of the client's home page, or below it.
pub(crate) fn is_at(url: &Url, home: &Url) -> bool {
    let (Some(Host::Domain(host)), Some(Host::Domain(home))) = (url.host(), home.host()) else {
        return url.host().is_some() && url.host() == home.host();
    };
    host == home || host.strip_suffix(home).is_some_and(|rest| rest.ends_with('.'))
}

/// `io.element.android:/` for a client of `https://element.io`: a name that only the owner of the domain gives, with one
/// slash and no host (RFC 8252 §7.1).
fn check_private_scheme(uri: &str, scheme: &str, home: &Url) -> Result<(), &'static str> {
    let Some(Host::Domain(home)) = home.host() else { return Err("client_uri has no host name") };
    let reversed = home.rsplit('.').collect::<Vec<_>>().join(".");
    let below = scheme.strip_prefix(&*reversed).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if !below || !scheme.contains('.') {
        return Err("its scheme is not the host of client_uri turned round");
    }
    let rest = uri.get(scheme.len() + 1..).unwrap_or_default();
    if !rest.starts_with('/') || rest.starts_with("//") {
        return Err("a private scheme is followed by one slash");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: ApplicationType = ApplicationType::Web;
    const NATIVE: ApplicationType = ApplicationType::Native;

    fn may(uri: &str, kind: ApplicationType) -> bool {
        may_register(uri, kind, &"https://element.io/".parse().unwrap(), false).is_ok()
    }

    #[test]
    fn what_clients_register_is_taken() {
        for (uri, kind) in [
            ("https://element.io/", WEB),
            ("https://app.element.io/?no_universal_links=true", WEB),
            ("https://element.io:8443/oauth", WEB),
            ("https://element.io/oauth/ios/io.element.elementx", NATIVE),
            ("io.element.android:/", NATIVE),
            ("io.element.desktop:/vector/webapp/", NATIVE),
            ("io.element:/", NATIVE),
            ("http://127.0.0.1/", NATIVE),
            ("http://localhost/callback", NATIVE),
            ("http://[::1]/", NATIVE),
        ] {
            assert!(may(uri, kind), "{uri}");
        }
        let tchap = "https://tchap.gouv.fr".parse().unwrap();
        assert_eq!(may_register("fr.gouv.tchap.ios:/", NATIVE, &tchap, false), Ok(()));
        let local = "http://localhost:8080/".parse().unwrap();
        assert_eq!(may_register("http://localhost:8080/", WEB, &local, true), Ok(()));
        assert!(may_register("http://localhost:8080/", WEB, &local, false).is_err());
    }

    /// Hazard A19.
    #[test]
    fn what_attackers_register_is_refused() {
        let refused = [
            "javascript:alert(1)",
            "JavaScript:alert(1)//element.io",
            "data:text/html,<script>alert(1)</script>",
            "vbscript:msgbox",
            "file:///etc/passwd",
            "blob:https://element.io/1",
            "about:blank",
            "intent://element.io#Intent;end",
            "http://element.io/",
            "http://app.element.io/",
            "http://10.0.0.1/",
            "http://0.0.0.0/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "http://127.0.0.1:8080/",
            "https://element.io/#fragment",
            "https://element.io/#",
            "https://element.io/../evil",
            "https://element.io/%2e%2e/evil",
            "https://element.io/a/./b",
            "https://*.element.io/",
            "https://element.io/*",
            "https://evil.example/",
            "https://element.io.evil.example/",
            "https://notelement.io/",
            "https://element.io@evil.example/",
            "https://user@element.io/",
            "https://user:word@element.io/",
            "https://evil.example\\@element.io/",
            "https:\\\\element.io/",
            "https:element.io/",
            "https:/element.io/",
            "https:///element.io/",
            "//element.io/",
            "/callback",
            "element.io",
            "",
            "element:/",
            "element://connect",
            "io.element.android://connect",
            "io.element.android:opaque",
            "io.elementary.android:/",
            "com.evil.android:/",
            "https://element.io/ evil",
            "https://element.io/\nevil",
            "https://element.io/\u{e9}",
            "https://\u{435}lement.io/",
            "https://element.io/\"onload",
            &format!("https://element.io/{}", "a".repeat(2_048)),
        ];
        assert!(refused.len() >= 40);
        for uri in refused {
            assert!(!may(uri, WEB) && !may(uri, NATIVE), "{uri} was taken");
        }
        assert!(!may("io.element.android:/", WEB) && !may("http://localhost/", WEB));
    }

    #[test]
    fn a_request_names_the_registered_uri_exactly_but_for_a_loopback_port() {
        for (registered, given, same) in [
            ("https://element.io/", "https://element.io/", true),
            ("https://element.io/", "https://element.io", false),
            ("https://element.io/", "https://element.io:444/", false),
            ("https://element.io/", "https://ELEMENT.io/", false),
            ("https://element.io/", "https://element.io/?a=b", false),
            ("https://element.io/", "https://element.io/evil", false),
            ("io.element.android:/", "io.element.android:/", true),
            ("io.element.android:/", "io.element.android:/evil", false),
            ("http://127.0.0.1/", "http://127.0.0.1:4711/", true),
            ("http://localhost/cb", "http://localhost:4711/cb", true),
            ("http://localhost/cb", "http://localhost:4711/evil", false),
            ("http://localhost/", "http://127.0.0.1:4711/", false),
            ("http://localhost/", "https://localhost:4711/", false),
            ("http://localhost/", "http://localhost:4711@evil.example/", false),
        ] {
            assert_eq!(is_same(registered, given), same, "{registered} {given}");
        }
    }
}
