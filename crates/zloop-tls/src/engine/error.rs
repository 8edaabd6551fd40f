//! How rustls fails, by whose fault it is.

use rustls::{AlertDescription, InvalidMessage, PeerIncompatible};

use super::VerifyError;
use crate::Fault;

/// Why a [`RustlsSession`](super::RustlsSession) failed.
///
/// [`reason`](Self::reason) is OpenSSL's short name for the same failure, for callers that are
/// used to those.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RustlsError {
    /// The peer's certificate does not prove who it is.
    #[error("certificate verify failed: {0}")]
    Certificate(#[from] VerifyError),

    /// The peer showed no certificate where one is required.
    #[error("peer did not return a certificate")]
    NoCertificate,

    /// The peer gave up and said why, by an alert.
    #[error("the peer sent the alert {}", alert_name(*.0))]
    Alert(AlertDescription),

    /// The two sides have no version, cipher suite or application protocol in common.
    #[error("nothing in common with the peer: {0}")]
    Incompatible(#[source] rustls::Error),

    /// A client speaks plain HTTP.
    #[error("http request")]
    PlainHttp,

    /// The peer sent what the protocol forbids, or what does not decrypt.
    #[error("the peer broke the protocol: {0}")]
    Misbehaved(#[source] rustls::Error),

    /// The failure is on this side.
    #[error("TLS failed on this side: {0}")]
    Local(#[source] rustls::Error),
}

impl RustlsError {
    /// Whose fault this is. A peer that refuses our certificate points at our configuration.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Alert(
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::CertificateRequired,
            )
            | Self::Local(_) => Fault::Local,
            Self::Certificate(_)
            | Self::NoCertificate
            | Self::Alert(_)
            | Self::Incompatible(_)
            | Self::PlainHttp
            | Self::Misbehaved(_) => Fault::Peer,
        }
    }

    /// The short name that OpenSSL gives to such a failure, such as `CERTIFICATE_VERIFY_FAILED`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "CERTIFICATE_VERIFY_FAILED",
            Self::NoCertificate => "PEER_DID_NOT_RETURN_A_CERTIFICATE",
            Self::Alert(alert) => alert_reason(*alert),
            Self::Incompatible(error) => incompatible_reason(error),
            Self::PlainHttp => "HTTP_REQUEST",
            Self::Misbehaved(error) => misbehaved_reason(error),
            Self::Local(_) => "INTERNAL_ERROR",
        }
    }

    pub(super) fn is_encrypting(&self) -> bool {
        matches!(self, Self::Local(rustls::Error::EncryptError))
    }
}

impl From<rustls::Error> for RustlsError {
    fn from(error: rustls::Error) -> Self {
        use rustls::Error as E;
        match error {
            E::InvalidCertificate(error) => Self::Certificate(error.into()),
            E::NoCertificatesPresented => Self::NoCertificate,
            E::AlertReceived(alert) => Self::Alert(alert),
            E::PeerIncompatible(_) | E::NoApplicationProtocol => Self::Incompatible(error),
            E::InappropriateMessage { .. }
            | E::InappropriateHandshakeMessage { .. }
            | E::InvalidMessage(_)
            | E::InvalidEncryptedClientHello(_)
            | E::UnsupportedNameType
            | E::DecryptError
            | E::PeerMisbehaved(_)
            | E::PeerSentOversizedRecord => Self::Misbehaved(error),
            _ => Self::Local(error),
        }
    }
}

fn incompatible_reason(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::NoApplicationProtocol => "NO_APPLICATION_PROTOCOL",
        rustls::Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "UNSUPPORTED_PROTOCOL",
        rustls::Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon) => {
            "NO_SUITABLE_GROUPS"
        }
        rustls::Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => {
            "NO_SUITABLE_SIGNATURE_ALGORITHM"
        }
        _ => "NO_SHARED_CIPHER",
    }
}

fn misbehaved_reason(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "WRONG_VERSION_NUMBER",
        rustls::Error::InvalidMessage(_) => "BAD_PACKET",
        rustls::Error::DecryptError => "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
        rustls::Error::PeerSentOversizedRecord => "DATA_LENGTH_TOO_LONG",
        _ => "UNEXPECTED_MESSAGE",
    }
}

/// An alert's number with what OpenSSL calls it and how it reads.
const ALERTS: [(AlertDescription, &str, &str); 27] = {
    use AlertDescription as A;
    [
        (
            A::UnexpectedMessage,
            "SSLV3_ALERT_UNEXPECTED_MESSAGE",
            "unexpected message",
        ),
        (
            A::BadRecordMac,
            "SSLV3_ALERT_BAD_RECORD_MAC",
            "bad record mac",
        ),
        (
            A::RecordOverflow,
            "TLSV1_ALERT_RECORD_OVERFLOW",
            "record overflow",
        ),
        (
            A::HandshakeFailure,
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "handshake failure",
        ),
        (
            A::BadCertificate,
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "bad certificate",
        ),
        (
            A::UnsupportedCertificate,
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            "unsupported certificate",
        ),
        (
            A::CertificateRevoked,
            "SSLV3_ALERT_CERTIFICATE_REVOKED",
            "certificate revoked",
        ),
        (
            A::CertificateExpired,
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "certificate expired",
        ),
        (
            A::CertificateUnknown,
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "certificate unknown",
        ),
        (
            A::IllegalParameter,
            "SSLV3_ALERT_ILLEGAL_PARAMETER",
            "illegal parameter",
        ),
        (A::UnknownCA, "TLSV1_ALERT_UNKNOWN_CA", "unknown ca"),
        (
            A::AccessDenied,
            "TLSV1_ALERT_ACCESS_DENIED",
            "access denied",
        ),
        (A::DecodeError, "TLSV1_ALERT_DECODE_ERROR", "decode error"),
        (
            A::DecryptError,
            "TLSV1_ALERT_DECRYPT_ERROR",
            "decrypt error",
        ),
        (
            A::ProtocolVersion,
            "TLSV1_ALERT_PROTOCOL_VERSION",
            "protocol version",
        ),
        (
            A::InsufficientSecurity,
            "TLSV1_ALERT_INSUFFICIENT_SECURITY",
            "insufficient security",
        ),
        (
            A::InternalError,
            "TLSV1_ALERT_INTERNAL_ERROR",
            "internal error",
        ),
        (
            A::InappropriateFallback,
            "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
            "inappropriate fallback",
        ),
        (
            A::UserCanceled,
            "TLSV1_ALERT_USER_CANCELLED",
            "user cancelled",
        ),
        (
            A::NoRenegotiation,
            "TLSV1_ALERT_NO_RENEGOTIATION",
            "no renegotiation",
        ),
        (
            A::MissingExtension,
            "TLSV13_ALERT_MISSING_EXTENSION",
            "missing extension",
        ),
        (
            A::UnsupportedExtension,
            "TLSV1_UNSUPPORTED_EXTENSION",
            "unsupported extension",
        ),
        (
            A::UnrecognisedName,
            "TLSV1_UNRECOGNIZED_NAME",
            "unrecognized name",
        ),
        (
            A::BadCertificateStatusResponse,
            "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE",
            "bad certificate status response",
        ),
        (
            A::UnknownPSKIdentity,
            "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
            "unknown psk identity",
        ),
        (
            A::CertificateRequired,
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "certificate required",
        ),
        (
            A::NoApplicationProtocol,
            "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
            "no application protocol",
        ),
    ]
};

fn alert_reason(alert: AlertDescription) -> &'static str {
    ALERTS
        .iter()
        .find(|(known, ..)| *known == alert)
        .map_or("UNKNOWN_ALERT_TYPE", |row| row.1)
}

fn alert_name(alert: AlertDescription) -> String {
    ALERTS
        .iter()
        .find(|(known, ..)| *known == alert)
        .map_or_else(|| u8::from(alert).to_string(), |row| row.2.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_whose_fault_an_alert_is() {
        let error = RustlsError::from(rustls::Error::AlertReceived(AlertDescription::UnknownCA));
        assert_eq!(error.fault(), Fault::Local);
        assert_eq!(error.reason(), "TLSV1_ALERT_UNKNOWN_CA");
        assert_eq!(error.to_string(), "the peer sent the alert unknown ca");

        let error = RustlsError::from(rustls::Error::AlertReceived(AlertDescription::Unknown(200)));
        assert_eq!(error.fault(), Fault::Peer);
        assert_eq!(error.to_string(), "the peer sent the alert 200");
    }

    #[test]
    fn tells_the_peers_failures_from_our_own() {
        let fault = |error: rustls::Error| RustlsError::from(error).fault();
        assert_eq!(fault(rustls::Error::DecryptError), Fault::Peer);
        assert_eq!(fault(rustls::Error::NoCertificatesPresented), Fault::Peer);
        assert_eq!(fault(rustls::Error::FailedToGetRandomBytes), Fault::Local);
        assert_eq!(fault(rustls::Error::General("broken".into())), Fault::Local);
    }
}
