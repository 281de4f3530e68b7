//! Element X's core, matrix-sdk, against a running demo, town by town: it signs in by OAuth 2.0, and what two agents write in an
//! encrypted room, each reads. Then tokens are refreshed, a second device comes, and the first one signs out.
//! tests/peers/run.sh starts the demo and says where the towns are.

mod agent;
mod person;
mod wire;

use anyhow::{Context, ensure};
use matrix_sdk::ruma::RoomId;
use reqwest::StatusCode;

use crate::agent::{Agent, App};

/// As Element X for Android registers itself: it comes back by a scheme of its own, and always asks for a fresh sign-in.
const ANDROID: App = App { redirect_uri: "io.element.android:/", prompt: "login" };
/// As Element X for iOS does: it comes back by an address of its own.
const IOS: App = App { redirect_uri: "https://element.io/oauth/ios/io.element.elementx", prompt: "consent" };

// Nobody else's tests make cross-signing keys for the first of each two: the first upload of an account is to be seen.

#[tokio::test]
async fn two_agents_of_beffroi_sur_mer_talk_encrypted() -> anyhow::Result<()> {
    story("TOWN_A", ["elu", "helene"], &ANDROID).await
}

#[tokio::test]
async fn two_agents_of_sainte_cloche_talk_encrypted() -> anyhow::Result<()> {
    story("TOWN_B", ["homonyme", "karim"], &IOS).await
}

async fn story(town: &str, agents: [&'static str; 2], app: &App) -> anyhow::Result<()> {
    let town = std::env::var(town).with_context(|| format!("{town} is not set: see tests/peers/run.sh"))?;
    let town = town.parse().context("the town's base URL")?;
    let [first, second] = agents;
    let one = Agent::sign_in(&town, first, app).await?;
    let other = Agent::sign_in(&town, second, app).await?;
    ensure!(one.holds_cross_signing_keys().await, "an account's first keys need no approval");

    let room = one.create_encrypted_room(&other).await?;
    one.tell(&[&other], &room, "Bonjour, la salle des fêtes est-elle libre jeudi ?").await?;
    other.tell(&[&one], &room, "Bonjour, elle l'est.").await?;

    one.refresh().await.context("refresh")?;
    one.tell(&[&other], &room, "Parfait, je la réserve.").await?;
    other.tell(&[&one], &room, "C'est noté.").await?;

    let laptop = Agent::sign_in(&town, first, app).await?;
    second_device(&one, &laptop, &other, &room).await.context("second device")?;
    sign_out(&one, &laptop).await.context("sign out")
}

/// `laptop` is of the same person as `one`: it reads and writes beside it, and resets the cross-signing keys that it has not.
async fn second_device(one: &Agent, laptop: &Agent, other: &Agent, room: &RoomId) -> anyhow::Result<()> {
    ensure!(one.client.user_id() == laptop.client.user_id() && one.device()? != laptop.device()?);
    other.learns_of(laptop).await?;
    other.tell(&[one, laptop], room, "Vous voilà sur deux appareils.").await?;
    one.learns_of(laptop).await?;
    laptop.tell(&[one, other], room, "En effet.").await?;

    ensure!(!laptop.holds_cross_signing_keys().await, "the keys are the first device's");
    let before = other.cross_signing_key_of(one).await?;
    laptop.reset_cross_signing().await.context("reset of cross-signing")?;
    ensure!(laptop.holds_cross_signing_keys().await);
    let after = other.cross_signing_key_of(one).await?;
    ensure!(after != before && after == laptop.cross_signing_key_of(laptop).await?, "everybody sees the new keys");
    ensure!(other.sees_signed_by_its_owner(laptop).await?, "the device that made the keys is signed with them");
    Ok(())
}

/// The session ends, its device goes, and the person's other device stays.
async fn sign_out(one: &Agent, laptop: &Agent) -> anyhow::Result<()> {
    let token = one.client.access_token().context("a token")?;
    ensure!(one.wire.whoami(&token).await? == StatusCode::OK);
    one.sign_out().await?;
    ensure!(one.wire.whoami(&token).await? == StatusCode::UNAUTHORIZED, "the token is revoked");
    let refused = one.client.whoami().await.err().context("the SDK is refused too")?;
    ensure!(agent::is_unknown_token(&refused), "and knows why: {refused}");
    ensure!(one.client.oauth().refresh_access_token().await.is_err(), "the refresh token is revoked with it");
    let left = laptop.client.devices().await?.devices;
    ensure!(left.iter().all(|device| device.device_id != one.device().unwrap()), "its device is gone");
    ensure!(left.iter().any(|device| device.device_id == laptop.device().unwrap()), "the other one is there");
    Ok(())
}
