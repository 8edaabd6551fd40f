//! What a client or a server is told, and what it makes connections from.

mod client;
mod error;
mod facts;
mod path;
mod pem;
mod provider;
mod resolver;
mod server;
mod verifier;

use std::ops::RangeInclusive;

use rustls::SupportedProtocolVersion;

pub use self::client::{ClientSettings, Connector, Verification};
pub use self::error::SettingsError;
pub use self::pem::{Identity, Roots};
pub use self::provider::CipherPreference;
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
