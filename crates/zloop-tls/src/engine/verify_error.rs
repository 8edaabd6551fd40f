//! What is wrong with a certificate, in OpenSSL's terms.

use rustls::CertificateError;
use rustls::pki_types::ServerName;

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
            E::Other(other) => {
                let code = match other.0.downcast_ref() {
                    Some(Refusal::SelfSigned) => 18,
                    Some(Refusal::SelfSignedInChain) => 19,
                    Some(Refusal::Authority) | None => 1,
                };
                Self::new(code, other.0.to_string())
            }
            other => Self::new(1, other.to_string()),
        }
    }
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

/// What rustls has no name of its own for.
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
}
