//! Beginning a connection, and learning what became of it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use socket2::{SockAddr, SockRef};

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

/// What became of a connection that was begun.
pub(crate) fn connect_result(fd: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(fd);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(()),
        // No error and no peer: nothing is decided yet.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}
