//! `beffroi tenant …`: towns are files; a running server is told to read them again.

use std::path::Path;

use anyhow::Context;
use clap::Subcommand;

use super::{init::TenantFile, say};
use crate::{
    admin::{self, Command},
    config::{self, ServerConfig},
};

#[derive(Subcommand)]
pub(super) enum Tenant {
    /// Lists the towns of the configuration.
    List,
    /// Writes a town's file and has a running server open it.
    Add(TenantFile),
    /// Marks a town as disabled: its data stays, nobody is served.
    Disable { server_name: String },
    /// Has a running server read the towns' files again: towns that came or went, and which servers each talks to.
    Reload,
    /// Has a town sign with a new key, at once. The old one is still published as valid for two days, then as an old one for
    /// ever. The server must be running.
    RotateKey { server_name: String },
}

impl Tenant {
    pub(super) async fn run(self, file: &Path) -> anyhow::Result<()> {
        let config = config::read_server(file)?;
        match self {
            Self::List => {
                for tenant in config::read_tenants(&config.tenants_dir)? {
                    let state = if tenant.disabled { " (disabled)" } else { "" };
                    say(&format!("{}  {}{state}", tenant.server_name, tenant.base_url));
                }
                Ok(())
            }
            Self::Add(tenant) => {
                let path = tenant.write(&config.tenants_dir)?;
                // A file that cannot be read back is not left there to break the next start.
                if let Err(error) = config::read_tenant(&path) {
                    std::fs::remove_file(&path)?;
                    return Err(error.into());
                }
                say(&format!("wrote {}", path.display()));
                reload(&config).await
            }
            Self::Disable { server_name } => {
                disable(&config, &server_name)?;
                reload(&config).await
            }
            Self::Reload => reload(&config).await,
            Self::RotateKey { server_name } => {
                let answer = admin::ask(&config, &Command::RotateKey { tenant: server_name }).await?;
                say(&answer.to_string());
                Ok(())
            }
        }
    }
}

fn disable(config: &ServerConfig, server_name: &str) -> anyhow::Result<()> {
    let tenants = config::read_tenants(&config.tenants_dir)?;
    let tenant = tenants.iter().find(|tenant| tenant.server_name == server_name);
    let tenant = tenant.with_context(|| format!("there is no town {server_name}"))?;
    if tenant.disabled {
        return Ok(());
    }
    let text = std::fs::read_to_string(&tenant.file)?;
    // Keys before the first table belong to the town itself, and a line of the file's own is kept.
    let text = match text.lines().any(|line| line.trim_start().starts_with("disabled")) {
        true => text.replacen("disabled = false", "disabled = true", 1),
        false => format!("disabled = true\n{text}"),
    };
    std::fs::write(&tenant.file, text)?;
    Ok(())
}

async fn reload(config: &ServerConfig) -> anyhow::Result<()> {
    if !config.admin_socket().exists() {
        say("no server runs: it will know at its next start");
        return Ok(());
    }
    let answer = admin::ask(config, &Command::Reload).await?;
    say(&format!("the server took it: {answer}"));
    Ok(())
}
