//! Certificates made on the spot.

use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, date_time_ymd,
};
use zloop_tls::{Acceptor, ClientSettings, Connector, Identity, Roots, ServerSettings};

/// The name of the server that most tests talk to.
pub const HOST: &str = "server.test";

/// The authority that is trusted.
pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("trusted authority"));
/// An authority that nobody trusts.
pub static STRANGER: LazyLock<Authority> = LazyLock::new(|| Authority::new("unknown authority"));
/// The certificate of [`HOST`].
pub static SERVER: LazyLock<Identity> = LazyLock::new(|| AUTHORITY.issue(HOST, |_| ()));
/// A client's certificate.
pub static CLIENT: LazyLock<Identity> = LazyLock::new(|| AUTHORITY.issue("client.test", |_| ()));

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::with_key(name, KeyPair::generate().unwrap())
    }

    /// One of the same name and another kind of key than the others have.
    pub fn with_other_key(name: &str) -> Self {
        Self::with_key(name, KeyPair::generate_for(&PKCS_ED25519).unwrap())
    }

    fn with_key(name: &str, key: KeyPair) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for `name` and its key, as PEM.
    pub fn issue_pem(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = leaf(name);
        change(&mut params);
        (
            params.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    /// A certificate for `name` and its key.
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let (chain, key) = self.issue_pem(name, change);
        Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    pub fn roots(&self) -> Roots {
        Roots::from_pem(self.pem.as_bytes()).unwrap()
    }
}

/// A certificate that vouches for itself, and its key, as PEM.
pub fn self_signed_pem(name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (
        leaf(name).self_signed(&key).unwrap().pem(),
        key.serialize_pem(),
    )
}

pub fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2001, 1, 1);
}

pub fn not_yet_valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(3000, 1, 1);
}

pub fn only_for_clients(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
}

pub fn only_for_servers(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
}

fn leaf(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Settings of [`HOST`].
pub fn server_settings() -> ServerSettings {
    ServerSettings {
        identities: vec![SERVER.clone()],
        ..ServerSettings::default()
    }
}

/// Settings that trust [`HOST`].
pub fn client_settings() -> ClientSettings {
    ClientSettings {
        roots: AUTHORITY.roots(),
        ..ClientSettings::default()
    }
}

pub fn acceptor() -> Acceptor {
    server_settings().build().unwrap()
}

pub fn connector() -> Connector {
    client_settings().build().unwrap()
}
