//! `GET /_matrix/client/v3/sync`: waits until something is new for the user, and tells it.

use std::{sync::Arc, time::Duration};

use ::rooms::{Membership, UserRoomAt};
use accounts::DataChange;
use kernel::{
    Kind, Position,
    id::{DeviceId, OwnedUserId, RoomId, UserId},
};
use ruma_client_api::filter::FilterDefinition;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::{
    Token, device_lists, left,
    response::{Answer, Events, Invited, Knocked},
    rooms,
};
use crate::{
    Town,
    filter::{EventFilter, wants_room, wants_type},
};

/// Longest poll.
const TIMEOUT_MAX: Duration = Duration::from_secs(90);
/// To-device messages of one answer; the rest follows in the next.
const TO_DEVICE_MAX: usize = 100;

#[derive(Deserialize)]
pub(super) struct Query {
    filter: Option<String>,
    since: Option<String>,
    #[serde(default)]
    full_state: bool,
    timeout: Option<u64>,
    #[serde(default)]
    use_state_after: bool,
    /// The name before Matrix 1.16, which js-sdk still uses.
    #[serde(default, rename = "org.matrix.msc4222.use_state_after")]
    use_state_after_unstable: bool,
}

/// What one sync asks, with the filter read.
pub(super) struct Ask<'a> {
    pub(super) user: &'a UserId,
    pub(super) device: &'a DeviceId,
    pub(super) since: Option<Token>,
    pub(super) full_state: bool,
    pub(super) state_after: bool,
    pub(super) filter: FilterDefinition,
    pub(super) timeline: EventFilter,
    pub(super) state: EventFilter,
    pub(super) ignored: std::collections::HashSet<OwnedUserId>,
}

impl Ask<'_> {
    /// The position that the client has; the start for a first sync.
    pub(super) fn since(&self) -> Position {
        self.since.map_or(Position::START, |since| since.position)
    }

    /// Whether everything is to be told anew.
    pub(super) fn is_first(&self) -> bool {
        self.since.is_none()
    }

    pub(super) fn wants_ephemeral(&self, room: &RoomId, kind: &str) -> bool {
        let filter = EventFilter::new(self.filter.room.ephemeral.clone());
        filter.wants_room(room) && filter.wants_type(kind)
    }
}

pub(super) async fn sync(town: Arc<Town>, caller: Option<web::Caller>, visit: web::Visit) -> web::Result<web::Json> {
    let caller = caller.ok_or_else(web::Error::missing_token)?;
    let query: Query = visit.query()?;
    let filter = filter(&town, &caller.user, query.filter.as_deref())?;
    let ask = Ask {
        user: &caller.user,
        device: caller.device()?,
        since: query.since.as_deref().map(Token::parse).transpose()?,
        full_state: query.full_state,
        state_after: query.use_state_after || query.use_state_after_unstable,
        timeline: EventFilter::new(filter.room.timeline.clone()),
        state: EventFilter::new(filter.room.state.clone()),
        filter,
        ignored: town.accounts.ignores(&caller.user)?,
    };
    if let Some(since) = ask.since {
        if since.position.max(since.inbox) > town.rooms.position() {
            // Another server's, or of before a restored backup: all that comes up to there would be passed over.
            return Err(web::Error::new(Kind::InvalidParam, "This is not a token of this server"));
        }
        town.accounts.delete_up_to(ask.user, ask.device, since.inbox)?;
    }
    let deadline = Instant::now() + Duration::from_millis(query.timeout.unwrap_or(0)).min(TIMEOUT_MAX);
    let answer = poll(&town, &ask, deadline).await?;
    web::Json::of(&answer)
}

/// Looks, and waits, and looks again, until there is something to tell or the time is over.
async fn poll(town: &Town, ask: &Ask<'_>, deadline: Instant) -> web::Result<Answer> {
    let poll = town.sync.register(ask.user);
    let keys = key_counts(town, ask)?;
    loop {
        let answer = look(town, ask)?;
        let keys_changed =
            (&answer.device_one_time_keys_count, &answer.device_unused_fallback_key_types) != (&keys.0, &keys.1);
        let now = ask.is_first() || ask.full_state || !answer.is_empty() || keys_changed;
        if now || town.shutdown.has_begun() || Instant::now() >= deadline {
            return Ok(answer);
        }
        tokio::select! {
            _ = timeout_at(deadline, poll.woken()) => {}
            () = town.shutdown.begun() => {}
        }
        // Whoever was signed out meanwhile is told nothing more.
        if !town.accounts.has_session(ask.user, ask.device)? {
            return Err(web::Error::unknown_token(false));
        }
    }
}

type KeyCounts = (std::collections::BTreeMap<String, u64>, Vec<String>);

fn key_counts(town: &Town, ask: &Ask<'_>) -> web::Result<KeyCounts> {
    let counts = town.accounts.one_time_key_counts(ask.user, ask.device)?;
    Ok((counts, town.accounts.unused_fallback_algorithms(ask.user, ask.device)?))
}

/// All that is new up to the position of now.
fn look(town: &Town, ask: &Ask<'_>) -> web::Result<Answer> {
    // Typing first: its number must not run ahead of what is read below.
    let typing = town.rooms.typing().serial();
    let upto = town.rooms.position();
    let mut token = Token { position: upto, inbox: upto, typing };
    // From where the inbox was read: what did not fit into the last answer is not newer than that.
    let known = ask.since.map_or(Position::START, |since| since.position.min(since.inbox));
    let touched = town.sync.account_touched(ask.user, known);
    let (counts, fallback) = key_counts(town, ask)?;
    let mut answer =
        Answer { device_one_time_keys_count: counts, device_unused_fallback_key_types: fallback, ..Answer::default() };
    let data = if touched || ask.is_first() {
        token.inbox = to_device(town, ask, upto, &mut answer.to_device)?;
        town.accounts.data_changes(ask.user, ask.since(), upto)?
    } else {
        Vec::new()
    };
    global_data(ask, &data, &mut answer.account_data)?;
    look_at_rooms(town, ask, upto, typing, &data, &mut answer)?;
    if let Some(since) = ask.since {
        answer.device_lists = device_lists(town, ask.user, since.position, upto)?;
    }
    answer.next_batch = token.to_string();
    Ok(answer)
}

/// The messages that wait for the device; returns up to where the inbox was read.
fn to_device(town: &Town, ask: &Ask<'_>, upto: Position, found: &mut Events) -> web::Result<Position> {
    let after = ask.since.map_or(Position::START, |since| since.inbox);
    let items = town.accounts.inbox(ask.user, ask.device, after, upto, TO_DEVICE_MAX)?;
    let read = if items.len() < TO_DEVICE_MAX { upto } else { items.last().map_or(upto, |last| last.position) };
    for item in items {
        let content = RawValue::from_string(item.content).map_err(web::Error::internal)?;
        let event = serde_json::json!({ "type": item.kind, "sender": item.sender, "content": content });
        found.events.push(serde_json::value::to_raw_value(&event).map_err(web::Error::internal)?);
    }
    Ok(read)
}

fn global_data(ask: &Ask<'_>, data: &[DataChange], found: &mut Events) -> web::Result<()> {
    let filter = &ask.filter.account_data;
    for change in data.iter().filter(|change| change.room.is_none()) {
        if wants_type(filter.types.as_deref(), &filter.not_types, &change.kind) {
            found.events.push(data_event(change)?);
        }
    }
    Ok(())
}

/// Account data as an event.
pub(super) fn data_event(change: &DataChange) -> web::Result<Box<RawValue>> {
    let kind = serde_json::Value::from(change.kind.as_str());
    RawValue::from_string(format!("{{\"type\":{kind},\"content\":{}}}", change.content)).map_err(web::Error::internal)
}

fn look_at_rooms(
    town: &Town,
    ask: &Ask<'_>,
    upto: Position,
    typing: u64,
    data: &[DataChange],
    answer: &mut Answer,
) -> web::Result<()> {
    let rooms = town.rooms.rooms_of(ask.user)?;
    for (id, own) in rooms.iter() {
        if !wants_room(&ask.filter.room, id) || own.position > upto {
            continue;
        }
        match own.room.membership {
            Membership::Join => {
                let typed = (ask.since.map_or(0, |since| since.typing), typing);
                if let Some(joined) = rooms::joined(town, ask, own, upto, typed, data)? {
                    answer.rooms.join.insert(id.clone(), joined);
                }
            }
            Membership::Invite | Membership::Knock if own.position > ask.since() => pending(ask, own, answer)?,
            Membership::Invite | Membership::Knock => {}
            Membership::Leave | Membership::Ban => {
                if let Some(left) = left::left(town, ask, own, upto)? {
                    answer.rooms.leave.insert(id.clone(), left);
                }
            }
        }
    }
    Ok(())
}

/// An invite or a knock, as stripped state.
fn pending(ask: &Ask<'_>, own: &UserRoomAt, answer: &mut Answer) -> web::Result<()> {
    let events = own.room.stripped.iter().cloned().map(RawValue::from_string);
    let events = Events { events: events.collect::<Result<_, _>>().map_err(web::Error::internal)? };
    let id = own.room_id.clone();
    if own.room.membership == Membership::Knock {
        answer.rooms.knock.insert(id, Knocked { knock_state: events });
    } else if !ask.ignored.contains(&own.room.sender) {
        answer.rooms.invite.insert(id, Invited { invite_state: events });
    }
    Ok(())
}

/// The filter that the query names or holds.
fn filter(town: &Town, user: &UserId, filter: Option<&str>) -> web::Result<FilterDefinition> {
    let invalid = |error: serde_json::Error| web::Error::new(Kind::InvalidParam, format!("The filter: {error}"));
    match filter {
        None => Ok(FilterDefinition::default()),
        Some(json) if json.starts_with('{') => serde_json::from_str(json).map_err(invalid),
        Some(id) => match town.accounts.filter(user, id)? {
            Some(json) => serde_json::from_str(&json).map_err(invalid),
            None => Err(web::Error::new(Kind::InvalidParam, "There is no such filter")),
        },
    }
}
