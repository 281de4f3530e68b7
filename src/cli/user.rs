//! `beffroi user …`: through the running server's administration socket.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::say;
use crate::{
    admin::{self, Command, UserCommand},
    config,
};

#[derive(Args)]
pub(super) struct Whose {
    /// The town's server name; may be left out when the server has one town only.
    #[arg(long, short)]
    tenant: Option<String>,
}

#[derive(Subcommand)]
pub(super) enum User {
    /// Lists users, one JSON object a line.
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Makes a service account, for a bot or a test.
    Create {
        #[command(flatten)]
        whose: Whose,
        localpart: String,
        #[arg(long)]
        display_name: Option<String>,
        #[arg(long)]
        admin: bool,
    },
    /// Prints an access token of a user as JSON; makes a service account if there is no such user.
    Token {
        #[command(flatten)]
        whose: Whose,
        localpart: String,
        #[arg(long)]
        device: Option<String>,
        #[arg(long)]
        display_name: Option<String>,
        #[arg(long)]
        admin: bool,
    },
    /// Locks an account: its sessions stay and do nothing.
    Lock {
        #[command(flatten)]
        whose: Whose,
        localpart: String,
    },
    Unlock {
        #[command(flatten)]
        whose: Whose,
        localpart: String,
    },
    /// Ends all sessions of a user.
    Logout {
        #[command(flatten)]
        whose: Whose,
        localpart: String,
    },
}

impl User {
    pub(super) async fn run(self, file: &Path) -> anyhow::Result<()> {
        let config = config::read_server(file)?;
        let (whose, action) = match self {
            Self::List { whose } => (whose, UserCommand::List { after: None }),
            Self::Create { whose, localpart, display_name, admin } => {
                (whose, UserCommand::Create { localpart, display_name, admin })
            }
            Self::Token { whose, localpart, device, display_name, admin } => {
                (whose, UserCommand::Token { localpart, device, display_name, admin })
            }
            Self::Lock { whose, localpart } => (whose, UserCommand::Lock { localpart }),
            Self::Unlock { whose, localpart } => (whose, UserCommand::Unlock { localpart }),
            Self::Logout { whose, localpart } => (whose, UserCommand::Logout { localpart }),
        };
        let tenant = match whose.tenant {
            Some(tenant) => tenant,
            None => only_tenant(&config)?,
        };
        match admin::ask(&config, &Command::User { tenant, action }).await? {
            Value::Null => say("done"),
            Value::Array(users) => users.iter().for_each(|user| say(&user.to_string())),
            answer => say(&answer.to_string()),
        }
        Ok(())
    }
}

fn only_tenant(config: &config::ServerConfig) -> anyhow::Result<String> {
    let tenants = config::read_tenants(&config.tenants_dir)?;
    match tenants.as_slice() {
        [only] => Ok(only.server_name.to_string()),
        _ => anyhow::bail!("this server has {} towns: say which with --tenant", tenants.len()),
    }
}
