//! TCP: listening and connecting.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::connect::Connecting;
use crate::sys;

/// How to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// How many connections may wait to be accepted.
    pub backlog: i32,
    /// Takes an address whose earlier connections have not timed out.
    pub reuse_address: bool,
    /// Shares the address with other sockets that ask for the same.
    pub reuse_port: bool,
    /// Leaves IPv4 to other sockets, for an IPv6 address.
    pub ipv6_only: bool,
}

impl Default for ListenOptions {
    /// As asyncio listens: a backlog of 100, the address reused, IPv6 without IPv4.
    fn default() -> Self {
        Self {
            backlog: 100,
            reuse_address: true,
            reuse_port: false,
            ipv6_only: true,
        }
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    sys::socket(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )
}

/// A non-blocking socket that listens at `address`. With port 0 the system chooses a port.
///
/// ```
/// use std::io::ErrorKind;
/// use zloop_net::{accept, tcp};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = tcp::listen("127.0.0.1:0".parse().expect("an address"), &Default::default())?;
/// let error = accept(&listener).expect_err("nobody connected");
/// assert_eq!(error.kind(), ErrorKind::WouldBlock);
///
/// let client = tcp::connect(tcp::local_address(&listener)?, None)?;
/// let accepted = accept(&listener)?;
/// client.finish()?;
/// assert_eq!(accepted.peer.ip(), Some(tcp::local_address(&client)?));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What the system says: [`io::ErrorKind::AddrInUse`], for instance.
pub fn listen(address: SocketAddr, options: &ListenOptions) -> io::Result<OwnedFd> {
    let socket = socket(address)?;
    if options.reuse_address {
        socket.set_reuse_address(true)?;
    }
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(options.ipv6_only)?;
    }
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    tracing::debug!(fd = socket.as_raw_fd(), %address, "listening");
    Ok(socket.into())
}

/// Begins a connection to `peer`, from `local` if that is given.
///
/// # Errors
///
/// What the system says at once: [`io::ErrorKind::NetworkUnreachable`], for instance. That nobody
/// listens is often known only when the connection [finishes](Connecting::finish).
pub fn connect(peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<Connecting> {
    let socket = socket(peer)?;
    if let Some(local) = local {
        socket.bind(&local.into())?;
    }
    Connecting::begin(socket, &peer.into())
}

/// Sends small writes at once instead of gathering them.
///
/// # Errors
///
/// What the system says: for what is no TCP socket, for instance.
pub fn set_nodelay(socket: &impl AsRawFd, nodelay: bool) -> io::Result<()> {
    SockRef::from(&sys::borrow(socket.as_raw_fd())).set_tcp_nodelay(nodelay)
}

/// The address of this end of a TCP or UDP socket.
///
/// # Errors
///
/// What the system says; [`io::ErrorKind::InvalidInput`] if it is no IP address.
pub fn local_address(socket: &impl AsRawFd) -> io::Result<SocketAddr> {
    SockRef::from(&sys::borrow(socket.as_raw_fd()))
        .local_addr()?
        .as_socket()
        .ok_or_else(no_ip_address)
}

/// The address of the other end of a TCP or UDP socket.
///
/// # Errors
///
/// What the system says: [`io::ErrorKind::NotConnected`], for instance;
/// [`io::ErrorKind::InvalidInput`] if it is no IP address.
pub fn peer_address(socket: &impl AsRawFd) -> io::Result<SocketAddr> {
    SockRef::from(&sys::borrow(socket.as_raw_fd()))
        .peer_addr()?
        .as_socket()
        .ok_or_else(no_ip_address)
}

fn no_ip_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the socket has no IP address")
}
