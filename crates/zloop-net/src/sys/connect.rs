//! Beginning a connection, and learning what became of it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use socket2::{SockAddr, SockRef};

use super::name::peer_name;
use crate::address::Address;

/// Begins a connection; true if it is made already.
pub(crate) fn connect(fd: &OwnedFd, peer: &SockAddr) -> io::Result<bool> {
    let error = match SockRef::from(fd).connect(peer) {
        Ok(()) => return Ok(true),
        Err(error) => error,
    };
    match Errno::from_io_error(&error) {
        // An interrupted connect goes on, as one in progress does.
        Some(Errno::INPROGRESS | Errno::INTR) => {
            tracing::debug!(fd = fd.as_raw_fd(), ?peer, "connecting");
            Ok(false)
        }
        _ => Err(error),
    }
}

/// What became of a connection that was begun: its peer.
pub(crate) fn connect_result(fd: &impl AsFd) -> io::Result<Address> {
    match peer_name(fd.as_fd()) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            match SockRef::from(fd).take_error()? {
                Some(error) => Err(error),
                // No error and no peer: nothing is decided yet.
                None => Err(io::ErrorKind::WouldBlock.into()),
            }
        }
        result => result,
    }
}
