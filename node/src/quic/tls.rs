//! TLS 1.3 as libp2p wants it (its specification "TLS handshake"), by ring.
//!
//! Certificates are made and parsed by libp2p-tls, the rules for them are checked
//! here. libp2p-tls would also supply all of the configuration, but with AWS-LC, whose
//! generator draws on the timing of the processor: what a node sends would depend on
//! more than the entropy that its system gives it. The price is that the hybrid key
//! exchange with ML-KEM is not offered.

use std::sync::Arc;

use libp2p::identity::Keypair;
use libp2p::tls::certificate;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::rustls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite, sign};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig,
    SignatureScheme,
};

use super::error::Error;
use super::key_log::{KeyLog, Lines};

/// The protocol that runs above (ALPN).
const ALPN: &[u8] = b"libp2p";

/// Configurations for dialling and for listening, with one certificate each. `key_log` is
/// told the secrets of all their connections.
///
/// # Errors
/// When `keys` cannot sign.
pub(super) fn configs(
    keys: &Keypair,
    key_log: Option<Arc<dyn KeyLog>>,
) -> Result<(QuicClientConfig, QuicServerConfig), Error> {
    let provider = Arc::new(provider());
    let tls13 = &[&rustls::version::TLS13];
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(tls13)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PeerVerifier))
        .with_client_cert_resolver(Arc::new(certified(keys)?));
    client.alpn_protocols = vec![ALPN.to_vec()];
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(tls13)?
        .with_client_cert_verifier(Arc::new(PeerVerifier))
        .with_cert_resolver(Arc::new(certified(keys)?));
    server.alpn_protocols = vec![ALPN.to_vec()];
    if let Some(key_log) = key_log {
        client.key_log = Arc::new(Lines(Arc::clone(&key_log)));
        server.key_log = Arc::new(Lines(key_log));
    }
    let client = QuicClientConfig::try_from(client).map_err(no_suite)?;
    let server = QuicServerConfig::try_from(server).map_err(no_suite)?;
    Ok((client, server))
}

/// The suites of TLS 1.3 in libp2p-tls's order; ring's key exchanges.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        ..ring::default_provider()
    }
}

fn certified(keys: &Keypair) -> Result<SingleCertAndKey, Error> {
    let (certificate, secret) = certificate::generate(keys)?;
    let key = sign::any_ecdsa_type(&secret)?;
    Ok(CertifiedKey::new(vec![certificate], key).into())
}

/// quinn protects first packets with AES-128, which is among the suites.
fn no_suite(_: NoInitialCipherSuite) -> Error {
    rustls::Error::General("no cipher suite for first packets".to_owned()).into()
}

/// Accepts whoever has a certificate of libp2p: exactly one, signed by itself, with the
/// signature of the peer's own key in its extension. Which peer it is, is the swarm's
/// to judge.
#[derive(Debug)]
struct PeerVerifier;

fn check_chain(
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<(), rustls::Error> {
    if !intermediates.is_empty() {
        let reason = "libp2p has exactly one certificate";
        return Err(rustls::Error::General(reason.to_owned()));
    }
    certificate::parse(certificate)
        .map(drop)
        .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))
}

fn check_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    certificate::parse(certificate)
        .map_err(|_| CertificateError::BadEncoding)?
        .verify_signature(signed.scheme, message, signed.signature())
        .map_err(|_| CertificateError::BadSignature)?;
    Ok(HandshakeSignatureValid::assertion())
}

/// Only TLS 1.3 is offered, so that signatures of 1.2 are never asked for.
fn no_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    let reason = "libp2p has TLS 1.3 only";
    Err(rustls::Error::General(reason.to_owned()))
}

/// What peers may sign with, best first: those that libp2p-tls can verify.
fn schemes() -> Vec<SignatureScheme> {
    vec![
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ED25519,
        SignatureScheme::RSA_PSS_SHA512,
        SignatureScheme::RSA_PSS_SHA384,
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::RSA_PKCS1_SHA512,
        SignatureScheme::RSA_PKCS1_SHA384,
        SignatureScheme::RSA_PKCS1_SHA256,
    ]
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        check_chain(certificate, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        check_chain(certificate, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_certificate_of_libp2p_passes() {
        let keys = Keypair::generate_ed25519();
        let (certificate, _) = certificate::generate(&keys).unwrap();
        assert_eq!(check_chain(&certificate, &[]), Ok(()));
        assert!(check_chain(&certificate, std::slice::from_ref(&certificate)).is_err());
        assert!(check_chain(&CertificateDer::from(b"nonsense".as_slice()), &[]).is_err());
        // The extension is inside what the certificate's own key has signed.
        let mut forged = certificate.to_vec();
        let half = forged.len() / 2;
        forged[half] ^= 1;
        assert!(check_chain(&CertificateDer::from(forged), &[]).is_err());
    }
}
