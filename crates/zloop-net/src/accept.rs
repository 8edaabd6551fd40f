//! Taking connections.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::address::Address;
use crate::sys;

/// A connection that was taken.
#[derive(Debug)]
pub struct Accepted {
    /// The connected socket, non-blocking and closed on `exec`.
    pub fd: OwnedFd,
    /// Who connected, as `accept` itself told: it is right even if the peer has gone since.
    pub peer: Address,
}

/// Takes one connection from a listening socket, with one system call.
///
/// A connection that was aborted before it could be taken is skipped.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if no connection waits, else what the system says: out of
/// descriptors, for instance, after which the connection still waits.
#[inline]
pub fn accept(listener: &impl AsRawFd) -> io::Result<Accepted> {
    let listener = listener.as_raw_fd();
    match sys::accept(listener) {
        Ok((fd, peer)) => {
            tracing::debug!(listener, fd = fd.as_raw_fd(), ?peer, "accepted");
            Ok(Accepted { fd, peer })
        }
        Err(error) => {
            if error.kind() != io::ErrorKind::WouldBlock {
                tracing::debug!(listener, %error, "accepting failed");
            }
            Err(error)
        }
    }
}
