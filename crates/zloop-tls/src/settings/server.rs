//! The server's side.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    NoClientAuth, NoServerSessionStorage, UnbufferedServerConnection, WebPkiClientVerifier,
};

use super::path::{PathVerifier, Purpose};
use super::provider::{CipherPreference, provider};
use super::resolver::ByServerName;
use super::verifier::ClientVerifier;
use super::{ALL_VERSIONS, Identity, Roots, SettingsError, Version, protocol_versions};
use crate::RustlsSession;

/// What a TLS server is told.
///
/// ```no_run
/// use zloop_tls::{Identity, ServerSettings};
///
/// let acceptor = ServerSettings {
///     identities: vec![Identity::from_files("server.pem", "server.key")?],
///     alpn_protocols: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
///     ..ServerSettings::default()
/// }
/// .build()?;
/// let session = acceptor.accept()?;
/// # Ok::<(), zloop_tls::SettingsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The certificates to choose from by the name that a client asks for; the first also serves
    /// those who ask for none, or for an unknown one.
    pub identities: Vec<Identity>,
    /// Whether clients have to show certificates.
    pub client_certificates: ClientCertificates,
    /// The authorities that clients' certificates may come from.
    pub roots: Roots,
    /// Whether clients' certificates have to keep to the letter of RFC 5280, as OpenSSL's
    /// `X509_V_FLAG_X509_STRICT` has it.
    pub strict_certificates: bool,
    /// The application protocols spoken, the preferred one first.
    pub alpn_protocols: Vec<Vec<u8>>,
    /// The protocol versions allowed.
    pub versions: RangeInclusive<Version>,
    /// How many session tickets a TLS 1.3 client gets, to come back with. With 0 no session is
    /// ever resumed, in any version.
    pub session_tickets: usize,
    /// Which cipher suite is taken, whatever a client prefers.
    pub cipher_preference: CipherPreference,
}

impl Default for ServerSettings {
    /// No certificate yet; no client certificates, no ALPN, both versions, two session
    /// tickets, the faster ciphers.
    fn default() -> Self {
        Self {
            identities: Vec::new(),
            client_certificates: ClientCertificates::Ignored,
            roots: Roots::none(),
            strict_certificates: false,
            alpn_protocols: Vec::new(),
            versions: ALL_VERSIONS,
            session_tickets: 2,
            cipher_preference: CipherPreference::default(),
        }
    }
}

/// Whether a server asks its clients for certificates. Those shown are always verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientCertificates {
    /// It does not ask.
    #[default]
    Ignored,
    /// It asks, and takes clients that have none.
    Optional,
    /// It asks, and refuses clients that have none.
    Required,
}

impl ServerSettings {
    /// Checks the settings, and makes of them what connections are made from.
    ///
    /// # Errors
    ///
    /// If there is no identity, a key does not fit its certificate, client certificates are asked
    /// for but no authority is trusted, or no version is allowed.
    pub fn build(&self) -> Result<Acceptor, SettingsError> {
        let provider = provider(self.cipher_preference);
        if self.identities.is_empty() {
            return Err(SettingsError::NoIdentity);
        }
        let certificates = self
            .identities
            .iter()
            .map(|identity| identity.certified(&provider).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let paths = Arc::new(PathVerifier::new(
            self.roots.clone(),
            &provider,
            self.strict_certificates,
        ));
        let verifier = self.client_verifier(&provider, &paths)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&protocol_versions(&self.versions)?)
            .map_err(SettingsError::Rustls)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(ByServerName::new(certificates)));
        config.alpn_protocols.clone_from(&self.alpn_protocols);
        config.ignore_client_order = true;
        config.send_tls13_tickets = self.session_tickets;
        if self.session_tickets == 0 {
            config.session_storage = Arc::new(NoServerSessionStorage {});
        } else {
            config.ticketer = Ticketer::new().map_err(SettingsError::Rustls)?;
        }
        let verifies = self.client_certificates != ClientCertificates::Ignored;
        Ok(Acceptor {
            config: Arc::new(config),
            paths: verifies.then_some(paths),
        })
    }

    fn client_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        paths: &Arc<PathVerifier>,
    ) -> Result<Arc<dyn ClientCertVerifier>, SettingsError> {
        if self.client_certificates == ClientCertificates::Ignored {
            return Ok(Arc::new(NoClientAuth));
        }
        if self.roots.is_empty() {
            return Err(SettingsError::NoRoots);
        }
        let roots = self.roots.store();
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        if self.client_certificates == ClientCertificates::Optional {
            builder = builder.allow_unauthenticated();
        }
        let inner = builder
            .build()
            .map_err(|error| SettingsError::Rustls(rustls::Error::General(error.to_string())))?;
        let paths = Arc::clone(paths);
        Ok(Arc::new(ClientVerifier { inner, paths }))
    }
}

/// Makes the server's side of connections. Cheap to clone; clones share session tickets.
#[derive(Clone, Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    /// `None` if nothing is verified, or nobody here knows how.
    paths: Option<Arc<PathVerifier>>,
}

impl Acceptor {
    /// An engine for a client that has connected.
    ///
    /// # Errors
    ///
    /// If rustls cannot use the configuration, which [`ServerSettings::build`] rules out.
    pub fn accept(&self) -> Result<RustlsSession, SettingsError> {
        UnbufferedServerConnection::new(Arc::clone(&self.config))
            .map(RustlsSession::server)
            .map_err(SettingsError::Rustls)
    }

    /// The path from a client's own certificate to the authority that is trusted, in DER: how
    /// the `certificates` that it showed were, or would have been, verified at that time. `None`
    /// if there is no such path, or clients are not asked for certificates.
    pub fn verified_chain(&self, certificates: &[Vec<u8>], at: SystemTime) -> Option<Vec<Vec<u8>>> {
        self.paths
            .as_ref()?
            .chain(Purpose::Client, certificates, at)
    }
}

/// A configuration of one's own, such as with another cryptography provider.
impl From<Arc<ServerConfig>> for Acceptor {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self {
            config,
            paths: None,
        }
    }
}
