//! Which certificates are believed: those of the machine's authorities, of the operator's, and, if keys are pinned, only those of
//! these keys among them.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256};

use super::OutboundError;

/// Which certificates an [`super::Outbound`] believes.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Certificate authorities besides the machine's own, in PEM.
    pub roots_pem: Vec<Vec<u8>>,
    /// The machine's own authorities do not count.
    pub only_these_roots: bool,
    /// Public keys, one of which the server's certificate must have; any, if there is none here.
    pub pins: Vec<KeyPin>,
}

/// The SHA-256 of a public key (SubjectPublicKeyInfo, DER). Written `sha256/…` in base64, as RFC 7469 and curl have it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyPin([u8; 32]);

impl KeyPin {
    /// None for what is no such pin.
    pub fn parse(text: &str) -> Option<Self> {
        let digest = STANDARD.decode(text.strip_prefix("sha256/")?).ok()?;
        Some(Self(digest.try_into().ok()?))
    }

    fn of(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        Ok(Self(Sha256::digest(key).into()))
    }
}

impl fmt::Debug for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

impl Trust {
    /// The TLS of a client that believes this; `protocols` are offered by ALPN.
    pub(super) fn client_config(&self, protocols: &[&[u8]]) -> Result<ClientConfig, OutboundError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut verifier = self.authorities(&provider)?;
        if !self.pins.is_empty() {
            verifier = Arc::new(Pinned { authorities: verifier, pins: self.pins.clone() });
        }
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(OutboundError::trust)?;
        let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }

    fn authorities(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, OutboundError> {
        let mut roots = Vec::new();
        for pem in &self.roots_pem {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.push(certificate.map_err(OutboundError::trust)?);
            }
            if roots.len() == before {
                return Err(OutboundError::trust("a file of roots holds no certificate in PEM"));
            }
        }
        if !self.only_these_roots {
            let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider.clone());
            return Ok(Arc::new(verifier.map_err(OutboundError::trust)?));
        }
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root).map_err(OutboundError::trust)?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(store.into(), provider.clone()).build();
        verifier.map(|verifier| verifier as _).map_err(OutboundError::trust)
    }
}

/// All that the authorities ask, and one of these keys besides. Only the server's own certificate counts: others may send along
/// what they like.
#[derive(Debug)]
struct Pinned {
    authorities: Arc<dyn ServerCertVerifier>,
    pins: Vec<KeyPin>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        if !self.pins.contains(&KeyPin::of(end_entity)?) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}
