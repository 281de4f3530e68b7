//! Requests signed here and read there, and the same with one thing changed.

use kernel::id::ServerName;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{canonical_event, fixture::signer};

fn name(name: &str) -> &ServerName {
    <&ServerName>::try_from(name).unwrap()
}

const URI: &str = "/_matrix/federation/v1/send/1?a=%20b&c";

fn signed(method: &str, uri: &str, content: Option<&str>) -> XMatrix {
    let request = RequestToSign { method, uri, destination: name("two.example:8448"), content };
    let header = signer(name("one.example")).sign_request(&request).unwrap();
    XMatrix::parse(&header).unwrap()
}

fn key() -> [u8; 32] {
    signer(name("one.example")).public_key()
}

#[track_caller]
fn refused(result: Result<()>) {
    assert!(matches!(result, Err(Error::InvalidSignature(_))), "{result:?}");
}

#[test]
fn a_header_is_written_as_the_specification_has_it() {
    let signer = signer(name("one.example"));
    let request = RequestToSign { method: "GET", uri: "/_matrix/x", destination: name("[::1]:8448"), content: None };
    let header = signer.sign_request(&request).unwrap();
    let read = XMatrix::parse(&header).unwrap();
    let signature = &read.signature;
    assert_eq!(
        header,
        format!(r#"X-Matrix origin="one.example",destination="[::1]:8448",key="ed25519:1",sig="{signature}""#)
    );
    assert_eq!(read.origin, "one.example");
    assert_eq!(read.destination.as_deref(), Some(name("[::1]:8448")));
    assert_eq!(read.key_id, "ed25519:1");
    assert_eq!(signer.signatures_made(), 1);
}

/// What is signed is the object of the specification, canonical: verified by ruma's own function.
#[test]
fn the_signed_object_is_that_of_the_specification() {
    for content in [None, Some(r#"{"b": [1, {"d": 2, "c": "\u00e9\n"}], "a": {}}"#)] {
        let header = signed("PUT", URI, content);
        let mut object = json!({
            "method": "PUT", "uri": URI, "origin": "one.example", "destination": "two.example:8448",
            "signatures": {"one.example": {"ed25519:1": header.signature}},
        });
        if let Some(content) = content {
            object["content"] = serde_json::from_str(content).unwrap();
        }
        let keys = [("ed25519:1".to_owned(), ruma_common::serde::Base64::new(key().to_vec()))];
        let keys = [("one.example".to_owned(), keys.into())].into();
        ruma_signatures::verify_json(&keys, &canonical_event(&object.to_string()).unwrap()).unwrap();
        header.verify("PUT", URI, content, &key()).unwrap();
    }
}

/// Hazard F19.
#[test]
fn a_request_that_was_altered_does_not_verify() {
    let body = r#"{"pdus":[],"n":1}"#;
    let header = signed("PUT", URI, Some(body));
    header.verify("PUT", URI, Some(body), &key()).unwrap();
    // The same content, written in another way.
    header.verify("PUT", URI, Some(r#" { "n" : 1, "pdus" : [ ] } "#), &key()).unwrap();
    refused(header.verify("POST", URI, Some(body), &key()));
    refused(header.verify("PUT", "/_matrix/federation/v1/send/1?a=%20b", Some(body), &key()));
    refused(header.verify("PUT", "/_matrix/federation/v1/send/2?a=%20b&c", Some(body), &key()));
    refused(header.verify("PUT", "/_matrix/federation/v1/send/1?a=+b&c", Some(body), &key()));
    refused(header.verify("PUT", URI, Some(r#"{"pdus":[],"n":2}"#), &key()));
    refused(header.verify("PUT", URI, Some("{}"), &key()));
    refused(header.verify("PUT", URI, None, &key()));
    refused(header.verify("PUT", URI, Some(body), &signer(name("two.example")).public_key()));
    for (destination, origin) in [
        (Some("three.example"), "one.example"),
        (Some("two.example"), "one.example"),
        (Some("two.example:8448"), "One.example"),
        (Some("two.example:8448"), "two.example:8448"),
        (None, "one.example"),
    ] {
        let destination = destination.map(|destination| name(destination).to_owned());
        let altered = XMatrix { destination, origin: name(origin).to_owned(), ..header.clone() };
        refused(altered.verify("PUT", URI, Some(body), &key()));
    }
    for signature in ["", "AAAA", "!", &header.signature[1..], &signed("PUT", URI, None).signature] {
        let altered = XMatrix { signature: signature.to_owned(), ..header.clone() };
        refused(altered.verify("PUT", URI, Some(body), &key()));
    }
    assert!(matches!(header.verify("PUT", URI, Some("{\"a\":"), &key()), Err(Error::NotJson(_))));
}

/// A body that has no canonical form is taken as it is written, byte by byte, and nothing else passes for it.
#[test]
fn a_body_without_a_canonical_form_is_signed_as_it_is_written() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    for (body, other) in [
        (r#"{"edus":[{"content":{"n":1.50}}]}"#, r#"{"edus":[{"content":{"n":1.5}}]}"#),
        (r#"{"n":1e3}"#, r#"{"n":1000}"#),
        (r#"{"n":9007199254740992}"#, r#"{"n":9007199254740993}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ("[1]", "[2]"),
        (&deep, "{}"),
    ] {
        let header = signed("PUT", URI, Some(body));
        header.verify("PUT", URI, Some(body), &key()).unwrap();
        header.verify("PUT", URI, Some(&format!("  {body}\n")), &key()).unwrap();
        refused(header.verify("PUT", URI, Some(other), &key()));
    }
    // Content that tries to end early and say the rest itself.
    let header = signed("PUT", URI, Some(r#"{"n":1.5}"#));
    let spliced = r#"{"n":1.5},"destination":"two.example:8448""#;
    assert!(matches!(header.verify("PUT", URI, Some(spliced), &key()), Err(Error::NotJson(_))));
}

#[test]
fn headers_are_read_leniently() {
    let expected = XMatrix {
        origin: name("one.example:8448").to_owned(),
        destination: Some(name("two.example").to_owned()),
        key_id: "ed25519:a_B1".into(),
        signature: "ab+/cd==".into(),
    };
    for header in [
        r#"X-Matrix origin="one.example:8448",destination="two.example",key="ed25519:a_B1",sig="ab+/cd==""#,
        r#"X-Matrix sig="ab+/cd==",key="ed25519:a_B1",destination="two.example",origin="one.example:8448""#,
        "X-Matrix origin=one.example:8448,destination=two.example,key=ed25519:a_B1,sig=ab+/cd==",
        r#"x-matrix ORIGIN="one.example:8448" , Destination=two.example	,Key="ed25519:a_B1", sig = "ab+/cd==" "#,
        r#"X-MATRIX   origin="one.example:8448",,destination="two.example",key="ed25519:a_B1",sig="ab+/cd==","#,
        r#"X-Matrix	origin="one\.example:8448",destination="two.example",key="ed25519:a_B1",sig="ab+/cd==""#,
        r#"X-Matrix v="1, \"x\"",v=2,origin=one.example:8448,destination=two.example,key=ed25519:a_B1,sig=ab+/cd=="#,
    ] {
        assert_eq!(XMatrix::parse(header).as_ref(), Ok(&expected), "{header}");
    }
    let header = "X-Matrix origin=one.example:8448,key=ed25519:a_B1,sig=ab+/cd==";
    assert_eq!(XMatrix::parse(header), Ok(XMatrix { destination: None, ..expected }));
}

#[test]
fn headers_that_could_be_read_in_two_ways_or_not_at_all_are_refused() {
    let long = format!("X-Matrix origin=a,destination=b,key=ed25519:1,sig={}", "a".repeat(4096));
    for header in [
        "",
        "X-Matrix",
        "X-Matrix ",
        "Bearer abc",
        "Basic origin=a,destination=b,key=ed25519:1,sig=c",
        "X-Matrixorigin=a,destination=b,key=ed25519:1,sig=c",
        "origin=a,destination=b,key=ed25519:1,sig=c",
        // One that is missing.
        "X-Matrix destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=a,destination=b,sig=c",
        "X-Matrix origin=a,destination=b,key=ed25519:1",
        // Twice.
        "X-Matrix origin=a,origin=a,destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=a,destination=b,key=ed25519:1,sig=c,Destination=d",
        "X-Matrix origin=a,destination=b,key=ed25519:1,key=ed25519:2,sig=c",
        "X-Matrix origin=a,destination=b,key=ed25519:1,sig=c,SIG=d",
        // No names of servers.
        "X-Matrix origin=,destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=a b,destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=\"a b\",destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=\"a/b\",destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=\"é.example\",destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=a,destination=\"b:x\",key=ed25519:1,sig=c",
        "X-Matrix origin=a,destination=\"\",key=ed25519:1,sig=c",
        // No keys.
        "X-Matrix origin=a,destination=b,key=ed25519,sig=c",
        "X-Matrix origin=a,destination=b,key=ed25519:,sig=c",
        "X-Matrix origin=a,destination=b,key=rsa:1,sig=c",
        "X-Matrix origin=a,destination=b,key=\"ed25519:a b\",sig=c",
        // No syntax.
        "X-Matrix origin=a;destination=b;key=ed25519:1;sig=c",
        "X-Matrix origin=a destination=b key=ed25519:1 sig=c",
        "X-Matrix origin=\"a\"destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=\"a,destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=\"a\\\",destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin,destination=b,key=ed25519:1,sig=c",
        "X-Matrix origin=a,x y=1,destination=b,key=ed25519:1,sig=c",
        &long,
    ] {
        assert!(matches!(XMatrix::parse(header), Err(Error::Authorization(_))), "{header}");
    }
}

#[test]
fn what_is_not_json_is_not_signed() {
    let signer = signer(name("one.example"));
    for content in ["", "{", "nonsense", "{}{}", "{\"a\":1,}"] {
        let request =
            RequestToSign { method: "PUT", uri: URI, destination: name("two.example"), content: Some(content) };
        assert!(matches!(signer.sign_request(&request), Err(Error::NotJson(_))), "{content}");
    }
    assert_eq!(signer.signatures_made(), 0);
}

proptest! {
    /// Whatever a stranger sends is read or refused; what is read was there.
    #[test]
    fn no_header_breaks_the_reader(parameters in "([a-z]{0,3}|origin=|key=ed25519:|sig=|[=,\"\\\\ \t:é]){0,30}") {
        let header = format!("X-Matrix {parameters}");
        if let Ok(read) = XMatrix::parse(&header) {
            prop_assert!(header.contains(&read.key_id) && header.replace('\\', "").contains(read.origin.as_str()));
        }
    }
}
