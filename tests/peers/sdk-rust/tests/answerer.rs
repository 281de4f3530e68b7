//! A device on matrix-sdk that answers: it joins each room that it is invited to, repeats in each what it could decrypt there, and
//! ends when it has read "Au revoir". tests/peers/federation/scenarios/encrypted.mjs starts it beside the clients of another server.

use std::{mem, time::Duration};

use anyhow::Context;
use matrix_sdk::{
    Client, Room, SessionMeta, SessionTokens,
    authentication::matrix::MatrixSession,
    config::SyncSettings,
    deserialized_responses::TimelineEventKind,
    ruma::{OwnedEventId, UserId, events::room::message::RoomMessageEventContent},
    sync::SyncResponse,
};

/// For the whole conversation.
const DEADLINE: Duration = Duration::from_secs(180);
/// For one `/sync`.
const POLL: Duration = Duration::from_secs(10);
const GOODBYE: &str = "Au revoir";

#[tokio::test]
async fn repeats_what_it_reads_until_goodbye() -> anyhow::Result<()> {
    let client = client().await?;
    tokio::time::timeout(DEADLINE, converse(&client)).await.context("nobody said goodbye")?
}

async fn client() -> anyhow::Result<Client> {
    let said = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set: see encrypted.mjs"));
    let session = MatrixSession {
        meta: SessionMeta { user_id: UserId::parse(said("USER_ID")?)?, device_id: said("DEVICE_ID")?.into() },
        tokens: SessionTokens { access_token: said("ACCESS_TOKEN")?, refresh_token: None },
    };
    let client = Client::builder().homeserver_url(said("HOMESERVER")?).build().await?;
    client.restore_session(session).await?;
    Ok(client)
}

async fn converse(client: &Client) -> anyhow::Result<()> {
    let mut unread = Vec::new();
    loop {
        let answer = client.sync_once(SyncSettings::default().timeout(POLL)).await?;
        for room in client.invited_rooms() {
            room.join().await?;
        }
        unread.extend(encrypted(client, &answer)?);
        for (room, event) in mem::take(&mut unread) {
            match read(client, &room, &event).await? {
                Some(text) => {
                    room.send(RoomMessageEventContent::text_plain(format!("Lu : {text}"))).await?;
                    if text == GOODBYE {
                        return Ok(());
                    }
                }
                // The key may come after the message: servers deliver them side by side.
                None => unread.push((room, event)),
            }
        }
    }
}

/// The encrypted events of others that this answer brings.
fn encrypted(client: &Client, answer: &SyncResponse) -> anyhow::Result<Vec<(Room, OwnedEventId)>> {
    let me = client.user_id().context("a user")?;
    let mut found = Vec::new();
    for (room, update) in &answer.rooms.joined {
        let room = client.get_room(room).context("a joined room")?;
        for event in &update.timeline.events {
            let encrypted = !matches!(event.kind, TimelineEventKind::PlainText { .. });
            let of_others = event.raw().get_field::<String>("sender")?.is_some_and(|sender| sender != me.as_str());
            if let Some(id) = event.event_id().filter(|_| encrypted && of_others) {
                found.push((room.clone(), id));
            }
        }
    }
    Ok(found)
}

/// Its text, once there is a key for it and the device that wrote it is known: an answer is for that one too.
async fn read(client: &Client, room: &Room, event: &OwnedEventId) -> anyhow::Result<Option<String>> {
    let TimelineEventKind::Decrypted(decrypted) = room.event(event, None).await?.kind else { return Ok(None) };
    let writer = &decrypted.encryption_info;
    let device = writer.sender_device.as_deref().context("the device that wrote it")?;
    if client.encryption().get_device(&writer.sender, device).await?.is_none() {
        return Ok(None);
    }
    let content: RoomMessageEventContent = decrypted.event.get_field("content")?.context("a content")?;
    Ok(Some(content.body().to_owned()))
}
