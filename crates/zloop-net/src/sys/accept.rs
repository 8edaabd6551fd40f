//! Accepting a connection.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::SocketAddrAny;

use super::borrow;
use super::name::decode;
use crate::address::Address;

pub(crate) fn accept(listener: RawFd) -> io::Result<(OwnedFd, Address)> {
    loop {
        match accept_once(listener) {
            Ok((fd, address)) => {
                let peer = address.as_ref().map_or(Address::Unknown, decode);
                return Ok((fd, peer));
            }
            Err(Errno::INTR) => {}
            Err(Errno::CONNABORTED) => {
                tracing::debug!(listener, "skipped a connection that was aborted");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
#[inline]
fn accept_once(listener: RawFd) -> rustix::io::Result<(OwnedFd, Option<SocketAddrAny>)> {
    use rustix::net::SocketFlags;

    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    rustix::net::acceptfrom_with(borrow(listener), flags)
}

#[cfg(target_vendor = "apple")]
fn accept_once(listener: RawFd) -> rustix::io::Result<(OwnedFd, Option<SocketAddrAny>)> {
    let (fd, address) = rustix::net::acceptfrom(borrow(listener))?;
    rustix::net::sockopt::set_socket_nosigpipe(&fd, true)?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok((fd, address))
}

/// Whether connections can come from it, as far as the system can be asked.
pub(crate) fn may_listen(socket: &OwnedFd) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = socket;
        true
    }
}
