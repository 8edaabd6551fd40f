//! Certificates and keys, from PEM files and bytes.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use rustls::sign::CertifiedKey;

use super::SettingsError;

/// A certificate, the chain that leads to its authority, and its private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a chain, the own certificate first, and a key from PEM bytes. Both may be the same
    /// bytes; what is something else in them is passed over. Keys may be PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    ///
    /// If the bytes are not PEM, or have no certificate or no readable key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, SettingsError> {
        Ok(Self {
            chain: some_certificates(chain)?,
            key: private_key(key)?,
        })
    }

    /// Reads a chain and a key from PEM files, which may be the same.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, and [`SettingsError::InFile`] with what [`from_pem`](Self::from_pem) says.
    pub fn from_files(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            chain: read_file(chain.as_ref(), some_certificates)?,
            key: read_file(key.as_ref(), private_key)?,
        })
    }

    pub(super) fn certified(
        &self,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, SettingsError> {
        let key = provider
            .key_provider
            .load_private_key(self.key.clone_key())
            .map_err(SettingsError::PrivateKey)?;
        let certified = CertifiedKey::new(self.chain.clone(), key);
        match certified.keys_match() {
            // Some keys cannot say what their public half is; then the handshake will show it.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(certified)
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(SettingsError::KeyMismatch),
            Err(error) => Err(SettingsError::Certificate(error)),
        }
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// The certificate authorities that are trusted. None, to begin with.
///
/// Invariant: `certificates` are those that `store` was made of, in the same order.
#[derive(Clone, Debug)]
pub struct Roots {
    store: Arc<RootCertStore>,
    certificates: Arc<Vec<CertificateDer<'static>>>,
}

impl Roots {
    /// Trusts nobody.
    pub fn none() -> Self {
        Self {
            store: Arc::new(RootCertStore::empty()),
            certificates: Arc::default(),
        }
    }

    /// Trusts the authorities whose certificates are in PEM bytes.
    ///
    /// # Errors
    ///
    /// If the bytes are not PEM, have no certificate, or have one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SettingsError> {
        let mut roots = Self::none();
        roots.add_pem(pem)?;
        Ok(roots)
    }

    /// Trusts the authorities whose certificates are in a PEM file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, and [`SettingsError::InFile`] with what [`from_pem`](Self::from_pem) says.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        read_file(path.as_ref(), Self::from_pem)
    }

    /// Trusts those in `pem` too, and says how many they were.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<usize, SettingsError> {
        let certificates = some_certificates(pem)?;
        let count = certificates.len();
        for certificate in certificates {
            self.add(certificate)?;
        }
        Ok(count)
    }

    /// Trusts the authority whose certificate this is, in DER.
    ///
    /// # Errors
    ///
    /// If the certificate cannot be read.
    pub fn add_der(&mut self, certificate: Vec<u8>) -> Result<(), SettingsError> {
        self.add(CertificateDer::from(certificate))
    }

    /// How many authorities are trusted.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    pub(super) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.store)
    }

    /// The certificate that an anchor of the store was made of.
    pub(super) fn certificate_of(&self, anchor: &TrustAnchor<'_>) -> Option<&CertificateDer<'_>> {
        let anchors = &self.store.roots;
        let index = anchors
            .iter()
            .position(|known| std::ptr::eq::<TrustAnchor<'_>>(known, anchor))?;
        self.certificates.get(index)
    }

    fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), SettingsError> {
        Arc::make_mut(&mut self.store)
            .add(certificate.clone())
            .map_err(SettingsError::Certificate)?;
        Arc::make_mut(&mut self.certificates).push(certificate);
        Ok(())
    }
}

impl Default for Roots {
    fn default() -> Self {
        Self::none()
    }
}

/// What `parse` makes of a file's bytes; of what it refuses, the error names the file.
fn read_file<T>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, SettingsError>,
) -> Result<T, SettingsError> {
    let bytes = std::fs::read(path).map_err(|error| SettingsError::File {
        path: path.into(),
        error,
    })?;
    parse(&bytes).map_err(|error| SettingsError::InFile {
        path: path.into(),
        error: Box::new(error),
    })
}

fn some_certificates(mut pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let certificates: Vec<_> = rustls_pemfile::certs(&mut pem)
        .collect::<Result<_, _>>()
        .map_err(SettingsError::Pem)?;
    if certificates.is_empty() {
        return Err(SettingsError::NoCertificate);
    }
    Ok(certificates)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, SettingsError> {
    // Both ways to encrypt a key name it in clear text: PKCS#8's label, and a header above the
    // older forms, whose body would pass for a plain key until it is parsed.
    let encrypted = [
        b"ENCRYPTED PRIVATE KEY-----".as_slice(),
        b"Proc-Type: 4,ENCRYPTED",
    ]
    .iter()
    .any(|mark| pem.windows(mark.len()).any(|window| window == *mark));
    if encrypted {
        return Err(SettingsError::EncryptedPrivateKey);
    }
    rustls_pemfile::private_key(&mut &*pem)
        .map_err(SettingsError::Pem)?
        .ok_or(SettingsError::NoPrivateKey)
}
