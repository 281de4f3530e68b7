//! `PUT /sendToDevice`: messages to devices, most of them room keys.

use std::sync::Arc;

use accounts::ToDevice;
use ruma_client_api::to_device::send_event_to_device::v3::{Request, Response};
use web::Rate;

use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(send).limited(Rate::Keys);
}

/// Whoever is unknown, or of a server that is not reached, gets nothing; the sender cannot tell.
async fn send(town: Arc<Town>, caller: web::Caller, ask: Request) -> web::Result<Response> {
    let messages = ask.messages.iter().flat_map(|(user, devices)| {
        devices.iter().map(move |(device, content)| ToDevice {
            user: user.clone(),
            device: device.clone(),
            content: stored::text(content),
        })
    });
    let kind = ask.event_type.to_string();
    let device = caller.device()?;
    town.accounts.send_to_device(&caller.user, device, &kind, ask.txn_id.as_str(), messages.collect()).await?;
    Ok(Response::new())
}
