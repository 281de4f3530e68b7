//! Certificates from files (PEM), read at the start.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::config::Listener;

/// The TLS of a listener, if its configuration names a certificate.
pub(super) fn source(listener: &Listener) -> anyhow::Result<Option<web::TlsSource>> {
    let (Some(certificate), Some(key)) = (&listener.tls_certificate, &listener.tls_key) else { return Ok(None) };
    let config = Arc::new(read(certificate, key)?);
    Ok(Some(Arc::new(move || config.clone())))
}

fn read(certificate: &Path, key: &Path) -> anyhow::Result<ServerConfig> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("the certificate {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("the key {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("{} and its key do not fit", certificate.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
