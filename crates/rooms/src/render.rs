//! Events as one viewer's client is shown them: with what the server adds in `unsigned` (spec, "Room event format").

use std::fmt::Write;

use events::{ClientFormat, client_event};
use kernel::id::DeviceId;
use serde_json::value::RawValue;

use crate::{Aggregations, Error, Event, Result, Rooms, Viewer, relations::ThreadSummary};

/// How an event is to be shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Render<'a> {
    /// `/sync` leaves the room id out.
    pub without_room_id: bool,
    /// The device that asks: only the one that sent the event is told its transaction id.
    pub device: Option<&'a DeviceId>,
    /// Show what relates to the event (edit, thread, references).
    pub bundle: bool,
}

impl Rooms {
    /// The event as JSON for the viewer. Whether they may see it has been asked before.
    pub fn render(&self, viewer: &mut Viewer<'_>, event: &Event, how: Render<'_>) -> Result<Box<RawValue>> {
        let unsigned = self.unsigned(viewer, event, how)?;
        let format = ClientFormat { without_room_id: how.without_room_id, unsigned: Some(&unsigned) };
        let json = client_event(&event.pdu, format);
        RawValue::from_string(json).map_err(|error| Error::Damaged(error.to_string()))
    }

    fn unsigned(&self, viewer: &mut Viewer<'_>, event: &Event, how: Render<'_>) -> Result<String> {
        let now = self.inner.clock.now();
        let mut unsigned = format!("{{\"age\":{}", now.since(event.pdu.origin_server_ts()).as_millis());
        if let Some(membership) = viewer.membership_at(event)? {
            let _ = write!(unsigned, ",\"membership\":\"{}\"", membership.as_str());
        } else {
            unsigned.push_str(",\"membership\":\"leave\"");
        }
        if let Some((device, transaction)) = &event.transaction
            && how.device == Some(device)
            && event.pdu.sender() == viewer.user()
        {
            push_text(&mut unsigned, "transaction_id", transaction.as_str());
        }
        self.push_previous(&mut unsigned, viewer, event)?;
        if let Some(redaction) = &event.redacted_by
            && let Some(redaction) = self.inner.event(viewer.room(), redaction)?
        {
            unsigned.push_str(",\"redacted_because\":");
            unsigned.push_str(&client_event(&redaction.pdu, ClientFormat::default()));
        }
        if how.bundle {
            let found = self.aggregations(viewer, event, |_| false)?;
            self.push_relations(&mut unsigned, viewer, found, how)?;
        }
        unsigned.push('}');
        Ok(unsigned)
    }

    /// What the state was before the event, if the viewer may see it.
    fn push_previous(&self, unsigned: &mut String, viewer: &mut Viewer<'_>, event: &Event) -> Result<()> {
        let Some(replaces) = &event.replaces else { return Ok(()) };
        let Some(previous) = self.inner.event(viewer.room(), replaces)? else { return Ok(()) };
        push_text(unsigned, "replaces_state", replaces.as_str());
        if viewer.sees(&previous)? {
            push_text(unsigned, "prev_sender", previous.pdu.sender().as_str());
            unsigned.push_str(",\"prev_content\":");
            unsigned.push_str(previous.pdu.content().get());
        }
        Ok(())
    }

    fn push_relations(
        &self,
        unsigned: &mut String,
        viewer: &mut Viewer<'_>,
        found: Aggregations,
        how: Render<'_>,
    ) -> Result<()> {
        let mut relations = Vec::new();
        // What is bundled does not bundle in turn: a thread's latest event shows its edit, and there it ends.
        let inner = Render { without_room_id: false, bundle: false, ..how };
        if let Some(edit) = found.edit {
            relations.push(format!("\"m.replace\":{}", self.render(viewer, &edit, inner)?));
        }
        if let Some(ThreadSummary { latest, count, participated }) = found.thread {
            let latest = self.render(viewer, &latest, inner)?;
            relations.push(format!(
                "\"m.thread\":{{\"latest_event\":{latest},\"count\":{count},\"current_user_participated\":{participated}}}"
            ));
        }
        if !found.references.is_empty() {
            let chunk: Vec<String> =
                found.references.iter().map(|id| format!("{{\"event_id\":{}}}", text(id.as_str()))).collect();
            relations.push(format!("\"m.reference\":{{\"chunk\":[{}]}}", chunk.join(",")));
        }
        if !relations.is_empty() {
            let _ = write!(unsigned, ",\"m.relations\":{{{}}}", relations.join(","));
        }
        Ok(())
    }
}

fn push_text(json: &mut String, field: &str, value: &str) {
    let _ = write!(json, ",\"{field}\":{}", text(value));
}

/// A JSON string.
fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}
