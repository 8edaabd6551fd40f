//! Why a connection was lost, or not made.

use std::io;

use crate::fault::Fault;

/// Why a connection was lost, or not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It could not be accepted.
    #[error("cannot accept a connection: {0}")]
    Accept(#[source] io::Error),

    /// It could not be made.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),

    /// Reading or writing failed.
    #[error("the connection failed: {0}")]
    Transport(#[source] io::Error),

    /// The peer left without the word by which TLS ends: what it sent may have been cut short.
    #[cfg(feature = "tls")]
    #[error("the peer ended the connection without close_notify")]
    Truncated,

    /// TLS failed.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(zloop_tls::Error<zloop_tls::RustlsError>),
}

impl Error {
    /// Who has to do something about it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Accept(error) | Self::Connect(error) | Self::Transport(error) => Fault::of(error),
            #[cfg(feature = "tls")]
            Self::Tls(zloop_tls::Error::Transport(error)) => Fault::of(error),
            #[cfg(feature = "tls")]
            Self::Truncated => Fault::Peer,
            #[cfg(feature = "tls")]
            Self::Tls(error) => match error.fault::<zloop_tls::RustlsSession>() {
                zloop_tls::Fault::Local => Fault::Caller,
                zloop_tls::Fault::Peer | zloop_tls::Fault::Transport => Fault::Peer,
            },
        }
    }
}
