//! The keys of a backup: all, of a room, or one.

use std::{collections::BTreeMap, sync::Arc};

use accounts::{BackupKey, KeysState};
use kernel::{
    Kind,
    id::{OwnedRoomId, RoomId, UserId},
};
use ruma_client_api::backup::{
    KeyBackupData, add_backup_keys, add_backup_keys_for_room, add_backup_keys_for_session, delete_backup_keys,
    delete_backup_keys_for_room, delete_backup_keys_for_session, get_backup_keys, get_backup_keys_for_room,
    get_backup_keys_for_session,
};
use ruma_common::serde::Raw;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use web::Json;

use crate::{Town, stored};

/// Keys read at once.
const PAGE: usize = 1_000;
/// Largest integer of a client's JSON (spec appendices, "Canonical JSON").
const INTEGER_MAX: u64 = (1 << 53) - 1;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(put_all);
    routes.user(put_of_room);
    routes.user(put_one);
    routes.user(get_all);
    routes.user(get_of_room);
    routes.user(get_one);
    routes.user(delete_all);
    routes.user(delete_of_room);
    routes.user(delete_one);
}

/// A key as clients write and read it.
#[derive(Deserialize, Serialize)]
struct Key {
    first_message_index: u64,
    forwarded_count: u64,
    is_verified: bool,
    session_data: Box<RawValue>,
}

#[derive(Default, Serialize)]
struct Sessions {
    sessions: BTreeMap<String, Key>,
}

#[derive(Serialize)]
struct Rooms {
    rooms: BTreeMap<OwnedRoomId, Sessions>,
}

#[derive(Serialize)]
struct State {
    etag: String,
    count: u64,
}

async fn put_all(town: Arc<Town>, caller: web::Caller, ask: add_backup_keys::v3::Request) -> web::Result<Json> {
    let keys = ask.rooms.iter().flat_map(|(room, backup)| backup.sessions.iter().map(move |key| (room, key)));
    let keys = keys.map(|(room, (session, key))| read(room, session, key)).collect::<web::Result<_>>()?;
    state(town.accounts.put_backup_keys(&caller.user, &ask.version, keys).await?)
}

async fn put_of_room(
    town: Arc<Town>,
    caller: web::Caller,
    ask: add_backup_keys_for_room::v3::Request,
) -> web::Result<Json> {
    let keys = ask.sessions.iter().map(|(session, key)| read(&ask.room_id, session, key));
    state(town.accounts.put_backup_keys(&caller.user, &ask.version, keys.collect::<web::Result<_>>()?).await?)
}

async fn put_one(
    town: Arc<Town>,
    caller: web::Caller,
    ask: add_backup_keys_for_session::v3::Request,
) -> web::Result<Json> {
    let key = read(&ask.room_id, &ask.session_id, &ask.session_data)?;
    state(town.accounts.put_backup_keys(&caller.user, &ask.version, vec![key]).await?)
}

async fn get_all(town: Arc<Town>, caller: web::Caller, ask: get_backup_keys::v3::Request) -> web::Result<Json> {
    Json::of(&Rooms { rooms: all(&town, &caller.user, &ask.version, None)? })
}

async fn get_of_room(
    town: Arc<Town>,
    caller: web::Caller,
    ask: get_backup_keys_for_room::v3::Request,
) -> web::Result<Json> {
    let mut rooms = all(&town, &caller.user, &ask.version, Some(&ask.room_id))?;
    Json::of(&rooms.remove(&ask.room_id).unwrap_or_default())
}

async fn get_one(
    town: Arc<Town>,
    caller: web::Caller,
    ask: get_backup_keys_for_session::v3::Request,
) -> web::Result<Json> {
    let key = town.accounts.backup_key(&caller.user, &ask.version, &ask.room_id, &ask.session_id)?;
    let key = key.ok_or_else(|| web::Error::new(Kind::NotFound, "This key is not in the backup"))?;
    Json::of(&shown(key)?)
}

async fn delete_all(town: Arc<Town>, caller: web::Caller, ask: delete_backup_keys::v3::Request) -> web::Result<Json> {
    state(town.accounts.delete_backup_keys(&caller.user, &ask.version, None, None).await?)
}

async fn delete_of_room(
    town: Arc<Town>,
    caller: web::Caller,
    ask: delete_backup_keys_for_room::v3::Request,
) -> web::Result<Json> {
    state(town.accounts.delete_backup_keys(&caller.user, &ask.version, Some(&ask.room_id), None).await?)
}

async fn delete_one(
    town: Arc<Town>,
    caller: web::Caller,
    ask: delete_backup_keys_for_session::v3::Request,
) -> web::Result<Json> {
    let (room, session) = (Some(&*ask.room_id), Some(ask.session_id.as_str()));
    state(town.accounts.delete_backup_keys(&caller.user, &ask.version, room, session).await?)
}

/// All keys of a version, or those of one room.
fn all(
    town: &Town,
    user: &UserId,
    version: &str,
    of_room: Option<&RoomId>,
) -> web::Result<BTreeMap<OwnedRoomId, Sessions>> {
    let mut rooms: BTreeMap<OwnedRoomId, Sessions> = BTreeMap::new();
    let mut last: Option<(OwnedRoomId, String)> = None;
    loop {
        let after = last.as_ref().map(|(room, session)| (&**room, session.as_str()));
        let page = town.accounts.backup_keys(user, version, of_room, after, PAGE)?;
        let Some((room, session, _)) = page.last() else { return Ok(rooms) };
        last = Some((room.clone(), session.clone()));
        for (room, session, key) in page {
            rooms.entry(room).or_default().sessions.insert(session, shown(key)?);
        }
    }
}

fn read(room: &RoomId, session: &str, raw: &Raw<KeyBackupData>) -> web::Result<(OwnedRoomId, String, BackupKey)> {
    let wrong = |reason: String| web::Error::new(Kind::BadJson, format!("session {session}: {reason}"));
    let key: Key = serde_json::from_str(raw.json().get()).map_err(|error| wrong(error.to_string()))?;
    if key.first_message_index > INTEGER_MAX || key.forwarded_count > INTEGER_MAX {
        return Err(wrong("an integer is too large".to_owned()));
    }
    let key = BackupKey {
        first_message_index: key.first_message_index,
        forwarded_count: key.forwarded_count,
        is_verified: key.is_verified,
        session_data: key.session_data.get().to_owned(),
    };
    Ok((room.to_owned(), session.to_owned(), key))
}

fn shown(key: BackupKey) -> web::Result<Key> {
    Ok(Key {
        first_message_index: key.first_message_index,
        forwarded_count: key.forwarded_count,
        is_verified: key.is_verified,
        session_data: stored::value(key.session_data)?,
    })
}

fn state(state: KeysState) -> web::Result<Json> {
    Json::of(&State { etag: state.etag, count: state.count })
}
