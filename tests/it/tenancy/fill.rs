//! What a request of Metz says when it means something of Amiens: values for the parameters of any path, and bodies.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Value, json};

/// A path's segment or a query's value, percent-encoded.
pub(super) fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

/// Values of paths that are no secret, or of which Amiens has one by this name.
const WORDS: &[(&str, &str)] = &[
    ("event_type", "fr.canary.data"),
    ("state_key", "x"),
    ("txn_id", "canary1"),
    ("rel_type", "m.thread"),
    ("receipt_type", "m.read"),
    ("tag", "u.canary"),
    ("session_id", "canarysession"),
    ("scope", "global"),
    ("kind", "content"),
    ("rule_id", "canaryrule"),
    ("protocol", "irc"),
    ("provider", "proconnect"),
    ("field", "displayname"),
    ("query_type", "profile"),
    ("filename", "canary.txt"),
    ("key_name", "displayname"),
    ("server_name", super::towns::AMIENS),
];

/// The path with values of Amiens for its parameters.
///
/// # Errors
/// The name of a parameter that is not known here.
pub(super) fn path(pattern: &str, things: &BTreeMap<&str, String>) -> Result<String, String> {
    let segments = pattern.split('/').map(|segment| {
        let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else {
            return Ok::<_, String>(segment.to_owned());
        };
        let name = name.trim_start_matches('*');
        let word = WORDS.iter().find(|(known, _)| *known == name).map(|(_, word)| *word);
        let value = things.get(name).map(String::as_str).or(word).ok_or_else(|| {
            format!("{pattern}: tests/it/tenancy/fill.rs does not know what to say for {{{name}}}: give it a value of Amiens")
        })?;
        Ok(encode(value))
    });
    Ok(segments.collect::<Result<Vec<_>, _>>()?.join("/"))
}

/// Queries that name what Amiens has, as the endpoints that have queries name it.
pub(super) fn queries(things: &BTreeMap<&str, String>) -> Vec<String> {
    let of = |name: &str| encode(&things[name]);
    let since = of("since");
    vec![
        String::new(),
        format!("?user_id={}&server={}&via={}&limit=100", of("user_id"), super::towns::AMIENS, super::towns::AMIENS),
        format!("?since={since}&from={since}&to={since}&dir=f&ts=0&version={}", of("version")),
        format!("?filter={}&since={since}", of("filter_id")),
        format!("?event_id={}&room_id={}&dir=b&limit=100", of("event_id"), of("room_id")),
        format!("?client_id={}&user_code={}&code={}&state=canarystate", of("client_id"), of("user_code"), of("flow")),
        format!("?redirectUrl={}&id_token_hint={}", encode("https://app.example/canary"), of("access_token")),
    ]
}

/// Bodies that name what Amiens has, in the words of all endpoints at once; forms for those that read forms.
pub(super) fn bodies(things: &BTreeMap<&str, String>) -> Vec<String> {
    let of = |name: &str| things[name].as_str();
    let (user, device, room, event) = (of("user_id"), of("device_id"), of("room_id"), of("event_id"));
    let mut words = json!({
        "user_id": user, "room_id": room, "event_id": event, "reason": "parce que",
        "invite": [user], "room_alias_name": "canary-public", "alias": of("room_alias"), "visibility": "public",
        "device_keys": { user: [] }, "one_time_keys": { user: { device: "signed_curve25519" } },
        "messages": { user: { device: { "v": 1 } } },
        "search_term": "canary", "limit": 100, "search": "canary",
        "m.fully_read": event, "m.read": event, "typing": true, "timeout": 1_000,
        "devices": [device], "display_name": "volé", "new_version": "12", "membership": "join",
        "third_party_signed": null, "order": 0.5, "actions": ["notify"], "pattern": "volé", "enabled": true,
        "version": of("version"), "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2",
        "auth_data": { "public_key": "AAAA", "signatures": {} },
        "locked": true, "suspended": true, "erase": true, "score": 0,
    });
    let key = json!({ "first_message_index": 0, "forwarded_count": 0, "is_verified": true,
        "session_data": { "ciphertext": "AAAA", "ephemeral": "AAAA", "mac": "AAAA" } });
    words["rooms"] = json!({ room: { "sessions": { "canarysession": key } } });
    let mut filtered = words.clone();
    filtered["filter"] = json!({ "generic_search_term": "canary" });
    filtered["device_keys"] =
        json!({ "user_id": user, "device_id": device, "algorithms": [], "keys": {}, "signatures": {} });
    let pusher = json!({ "kind": null, "app_id": "canary.app", "pushkey": "canary pushkey" });
    let login = json!({ "type": "m.login.token", "token": of("login_token"), "refresh_token": of("refresh_token"),
        "device_id": device, "auth": { "type": "m.login.token", "token": of("login_token") } });
    let mut bodies: Vec<String> = [words, filtered, pusher, login].iter().map(Value::to_string).collect();
    let client = encode(of("client_id"));
    for (grant, name) in [
        ("refresh_token", "refresh_token"),
        ("authorization_code", "login_token"),
        ("urn:ietf:params:oauth:grant-type:device_code", "device_code"),
    ] {
        let what = if grant == "authorization_code" { "code" } else { name };
        let value = encode(of(name));
        let redirect = encode("https://app.example/canary");
        let grant = encode(grant);
        bodies.push(format!(
            "grant_type={grant}&{what}={value}&client_id={client}&redirect_uri={redirect}&code_verifier=x"
        ));
    }
    bodies.push(format!("token={}&client_id={client}", encode(of("access_token"))));
    bodies.push(format!("user_code={}&action=allow&device={}&csrf=x", encode(of("user_code")), encode(device)));
    bodies
}
