//! Sample rooms, so that somebody who signs in finds something.

use std::sync::Arc;

use accounts::{NewUser, UserKind};
use kernel::id::{OwnedRoomAliasId, OwnedUserId};
use rooms::{Actor, CreateRoom, NewEvent, Preset, Visibility};
use serde_json::json;

use crate::{app::App, tenants::Tenants};

/// Alias, name, topic and first message.
const ROOMS: [(&str, &str, &str, &str); 2] = [
    ("mairie", "Mairie", "Pour tous les agents", "Bienvenue dans le salon de la mairie."),
    ("technique", "Services techniques", "Voirie, bâtiments, espaces verts", "La salle des fêtes est libre jeudi."),
];

/// Makes the rooms of each town, unless they are there.
pub(super) async fn furnish(tenants: &Tenants) -> anyhow::Result<()> {
    for app in tenants.all() {
        let host = host(&app).await?;
        for (alias, name, topic, message) in ROOMS {
            let alias = OwnedRoomAliasId::try_from(format!("#{alias}:{}", app.config.server_name))?;
            if app.rooms.resolve_alias(&alias)?.is_some() {
                continue;
            }
            let request = CreateRoom {
                visibility: Visibility::Public,
                preset: Some(Preset::PublicChat),
                alias: Some(alias),
                name: Some(name.to_owned()),
                topic: Some(topic.to_owned()),
                ..CreateRoom::default()
            };
            let room = app.rooms.create(&host, request).await?;
            let content = serde_json::value::to_raw_value(&json!({ "msgtype": "m.text", "body": message }))?;
            let event = NewEvent { event_type: "m.room.message".to_owned(), content, state_key: None, redacts: None };
            app.rooms.send(&host, &room, event, None).await?;
        }
    }
    Ok(())
}

/// The service account whose rooms they are.
async fn host(app: &Arc<App>) -> anyhow::Result<Actor> {
    const NAME: &str = "Accueil";
    let new = NewUser {
        localpart: "accueil".to_owned(),
        display_name: Some(NAME.to_owned()),
        kind: UserKind::Service,
        identity: None,
        email: None,
    };
    let user = OwnedUserId::try_from(format!("@accueil:{}", app.config.server_name))?;
    if app.accounts.user(&user)?.is_none() {
        app.accounts.create_user(new).await?;
    }
    Ok(Actor { user, display_name: Some(NAME.to_owned()), avatar_url: None })
}
