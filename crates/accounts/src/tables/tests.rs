//! Numbers are unique, and no stored format changes unseen.

use std::collections::BTreeSet;

use store::Record;

use super::*;
use crate::Change;

#[test]
fn table_numbers_are_unique_and_of_this_crate() {
    let source = include_str!("../tables.rs");
    let numbers: Vec<&str> = source.split("Table::new(0x").skip(1).map(|rest| &rest[..4]).collect();
    let unique: BTreeSet<_> = numbers.iter().collect();
    assert_eq!(unique.len(), numbers.len());
    assert_eq!(numbers.len(), 46);
    assert!(numbers.iter().all(|number| number.starts_with("02")));
}

fn hex(record: &impl Record) -> String {
    record.encode().unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn user() -> OwnedUserId {
    "@a:b".try_into().unwrap()
}

fn device() -> OwnedDeviceId {
    "D".into()
}

const NOW: Timestamp = Timestamp(300);
const HASH: Hash = [7; 32];

fn session() -> SessionRow {
    let access = AccessRow { hash: HASH, expires: Some(NOW) };
    SessionRow {
        id: [1; 16],
        kind: SessionKind::Oauth { client_id: "c".to_owned(), scope: "s".to_owned() },
        started: NOW,
        access_lifetime_ms: Some(300),
        access: access.clone(),
        refresh: Some(RefreshRow {
            family: HASH,
            current: HASH,
            previous: Some(PreviousRow { access, refresh: HASH }),
            retired: Some((HASH, NOW)),
            void: vec![HASH],
        }),
    }
}

/// Each record as it lies in stores that are in use: a change of one of these lines needs a new version of its record.
#[test]
fn records_keep_their_bytes() {
    let text = |text: &str| text.to_owned();
    let h = "07".repeat(32);
    let one = "01".repeat(16);
    let user_row = UserRow {
        kind: UserKind::Service,
        identity: Some(Identity { issuer: text("i"), subject: text("s") }),
        email: Some(text("e")),
        admin: true,
        locked: false,
        suspended: true,
        deactivated: false,
        created: NOW,
        signed_in_at: NOW,
    };
    let profile = ProfileRow { display_name: Some(text("n")), avatar_url: None, fields: vec![(text("f"), text("1"))] };
    let code = CodeRow {
        client_id: text("c"),
        user: user(),
        details: text("d"),
        expires: NOW,
        gave: Some((device(), [1; 16])),
    };
    let grant = GrantRow {
        client_id: text("c"),
        details: text("d"),
        user_code: text("U"),
        expires: NOW,
        state: GrantState::Approved(user()),
    };
    let backup = BackupRow { algorithm: text("a"), auth_data: text("{}"), etag: 1, count: 2, deleted: true };
    let backup_key =
        BackupKeyRow { first_message_index: 1, forwarded_count: 2, is_verified: true, session_data: text("{}") };
    let data_change = Change::AccountData { user: user(), room: Some("!r".try_into().unwrap()), kind: text("k") };
    let expected = [
        (hex(&user_row), text("0101010169017301016501000100ac02ac02")),
        (hex(&UserIdRow(user())), text("010440613a62")),
        (hex(&profile), text("0101016e000101660131")),
        (
            hex(&DeviceRow { instance: [5; 8], display_name: Some(text("n")), created: NOW }),
            text("01050505050505050501016eac02"),
        ),
        (hex(&SeenRow { ip: text("i"), at: NOW }), text("010169ac02")),
        (hex(&DeviceKey { user: user(), device: device() }), text("010440613a620144")),
        (hex(&session()), format!("01{one}0001630173ac0201ac02{h}01ac0201{h}{h}01{h}01ac02{h}01{h}ac0201{h}")),
        (hex(&LoginTokenRow { user: user(), expires: NOW }), text("010440613a62ac02")),
        (hex(&OauthClientRow { metadata: text("{}"), registered: NOW, used: true }), text("01027b7dac0201")),
        (hex(&code), format!("0101630440613a620164ac02010144{one}")),
        (hex(&grant), text("01016301640155ac02010440613a62")),
        (hex(&HashRow(HASH)), format!("01{h}")),
        (hex(&ConsentRow { scope: text("s"), given: NOW }), text("010173ac02")),
        (hex(&Expiring::OauthClient { id: text("c") }), text("01030163")),
        (hex(&OneTimeKeyRow { key_id: text("a:k"), json: text("{}") }), text("0103613a6b027b7d")),
        (hex(&FallbackKeyRow { key_id: text("a:k"), json: text("{}"), used: true }), text("0103613a6b027b7d01")),
        (hex(&InboxRow { sender: user(), kind: text("k"), content: text("{}") }), text("010440613a62016b027b7d")),
        (hex(&SentRow { kind: text("k"), txn_id: text("t"), at: NOW, number: 5 }), text("01016b0174ac0205")),
        (hex(&DataRow::Inline(text("{}"))), text("0100027b7d")),
        (hex(&DataRow::Blob(300)), text("0101ac02")),
        (hex(&DataKey { room: text("!r"), kind: text("k") }), text("01022172016b")),
        (hex(&PusherRow { device: device(), json: text("{}") }), text("010144027b7d")),
        (hex(&backup), text("010161027b7d010201")),
        (hex(&backup_key), text("01010201027b7d")),
        (hex(&data_change), text("01020440613a6201022172016b")),
        (hex(&Change::Pushers { user: user() }), text("01090440613a62")),
    ];
    compare(&expected);
}

/// The same of what federation needs.
#[test]
fn records_for_other_servers_keep_their_bytes() {
    let text = |text: &str| text.to_owned();
    let list = RemoteListRow {
        stream_id: 300,
        seen: vec![300],
        asked: Position(300),
        master: Some(text("{}")),
        self_signing: None,
        stale: Some(StaleRow { due: NOW, failures: 1, missed: 2 }),
    };
    let outbox = OutboxRow {
        sender: user(),
        kind: text("k"),
        message_id: text("m"),
        messages: text("{}"),
        rows_before: 5,
        bytes_before: 300,
    };
    compare(&[
        (hex(&DeviceChangeRow { device: Some(device()), number: 5 }), text("0101014405")),
        (hex(&list), text("01ac0201ac02ac0201027b7d0001ac020102")),
        (hex(&RemoteDeviceRow { keys: text("{}"), display_name: Some(text("n")) }), text("01027b7d01016e")),
        (hex(&outbox), text("010440613a62016b016d027b7d05ac02")),
        (
            hex(&ReceivedRow { sender: user(), message_id: text("m"), at: NOW, number: 5 }),
            text("010440613a62016dac0205"),
        ),
        (hex(&Expiring::OpenidToken), text("0104")),
        (hex(&Change::Outbox { server: "b".try_into().unwrap() }), text("010a0162")),
    ]);
}

fn compare(expected: &[(String, String)]) {
    for (number, (written, kept)) in expected.iter().enumerate() {
        assert_eq!(written, kept, "record {number}");
    }
}
