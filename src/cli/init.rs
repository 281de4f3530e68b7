//! `beffroi init`: five questions, two files.

use std::{
    io::{BufRead, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;

use super::say;

/// The files as `config/` explains them, to be filled in.
const SERVER: &str = include_str!("../../config/beffroi.example.toml");

#[derive(Args)]
pub(super) struct Init {
    #[command(flatten)]
    tenant: Answers,
}

/// Answers given on the command line are not asked for.
#[derive(Args)]
struct Answers {
    /// The town's server name, for ever behind the colon of its user ids: metz.example.
    #[arg(long)]
    server_name: Option<String>,
    /// Where clients reach it: https://matrix.metz.example.
    #[arg(long)]
    base_url: Option<String>,
    /// ProConnect's issuer.
    #[arg(long)]
    issuer: Option<String>,
    /// The client id that ProConnect's partner space gave.
    #[arg(long)]
    client_id: Option<String>,
    /// The establishments whose agents may come in, 14 digits each.
    #[arg(long, value_delimiter = ',')]
    siret: Vec<String>,
}

/// What a town's file is written from.
#[derive(Args)]
pub(super) struct TenantFile {
    pub(super) server_name: String,
    /// Where clients reach it: https://matrix.metz.example.
    #[arg(long)]
    pub(super) base_url: String,
    #[arg(long, default_value = "https://auth.agentconnect.gouv.fr/api/v2")]
    pub(super) issuer: String,
    #[arg(long)]
    pub(super) client_id: String,
    /// A file with ProConnect's client secret, relative to the tenants' folder.
    #[arg(long)]
    pub(super) client_secret_file: PathBuf,
    /// The establishments whose agents may come in, 14 digits each.
    #[arg(long, value_delimiter = ',')]
    pub(super) siret: Vec<String>,
}

impl Init {
    pub(super) fn run(self, file: &Path) -> anyhow::Result<()> {
        anyhow::ensure!(!file.exists(), "{} is there already", file.display());
        let Answers { server_name, base_url, issuer, client_id, siret } = self.tenant;
        let server_name = ask("Server name of the town (metz.example)", server_name)?;
        let suggested = format!("https://matrix.{server_name}");
        let base_url = ask_or("Address for clients", base_url, &suggested)?;
        let issuer = ask_or("ProConnect's issuer", issuer, "https://auth.agentconnect.gouv.fr/api/v2")?;
        let client_id = ask("Client id at ProConnect", client_id)?;
        let siret = match siret.is_empty() {
            true => ask("SIRET of the town", None)?.split(',').map(|s| s.trim().to_owned()).collect(),
            false => siret,
        };
        let folder = file.parent().unwrap_or(Path::new(".")).join("tenants");
        std::fs::create_dir_all(&folder)?;
        let secret = folder.join(format!("{server_name}.secret"));
        let tenant = TenantFile {
            client_secret_file: format!("{server_name}.secret").into(),
            server_name,
            base_url,
            issuer,
            client_id,
            siret,
        };
        let path = tenant.write(&folder)?;
        std::fs::write(file, SERVER).with_context(|| file.display().to_string())?;
        say(&format!("wrote {} and {}", file.display(), path.display()));
        say(&format!("put ProConnect's client secret into {}, then: beffroi check", secret.display()));
        Ok(())
    }
}

impl TenantFile {
    /// Writes the town's file.
    ///
    /// # Errors
    /// When it is there already.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let path = folder.join(format!("{}.toml", self.server_name));
        anyhow::ensure!(!path.exists(), "{} is there already", path.display());
        let text = |value: &str| toml::Value::from(value).to_string();
        let secret = text(&self.client_secret_file.display().to_string());
        let sirets = toml::Value::from(self.siret.clone());
        let contents = format!(
            "# config/tenant.example.toml explains every key.\nserver_name = {}\nbase_url = {}\n\n[proconnect]\nissuer = {}\n\
             client_id = {}\nclient_secret = {{ file = {secret} }}\n\n[proconnect.rules]\nsirets = {sirets}\n",
            text(&self.server_name),
            text(&self.base_url),
            text(&self.issuer),
            text(&self.client_id),
        );
        std::fs::write(&path, contents).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

fn ask(question: &str, given: Option<String>) -> anyhow::Result<String> {
    let answer = match given {
        Some(answer) => answer,
        None => read(question)?,
    };
    anyhow::ensure!(!answer.is_empty(), "{question}: an answer is needed");
    Ok(answer)
}

fn ask_or(question: &str, given: Option<String>, suggested: &str) -> anyhow::Result<String> {
    let answer = match given {
        Some(answer) => answer,
        None => read(&format!("{question} [{suggested}]"))?,
    };
    Ok(if answer.is_empty() { suggested.to_owned() } else { answer })
}

fn read(question: &str) -> anyhow::Result<String> {
    let mut out = std::io::stderr();
    write!(out, "{question}: ")?;
    out.flush()?;
    let mut line = String::new();
    anyhow::ensure!(std::io::stdin().lock().read_line(&mut line)? > 0, "no answer: give it as an option, see --help");
    Ok(line.trim().to_owned())
}
