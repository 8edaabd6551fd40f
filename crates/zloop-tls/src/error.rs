//! Why a connection failed.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use crate::{Fault, Session};

/// Why a [`Connection`](crate::Connection) failed, over an engine whose errors are `E`.
///
/// [`fault`](Self::fault) says who has to do something about it.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: StdError + 'static> {
    /// The engine gave up the handshake.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] E),

    /// The engine failed after the handshake.
    #[error("the TLS connection failed: {0}")]
    Traffic(#[source] E),

    /// The peer sent its end before the handshake was done.
    #[error("the peer left before the TLS handshake was done")]
    HandshakeEnd,

    /// The handshake was not done in time.
    #[error("the TLS handshake was not done within {0:?}")]
    HandshakeTimeout(Duration),

    /// Closing was not done in time: what was left could not be sent, or the peer's close_notify
    /// did not come.
    #[error("the TLS connection could not be closed in time")]
    ShutdownTimeout,

    /// The peer kept on sending application data after our close_notify.
    #[error("the peer sent application data after our close_notify")]
    LateData,

    /// The transport failed.
    #[error("the transport failed: {0}")]
    Transport(#[source] io::Error),
}

impl<E: StdError + 'static> Error<E> {
    /// Whose fault this is, as the engine `S` judges its own errors.
    ///
    /// ```
    /// use zloop_tls::{Error, Fault, RustlsError, RustlsSession};
    ///
    /// let error = Error::Handshake(RustlsError::NoCertificate);
    /// assert_eq!(error.fault::<RustlsSession>(), Fault::Peer);
    /// ```
    pub fn fault<S: Session<Error = E>>(&self) -> Fault {
        match self {
            Self::Handshake(error) | Self::Traffic(error) => S::fault(error),
            Self::HandshakeEnd
            | Self::HandshakeTimeout(_)
            | Self::ShutdownTimeout
            | Self::LateData => Fault::Peer,
            Self::Transport(_) => Fault::Transport,
        }
    }
}
