//! The person at the browser: tests/peers/web/walk.mjs, which knows our pages and ProConnect's, as it does for the web clients.

use std::process::Stdio;

use anyhow::{Context, ensure};
use reqwest::Url;
use tokio::process::Command;

use crate::agent::DEADLINE;

/// Signs in as that agent, allows what `start` asks for, and returns where the browser was then sent, which is below `callback`.
pub async fn sign_in(agent: &str, start: &Url, callback: &Url) -> anyhow::Result<Url> {
    let back = walk(&[agent, start.as_str(), callback.as_str()]).await?;
    back.parse().context(back)
}

/// Signs in as that agent and allows the reset of cross-signing keys on the page at `start`.
pub async fn allow_reset(agent: &str, start: &Url) -> anyhow::Result<()> {
    walk(&[agent, start.as_str()]).await.map(drop)
}

async fn walk(arguments: &[&str]) -> anyhow::Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/walk.mjs");
    let mut node = Command::new("node");
    node.arg(script).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(DEADLINE, node.output()).await.context("the person at the browser is lost")?;
    let ended = ended.context("node")?;
    ensure!(ended.status.success(), "walk.mjs {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(String::from_utf8(ended.stdout)?.trim().to_owned())
}
