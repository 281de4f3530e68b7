//! The list of public rooms as servers and clients are told it, and as other servers tell theirs (spec, "Published room
//! directory").

use kernel::id::{OwnedRoomId, ServerName};
use rooms::AskedRooms;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Directory, Error, PAGE_MAX, PublicRoom, Result, RoomsFilter, RoomsPage};

/// A page on the wire. It is not ruma's, which leaves out the join rule of rooms where it is `public`: not every client knows
/// that none means this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListedPage {
    pub chunk: Vec<ListedRoom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_batch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_batch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_room_count_estimate: Option<u64>,
}

/// spec, "PublishedRoomsChunk"
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedRoom {
    pub room_id: OwnedRoomId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical_alias: Option<String>,
    #[serde(default = "public")]
    pub join_rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_type: Option<String>,
    pub num_joined_members: u64,
    pub world_readable: bool,
    pub guest_can_join: bool,
}

fn public() -> String {
    "public".to_owned()
}

impl From<&PublicRoom> for ListedRoom {
    fn from(PublicRoom { room, summary }: &PublicRoom) -> Self {
        Self {
            room_id: room.clone(),
            name: summary.name.clone(),
            topic: summary.topic.clone(),
            avatar_url: summary.avatar_url.clone(),
            canonical_alias: summary.canonical_alias.clone(),
            join_rule: summary.join_rule.clone().unwrap_or_else(|| "invite".to_owned()),
            room_type: summary.room_type.clone(),
            num_joined_members: summary.joined,
            world_readable: summary.world_readable,
            guest_can_join: summary.guest_can_join,
        }
    }
}

impl From<RoomsPage> for ListedPage {
    fn from(page: RoomsPage) -> Self {
        Self {
            chunk: page.rooms.iter().map(|room| ListedRoom::from(&**room)).collect(),
            next_batch: page.next,
            prev_batch: page.previous,
            total_room_count_estimate: u64::try_from(page.total).ok(),
        }
    }
}

impl ListedPage {
    /// Another server's answer; rooms among it that cannot be read are left out.
    fn read(json: &str, limit: usize) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            chunk: Vec<Box<RawValue>>,
            next_batch: Option<String>,
            prev_batch: Option<String>,
            total_room_count_estimate: Option<u64>,
        }
        let Answer { chunk, next_batch, prev_batch, total_room_count_estimate } = serde_json::from_str(json).ok()?;
        let chunk = chunk.iter().take(limit).filter_map(|room| serde_json::from_str(room.get()).ok()).collect();
        Some(Self { chunk, next_batch, prev_batch, total_room_count_estimate })
    }
}

impl Directory {
    /// A page of the rooms that another server lists, as it tells them; `since` as it gave it.
    ///
    /// # Errors
    /// `Rooms` when it does not answer, or nothing that can be understood.
    pub async fn public_rooms_of(
        &self,
        server: &ServerName,
        filter: &RoomsFilter<'_>,
        limit: usize,
        since: Option<&str>,
    ) -> Result<ListedPage> {
        let limit = limit.clamp(1, PAGE_MAX);
        let room_types = filter.room_types.as_deref().unwrap_or_default();
        let ask = AskedRooms { limit, since, term: filter.term, room_types };
        let answer = self.inner.rooms.published_elsewhere(server, &ask).await?;
        let malformed = || rooms::Error::from(rooms::RemoteError::Malformed(server.to_owned()));
        ListedPage::read(&answer, limit).ok_or_else(|| Error::from(malformed()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_another_server_s_list_only_rooms_are_shown_and_no_more_than_asked() {
        let room = |id: &str| {
            json!({ "room_id": id, "num_joined_members": 2, "world_readable": true, "guest_can_join": false,
                    "name": "Halle", "evil": "<script>" })
        };
        let answer = json!({
            "chunk": [room("no room"), { "room_id": "!a:b.example" }, room("!c:d.example"), room("!e:f.example")],
            "next_batch": "n", "total_room_count_estimate": 4, "more": 1,
        });
        let page = ListedPage::read(&answer.to_string(), 3).unwrap();
        let shown = serde_json::to_value(&page).unwrap();
        let only = json!({ "room_id": "!c:d.example", "num_joined_members": 2, "world_readable": true,
                           "guest_can_join": false, "name": "Halle", "join_rule": "public" });
        assert_eq!(shown, json!({ "chunk": [only], "next_batch": "n", "total_room_count_estimate": 4 }));
        for other in ["", "[]", "{}", r#"{"chunk":{}}"#, r#"{"chunk":[],"next_batch":1}"#] {
            assert_eq!(ListedPage::read(other, 3), None, "{other}");
        }
    }
}
