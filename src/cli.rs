//! The command line.

mod check;
mod init;
mod tenant;
mod user;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{demo, serve};

/// A Matrix homeserver for French local government: many towns in one process, sign-in with ProConnect.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    /// The server's configuration file.
    #[arg(long, short, global = true, env = "BEFFROI_CONFIG", default_value = "beffroi.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Asks a few questions and writes the configuration of a first town.
    Init(init::Init),
    /// Reads the configuration and proves what it needs: files, folders, ProConnect.
    Check,
    /// Serves until it is told to stop (SIGTERM, SIGINT).
    Serve,
    /// Two towns on loopback, with a mock ProConnect and sample agents: nothing to configure.
    Demo(demo::Demo),
    /// The towns of this server.
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// The users of a town. The server must be running.
    #[command(subcommand)]
    User(user::User),
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// In words for whoever typed it.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Task::Init(init) => init.run(&self.config),
            Task::Check => check::run(&self.config).await,
            Task::Serve => serve::run(&self.config).await,
            Task::Demo(demo) => demo.run().await,
            Task::Tenant(tenant) => tenant.run(&self.config).await,
            Task::User(user) => user.run(&self.config).await,
        }
    }
}

/// What a command says to a person or a script.
#[expect(clippy::print_stdout, reason = "the command line's answer, not a log")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
