//! Canonical JSON against the specification's examples and a second encoder.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn canonical(json: &str) -> Result<String> {
    canonical_content(json).map(|object| canonical_string(&object))
}

/// The examples of the specification (appendices, "Canonical JSON", "Examples").
#[test]
fn the_examples_of_the_specification() {
    for (json, expected) in [
        ("{}", "{}"),
        (r#"{"one": 1, "two": "Two"}"#, r#"{"one":1,"two":"Two"}"#),
        (r#"{"b": "2", "a": "1"}"#, r#"{"a":"1","b":"2"}"#),
        (
            r#"{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe",
               "three_pids":[{"medium":"email","address":"john.doe@example.org"},
               {"medium":"msisdn","address":"123456789"}]}}}"#,
            concat!(
                r#"{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","#,
                r#""three_pids":[{"address":"john.doe@example.org","medium":"email"},"#,
                r#"{"address":"123456789","medium":"msisdn"}]},"success":true}}"#
            ),
        ),
        (r#"{"a": "日本語"}"#, r#"{"a":"日本語"}"#),
        (r#"{"本": 2, "日": 1}"#, r#"{"日":1,"本":2}"#),
        (r#"{"a": "\u65E5"}"#, r#"{"a":"日"}"#),
        (r#"{"a": null}"#, r#"{"a":null}"#),
        (
            r#"{"a": "\ud83d\ude00\u0001\u001f\b\f\n\r\t\"\\\/\u007f"}"#,
            "{\"a\":\"😀\\u0001\\u001f\\b\\f\\n\\r\\t\\\"\\\\/\u{7f}\"}",
        ),
        (r#"{"a": 9007199254740991, "b": -9007199254740991}"#, r#"{"a":9007199254740991,"b":-9007199254740991}"#),
    ] {
        assert_eq!(canonical(json).as_deref(), Ok(expected));
    }
}

/// Hazards E3, E4, E13.
#[test]
fn what_is_no_canonical_json_is_refused_and_said_apart() {
    let not_canonical = [
        "1.5",
        "1.0",
        "-0",
        "-0.0",
        "1e2",
        "1E400",
        "9007199254740992",
        "-9007199254740992",
        "1152921504606846976",
        "18446744073709551616",
        "99999999999999999999999999",
    ];
    for number in not_canonical {
        for json in [format!("{{\"a\":{number}}}"), format!("{{\"a\":[{{\"b\":{number}}}]}}")] {
            assert!(canonical_content(&json).is_err(), "{json}");
        }
    }
    assert!(matches!(canonical_content(r#"{"a":1.5}"#), Err(Error::NotCanonical(_))));
    assert!(matches!(canonical_content(r#"{"a":9007199254740992}"#), Err(Error::NotCanonical(_))));
    for twice in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":[{"a":{},"b":1,"a":[]}]}"#] {
        assert!(matches!(canonical_content(twice), Err(Error::NotCanonical(_))), "{twice}");
    }
    for not_json in [
        "",
        "{",
        "nul",
        "\u{feff}{}",
        "{} {}",
        "{}x",
        "{'a':1}",
        r#"{"a":1,}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":NaN}"#,
        r#"{"a":Infinity}"#,
        r#"{"a":-Infinity}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":.5}"#,
        r#"{"a":0x1}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00\ud800"}"#,
        "{\"a\":\"\n\"}",
        "{\"a\":1 // comment\n}",
        r#"{"a":True}"#,
        "[]",
        "1",
        "\"a\"",
        "null",
        "true",
    ] {
        assert!(matches!(canonical_content(not_json), Err(Error::NotJson(_))), "{not_json:?}");
    }
}

/// Hazard E19: depth is a limit, not a crash.
#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(canonical_content(&nested(CONTENT_DEPTH_MAX - 1)).is_ok());
    for depth in [CONTENT_DEPTH_MAX, 128, 129, 100_000] {
        assert!(matches!(canonical_content(&nested(depth)), Err(Error::TooLarge(_))), "{depth}");
    }
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert!(matches!(canonical_content(&objects), Err(Error::TooLarge(_))));
    assert!(matches!(canonical_event(&objects), Err(Error::TooLarge(_))));
    // Cut short, it is still told apart before the end is looked for.
    assert!(canonical_content(&"[".repeat(100_000)).is_err());
    // What one reader took, the others take.
    let deepest = nested(EVENT_DEPTH_MAX - 1);
    let object = canonical_event(&deepest).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&canonical_string(&object)).unwrap(),
        serde_json::from_str::<Value>(&deepest).unwrap()
    );
}

#[test]
fn json_that_was_parsed_already_passes_the_same_reader() {
    assert_eq!(
        canonical_content_of(json!({"b": 1, "a": [null, true]})),
        canonical_content(r#"{"a":[null,true],"b":1}"#)
    );
    assert!(matches!(canonical_content_of(json!({"a": 1.5})), Err(Error::NotCanonical(_))));
    assert!(matches!(canonical_content_of(json!([])), Err(Error::NotJson(_))));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An encoder of its own, after the grammar of the specification.
fn reference_encoding(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.chars().cmp(b.chars()));
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", reference_string(key), reference_encoding(value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(reference_encoding).collect::<Vec<_>>().join(","))
        }
        Value::String(text) => reference_string(text),
        other => other.to_string(),
    }
}

fn reference_string(text: &str) -> String {
    let mut encoded = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => encoded.push_str("\\\""),
            '\\' => encoded.push_str("\\\\"),
            '\u{8}' => encoded.push_str("\\b"),
            '\u{c}' => encoded.push_str("\\f"),
            '\n' => encoded.push_str("\\n"),
            '\r' => encoded.push_str("\\r"),
            '\t' => encoded.push_str("\\t"),
            '\0'..='\u{1f}' => encoded.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => encoded.push(c),
        }
    }
    encoded + "\""
}

proptest! {
    /// Hazard E4: our reader and encoder against ruma's reader and against an encoder written for this test.
    #[test]
    fn any_value_survives_the_round_trip_and_all_encoders_agree(value in any_value()) {
        let value = json!({ "value": value });
        let object = canonical_content_of(value.clone()).unwrap();
        let text = canonical_string(&object);
        prop_assert_eq!(&text, &reference_encoding(&value));
        prop_assert_eq!(&canonical_content(&text).unwrap(), &object);
        prop_assert_eq!(CanonicalJsonValue::Object(object), CanonicalJsonValue::try_from(value).unwrap());
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = canonical_content(&text);
        let _ = canonical_event(&format!("{{\"a\":{text}}}"));
    }
}
