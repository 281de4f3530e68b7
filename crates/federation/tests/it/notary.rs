//! Keys by way of a notary: ours when a server cannot be reached, and we for others.

use std::time::Duration;

use http::Method;
use kernel::id::ServerName;
use rooms::Remote;
use serde_json::{Value, json};
use store::memory::Memory;

use crate::{
    peer::{Peer, answer, signer},
    town::{NOW, Process, TestTown},
};

const DAY: Duration = Duration::from_hours(24);
const QUERY: &str = "/_matrix/key/v2/query";

async fn start(process: &Process, host: &str) -> Peer {
    Peer::start(&format!("{host}:{{port}}"), process.authority.server(&[host])).await
}

#[tokio::test]
async fn a_notary_is_asked_only_when_the_server_itself_does_not_answer() {
    let process = Process::new();
    let (friend, notary) = (start(&process, "friend.example").await, start(&process, "notary.example").await);
    let document = friend.document(NOW.plus(DAY));
    let of_another = signer(&ServerName::parse("other.example").unwrap(), "a", 8);
    let of_another = of_another.key_document(NOW.plus(DAY), &[], &[]).unwrap();
    let answered = format!(r#"{{"server_keys":[{of_another},{{}},{document}]}}"#);
    notary.script(move |_| answer(200, &answered));
    let engine = Memory::new();
    let town = process.town_with(
        "metz.example",
        &["*.example", "friend.example:*", "notary.example:*"],
        &[&notary.name],
        &engine,
    );
    let wanted = [(friend.name.clone(), "ed25519:a".to_owned())];

    friend.serve_keys(document, "{}");
    assert_eq!(town.peers.keys(&wanted, NOW).await.len(), 1);
    assert!(notary.asked().is_empty());
    friend.script(|_| answer(503, ""));
    let later = NOW.plus(DAY * 2);
    process.clock.set(later);
    let found = town.peers.keys(&wanted, later).await;
    assert_eq!(found[0].valid_until, NOW.plus(DAY), "what the notary has is no newer");
    let asked = notary.asked().pop().unwrap();
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!((asked.method.as_str(), asked.uri.as_str()), ("POST", QUERY));
    assert_eq!(body, json!({ "server_keys": { friend.name.as_str(): {} } }));

    // Of a server that nobody has ever reached, the notary's word is all there is; it is not passed on as ours.
    let town =
        process.town_with("nancy.example", &["friend.example:*", "notary.example:*"], &[&notary.name], &Memory::new());
    process.clock.advance(Duration::from_mins(2));
    assert_eq!(town.peers.keys(&wanted, NOW).await[0].key, friend.signer.public_key());
    let of_other = [(ServerName::parse("other.example").unwrap(), "ed25519:a".to_owned())];
    assert!(town.peers.keys(&of_other, NOW).await.is_empty(), "what came along unasked is not believed");
    let (_, answer) = town.ask(Method::GET, &format!("{QUERY}/{}", friend.name), &[], "").await;
    assert_eq!(answer, json!({ "server_keys": [] }));
}

#[tokio::test]
async fn we_are_a_notary_for_allowed_servers_and_ourselves() {
    let process = Process::new();
    let friend = start(&process, "friend.example").await;
    friend.serve_keys(friend.document(NOW.plus(DAY)), "{}");
    let town = process.town("metz.example", &["friend.example:*"]);
    let documents = async |town: &TestTown, uri: &str, body: Option<Value>| {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let (status, answer) = town.ask(method, uri, &[], &body.unwrap_or_default().to_string()).await;
        assert_eq!(status, 200, "{answer}");
        answer["server_keys"].as_array().unwrap().clone()
    };

    let found = documents(&town, &format!("{QUERY}/{}", friend.name), None).await;
    assert_eq!(found.len(), 1);
    let signatures = found[0]["signatures"].as_object().unwrap();
    assert!(signatures.contains_key(friend.name.as_str()) && signatures.contains_key(town.name.as_str()));
    let document = events::KeyDocument::parse(&found[0].to_string()).unwrap();
    assert_eq!(document.keys, [("ed25519:a".to_owned(), friend.signer.public_key())]);
    assert_eq!(friend.asked().len(), 1);

    // What is kept is enough, unless more is asked of it.
    let until = |at: u64| {
        let criteria = json!({ "minimum_valid_until_ts": at });
        json!({ "server_keys": { friend.name.as_str(): { "ed25519:a": criteria }, town.name.as_str(): {}, "denied.example": {} } })
    };
    assert_eq!(documents(&town, QUERY, Some(until(NOW.0))).await.len(), 2);
    assert!(friend.asked().is_empty());
    process.clock.advance(Duration::from_mins(2));
    assert_eq!(documents(&town, QUERY, Some(until(NOW.plus(DAY * 2).0))).await.len(), 2);
    assert_eq!(friend.asked().len(), 1);
    let own = documents(&town, &format!("{QUERY}/metz.example"), None).await;
    assert_eq!(own[0]["server_name"], "metz.example");

    let many: serde_json::Map<_, _> = (0..101).map(|n| (format!("s{n}.example"), json!({}))).collect();
    let (status, refusal) = town.ask(Method::POST, QUERY, &[], &json!({ "server_keys": many }).to_string()).await;
    assert_eq!((status, refusal["errcode"].as_str()), (413, Some("M_TOO_LARGE")));
}
