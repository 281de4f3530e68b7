//! What a transaction brings besides events: each unit is taken or left by itself, and a server speaks of its own users only
//! (hazard F9).

use accounts::{DeviceListUpdate, SigningKeyUpdate, ToDevice};
use kernel::id::ServerName;
use ruma_common::serde::Raw;
use ruma_federation_api::transactions::edu::{
    DeviceListUpdateContent, DirectDeviceContent, Edu, ReceiptContent, SigningKeyUpdateContent, TypingContent,
};
use serde_json::value::RawValue;

use crate::{Town, peers::text};

pub(super) async fn receive(town: &Town, origin: &ServerName, edus: Vec<Box<RawValue>>) {
    for edu in edus {
        let taken = match serde_json::from_str::<Edu>(edu.get()) {
            Ok(edu) => take(town, origin, edu).await,
            Err(error) => Err(web::Error::new(kernel::Kind::BadJson, error.to_string())),
        };
        if let Err(error) = taken {
            metrics::counter!("beffroi_federation_edus_refused_total").increment(1);
            tracing::info!(%origin, %error, "an ephemeral unit was not taken");
        }
    }
}

async fn take(town: &Town, origin: &ServerName, edu: Edu) -> web::Result<()> {
    match edu {
        Edu::Typing(typing) => take_typing(town, origin, &typing),
        Edu::Receipt(receipts) => take_receipts(town, origin, receipts).await,
        Edu::DirectToDevice(messages) => take_messages(town, origin, messages).await,
        Edu::DeviceListUpdate(update) => take_device_list(town, origin, update).await,
        Edu::SigningKeyUpdate(update) => take_signing_keys(town, origin, update).await,
        // Presence is off here; what nobody has a word for is nobody's loss.
        _ => Ok(()),
    }
}

fn take_typing(town: &Town, origin: &ServerName, typing: &TypingContent) -> web::Result<()> {
    Ok(town.rooms.receive_typing(origin, &typing.room_id, &typing.user_id, typing.typing)?)
}

/// Each receipt by itself: a room that the origin is kept out of does not take the others with it.
async fn take_receipts(town: &Town, origin: &ServerName, receipts: ReceiptContent) -> web::Result<()> {
    let mut refused = None;
    for (room, of_room) in receipts.receipts {
        for (user, receipt) in of_room.read {
            let thread = receipt.data.thread.as_str().map(str::to_owned);
            let at = receipt.data.ts.map(|ts| kernel::Timestamp(ts.0.into()));
            // The specification has the list hold one.
            let Some(event) = receipt.event_ids.into_iter().next_back() else { continue };
            let received = town.rooms.receive_receipt(origin, &user, &room, thread.as_deref(), &event, at).await;
            refused = refused.or(received.err());
        }
    }
    refused.map_or(Ok(()), |error| Err(error.into()))
}

async fn take_messages(town: &Town, origin: &ServerName, content: DirectDeviceContent) -> web::Result<()> {
    let mut messages = Vec::new();
    for (user, devices) in content.messages {
        messages.extend(devices.into_iter().map(|(device, content)| ToDevice {
            user: user.clone(),
            device,
            content: json(content),
        }));
    }
    let (kind, id) = (content.ev_type.to_string(), content.message_id.as_str());
    Ok(town.accounts.receive_to_device(origin, &content.sender, &kind, id, messages).await?)
}

async fn take_device_list(town: &Town, origin: &ServerName, update: DeviceListUpdateContent) -> web::Result<()> {
    let shared = town.rooms.meets(&update.user_id)?;
    let update = DeviceListUpdate {
        user: update.user_id,
        device: update.device_id,
        display_name: update.device_display_name,
        stream_id: update.stream_id.into(),
        prev_id: update.prev_id.into_iter().map(Into::into).collect(),
        deleted: update.deleted.unwrap_or_default(),
        keys: update.keys.map(json),
    };
    Ok(town.accounts.receive_device_list(origin, update, shared).await?)
}

async fn take_signing_keys(town: &Town, origin: &ServerName, update: SigningKeyUpdateContent) -> web::Result<()> {
    let shared = town.rooms.meets(&update.user_id)?;
    let update = SigningKeyUpdate {
        user: update.user_id,
        master: update.master_key.map(json),
        self_signing: update.self_signing_key.map(json),
    };
    Ok(town.accounts.receive_signing_keys(origin, update, shared).await?)
}

fn json<T>(raw: Raw<T>) -> String {
    text(raw.into_json())
}
