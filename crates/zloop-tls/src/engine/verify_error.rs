//! What is wrong with a certificate, in OpenSSL's terms.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, OtherError};

/// What is wrong with the peer's certificate.
///
/// The code and the message are those that OpenSSL gives (`X509_V_ERR_...`), as far as it judges
/// alike; where it has no such code, the code is 1 and the message says more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct VerifyError {
    code: u32,
    message: String,
}

impl VerifyError {
    /// OpenSSL's number for it.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// OpenSSL's text for it; for a wrong name, the text that Python's `ssl` makes of it.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<CertificateError> for VerifyError {
    fn from(error: CertificateError) -> Self {
        use CertificateError as E;
        match error {
            E::Expired | E::ExpiredContext { .. } => Self::new(10, "certificate has expired"),
            E::NotValidYet | E::NotValidYetContext { .. } => {
                Self::new(9, "certificate is not yet valid")
            }
            E::Revoked => Self::new(23, "certificate revoked"),
            E::UnknownIssuer => Self::new(20, "unable to get local issuer certificate"),
            E::BadSignature => Self::new(7, "certificate signature failure"),
            E::UnhandledCriticalExtension => Self::new(34, "unhandled critical extension"),
            E::UnknownRevocationStatus => Self::new(3, "unable to get certificate CRL"),
            E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => {
                Self::new(12, "CRL has expired")
            }
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
                Self::new(26, "unsuitable certificate purpose")
            }
            E::NotValidForName => Self::new(62, "hostname mismatch"),
            E::NotValidForNameContext { expected, .. } => wrong_name(&expected),
            E::ApplicationVerificationFailure => Self::new(50, "application verification failure"),
            E::Other(other) if is_unhandled_extension(&other) => {
                E::UnhandledCriticalExtension.into()
            }
            E::Other(other) => {
                let code = other.0.downcast_ref().map_or(1, Refusal::code);
                Self::new(code, other.0.to_string())
            }
            other => Self::new(1, other.to_string()),
        }
    }
}

fn is_unhandled_extension(error: &OtherError) -> bool {
    error
        .0
        .downcast_ref()
        .is_some_and(|error| matches!(error, webpki::Error::UnsupportedCriticalExtension))
}

fn wrong_name(expected: &ServerName<'_>) -> VerifyError {
    let (code, what) = match expected {
        ServerName::IpAddress(_) => (64, "IP address mismatch"),
        _ => (62, "Hostname mismatch"),
    };
    let name = expected.to_str();
    VerifyError::new(
        code,
        format!("{what}, certificate is not valid for '{name}'."),
    )
}

/// What rustls has no name of its own for. The words are OpenSSL's, where it has such a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Nobody vouches for the certificate but itself.
    #[error("self-signed certificate")]
    SelfSigned,
    /// Nobody trusted vouches for the certificate that the chain ends with.
    #[error("self-signed certificate in certificate chain")]
    SelfSignedInChain,
    /// The peer's own certificate is an authority's, which OpenSSL lets pass if it is trusted.
    #[error("the certificate of a certificate authority, which may not be a peer's own")]
    Authority,
    /// An authority's key is not the one that is said to have signed.
    #[error("unable to get local issuer certificate")]
    Issuer,
    /// An authority may not sign certificates.
    #[error("invalid CA certificate")]
    InvalidAuthority,
    /// More authorities stand between than one of them allows.
    #[error("path length constraint exceeded")]
    PathLength,
    /// The certificate, or an authority's, is for something else.
    #[error("unsuitable certificate purpose")]
    Purpose,
    /// An extension cannot be understood.
    #[error("invalid or inconsistent certificate extension")]
    Extension,
    /// Names are constrained, and the certificate's are where constraints are not looked at.
    #[error("permitted subtree violation")]
    Name,
    #[error("Path length invalid for non-CA cert")]
    PathLengthOfNoAuthority,
    #[error("Path length given without key usage keyCertSign")]
    PathLengthWithoutSigning,
    #[error("Key usage keyCertSign invalid for non-CA cert")]
    SigningByNoAuthority,
    #[error("Issuer name empty")]
    EmptyIssuer,
    #[error("Subject name empty")]
    EmptySubject,
    #[error("Missing Authority Key Identifier")]
    NoAuthorityKeyId,
    #[error("Missing Subject Key Identifier")]
    NoSubjectKeyId,
    #[error("Empty Subject Alternative Name extension")]
    NoAlternativeName,
    #[error("Subject empty and Subject Alt Name extension not critical")]
    AlternativeNameNotCritical,
    #[error("Basic Constraints of CA cert not marked critical")]
    ConstraintsNotCritical,
    #[error("Authority Key Identifier marked critical")]
    AuthorityKeyIdCritical,
    #[error("Subject Key Identifier marked critical")]
    SubjectKeyIdCritical,
    #[error("CA cert does not include key usage extension")]
    AuthorityWithoutUsage,
    #[error("Using cert extension requires at least X509v3")]
    OldVersion,
}

impl Refusal {
    fn code(&self) -> u32 {
        match self {
            Self::Authority => 1,
            Self::SelfSigned => 18,
            Self::SelfSignedInChain => 19,
            Self::Issuer => 20,
            Self::PathLength => 25,
            Self::Purpose => 26,
            Self::Extension => 41,
            Self::Name => 47,
            Self::InvalidAuthority => 79,
            Self::PathLengthOfNoAuthority => 80,
            Self::PathLengthWithoutSigning => 81,
            Self::SigningByNoAuthority => 82,
            Self::EmptyIssuer => 83,
            Self::EmptySubject => 84,
            Self::NoAuthorityKeyId => 85,
            Self::NoSubjectKeyId => 86,
            Self::NoAlternativeName => 87,
            Self::AlternativeNameNotCritical => 88,
            Self::ConstraintsNotCritical => 89,
            Self::AuthorityKeyIdCritical => 90,
            Self::SubjectKeyIdCritical => 91,
            Self::AuthorityWithoutUsage => 92,
            Self::OldVersion => 93,
        }
    }
}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        CertificateError::Other(OtherError(Arc::new(refusal))).into()
    }
}
