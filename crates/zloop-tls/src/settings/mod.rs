//! What a client or a server is told, and what it makes connections from.

mod client;
mod error;
mod facts;
mod path;
mod pem;
mod resolver;
mod server;
mod verifier;

use std::ops::RangeInclusive;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;

pub use self::client::{ClientSettings, Connector, Verification};
pub use self::error::SettingsError;
pub use self::pem::{Identity, Roots};
pub use self::server::{Acceptor, ClientCertificates, ServerSettings};

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Both versions there are.
const ALL_VERSIONS: RangeInclusive<Version> = Version::Tls12..=Version::Tls13;

fn protocol_versions(
    allowed: &RangeInclusive<Version>,
) -> Result<Vec<&'static SupportedProtocolVersion>, SettingsError> {
    let versions: Vec<_> = [
        (Version::Tls13, &rustls::version::TLS13),
        (Version::Tls12, &rustls::version::TLS12),
    ]
    .into_iter()
    .filter(|(version, _)| allowed.contains(version))
    .map(|(_, supported)| supported)
    .collect();
    if versions.is_empty() {
        Err(SettingsError::NoVersion)
    } else {
        Ok(versions)
    }
}

/// Which of the cipher suites that both sides know is taken. All of them are strong; the choice
/// is a server's, and a client's if the server leaves it to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CipherPreference {
    /// AES with 128 bits first: faster, in handshakes too, for it goes with a hash that
    /// processors have instructions for.
    #[default]
    Speed,
    /// Suites with 256 bits first, as OpenSSL has it.
    Strength,
}

fn provider(preference: CipherPreference) -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    if preference == CipherPreference::Speed {
        // The sort is stable, so that TLS 1.3's suites stay before TLS 1.2's of the same kind.
        provider.cipher_suites.sort_by_key(|suite| {
            use rustls::CipherSuite as S;
            !matches!(
                suite.suite(),
                S::TLS13_AES_128_GCM_SHA256
                    | S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            )
        });
    }
    Arc::new(provider)
}
