//! An agent of a town on one device: a signed-in matrix-sdk client, driven by one `/sync` after the other until it has seen what
//! it waits for.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, bail, ensure};
use matrix_sdk::{
    Client, HttpError, RoomState,
    authentication::oauth::{
        OAuthError,
        error::OAuthTokenRevocationError,
        registration::{ApplicationType, ClientMetadata, Localized, OAuthGrantType},
    },
    config::{RequestConfig, SyncSettings},
    deserialized_responses::TimelineEventKind,
    encryption::{CrossSigningResetAuthType, EncryptionSettings, identities::UserIdentity},
    ruma::{
        DeviceId, EventId, OwnedEventId, OwnedRoomId, RoomId, UserId,
        api::{client::room::create_room, error::ErrorKind},
        events::{
            InitialStateEvent,
            room::{encryption::RoomEncryptionEventContent, message::RoomMessageEventContent},
        },
        serde::Raw,
    },
    sync::SyncResponse,
};
use reqwest::Url;

use crate::{person, wire::Wire};

/// For one thing that a test waits for.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// For one `/sync`.
const POLL: Duration = Duration::from_secs(10);

/// What apps register and ask for, where they differ.
pub struct App {
    pub redirect_uri: &'static str,
    pub prompt: &'static str,
}

pub struct Agent {
    /// The key of a sample agent of the mock ProConnect.
    key: &'static str,
    pub client: Client,
    pub wire: Wire,
}

impl Agent {
    /// On a new device: the client registers itself, a code with PKCE comes back, keys go up, and `/sync` begins.
    pub async fn sign_in(town: &Url, key: &'static str, app: &App) -> anyhow::Result<Self> {
        let http = http(town)?;
        let keys = EncryptionSettings { auto_enable_cross_signing: true, ..EncryptionSettings::default() };
        let builder = Client::builder().homeserver_url(town).http_client(http.clone()).with_encryption_settings(keys);
        // An answer that makes the SDK try again is to be seen.
        let client = builder.request_config(RequestConfig::new().disable_retry()).build().await?;

        let oauth = client.oauth();
        let callback: Url = app.redirect_uri.parse()?;
        let registration = Raw::new(&registration(&callback)?)?;
        let login = oauth.login(callback.clone(), None, Some(registration.into()), None);
        let asked = login.prompt(vec![app.prompt.into()]).build().await?;
        let back = person::sign_in(key, &asked.url, &callback).await?;
        oauth.finish_login(back.into()).await?;
        client.encryption().wait_for_e2ee_initialization_tasks().await;
        // With the first sync go up the keys of the device.
        client.sync_once(SyncSettings::default()).await?;

        let agent = Self { key, client, wire: Wire { town: town.clone(), http } };
        let device = agent.client.whoami().await?.device_id;
        ensure!(device.as_deref() == Some(agent.device()?), "the device is the one that the scope asked for");
        Ok(agent)
    }

    pub fn user(&self) -> anyhow::Result<&UserId> {
        self.client.user_id().context("a user")
    }

    pub fn device(&self) -> anyhow::Result<&DeviceId> {
        self.client.device_id().context("a device")
    }

    /// Syncs until `seen` finds what it looks for, in an answer or in what the client then knows.
    async fn sync_until<T>(
        &self,
        what: &str,
        mut seen: impl AsyncFnMut(&SyncResponse) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let search = async {
            loop {
                let answer = self.client.sync_once(SyncSettings::default().timeout(POLL)).await?;
                if let Some(found) = seen(&answer).await? {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(DEADLINE, search).await.with_context(|| format!("{} waits for {what}", self.key))?
    }
}

/// Names under .localhost are loopback (RFC 6761), whether the system's resolver knows it or not.
#[expect(clippy::disallowed_methods, reason = "a client's requests, not the server's")]
fn http(town: &Url) -> anyhow::Result<reqwest::Client> {
    let host = town.host_str().context("the town's host")?;
    Ok(reqwest::Client::builder().resolve(host, (Ipv4Addr::LOCALHOST, 0).into()).no_proxy().build()?)
}

/// Element X's.
fn registration(callback: &Url) -> anyhow::Result<ClientMetadata> {
    let by_code = OAuthGrantType::AuthorizationCode { redirect_uris: vec![callback.clone()] };
    let of_element = |path: &str| anyhow::Ok(Localized::new(Url::parse("https://element.io")?.join(path)?, None));
    Ok(ClientMetadata {
        client_name: Some(Localized::new("Element".to_owned(), None)),
        logo_uri: Some(of_element("/mobile-icon.png")?),
        tos_uri: Some(of_element("/acceptable-use-policy-terms")?),
        policy_uri: Some(of_element("/privacy")?),
        ..ClientMetadata::new(ApplicationType::Native, vec![by_code, OAuthGrantType::DeviceCode], of_element("")?)
    })
}

/// Rooms and messages.
impl Agent {
    /// Makes a room and sees `guest` in it.
    pub async fn create_encrypted_room(&self, guest: &Self) -> anyhow::Result<OwnedRoomId> {
        let encryption =
            InitialStateEvent::with_empty_state_key(RoomEncryptionEventContent::with_recommended_defaults());
        let mut request = create_room::v3::Request::new();
        request.name = Some("Salle des fêtes".to_owned());
        request.preset = Some(create_room::v3::RoomPreset::PrivateChat);
        request.invite = vec![guest.user()?.to_owned()];
        request.initial_state = vec![encryption.to_raw_any()];
        let room = self.client.create_room(request).await?.room_id().to_owned();

        let invited =
            async |_: &SyncResponse| Ok(guest.client.get_room(&room).filter(|room| room.state() == RoomState::Invited));
        guest.sync_until("the invite", invited).await?.join().await?;
        let joined =
            async |_: &SyncResponse| Ok(self.client.get_room(&room).filter(|room| room.joined_members_count() == 2));
        self.sync_until("the join", joined).await?;
        let joined =
            async |_: &SyncResponse| Ok(guest.client.get_room(&room).filter(|room| room.state() == RoomState::Joined));
        guest.sync_until("its own join", joined).await?;
        Ok(room)
    }

    /// Says something, and hears that each of `others` reads it. The server has it encrypted.
    pub async fn tell(&self, others: &[&Self], room: &RoomId, text: &str) -> anyhow::Result<()> {
        let sent = self.say(room, text).await.with_context(|| format!("{} says: {text}", self.key))?;
        for other in others {
            let heard = other.hear(self, room, &sent).await.with_context(|| format!("{} hears: {text}", other.key))?;
            ensure!(heard == text, "{} reads: {heard}", other.key);
        }
        Ok(())
    }

    async fn say(&self, room: &RoomId, text: &str) -> anyhow::Result<OwnedEventId> {
        let joined = self.client.get_room(room).context("the room")?;
        let sent = joined.send(RoomMessageEventContent::text_plain(text)).await?.response.event_id;
        let token = self.client.access_token().context("a token")?;
        let event = self.wire.event(room, &sent, &token).await?;
        ensure!(
            event["type"] == "m.room.encrypted" && event["content"]["algorithm"] == "m.megolm.v1.aes-sha2",
            "{event}"
        );
        ensure!(!event.to_string().contains(text), "the server cannot read it: {event}");
        Ok(sent)
    }

    /// The text of that event of `from`'s. Its key must come no later than the event, or a person sees "unable to decrypt".
    async fn hear(&self, from: &Self, room: &RoomId, event: &EventId) -> anyhow::Result<String> {
        let arrived = async |answer: &SyncResponse| {
            let mut events = answer.rooms.joined.get(room).into_iter().flat_map(|room| &room.timeline.events);
            Ok(events.find(|one| one.event_id().as_deref() == Some(event)).map(|one| one.kind.clone()))
        };
        let decrypted = match self.sync_until("a message", arrived).await? {
            TimelineEventKind::Decrypted(decrypted) => decrypted,
            TimelineEventKind::UnableToDecrypt { utd_info, .. } => bail!("unable to decrypt: {utd_info:?}"),
            TimelineEventKind::PlainText { event } => bail!("not encrypted: {event:?}"),
        };
        let writer = &decrypted.encryption_info;
        ensure!(writer.sender == from.user()? && writer.sender_device.as_deref() == Some(from.device()?), "{writer:?}");
        let content: RoomMessageEventContent = decrypted.event.get_field("content")?.context("a content")?;
        Ok(content.body().to_owned())
    }
}

/// Devices and cross-signing keys.
impl Agent {
    pub async fn holds_cross_signing_keys(&self) -> bool {
        self.client.encryption().cross_signing_status().await.is_some_and(|status| status.is_complete())
    }

    /// Waits until this client knows another device, because `/sync` said that its owner's devices changed.
    pub async fn learns_of(&self, other: &Self) -> anyhow::Result<()> {
        let (user, device) = (other.user()?, other.device()?);
        let known = async || self.client.encryption().get_device(user, device).await;
        // Else it waits for news that came with an earlier answer.
        if known().await?.is_some() {
            return Ok(());
        }
        self.sync_until("a device", async |_| Ok(known().await?)).await.map(drop)
    }

    /// The public master key of somebody, as the server has it now.
    pub async fn cross_signing_key_of(&self, other: &Self) -> anyhow::Result<String> {
        let key = self.identity_of(other).await?.master_key().get_first_key().context("a key")?;
        Ok(key.to_base64())
    }

    /// Whether the keys of the owner of that device sign it.
    pub async fn sees_signed_by_its_owner(&self, other: &Self) -> anyhow::Result<bool> {
        self.identity_of(other).await?;
        let device = self.client.encryption().get_device(other.user()?, other.device()?).await?;
        Ok(device.context("the device")?.is_cross_signed_by_owner())
    }

    async fn identity_of(&self, other: &Self) -> anyhow::Result<UserIdentity> {
        let identity = self.client.encryption().request_user_identity(other.user()?).await?;
        identity.with_context(|| format!("{} has cross-signing keys", other.key))
    }

    /// Replaces the keys of the account: the SDK asks again and again, until the person has allowed it in the browser.
    pub async fn reset_cross_signing(&self) -> anyhow::Result<()> {
        let handle = self.client.encryption().reset_cross_signing().await?.context("the server asks the person")?;
        let CrossSigningResetAuthType::OAuth(asked) = handle.auth_type() else {
            bail!("asked for {:?}", handle.auth_type());
        };
        let waits = async { Ok(handle.auth(None).await?) };
        tokio::try_join!(waits, person::allow_reset(self.key, &asked.approval_url))?;
        Ok(())
    }
}

/// Tokens.
impl Agent {
    /// New tokens, for the same session.
    pub async fn refresh(&self) -> anyhow::Result<()> {
        let before = self.client.session_tokens().context("tokens")?;
        ensure!(before.refresh_token.is_some());
        self.client.oauth().refresh_access_token().await?;
        let after = self.client.session_tokens().context("tokens")?;
        ensure!(after.access_token != before.access_token && after.refresh_token != before.refresh_token, "rotated");
        ensure!(self.client.whoami().await?.device_id.as_deref() == Some(self.device()?), "the session is the same");
        Ok(())
    }

    pub async fn sign_out(&self) -> anyhow::Result<()> {
        let oauth = self.client.oauth();
        match oauth.logout().await {
            Ok(()) => Ok(()),
            // The SDK revokes over https only, and the demo's towns are plain http: the same form, then, by hand.
            Err(OAuthError::Logout(OAuthTokenRevocationError::Url(_))) => {
                let endpoint = oauth.server_metadata().await?.revocation_endpoint;
                let token = self.client.access_token().context("a token")?;
                self.wire.revoke(endpoint, &token, oauth.client_id().context("a client id")?).await
            }
            Err(error) => Err(error.into()),
        }
    }
}

pub fn is_unknown_token(error: &HttpError) -> bool {
    matches!(error.client_api_error_kind(), Some(ErrorKind::UnknownToken { .. }))
}
