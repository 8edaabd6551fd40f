//! Pipes, and telling them from what is none.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{FileType, OFlags};

use crate::sys;

/// What kind of file a descriptor is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A pipe or a FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A character device, as a terminal is.
    CharacterDevice,
    /// Anything else. A regular file cannot be waited for.
    Other,
}

/// The kind of an open descriptor.
///
/// # Errors
///
/// What the system says.
pub fn kind(fd: impl AsFd) -> io::Result<Kind> {
    let status = rustix::fs::fstat(fd)?;
    Ok(match FileType::from_raw_mode(status.st_mode) {
        FileType::Fifo => Kind::Pipe,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharacterDevice,
        _ => Kind::Other,
    })
}

/// The reading and the writing end of a new pipe, non-blocking and closed on `exec`.
///
/// # Errors
///
/// When the system is out of descriptors.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    sys::pipe()
}

/// Makes a descriptor non-blocking, or blocking again. Everybody who shares the open file sees it.
///
/// # Errors
///
/// What the system says.
pub fn set_nonblocking(fd: impl AsFd, nonblocking: bool) -> io::Result<()> {
    let before = rustix::fs::fcntl_getfl(&fd)?;
    let mut after = before;
    after.set(OFlags::NONBLOCK, nonblocking);
    if after != before {
        rustix::fs::fcntl_setfl(&fd, after)?;
    }
    Ok(())
}

/// Another descriptor of the same open file, closed on `exec`.
///
/// # Errors
///
/// When the system is out of descriptors.
pub fn duplicate(descriptor: &impl AsRawFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(
        sys::borrow(descriptor.as_raw_fd()),
        0,
    )?)
}
