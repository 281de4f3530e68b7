//! Plain HTTP beside the SDK: what stands on the server, and what the SDK sends over TLS only.

use anyhow::{Context, ensure};
use matrix_sdk::ruma::{EventId, RoomId};
use reqwest::{Response, StatusCode, Url};
use serde_json::Value;

pub struct Wire {
    pub town: Url,
    pub http: reqwest::Client,
}

impl Wire {
    /// How the server answers `whoami` for that access token.
    pub async fn whoami(&self, token: &str) -> anyhow::Result<StatusCode> {
        Ok(self.get(&["account", "whoami"], token).await?.status())
    }

    /// An event as the server has it.
    pub async fn event(&self, room: &RoomId, event: &EventId, token: &str) -> anyhow::Result<Value> {
        let answer = self.get(&["rooms", room.as_str(), "event", event.as_str()], token).await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Revokes as the SDK does (RFC 7009).
    pub async fn revoke(&self, endpoint: Url, token: &str, client_id: &str) -> anyhow::Result<()> {
        let form = [("token", token), ("token_type_hint", "access_token"), ("client_id", client_id)];
        let status = self.http.post(endpoint).form(&form).send().await?.status();
        ensure!(status == StatusCode::OK, "revocation: {status}");
        Ok(())
    }

    async fn get(&self, path: &[&str], token: &str) -> anyhow::Result<Response> {
        let mut url = self.town.join("/_matrix/client/v3")?;
        url.path_segments_mut().ok().context("a base URL")?.extend(path);
        Ok(self.http.get(url).bearer_auth(token).send().await?)
    }
}
