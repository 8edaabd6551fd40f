//! A connection on its way.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::address::Address;
use crate::sys;

/// A socket whose connection was begun.
///
/// When it is [connected](Self::is_connected) from the start, there is nothing to wait for;
/// else wait until it is writable and ask [`finish`](Self::finish).
#[derive(Debug)]
pub struct Connecting {
    fd: OwnedFd,
    connected: bool,
}

impl Connecting {
    pub(crate) fn begin(socket: socket2::Socket, peer: &socket2::SockAddr) -> io::Result<Self> {
        let fd = OwnedFd::from(socket);
        let connected = sys::connect(&fd, peer)?;
        Ok(Self { fd, connected })
    }

    /// Whether the connection was made at once, as it is with a Unix socket.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    /// What became of the connection: who is at its other end.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if it is still on its way, else why it failed.
    pub fn finish(&self) -> io::Result<Address> {
        let result = sys::connect_result(&self.fd);
        let fd = self.fd.as_raw_fd();
        match &result {
            Ok(peer) => tracing::debug!(fd, ?peer, "connected"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => tracing::debug!(fd, %error, "connecting failed"),
        }
        result
    }

    /// The socket.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Connecting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Connecting {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
