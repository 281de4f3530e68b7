//! Key documents of our own, of others, and of others who lie.

use kernel::id::ServerName;
use serde_json::{Value, json};

use super::*;
use crate::fixture::signer;

const DAY: u64 = 24 * 3_600_000;

fn name(name: &str) -> &ServerName {
    <&ServerName>::try_from(name).unwrap()
}

fn key(version: &str, salt: u8) -> Signer {
    let secret: Vec<u8> = (0..32).map(|n| n ^ salt).collect();
    Signer::from_secret(name("one.example").to_owned(), version, secret.as_slice().try_into().unwrap()).unwrap()
}

fn base64(signer: &Signer) -> String {
    signer.public_key_base64()
}

/// The document of one.example with two keys, to spoil before it is signed.
fn unsigned() -> Value {
    json!({
        "server_name": "one.example", "valid_until_ts": 10 * DAY,
        "verify_keys": {"ed25519:a": {"key": base64(&key("a", 1))}, "ed25519:b": {"key": base64(&key("b", 2))}},
        "old_verify_keys": {"ed25519:0": {"key": base64(&key("0", 9)), "expired_ts": 5}},
    })
}

/// As a server would send it, whatever is in it.
fn signed(document: &Value, signers: &[&Signer]) -> Value {
    let text = canonical_string(&canonical_event(&document.to_string()).unwrap());
    let mut signed = document.clone();
    for signer in signers {
        signed["signatures"][signer.server_name().as_str()][signer.key_id()] = signer.sign(&text).into();
    }
    signed
}

fn parse(document: &Value) -> Result<KeyDocument> {
    KeyDocument::parse(&document.to_string())
}

#[test]
fn our_own_document_reads_back() {
    let (current, next, old) = (key("a", 1), key("b", 2), key("0", 9));
    let old_keys = vec![("ed25519:0".to_owned(), old.public_key(), Timestamp(5))];
    let json = current.key_document(Timestamp(10 * DAY), &[&next], &old_keys).unwrap();
    let read = KeyDocument::parse(&json).unwrap();
    assert_eq!(read.server, "one.example");
    let keys = vec![("ed25519:a".to_owned(), current.public_key()), ("ed25519:b".to_owned(), next.public_key())];
    assert_eq!(read.keys, keys);
    assert_eq!(read.old_keys, old_keys);
    assert_eq!(read.valid_until, Timestamp(10 * DAY));
    assert_eq!(read.json(), json);
    // As the specification shows it, both keys having signed.
    let mut shown: Value = serde_json::from_str(&json).unwrap();
    let signatures = shown.as_object_mut().unwrap().remove("signatures").unwrap();
    assert_eq!(shown, unsigned());
    assert_eq!(signatures["one.example"].as_object().unwrap().len(), 2);
    assert_eq!((current.signatures_made(), next.signatures_made()), (1, 1));

    let other = signer(name("two.example"));
    assert!(matches!(current.key_document(Timestamp(1), &[&other], &[]), Err(Error::SigningKey(_))));
    assert_eq!((current.signatures_made(), other.signatures_made()), (1, 0));
}

#[test]
fn one_true_signature_by_a_listed_key_is_enough_and_needed() {
    let (a, b, stranger) = (key("a", 1), key("b", 2), key("c", 3));
    for signers in [&[&a, &b][..], &[&a], &[&b], &[&b, &stranger]] {
        let read = parse(&signed(&unsigned(), signers)).unwrap();
        assert_eq!(read.keys.len(), 2);
        assert_eq!(KeyDocument::parse(read.json()), Ok(read));
    }
    // A notary's signature beside does no harm, and no good.
    let notary = signer(name("notary.example"));
    assert!(parse(&signed(&unsigned(), &[&a, &notary])).is_ok());
    let good = signed(&unsigned(), &[&a]);
    let signature = good["signatures"]["one.example"]["ed25519:a"].clone();
    for signatures in [
        json!(null),
        json!([]),
        json!({}),
        json!({"one.example": {}}),
        json!({"one.example": []}),
        json!({"two.example": {"ed25519:a": signature}}),
        json!({"one.example": {"ed25519:b": signature}}),
        json!({"one.example": {"ed25519:0": signature}}),
        json!({"one.example": {"ed25519:a": null}}),
        json!({"one.example": {"ed25519:a": "AAAA"}}),
        signed(&unsigned(), &[&stranger])["signatures"].clone(),
        signed(&unsigned(), &[&notary])["signatures"].clone(),
    ] {
        let mut spoiled = good.clone();
        spoiled["signatures"] = signatures.clone();
        assert!(matches!(parse(&spoiled), Err(Error::InvalidSignature(_))), "{signatures}");
    }
    for (field, value) in [
        ("server_name", json!("two.example")),
        ("valid_until_ts", json!(99 * DAY)),
        ("verify_keys", json!({"ed25519:a": {"key": base64(&a)}})),
        ("old_verify_keys", json!({})),
        ("extra", json!(1)),
    ] {
        let mut altered = good.clone();
        altered[field] = value;
        assert!(matches!(parse(&altered), Err(Error::InvalidSignature(_))), "{field}");
    }
}

/// Who publishes another's key under a name of theirs cannot sign with it.
#[test]
fn a_key_that_signed_falsely_is_not_taken() {
    let mut document = signed(&unsigned(), &[&key("a", 1), &key("b", 2)]);
    document["signatures"]["one.example"]["ed25519:b"] = document["signatures"]["one.example"]["ed25519:a"].clone();
    let read = parse(&document).unwrap();
    assert_eq!(read.keys, [("ed25519:a".to_owned(), key("a", 1).public_key())]);
}

/// Hazard F18, and algorithms to come.
#[test]
fn keys_that_cannot_be_used_are_left_out() {
    let a = key("a", 1);
    let zero = encode_key(&[0; 32]);
    let published = "l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og";
    let mut document = unsigned();
    for (id, key) in [("ed25519:z", zero.as_str()), ("ed25519:p", published), ("ed25519:a-b", "x"), ("rsa:1", "x")] {
        document["verify_keys"][id] = json!({"key": key});
        document["old_verify_keys"][id] = json!({"key": key, "expired_ts": 1});
    }
    let read = parse(&signed(&document, &[&a])).unwrap();
    assert_eq!(read.keys.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["ed25519:a", "ed25519:b"]);
    assert_eq!(read.old_keys.len(), 1);
    // What it says cannot be said again by us, so that it is not signed by us either.
    let notary = signer(name("notary.example"));
    assert!(matches!(notary.notarise(&read), Err(Error::InvalidSignature(_))));
    assert_eq!(notary.signatures_made(), 0);
}

#[test]
fn malformed_documents_are_refused() {
    let a = key("a", 1);
    let refused = |document: &Value| {
        let result = parse(&signed(document, &[&a]));
        assert!(matches!(result, Err(Error::KeyDocument(_))), "{document}: {result:?}");
    };
    let with = |pointer: &str, value: Value| {
        let mut document = unsigned();
        *document.pointer_mut(pointer).unwrap() = value;
        document
    };
    for server in [json!(null), json!(1), json!(""), json!("one example"), json!("é.example")] {
        refused(&with("/server_name", server));
    }
    for time in [json!(null), json!("1"), json!(-1), json!([])] {
        refused(&with("/valid_until_ts", time.clone()));
        refused(&with("/old_verify_keys/ed25519:0/expired_ts", time));
    }
    let short = ruma_common::serde::Base64::<ruma_common::serde::base64::Standard, _>::new([1; 31]).encode();
    for key in [json!(null), json!(1), json!(""), json!("AAAA"), json!("?"), json!(short)] {
        refused(&with("/verify_keys/ed25519:a/key", key.clone()));
        refused(&with("/old_verify_keys/ed25519:0/key", key));
    }
    for odd in [json!(null), json!([]), json!("x")] {
        refused(&with("/verify_keys", odd.clone()));
        refused(&with("/old_verify_keys", odd.clone()));
        refused(&with("/verify_keys/ed25519:a", odd));
    }
    for field in ["verify_keys", "old_verify_keys"] {
        let mut many = unsigned();
        for n in 0..=KEYS_MAX {
            many[field][format!("rsa:{n}")] = json!({});
        }
        refused(&many);
    }
    let long = with("/server_name", json!("one.example")).to_string() + &" ".repeat(DOCUMENT_BYTES_MAX);
    for text in ["", "null", "[]", "{\"valid_until_ts\":1.5}", "{\"a\":1,\"a\":1}", &long] {
        assert!(matches!(KeyDocument::parse(text), Err(Error::KeyDocument(_))));
    }
}

#[test]
fn a_notary_adds_its_signature_to_what_it_understood() {
    let notary = signer(name("notary.example"));
    let (a, b) = (key("a", 1), key("b", 2));
    let mut without_old = unsigned();
    without_old.as_object_mut().unwrap().remove("old_verify_keys");
    for document in [unsigned(), without_old] {
        let document = signed(&document, &[&a, &b]);
        let notarised: Value = serde_json::from_str(&notary.notarise(&parse(&document).unwrap()).unwrap()).unwrap();
        let mut expected = document.clone();
        expected["signatures"]["notary.example"] = notarised["signatures"]["notary.example"].clone();
        assert_eq!(notarised, expected);
        let known = |signer: &Signer| {
            (signer.key_id().to_owned(), ruma_common::serde::Base64::new(signer.public_key().to_vec()))
        };
        let keys = [
            ("one.example".to_owned(), [known(&a), known(&b)].into()),
            ("notary.example".to_owned(), [known(&notary)].into()),
        ];
        let object = canonical_event(&notarised.to_string()).unwrap();
        ruma_signatures::verify_json(&keys.into(), &object).unwrap();
    }
    assert_eq!(notary.signatures_made(), 2);
}

#[test]
fn a_notary_signs_nothing_else() {
    let notary = signer(name("notary.example"));
    let a = key("a", 1);
    let mut extra = unsigned();
    extra["pdu"] = json!({"type": "m.room.power_levels"});
    let mut padded = unsigned();
    padded["verify_keys"]["ed25519:a"]["key"] = json!(base64(&a) + "=");
    let mut other_algorithm = unsigned();
    other_algorithm["verify_keys"]["rsa:1"] = json!({"key": "x"});
    for document in [extra, padded, other_algorithm] {
        let read = parse(&signed(&document, &[&a])).unwrap();
        assert!(matches!(notary.notarise(&read), Err(Error::InvalidSignature(_))), "{document}");
    }
    // Fields are public; what is made of them is verified all the same.
    let mut read = parse(&signed(&unsigned(), &[&a])).unwrap();
    read.keys.push(("ed25519:c".into(), key("c", 3).public_key()));
    assert!(matches!(notary.notarise(&read), Err(Error::InvalidSignature(_))));
    assert_eq!(notary.signatures_made(), 0);
    // Its own keys, by another's word.
    let read = parse(&signed(&unsigned(), &[&a])).unwrap();
    let same_name = key("d", 4);
    assert!(matches!(same_name.notarise(&read), Err(Error::KeyDocument(_))));
    assert_eq!(same_name.signatures_made(), 0);
}

/// Hazard F8.
#[test]
fn a_document_counts_for_seven_days_at_most() {
    let document = parse(&signed(&unsigned(), &[&key("a", 1)])).unwrap();
    assert_eq!(document.valid_until, Timestamp(10 * DAY));
    assert_eq!(document.usable_until(Timestamp(DAY)), Timestamp(8 * DAY));
    assert_eq!(document.usable_until(Timestamp(4 * DAY)), Timestamp(10 * DAY));
    assert_eq!(document.usable_until(Timestamp(20 * DAY)), Timestamp(10 * DAY));
}
