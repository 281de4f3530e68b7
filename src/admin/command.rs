//! What an administrator can have done: the command line and the socket speak of the same commands.

use accounts::{NewSession, NewUser, SessionKind, UserKind};
use anyhow::Context;
use kernel::id::{OwnedDeviceId, OwnedUserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    app::App,
    config::{self, ServerConfig},
    tenants::Tenants,
};

/// Users of one answer.
const USERS_MAX: usize = 1_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command", deny_unknown_fields)]
pub enum Command {
    /// The tenants that are open.
    Tenants,
    /// Reads the tenants' files again.
    Reload,
    /// Has a tenant sign with a new key.
    RotateKey { tenant: String },
    /// About a user of a tenant.
    User { tenant: String, action: UserCommand },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UserCommand {
    List {
        after: Option<String>,
    },
    /// A service account, for a program.
    Create {
        localpart: String,
        display_name: Option<String>,
        admin: bool,
    },
    /// A token of a user, for this device or a new one. The user is made if there is none of that name.
    Token {
        localpart: String,
        device: Option<String>,
        display_name: Option<String>,
        admin: bool,
    },
    Lock {
        localpart: String,
    },
    Unlock {
        localpart: String,
    },
    Logout {
        localpart: String,
    },
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// In words for the administrator.
    pub async fn run(self, config: &ServerConfig, tenants: &Tenants) -> anyhow::Result<Value> {
        match self {
            Self::Tenants => {
                let tenant =
                    |app: &App| json!({ "server_name": app.config.server_name, "base_url": app.config.base_url });
                Ok(tenants.all().iter().map(|app| tenant(app)).collect())
            }
            Self::Reload => {
                let reload = tenants.apply(config::read_tenants(&config.tenants_dir)?).await?;
                Ok(json!({ "opened": reload.opened, "closed": reload.closed }))
            }
            Self::RotateKey { tenant } => {
                let key_id = tenants.rotate_key(&tenant).await?;
                Ok(json!({ "key_id": key_id }))
            }
            Self::User { tenant, action } => {
                let app = tenants.get(&tenant).with_context(|| format!("no tenant {tenant} is open"))?;
                action.run(&app).await
            }
        }
    }
}

impl UserCommand {
    async fn run(self, app: &App) -> anyhow::Result<Value> {
        let accounts = &app.accounts;
        match self {
            Self::List { after } => {
                let after = after.map(|localpart| user_id(app, &localpart)).transpose()?;
                let users = accounts.list(after.as_deref(), USERS_MAX)?;
                Ok(users.iter().map(shown).collect())
            }
            Self::Create { localpart, display_name, admin } => {
                let user = create(app, &localpart, display_name, admin).await?;
                Ok(json!({ "user_id": user }))
            }
            Self::Token { localpart, device, display_name, admin } => {
                let user = user_id(app, &localpart)?;
                if accounts.user(&user)?.is_none() {
                    create(app, &localpart, display_name, admin).await?;
                }
                let session = NewSession {
                    user,
                    device: device.filter(|device| !device.is_empty()).map(OwnedDeviceId::from),
                    display_name: None,
                    kind: SessionKind::Service,
                    access_lifetime: None,
                    refresh: false,
                };
                let tokens = accounts.start_session(session).await?;
                Ok(json!({ "user_id": tokens.user, "device_id": tokens.device, "access_token": tokens.access }))
            }
            Self::Lock { localpart } => Ok(accounts.lock(&user_id(app, &localpart)?).await.map(|()| Value::Null)?),
            Self::Unlock { localpart } => {
                Ok(accounts.unlock(&user_id(app, &localpart)?).await.map(|()| Value::Null)?)
            }
            Self::Logout { localpart } => {
                Ok(accounts.end_all_sessions(&user_id(app, &localpart)?).await.map(|()| Value::Null)?)
            }
        }
    }
}

async fn create(app: &App, localpart: &str, display_name: Option<String>, admin: bool) -> anyhow::Result<OwnedUserId> {
    let new =
        NewUser { localpart: localpart.to_owned(), display_name, kind: UserKind::Service, identity: None, email: None };
    let user = app.accounts.create_user(new).await?;
    if admin {
        app.accounts.set_admin(&user, true).await?;
    }
    Ok(user)
}

fn user_id(app: &App, localpart: &str) -> anyhow::Result<OwnedUserId> {
    let id = if localpart.starts_with('@') {
        localpart.to_owned()
    } else {
        format!("@{localpart}:{}", app.config.server_name)
    };
    OwnedUserId::try_from(id.as_str()).with_context(|| format!("{id} is no user id"))
}

fn shown(user: &accounts::User) -> Value {
    json!({
        "user_id": user.id,
        "display_name": user.display_name,
        "email": user.email,
        "service": user.kind == UserKind::Service,
        "admin": user.admin,
        "locked": user.locked,
        "suspended": user.suspended,
        "deactivated": user.deactivated,
    })
}
