//! Datagrams over UDP, one by one and in batches. The functions work on any datagram socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::address::Address;
use crate::sys;

pub use crate::tcp::{local_address, peer_address};

pub use crate::batch::{Incoming, MAX_BATCH, Outgoing, ReceiveBatch, send_batch};

/// How to bind.
#[derive(Clone, Debug, Default)]
pub struct BindOptions {
    /// Shares the address with other sockets that ask for the same.
    pub reuse_port: bool,
    /// Allows sending to broadcast addresses.
    pub broadcast: bool,
    /// Leaves IPv4 to other sockets, for an IPv6 address.
    pub ipv6_only: bool,
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    sys::socket(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )
}

/// A non-blocking UDP socket at `address`. With port 0 the system chooses a port.
///
/// # Errors
///
/// What the system says: [`io::ErrorKind::AddrInUse`], for instance.
pub fn bind(address: SocketAddr, options: &BindOptions) -> io::Result<OwnedFd> {
    let socket = socket(address)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if options.broadcast {
        socket.set_broadcast(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(options.ipv6_only)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A non-blocking UDP socket that sends to `peer` and hears nobody else, from `local` if that is
/// given.
///
/// # Errors
///
/// What the system says.
pub fn connect(peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<OwnedFd> {
    let socket = socket(peer)?;
    if let Some(local) = local {
        socket.bind(&local.into())?;
    }
    socket.connect(&peer.into())?;
    Ok(socket.into())
}

/// Takes one datagram. What `buffer` has no room for is lost.
///
/// ```
/// use zloop_net::udp;
///
/// # fn main() -> std::io::Result<()> {
/// let server = udp::bind("127.0.0.1:0".parse().expect("an address"), &Default::default())?;
/// let client = udp::connect(udp::local_address(&server)?, None)?;
/// udp::send(&client, b"ping")?;
/// let mut buffer = [0; 64];
/// let (count, peer) = udp::recv_from(&server, &mut buffer)?;
/// assert_eq!(&buffer[..count], b"ping");
/// assert_eq!(peer.ip(), Some(udp::local_address(&client)?));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if there is none, else what the system says:
/// [`io::ErrorKind::ConnectionRefused`] if an earlier datagram met nobody, for instance.
#[inline]
pub fn recv_from(socket: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<(usize, Address)> {
    sys::receive_from(socket.as_raw_fd(), buffer)
}

/// Sends one datagram to `peer`. It is sent whole or not at all.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if the system takes no more for now, else what it says.
/// [`io::ErrorKind::InvalidInput`] for an address of an unknown family.
#[inline]
pub fn send_to(socket: &impl AsRawFd, bytes: &[u8], peer: &Address) -> io::Result<usize> {
    sys::send_to(socket.as_raw_fd(), bytes, peer)
}

/// Sends one datagram on a connected socket.
///
/// # Errors
///
/// As [`send_to`], save for the address.
#[inline]
pub fn send(socket: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    sys::send_datagram(socket.as_raw_fd(), bytes)
}
