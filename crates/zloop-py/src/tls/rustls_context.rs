//! rustls as Python configures it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use x509_parser::prelude::{FromDer, X509Certificate};
use zloop_tls::{
    Acceptor, ClientCertificates, ClientSettings, Connector, Identity, Negotiated, Roots,
    RustlsSession, ServerSettings, SettingsError, Verification, Version,
};

/// What connections by rustls are made from, for one side.
#[pyclass(frozen, module = "zloop._zloop")]
pub struct RustlsContext {
    side: Side,
    /// When the first of the trusted authorities' certificates expires.
    #[pyo3(get)]
    valid_until: Option<i64>,
}

enum Side {
    Client(Connector),
    Server(Acceptor),
}

#[pymethods]
impl RustlsContext {
    /// The identity is a certificate chain and a key in PEM; authorities are certificates in DER.
    /// Those that are no authority's or not valid now are passed over, and, unless `partial_chain`,
    /// those that another one issued.
    #[new]
    #[pyo3(signature = (*, server_side, identity, authorities, partial_chain, strict,
                        alpn_protocols, allows_tls12, allows_tls13, verifies, checks_hostname, is_optional, tickets))]
    #[expect(clippy::too_many_arguments, clippy::fn_params_excessive_bools)]
    fn new(
        server_side: bool,
        identity: Option<(Vec<u8>, Vec<u8>)>,
        authorities: Vec<Vec<u8>>,
        partial_chain: bool,
        strict: bool,
        alpn_protocols: Vec<Vec<u8>>,
        allows_tls12: bool,
        allows_tls13: bool,
        verifies: bool,
        checks_hostname: bool,
        is_optional: bool,
        tickets: usize,
    ) -> PyResult<Self> {
        let (roots, valid_until) = if verifies {
            trusted(authorities, partial_chain)?
        } else {
            (Roots::none(), None)
        };
        let identity = identity
            .map(|(chain, key)| Identity::from_pem(&chain, &key))
            .transpose()
            .map_err(refused)?;
        let lowest = if allows_tls12 {
            Version::Tls12
        } else {
            Version::Tls13
        };
        let highest = if allows_tls13 {
            Version::Tls13
        } else {
            Version::Tls12
        };
        let side = if server_side {
            let settings = ServerSettings {
                identities: identity.into_iter().collect(),
                client_certificates: match (verifies, is_optional) {
                    (false, _) => ClientCertificates::Ignored,
                    (true, true) => ClientCertificates::Optional,
                    (true, false) => ClientCertificates::Required,
                },
                roots,
                strict_certificates: strict,
                alpn_protocols,
                versions: lowest..=highest,
                session_tickets: tickets,
                ..ServerSettings::default()
            };
            Side::Server(settings.build().map_err(refused)?)
        } else {
            let settings = ClientSettings {
                verification: match (verifies, checks_hostname) {
                    (false, _) => Verification::None,
                    (true, false) => Verification::ChainOnly,
                    (true, true) => Verification::Full,
                },
                roots,
                strict_certificates: strict,
                identity,
                alpn_protocols,
                versions: lowest..=highest,
                // Python's ssl takes up a session again only if it is told to.
                resumption: false,
                ..ClientSettings::default()
            };
            Side::Client(settings.build().map_err(refused)?)
        };
        Ok(Self { side, valid_until })
    }

    /// The path from the first of a peer's certificates to a trusted authority, as it was at a
    /// time in seconds since 1970. `None` if there is none.
    fn verified_chain<'py>(
        &self,
        py: Python<'py>,
        certificates: Vec<Vec<u8>>,
        at: f64,
    ) -> Option<Vec<Bound<'py, PyBytes>>> {
        let at = UNIX_EPOCH + Duration::try_from_secs_f64(at).unwrap_or_default();
        let chain = match &self.side {
            Side::Client(connector) => connector.verified_chain(&certificates, at),
            Side::Server(acceptor) => acceptor.verified_chain(&certificates, at),
        }?;
        Some(chain.iter().map(|der| PyBytes::new(py, der)).collect())
    }
}

impl RustlsContext {
    /// The engine of a new connection.
    ///
    /// # Errors
    /// `ValueError` if the server's name is not valid, or missing where it is needed.
    pub fn session(&self, server_hostname: Option<&str>) -> PyResult<RustlsSession> {
        match (&self.side, server_hostname) {
            (Side::Server(acceptor), _) => acceptor.accept(),
            (Side::Client(connector), Some(name)) => connector.connect(name),
            (Side::Client(connector), None) => connector.connect_unnamed(),
        }
        .map_err(refused)
    }
}

fn refused(error: SettingsError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The authorities to trust, and when the first of them expires. An authority's own dates and its
/// right to be one are checked here, for rustls takes what it is told to trust as it is.
fn trusted(certificates: Vec<Vec<u8>>, partial_chain: bool) -> PyResult<(Roots, Option<i64>)> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().cast_signed());
    let mut roots = Roots::none();
    let mut valid_until: Option<i64> = None;
    for certificate in certificates {
        let Ok((_, parsed)) = X509Certificate::from_der(&certificate) else {
            continue;
        };
        let from = parsed.validity().not_before.timestamp();
        let until = parsed.validity().not_after.timestamp();
        let is_root = parsed.subject() == parsed.issuer();
        if !parsed.is_ca() || now < from || now > until || !(is_root || partial_chain) {
            continue;
        }
        if roots.add_der(certificate).is_ok() {
            valid_until = Some(valid_until.map_or(until, |known| known.min(until)));
        }
    }
    Ok((roots, valid_until))
}

/// What the handshake settled, as `zloop._ssl_object.SSLObject` takes it.
///
/// # Errors
/// What making it raises.
pub fn ssl_object<'py>(
    context: &Bound<'py, PyAny>,
    rustls: &Bound<'py, RustlsContext>,
    negotiated: Negotiated,
    server_side: bool,
    server_hostname: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = context.py();
    let cipher = negotiated
        .cipher
        .map(|cipher| (cipher.name, cipher.version, cipher.secret_bits));
    let certificates: Vec<_> = negotiated
        .peer_certificates
        .iter()
        .map(|certificate| PyBytes::new(py, certificate))
        .collect();
    let alpn = negotiated
        .alpn_protocol
        .map(|protocol| String::from_utf8_lossy(&protocol).into_owned());
    py.import("zloop._ssl_object")?
        .getattr("SSLObject")?
        .call1((
            context,
            rustls,
            server_side,
            server_hostname,
            negotiated.version,
            cipher,
            alpn,
            certificates,
            negotiated.resumed,
        ))
}
