//! `beffroi check`: what can be proved before going live, one line each.

use std::path::Path;

use super::say;
use crate::config;

/// # Errors
/// When anything would keep the server from serving.
pub(super) async fn run(file: &Path) -> anyhow::Result<()> {
    let config = config::read_server(file)?;
    say(&format!("ok    {}", file.display()));
    let tenants = config::read_tenants(&config.tenants_dir)?;
    anyhow::ensure!(
        !tenants.is_empty(),
        "{}: there is no town; `beffroi tenant add` makes one",
        config.tenants_dir.display()
    );
    std::fs::create_dir_all(&config.data_dir)?;
    let probe = config.data_dir.join(".beffroi-check");
    std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe)).map_err(|error| {
        anyhow::anyhow!("{}: {error}; the server must be able to write there", config.data_dir.display())
    })?;
    say(&format!("ok    {} can be written to", config.data_dir.display()));
    let policy = web::OutboundPolicy { loopback: config.dev, ..web::OutboundPolicy::default() };
    let outbound = web::Outbound::new(policy, |_| true)?;
    let mut wrong = 0;
    for tenant in &tenants {
        tenant.auth_settings(config.dev).check()?;
        say(&format!("ok    {}", tenant.file.display()));
        let discovery = format!("{}/.well-known/openid-configuration", tenant.issuer().as_str().trim_end_matches('/'));
        match outbound.get(&discovery).await {
            Ok(answer) if answer.status().is_success() => say(&format!("ok    ProConnect of {}", tenant.server_name)),
            Ok(answer) => {
                wrong += 1;
                say(&format!("WRONG {discovery} answers {}; correct `issuer`", answer.status()));
            }
            Err(error) => {
                wrong += 1;
                say(&format!("WRONG {discovery}: {error}; is the network open to it?"));
            }
        }
    }
    anyhow::ensure!(wrong == 0, "{wrong} things are wrong");
    Ok(())
}
