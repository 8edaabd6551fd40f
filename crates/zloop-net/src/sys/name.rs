//! Addresses as the system writes them.

use std::io;
use std::mem::offset_of;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{BorrowedFd, RawFd};

use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix};

use super::borrow;
use crate::address::Address;

/// Where a `sockaddr_un` has its name.
const PATH_OFFSET: usize = offset_of!(libc::sockaddr_un, sun_path);

/// The address of this end of a socket.
pub(crate) fn local_name(fd: RawFd) -> io::Result<Address> {
    Ok(decode(&rustix::net::getsockname(borrow(fd))?))
}

/// The address of the other end of a socket.
pub(crate) fn peer_name(fd: BorrowedFd<'_>) -> io::Result<Address> {
    let name = rustix::net::getpeername(fd)?;
    Ok(name.as_ref().map_or(Address::Unknown, decode))
}

/// Reads an address that the system wrote.
pub(super) fn decode(address: &SocketAddrAny) -> Address {
    match address.address_family() {
        AddressFamily::INET => SocketAddrV4::try_from(address.clone())
            .map_or(Address::Unknown, |v4| Address::Ip(SocketAddr::V4(v4))),
        AddressFamily::INET6 => SocketAddrV6::try_from(address.clone())
            .map_or(Address::Unknown, |v6| Address::Ip(SocketAddr::V6(v6))),
        // Not by `SocketAddrUnix`, which takes for granted that a path ends with a zero byte; the
        // longest does not, and a peer may have chosen it.
        AddressFamily::UNIX => Address::Unix(unix_name(bytes_of(address)).to_vec()),
        _ => Address::Unknown,
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
pub(super) fn encode(address: &Address) -> io::Result<SocketAddrAny> {
    match address {
        Address::Ip(address) => Ok((*address).into()),
        Address::Unix(name) => match name.split_first() {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Some((0, rest)) => Ok(SocketAddrUnix::new_abstract_name(rest)?.into()),
            _ => Ok(SocketAddrUnix::new(name.as_slice())?.into()),
        },
        Address::Unknown => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an address of an unknown family",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = size_of::<libc::sockaddr_un>() - PATH_OFFSET;

    fn round_trip(address: &Address) -> Address {
        decode(&encode(address).expect("an address"))
    }

    #[test]
    fn addresses_survive_the_way_to_the_system_and_back() {
        for address in ["127.0.0.1:80", "[::1]:443", "0.0.0.0:0"] {
            let address = Address::Ip(address.parse().expect("an address"));
            assert_eq!(round_trip(&address), address);
        }
        let scoped = SocketAddrV6::new("fe80::1".parse().expect("an address"), 1, 2, 3);
        let scoped = Address::Ip(SocketAddr::V6(scoped));
        assert_eq!(round_trip(&scoped), scoped);
        for name in [
            b"/tmp/socket".to_vec(),
            b"\0abstract".to_vec(),
            b"\0\0".to_vec(),
        ] {
            let address = Address::Unix(name);
            assert_eq!(round_trip(&address), address);
        }
    }

    #[test]
    fn the_longest_path_has_no_zero_byte_at_its_end() {
        let longest = Address::Unix(vec![b'x'; LONGEST]);
        assert_eq!(round_trip(&longest), longest);
        let too_long = Address::Unix(vec![b'x'; LONGEST + 1]);
        assert!(encode(&too_long).is_err());
    }

    #[test]
    fn names_are_read_from_any_length() {
        assert_eq!(unix_name(&[]), b"");
        assert_eq!(unix_name(&[1, 0]), b"");
        assert_eq!(unix_name(&[1, 0, b'a', b'b']), b"ab");
        assert_eq!(unix_name(&[1, 0, b'a', 0, b'b']), b"a");
        assert_eq!(unix_name(&[1, 0, 0, b'a', 0]), b"\0a\0");
    }

    #[test]
    fn an_unknown_address_cannot_be_sent_to() {
        let error = encode(&Address::Unknown).expect_err("a refusal");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
