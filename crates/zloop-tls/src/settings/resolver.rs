//! Which of a server's certificates a client gets.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The first certificate that is for the name that the client asks for and whose key the client
/// can use; else the first that it can use; else the first.
#[derive(Debug)]
pub(super) struct ByServerName {
    certificates: Vec<Arc<CertifiedKey>>,
}

impl ByServerName {
    pub(super) fn new(certificates: Vec<Arc<CertifiedKey>>) -> Self {
        Self { certificates }
    }
}

impl ResolvesServerCert for ByServerName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut usable = self.certificates.iter().filter(|certified| {
            certified
                .key
                .choose_scheme(hello.signature_schemes())
                .is_some()
        });
        let name = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let Some(first) = usable.next() else {
            // rustls finds that the client cannot use it, and answers handshake_failure; without one it would
            // answer access_denied.
            return self.certificates.first().cloned();
        };
        let Some(name) = name else {
            return Some(Arc::clone(first));
        };
        if is_for(first, &name) {
            return Some(Arc::clone(first));
        }
        Some(Arc::clone(
            usable
                .find(|certified| is_for(certified, &name))
                .unwrap_or(first),
        ))
    }
}

fn is_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    certified.cert.first().is_some_and(|certificate| {
        ParsedCertificate::try_from(certificate)
            .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, name).is_ok())
    })
}
