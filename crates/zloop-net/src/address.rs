//! Where a socket is, or who is at its other end.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::{fmt, io};

use crate::sys;

/// The address of a socket.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 or IPv6 address and a port.
    Ip(SocketAddr),
    /// A Unix socket's name: the bytes of a path, a zero byte and an abstract name, or nothing for
    /// a socket without a name.
    Unix(Vec<u8>),
    /// An address of a family that this crate does not know.
    Unknown,
}

impl Address {
    /// The address of this end of a socket, of whatever family it is.
    ///
    /// # Errors
    ///
    /// What the system says: of what is no socket, for instance.
    pub fn local(socket: &impl AsRawFd) -> io::Result<Self> {
        sys::local_name(socket.as_raw_fd())
    }

    /// The IP address, if it is one.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) | Self::Unknown => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(formatter),
            Self::Unix(name) => write!(formatter, "unix:{}", name.escape_ascii()),
            Self::Unknown => formatter.write_str("unknown"),
        }
    }
}
