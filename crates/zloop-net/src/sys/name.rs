//! Addresses as the system writes them.

use std::io;
use std::mem::offset_of;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix};

use crate::address::PeerAddress;

/// Where a `sockaddr_un` has its name.
const PATH_OFFSET: usize = offset_of!(libc::sockaddr_un, sun_path);

/// Reads an address that the system wrote.
pub(super) fn decode(address: &SocketAddrAny) -> PeerAddress {
    match address.address_family() {
        AddressFamily::INET => SocketAddrV4::try_from(address.clone())
            .map_or(PeerAddress::Unknown, |v4| {
                PeerAddress::Ip(SocketAddr::V4(v4))
            }),
        AddressFamily::INET6 => SocketAddrV6::try_from(address.clone())
            .map_or(PeerAddress::Unknown, |v6| {
                PeerAddress::Ip(SocketAddr::V6(v6))
            }),
        // Not by `SocketAddrUnix`, which takes for granted that a path ends with a zero byte; the
        // longest does not, and a peer may have chosen it.
        AddressFamily::UNIX => PeerAddress::Unix(unix_name(bytes_of(address)).to_vec()),
        _ => PeerAddress::Unknown,
    }
}

fn bytes_of(address: &SocketAddrAny) -> &[u8] {
    let len = address.addr_len() as usize;
    // SAFETY: the first `addr_len` bytes are initialized, which is an invariant of the type.
    unsafe { std::slice::from_raw_parts(address.as_ptr().cast(), len) }
}

/// The name in a `sockaddr_un`: a path without its end, or an abstract name with its zero byte.
pub(super) fn unix_name(address: &[u8]) -> &[u8] {
    let name = address.get(PATH_OFFSET..).unwrap_or_default();
    if name.first() == Some(&0) && cfg!(any(target_os = "linux", target_os = "android")) {
        return name;
    }
    let end = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(name.len());
    &name[..end]
}

/// Writes an address for the system.
pub(super) fn encode(address: &PeerAddress) -> io::Result<SocketAddrAny> {
    match address {
        PeerAddress::Ip(address) => Ok((*address).into()),
        PeerAddress::Unix(name) => match name.split_first() {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Some((0, rest)) => Ok(SocketAddrUnix::new_abstract_name(rest)?.into()),
            _ => Ok(SocketAddrUnix::new(name.as_slice())?.into()),
        },
        PeerAddress::Unknown => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an address of an unknown family",
        )),
    }
}
