//! Whom to believe.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::Verification;
use super::path::{PathVerifier, Purpose};
use crate::engine::Refusal;

/// Judges servers by [`Verification`]. In every mode the server has to own its certificate's key.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    pub(super) verification: Verification,
    pub(super) paths: Arc<PathVerifier>,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.verification != Verification::None {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let roots = &self.paths.roots().store();
            self.paths
                .verify(Purpose::Server, end_entity, intermediates, now, || {
                    let algorithms = self.paths.algorithms().all;
                    verify_server_cert_signed_by_trust_anchor(
                        &certificate,
                        roots,
                        intermediates,
                        now,
                        algorithms,
                    )
                })
                .map_err(|error| explain(error, end_entity, intermediates, roots))?;
            if self.verification == Verification::Full {
                verify_server_name(&certificate, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, self.paths.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, self.paths.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.paths.algorithms().supported_schemes()
    }
}

/// Judges clients; `inner` knows whether they have to show certificates.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    pub(super) inner: Arc<dyn ClientCertVerifier>,
    pub(super) paths: Arc<PathVerifier>,
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.paths
            .verify(Purpose::Client, end_entity, intermediates, now, || {
                self.inner
                    .verify_client_cert(end_entity, intermediates, now)
                    .map(drop)
            })
            .map_err(|error| {
                explain(
                    error,
                    end_entity,
                    intermediates,
                    &self.paths.roots().store(),
                )
            })?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Says more of a certificate that nobody trusted vouches for, and of an authority's own.
fn explain(
    error: Error,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &RootCertStore,
) -> Error {
    let error = match error {
        // Whose key is of another kind than the signature has not signed, and is only a namesake.
        Error::InvalidCertificate(
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id,
                public_key_algorithm_id,
            },
        ) if are_of_different_kinds(&signature_algorithm_id, &public_key_algorithm_id) => {
            CertificateError::UnknownIssuer.into()
        }
        error => error,
    };
    let authority = match &error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => false,
        Error::InvalidCertificate(CertificateError::Other(OtherError(other)))
            if matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            true
        }
        _ => return error,
    };
    let refusal = if is_self_signed(end_entity, roots) {
        Refusal::SelfSigned
    } else if authority {
        Refusal::Authority
    } else if intermediates
        .iter()
        .any(|certificate| is_self_signed(certificate, roots))
    {
        Refusal::SelfSignedInChain
    } else {
        return error;
    };
    refusal.into()
}

/// Where the object identifiers begin of keys and signatures that belong together: of elliptic curves, RSA and EdDSA.
const KINDS: [&[u8]; 3] = [
    &[0x2a, 0x86, 0x48, 0xce, 0x3d],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01],
    &[0x2b, 0x65],
];

/// Whether it is known that no such key makes such signatures; of each algorithm, the identifier in DER.
fn are_of_different_kinds(signature: &[u8], key: &[u8]) -> bool {
    let kind = |algorithm: &[u8]| {
        // Behind the tag and the length.
        let identifier = algorithm.get(2..)?;
        KINDS.iter().position(|kind| identifier.starts_with(kind))
    };
    matches!((kind(signature), kind(key)), (Some(signature), Some(key)) if signature != key)
}

/// Whether a certificate names itself as its issuer, and is none that is trusted.
fn is_self_signed(certificate: &CertificateDer<'_>, roots: &RootCertStore) -> bool {
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|parsed| {
        parsed.issuer() == parsed.subject()
            && !roots
                .roots
                .iter()
                .any(|root| root.subject.as_ref() == parsed.subject())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_tells_of_what_kind_its_key_is() {
        let (ecdsa_sha256, ed25519) = (
            [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
            [6, 3, 0x2b, 0x65, 0x70],
        );
        let (ec_key, rsa_key) = (
            [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1],
            [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1],
        );
        // Such as of a curve that is not known.
        assert!(!are_of_different_kinds(&ecdsa_sha256, &ec_key));
        assert!(are_of_different_kinds(&ecdsa_sha256, &ed25519));
        assert!(are_of_different_kinds(&ecdsa_sha256, &rsa_key));
        assert!(!are_of_different_kinds(&ecdsa_sha256, &[6, 1, 9]));
        assert!(!are_of_different_kinds(&[6], &rsa_key));
    }
}
