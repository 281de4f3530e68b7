//! Files by HTTP: what comes back is what went up, and does no harm to whoever looks at it.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use crate::testing::{Person, TestSite};

const UPLOAD: &str = "/_matrix/media/v3/upload";
const V1: &str = "/_matrix/client/v1/media";

async fn upload(site: &TestSite, who: &Person, query: &str, content_type: Option<&str>, bytes: &[u8]) -> (u16, Value) {
    let headers = content_type.map(|kind| ("content-type", kind));
    let bytes = Bytes::copy_from_slice(bytes);
    let (status, _, body) =
        site.raw(Method::POST, Some(who), &format!("{UPLOAD}{query}"), headers.into_iter().collect(), bytes).await;
    (status.as_u16(), serde_json::from_slice(&body).unwrap())
}

async fn download(site: &TestSite, who: Option<&Person>, path: &str) -> (StatusCode, HeaderMap, Bytes) {
    site.raw(Method::GET, who, path, Vec::new(), Bytes::new()).await
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn id(uploaded: &Value) -> &str {
    uploaded["content_uri"].as_str().unwrap().strip_prefix("mxc://metz.example/").unwrap()
}

#[tokio::test]
async fn a_file_goes_up_and_comes_down_by_the_new_paths_and_the_old() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let (status, uploaded) = upload(&site, &alice, "?filename=%C3%A9t%C3%A9.txt", Some("text/plain"), b"bonjour").await;
    assert_eq!(status, 200, "{uploaded}");
    let id = id(&uploaded);
    for path in [
        format!("{V1}/download/metz.example/{id}"),
        format!("/_matrix/media/v3/download/metz.example/{id}"),
        format!("/_matrix/media/r0/download/metz.example/{id}?allow_remote=true"),
    ] {
        let (status, headers, body) = download(&site, Some(&bob), &path).await;
        assert_eq!((status, body), (StatusCode::OK, Bytes::from_static(b"bonjour")), "{path}");
        assert_eq!((header(&headers, "content-type"), header(&headers, "content-length")), ("text/plain", "7"));
        assert_eq!(header(&headers, "content-disposition"), "inline; filename*=utf-8''%C3%A9t%C3%A9.txt");
        assert_eq!(header(&headers, "x-content-type-options"), "nosniff");
        assert_eq!(header(&headers, "cross-origin-resource-policy"), "cross-origin");
        assert!(header(&headers, "content-security-policy").starts_with("sandbox; default-src 'none'"));
        assert!(header(&headers, "cache-control").starts_with("private"));
        // Hazard M6.
        let (status, _, _) = download(&site, None, &path).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let named = format!("{V1}/download/metz.example/{id}/autre%22nom.txt");
    let (_, headers, _) = download(&site, Some(&bob), &named).await;
    assert_eq!(header(&headers, "content-disposition"), r#"inline; filename="autre\"nom.txt""#);
    let config = site.get(&alice, &format!("{V1}/config")).await.ok();
    assert_eq!(config["m.upload.size"], 100_000);
}

/// Hazard M10.
#[tokio::test]
async fn what_could_run_as_a_page_is_for_saving_only() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    for (content_type, expected) in [
        (Some("image/png"), "inline"),
        (Some("IMAGE/PNG"), "inline"),
        (Some("text/plain; charset=utf-8"), "inline"),
        (Some("text/html"), "attachment"),
        (Some("text/HTML"), "attachment"),
        (Some("image/svg+xml"), "attachment"),
        (Some("image/svg+xml; x"), "attachment"),
        (Some("application/xhtml+xml"), "attachment"),
        (Some("application/pdf"), "attachment"),
        (Some("application/javascript"), "attachment"),
        (Some("x/y"), "attachment"),
        (None, "attachment"),
    ] {
        let (_, uploaded) = upload(&site, &alice, "", content_type, b"<script>1</script>").await;
        let path = format!("{V1}/download/metz.example/{}", id(&uploaded));
        let (_, headers, _) = download(&site, Some(&alice), &path).await;
        assert_eq!(header(&headers, "content-disposition"), expected, "{content_type:?}");
        assert!(header(&headers, "content-security-policy").starts_with("sandbox"), "{content_type:?}");
    }
}

#[tokio::test]
async fn uploads_that_cannot_be_leave_nothing() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let before = site.position();
    for (query, content_type, length, expected) in [
        ("", Some("image/png"), 100_001, (413, "M_TOO_LARGE")),
        ("", Some("png"), 10, (400, "M_INVALID_PARAM")),
        ("?filename=a%0Ab", Some("image/png"), 10, (400, "M_INVALID_PARAM")),
    ] {
        let (status, refusal) = upload(&site, &alice, query, content_type, &vec![0; length]).await;
        assert_eq!((status, refusal["errcode"].as_str().unwrap()), expected);
    }
    let (status, _, _) = site.raw(Method::POST, None, UPLOAD, Vec::new(), Bytes::from_static(b"x")).await;
    assert_eq!((status, site.position()), (StatusCode::UNAUTHORIZED, before));
    for (path, expected) in [
        ("download/metz.example/unknown", (404, "M_NOT_FOUND")),
        ("download/metz.example/..%2F..%2Fetc", (404, "M_NOT_FOUND")),
        ("thumbnail/metz.example/unknown?width=32&height=32", (404, "M_NOT_FOUND")),
        ("thumbnail/metz.example/unknown?width=32", (400, "M_MISSING_PARAM")),
        ("thumbnail/metz.example/unknown?width=32&height=-1", (400, "M_INVALID_PARAM")),
        ("download/nancy.example/id", (403, "M_FORBIDDEN")),
    ] {
        site.get(&alice, &format!("{V1}/{path}")).await.refused(expected.0, expected.1);
    }
    let (_, text) = upload(&site, &alice, "", Some("image/png"), b"no image").await;
    let path = format!("{V1}/thumbnail/metz.example/{}?width=32&height=32&method=crop", id(&text));
    site.get(&alice, &path).await.refused(400, "M_INVALID_PARAM");
}
