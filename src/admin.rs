//! Administration of a running server: one JSON request and one JSON answer a line, over a socket that only the server's own
//! user can open.

mod command;

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

pub use command::{Command, UserCommand};

use crate::{config::ServerConfig, tenants::Tenants};

/// Longest request.
const LINE_BYTES_MAX: usize = 65_536;

/// Makes the socket anew: one that an ended server left is replaced.
///
/// # Errors
/// When another server answers on it.
pub fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        anyhow::bail!("another server has the administration socket {}", path.display());
    }
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers until the shutdown begins.
pub(crate) async fn serve(
    listener: UnixListener,
    config: ServerConfig,
    tenants: Arc<Tenants>,
    shutdown: web::Shutdown,
) {
    let config = Arc::new(config);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (config, tenants) = (config.clone(), tenants.clone());
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &config, &tenants).await {
                            tracing::warn!(%error, "administration");
                        }
                    });
                }
                Err(error) => tracing::error!(%error, "the administration socket"),
            },
            () = shutdown.begun() => break,
        }
    }
    let _ = std::fs::remove_file(config.admin_socket());
}

async fn converse(stream: UnixStream, config: &ServerConfig, tenants: &Tenants) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        anyhow::ensure!(line.len() <= LINE_BYTES_MAX, "a request of {} bytes", line.len());
        let answer = match serde_json::from_str::<Command>(&line) {
            Ok(command) => answer(command.run(config, tenants).await),
            Err(error) => json!({ "error": error.to_string() }),
        };
        write.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

fn answer(outcome: anyhow::Result<Value>) -> Value {
    match outcome {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": format!("{error:#}") }),
    }
}

/// Asks the running server.
///
/// # Errors
/// When none runs, or it refuses.
pub async fn ask(config: &ServerConfig, command: &Command) -> anyhow::Result<Value> {
    let path = config.admin_socket();
    let stream = UnixStream::connect(&path)
        .await
        .with_context(|| format!("no server answers on {}; start it with `beffroi serve`", path.display()))?;
    let (read, mut write) = stream.into_split();
    write.write_all(format!("{}\n", serde_json::to_string(command)?).as_bytes()).await?;
    let line = BufReader::new(read).lines().next_line().await?.context("the server hung up")?;
    let mut answer: Value = serde_json::from_str(&line)?;
    match answer.get_mut("ok") {
        Some(ok) => Ok(ok.take()),
        None => anyhow::bail!("{}", answer["error"].as_str().unwrap_or("the server gave no reason")),
    }
}
