//! The client's side.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

use super::path::{PathVerifier, Purpose};
use super::provider::{CipherPreference, provider};
use super::verifier::ServerVerifier;
use super::{ALL_VERSIONS, Identity, Roots, SettingsError, Version, protocol_versions};
use crate::RustlsSession;

/// What a TLS client is told.
///
/// ```
/// use zloop_tls::{ClientSettings, Version};
///
/// let connector = ClientSettings {
///     alpn_protocols: vec![b"http/1.1".to_vec()],
///     versions: Version::Tls13..=Version::Tls13,
///     ..ClientSettings::default()
/// }
/// .build()?;
/// let session = connector.connect("example.org")?;
/// assert!(connector.connect("not a name").is_err());
/// # Ok::<(), zloop_tls::SettingsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How servers are verified.
    pub verification: Verification,
    /// The authorities that servers' certificates may come from.
    pub roots: Roots,
    /// Whether certificates have to keep to the letter of RFC 5280, as OpenSSL's
    /// `X509_V_FLAG_X509_STRICT` has it.
    pub strict_certificates: bool,
    /// What to show to a server that asks who we are.
    pub identity: Option<Identity>,
    /// The application protocols spoken, the preferred one first.
    pub alpn_protocols: Vec<Vec<u8>>,
    /// The protocol versions allowed.
    pub versions: RangeInclusive<Version>,
    /// Whether sessions are remembered and taken up again with the same server.
    pub resumption: bool,
    /// Which cipher suite is taken, if the server leaves it to the client.
    pub cipher_preference: CipherPreference,
}

impl Default for ClientSettings {
    /// Full verification, by no authority yet; no own certificate, no ALPN, both versions, with
    /// resumption, the faster ciphers.
    fn default() -> Self {
        Self {
            verification: Verification::Full,
            roots: Roots::none(),
            strict_certificates: false,
            identity: None,
            alpn_protocols: Vec::new(),
            versions: ALL_VERSIONS,
            resumption: true,
            cipher_preference: CipherPreference::default(),
        }
    }
}

/// How much of a server's certificate is verified. In every mode the server has to prove that it
/// owns the certificate's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verification {
    /// The chain up to a trusted authority, validity, purpose, and the server's name.
    #[default]
    Full,
    /// All of that but the name: anybody whom an authority vouches for will do.
    ChainOnly,
    /// Nothing: anybody will do.
    None,
}

impl ClientSettings {
    /// Checks the settings, and makes of them what connections are made from.
    ///
    /// # Errors
    ///
    /// If the key does not fit the certificate, or no version is allowed.
    pub fn build(&self) -> Result<Connector, SettingsError> {
        let provider = provider(self.cipher_preference);
        let paths = Arc::new(PathVerifier::new(
            self.roots.clone(),
            &provider,
            self.strict_certificates,
        ));
        let verifier = ServerVerifier {
            verification: self.verification,
            paths: Arc::clone(&paths),
        };
        let identity = self
            .identity
            .as_ref()
            .map(|identity| identity.certified(&provider))
            .transpose()?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&protocol_versions(&self.versions)?)
            .map_err(SettingsError::Rustls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match identity {
            Some(certified) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.alpn_protocols);
        if !self.resumption {
            config.resumption = Resumption::disabled();
        }
        let needs_name = self.verification == Verification::Full;
        Ok(Connector {
            config: Arc::new(config),
            paths: (self.verification != Verification::None).then_some(paths),
            needs_name,
        })
    }
}

/// Makes the client's side of connections. Cheap to clone; clones share remembered sessions.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    /// `None` if nothing is verified, or nobody here knows how.
    paths: Option<Arc<PathVerifier>>,
    needs_name: bool,
}

impl Connector {
    /// An engine to talk to the server of that name, which may be an address.
    ///
    /// # Errors
    ///
    /// If the name is not valid.
    pub fn connect(&self, server_name: &str) -> Result<RustlsSession, SettingsError> {
        let name = ServerName::try_from(server_name)
            .map_err(|_| SettingsError::ServerName(server_name.into()))?
            .to_owned();
        self.connect_to(name)
    }

    /// An engine to talk to a server whose name nobody knows, and that is not told any.
    ///
    /// # Errors
    ///
    /// If the name is needed for [`Verification::Full`].
    pub fn connect_unnamed(&self) -> Result<RustlsSession, SettingsError> {
        if self.needs_name {
            return Err(SettingsError::ServerNameMissing);
        }
        // rustls tells a server only names, never addresses.
        self.connect_to(ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }

    /// The path from a server's own certificate to the authority that is trusted, in DER: how
    /// the `certificates` that it showed were, or would have been, verified at that time. `None`
    /// if there is no such path, or servers are not verified.
    pub fn verified_chain(&self, certificates: &[Vec<u8>], at: SystemTime) -> Option<Vec<Vec<u8>>> {
        self.paths
            .as_ref()?
            .chain(Purpose::Server, certificates, at)
    }

    fn connect_to(&self, name: ServerName<'static>) -> Result<RustlsSession, SettingsError> {
        UnbufferedClientConnection::new(Arc::clone(&self.config), name)
            .map(RustlsSession::client)
            .map_err(SettingsError::Rustls)
    }
}

/// A configuration of one's own, such as with another verifier. Whether it needs the server's
/// name is not known, so that [`Connector::connect_unnamed`] is refused.
impl From<Arc<ClientConfig>> for Connector {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self {
            config,
            paths: None,
            needs_name: true,
        }
    }
}
