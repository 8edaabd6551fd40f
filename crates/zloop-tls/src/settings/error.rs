//! Why settings cannot work.

use std::io;
use std::path::PathBuf;

/// Why settings cannot be used. All of these are the local configuration's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A file could not be read.
    #[error("cannot read {path}: {error}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },

    /// A file has not what it should have.
    #[error("{path}: {error}", path = .path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: Box<SettingsError>,
    },

    /// What should be PEM is not.
    #[error("not well-formed PEM: {0}")]
    Pem(#[source] io::Error),

    /// There is no certificate where one should be.
    #[error("no certificate found")]
    NoCertificate,

    /// There is no private key where one should be.
    #[error("no private key found")]
    NoPrivateKey,

    /// The private key is encrypted; it has to be decrypted first.
    #[error("the private key is encrypted")]
    EncryptedPrivateKey,

    /// The private key cannot be used.
    #[error("the private key cannot be used: {0}")]
    PrivateKey(#[source] rustls::Error),

    /// The private key is not the certificate's.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,

    /// A certificate cannot be used.
    #[error("a certificate cannot be used: {0}")]
    Certificate(#[source] rustls::Error),

    /// A server has to have a certificate.
    #[error("a server needs a certificate and its private key")]
    NoIdentity,

    /// Client certificates are to be verified, but no authority is trusted.
    #[error("client certificates are asked for, but no certificate authority is trusted")]
    NoRoots,

    /// The lowest version is above the highest.
    #[error("no protocol version is allowed")]
    NoVersion,

    /// The server's name is neither a host name nor an address.
    #[error("{0:?} is not a valid server name")]
    ServerName(String),

    /// The server's name has to be verified, and is not known.
    #[error("the server's name is needed to verify its certificate")]
    ServerNameMissing,

    /// rustls refuses the combination.
    #[error("rustls refuses these settings: {0}")]
    Rustls(#[source] rustls::Error),
}
