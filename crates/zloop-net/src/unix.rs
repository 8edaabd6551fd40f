//! Unix stream sockets: listening and connecting.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::connect::Connecting;
use crate::sys;

fn socket() -> io::Result<Socket> {
    sys::socket(Domain::UNIX, Type::STREAM, None)
}

/// A non-blocking socket that listens at `path`. On Linux, a path that begins with a zero byte is
/// an abstract name.
///
/// A file that is in the way is not removed, nor is the socket's when it is closed.
///
/// # Errors
///
/// What the system says: [`io::ErrorKind::AddrInUse`] if there is a file, for instance.
pub fn listen(path: impl AsRef<Path>, backlog: i32) -> io::Result<OwnedFd> {
    let (socket, path) = (socket()?, path.as_ref());
    socket.bind(&address(path)?)?;
    socket.listen(backlog)?;
    tracing::debug!(fd = socket.as_raw_fd(), ?path, "listening");
    Ok(socket.into())
}

/// Begins a connection to `path`. It is made at once, or fails at once:
/// [`io::ErrorKind::WouldBlock`] says that the listener's backlog is full.
///
/// # Errors
///
/// What the system says: [`io::ErrorKind::NotFound`] if there is no such file, for instance.
pub fn connect(path: impl AsRef<Path>) -> io::Result<Connecting> {
    Connecting::begin(socket()?, &address(path.as_ref())?)
}

/// Two connected sockets, non-blocking and closed on `exec`.
///
/// # Errors
///
/// When the system is out of descriptors.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    sys::socket_pair()
}

fn address(path: &Path) -> io::Result<SockAddr> {
    if path.as_os_str().as_bytes().is_empty() {
        // The system would take this for a name of its own choice.
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path is empty",
        ));
    }
    SockAddr::unix(path)
}
