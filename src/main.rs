//! The `beffroi` command.

use std::process::ExitCode;

use beffroi::cli::Cli;
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last word of a command that failed")]
            {
                eprintln!("beffroi: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
