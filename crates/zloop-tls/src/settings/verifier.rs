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
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => CertificateError::UnknownIssuer.into(),
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
