//! The certificate that the TLS servers show, and what each side makes of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::Outcome;

/// Whom the certificate is for.
pub const HOST: &str = "localhost";

/// Makes a certificate and its key.
pub fn make(folder: &Path) -> Outcome {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("chain.pem"), made.cert.pem())?;
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(())
}

fn chain(folder: &Path) -> Outcome<Vec<CertificateDer<'static>>> {
    let pem = fs::read(folder.join("chain.pem"))?;
    Ok(rustls_pemfile::certs(&mut pem.as_slice()).collect::<Result<_, _>>()?)
}

fn key(folder: &Path) -> Outcome<PrivateKeyDer<'static>> {
    let pem = fs::read(folder.join("key.pem"))?;
    Ok(rustls_pemfile::private_key(&mut pem.as_slice())?.ok_or("no key in the file")?)
}

/// The one configuration that all servers use.
pub fn server(folder: &Path) -> Outcome<Arc<ServerConfig>> {
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain(folder)?, key(folder)?)?;
    Ok(Arc::new(config))
}

pub fn client(folder: &Path) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(folder)? {
        roots.add(certificate)?;
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
