//! The transport below a TLS transport.

use pyo3::prelude::*;

use super::TlsTransport;
use crate::raw::object::{Instance, Object};
use crate::transport::{Chunk, StreamTransport};

/// What carries the ciphertext.
#[derive(Clone)]
pub enum Lower {
    /// A socket.
    Stream(Instance<StreamTransport>),
    /// Another TLS connection, such as one to a proxy.
    Tls(Instance<TlsTransport>),
}

impl Lower {
    /// The transport itself.
    pub fn object(&self) -> &Object {
        match self {
            Self::Stream(transport) => transport.as_object(),
            Self::Tls(transport) => transport.as_object(),
        }
    }

    /// Whether it told its protocol to pause writing.
    pub fn is_paused(&self) -> bool {
        match self {
            Self::Stream(transport) => transport.is_protocol_paused(),
            Self::Tls(transport) => transport.is_protocol_paused(),
        }
    }

    /// Whether it is closing or closed.
    pub fn is_closing(&self) -> bool {
        match self {
            Self::Stream(transport) => transport.is_closing(),
            Self::Tls(transport) => transport.is_closing(),
        }
    }

    /// Whether what is written to it is lost.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Stream(transport) => transport.is_lost(),
            Self::Tls(transport) => transport.is_closing(),
        }
    }

    /// Sends bytes, or keeps them until they can be sent.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from a protocol.
    pub fn write(&self, py: Python<'_>, chunk: Chunk) -> PyResult<()> {
        match self {
            Self::Stream(transport) => transport.write_chunk(py, chunk),
            Self::Tls(transport) => transport.write_chunks(py, [chunk]),
        }
    }

    /// Has the upper transport asked when the batch of callbacks was run, if it can be.
    pub fn gather(&self) -> bool {
        match self {
            Self::Stream(transport) if !transport.shares_socket() => {
                transport.gather();
                true
            }
            Self::Stream(_) | Self::Tls(_) => false,
        }
    }

    /// Sends now what can be sent.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from a protocol.
    pub fn flush(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Stream(transport) => transport.flush_if_possible(py),
            Self::Tls(transport) => transport.send(py),
        }
    }

    /// Sends what it holds, if that is so much that it need not be gathered with more.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from a protocol.
    pub fn flush_bulk(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Stream(transport) => transport.flush_bulk(py),
            Self::Tls(_) => Ok(()),
        }
    }

    /// Stops or goes on receiving.
    ///
    /// # Errors
    /// `OSError` if the selector refuses.
    pub fn set_reading(&self, py: Python<'_>, reading: bool) -> PyResult<()> {
        match (self, reading) {
            (Self::Stream(transport), true) => transport.resume(py),
            (Self::Stream(transport), false) => transport.pause(py),
            (Self::Tls(transport), true) => transport.resume(py),
            (Self::Tls(transport), false) => {
                transport.pause();
                Ok(())
            }
        }
    }

    /// Closes once everything was sent.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from a protocol.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Stream(transport) => transport.close_now(py),
            Self::Tls(transport) => transport.close(py),
        }
    }

    /// Closes at once, for `reason`.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from a protocol.
    pub fn close_by_force(&self, py: Python<'_>, reason: Option<Object>) -> PyResult<()> {
        match self {
            Self::Stream(transport) => transport.close_by_force(py, reason),
            Self::Tls(transport) => transport.close_by_force(py, reason),
        }
    }
}
