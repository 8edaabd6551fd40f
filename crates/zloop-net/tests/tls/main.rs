//! A driver's TLS, and the chat example.

mod chat;
mod driver;
#[path = "../support/programs.rs"]
mod programs;

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use zloop_tls::{Acceptor, ClientSettings, Connector, Identity, Roots, ServerSettings};

const HOST: &str = "localhost";

/// A certificate for [`HOST`], which vouches for itself.
struct Certificate {
    chain: String,
    key: String,
    rustls_client: Arc<ClientConfig>,
}

impl Certificate {
    fn make() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([HOST.to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("a root");
        let rustls_client =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        Self {
            chain: certificate.pem(),
            key: key.serialize_pem(),
            rustls_client: Arc::new(rustls_client),
        }
    }

    fn acceptor(&self) -> Acceptor {
        let identity = Identity::from_pem(self.chain.as_bytes(), self.key.as_bytes());
        let settings = ServerSettings {
            identities: vec![identity.expect("an identity")],
            alpn_protocols: vec![b"echo".to_vec()],
            ..ServerSettings::default()
        };
        settings.build().expect("settings")
    }

    fn connector(&self) -> Connector {
        let settings = ClientSettings {
            roots: Roots::from_pem(self.chain.as_bytes()).expect("roots"),
            alpn_protocols: vec![b"echo".to_vec()],
            ..ClientSettings::default()
        };
        settings.build().expect("settings")
    }
}
