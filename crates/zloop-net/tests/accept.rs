//! Accepting and connecting, on TCP and Unix sockets.

use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use zloop_core::{Events, Interest, Reactor};
use zloop_net::{Address, Connecting, accept, tcp, unix};

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn listen() -> (OwnedFd, SocketAddr) {
    let listener = tcp::listen(local(0), &tcp::ListenOptions::default()).expect("a listener");
    let address = tcp::local_address(&listener).expect("an address");
    (listener, address)
}

fn finish(connecting: &Connecting) -> std::io::Result<Address> {
    if !connecting.is_connected() {
        let mut reactor = Reactor::new()?;
        reactor.register(connecting.as_raw_fd(), Interest::WRITABLE, ())?;
        reactor.poll(&mut Events::new(), None)?;
    }
    connecting.finish()
}

/// A folder of its own, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "zloop-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn is_nonblocking_and_closed_on_exec(fd: impl AsFd) -> bool {
    let status = rustix::fs::fcntl_getfl(&fd).expect("the flags");
    let descriptor = rustix::io::fcntl_getfd(&fd).expect("the flags");
    status.contains(rustix::fs::OFlags::NONBLOCK)
        && descriptor.contains(rustix::io::FdFlags::CLOEXEC)
}

#[test]
fn a_tcp_connection_is_accepted_with_its_peer() {
    let (listener, address) = listen();
    let error = accept(&listener).expect_err("nobody connected");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let connecting = tcp::connect(address, None).expect("a connection");
    let peer = finish(&connecting).expect("a connection");
    assert_eq!(peer.ip(), Some(address));
    let accepted = accept(&listener).expect("a connection");
    let client = tcp::local_address(&connecting).expect("an address");
    assert_eq!(accepted.peer, Address::Ip(client));
    assert_eq!(tcp::peer_address(&accepted.fd).expect("an address"), client);
    assert!(is_nonblocking_and_closed_on_exec(&accepted.fd));
    assert!(is_nonblocking_and_closed_on_exec(&listener));
    assert!(is_nonblocking_and_closed_on_exec(connecting.into_fd()));
}

#[test]
fn a_peer_that_is_gone_still_has_an_address() {
    let (listener, address) = listen();
    let client = TcpStream::connect(address).expect("a connection");
    let expected = client.local_addr().expect("an address");
    client.shutdown(Shutdown::Both).expect("a shutdown");
    drop(client);
    let accepted = accept(&listener).expect("a connection");
    assert_eq!(accepted.peer.ip(), Some(expected));
}

#[test]
fn ipv6_peers_have_ipv6_addresses() {
    let loopback: SocketAddr = "[::1]:0".parse().expect("an address");
    let Ok(listener) = tcp::listen(loopback, &tcp::ListenOptions::default()) else {
        // A system without IPv6.
        assert!(TcpListener::bind(loopback).is_err());
        return;
    };
    let address = tcp::local_address(&listener).expect("an address");
    let client = TcpStream::connect(address).expect("a connection");
    let accepted = accept(&listener).expect("a connection");
    assert_eq!(accepted.peer.ip(), client.local_addr().ok());
}

#[test]
fn an_address_in_use_is_refused_unless_its_port_is_shared() {
    let (_listener, address) = listen();
    let error = tcp::listen(address, &tcp::ListenOptions::default()).expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let shared = tcp::ListenOptions {
        reuse_port: true,
        ..tcp::ListenOptions::default()
    };
    let first = tcp::listen(local(0), &shared).expect("a listener");
    let address = tcp::local_address(&first).expect("an address");
    tcp::listen(address, &shared).expect("a second listener");
}

#[test]
fn nobody_there_is_connection_refused() {
    let (listener, address) = listen();
    drop(listener);
    let error = match tcp::connect(address, None) {
        Ok(connecting) => finish(&connecting).expect_err("a refusal"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_connection_on_its_way_is_told_from_one_that_is_made() {
    let options = tcp::ListenOptions {
        backlog: 1,
        ..tcp::ListenOptions::default()
    };
    let listener = tcp::listen(local(0), &options).expect("a listener");
    let address = tcp::local_address(&listener).expect("an address");
    // The backlog is soon full, and what comes then stays on its way.
    let clients: Vec<_> = (0..10)
        .map(|_| tcp::connect(address, None).expect("a connection"))
        .collect();
    let waiting = clients.iter().filter_map(|client| client.finish().err());
    let kinds: Vec<_> = waiting.map(|error| error.kind()).collect();
    assert!(!kinds.is_empty());
    assert!(
        kinds.iter().all(|kind| *kind == ErrorKind::WouldBlock),
        "{kinds:?}"
    );
}

#[test]
fn a_connection_can_choose_its_own_address() {
    let (listener, address) = listen();
    let from = SocketAddr::from(([127, 0, 0, 2], 0));
    let connecting = tcp::connect(address, Some(from)).expect("a connection");
    finish(&connecting).expect("a connection");
    let accepted = accept(&listener).expect("a connection");
    assert_eq!(
        accepted.peer.ip().map(|address| address.ip()),
        Some(from.ip())
    );
}

#[test]
fn nodelay_is_set_and_unset() {
    let (listener, address) = listen();
    let _client = TcpStream::connect(address).expect("a connection");
    let accepted = accept(&listener).expect("a connection");
    let socket = socket2::SockRef::from(&accepted.fd);
    for nodelay in [true, false] {
        tcp::set_nodelay(&accepted.fd, nodelay).expect("an option");
        assert_eq!(socket.tcp_nodelay().expect("an option"), nodelay);
    }
    let (unix, _peer) = UnixStream::pair().expect("a pair");
    assert!(tcp::set_nodelay(&unix, true).is_err());
    let error = tcp::local_address(&unix).expect_err("no IP address");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn unix_peers_have_names() {
    let folder = Folder::new();
    let path = folder.0.join("listener");
    let listener = unix::listen(&path, 10).expect("a listener");
    let connecting = unix::connect(&path).expect("a connection");
    assert!(connecting.is_connected());
    connecting.finish().expect("a connection");
    let unnamed = accept(&listener).expect("a connection");
    assert_eq!(unnamed.peer, Address::Unix(Vec::new()));
    assert_eq!(unnamed.peer.ip(), None);
    assert!(is_nonblocking_and_closed_on_exec(&unnamed.fd));

    // The longest path has no room for a zero byte at its end.
    let mut longest = folder.0.join("").into_os_string().into_encoded_bytes();
    longest.resize(108, b'x');
    for name in [
        folder
            .0
            .join("client")
            .into_os_string()
            .into_encoded_bytes(),
        longest,
    ] {
        let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)
            .expect("a socket");
        bind(&client, &name);
        client
            .connect(&socket2::SockAddr::unix(&path).expect("an address"))
            .expect("connected");
        let accepted = accept(&listener).expect("a connection");
        assert_eq!(accepted.peer, Address::Unix(name));
    }
}

fn bind(socket: &socket2::Socket, name: &[u8]) {
    let address = rustix::net::SocketAddrUnix::new(name).expect("an address");
    rustix::net::bind(socket, &address).expect("a binding");
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_names_begin_with_a_zero_byte() {
    use std::os::linux::net::SocketAddrExt;

    let name = format!("zloop-net-{}", std::process::id());
    let address = UnixAddress::from_abstract_name(&name).expect("an address");
    let listener = UnixListener::bind_addr(&address).expect("a listener");
    let connecting = unix::connect(format!("\0{name}")).expect("a connection");
    let accepted = accept(&listener).expect("a connection");
    assert_eq!(accepted.peer, Address::Unix(Vec::new()));
    assert!(connecting.is_connected());
    assert!(unix::listen(format!("\0{name}"), 1).is_err());
}

#[test]
fn unix_failures_are_told_at_once() {
    let folder = Folder::new();
    let path = folder.0.join("nobody");
    assert_eq!(
        unix::connect(&path).expect_err("nobody").kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        unix::connect("").expect_err("no path").kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        unix::listen("", 1).expect_err("no path").kind(),
        ErrorKind::InvalidInput
    );
    let _listener = unix::listen(&path, 1).expect("a listener");
    assert_eq!(
        unix::listen(&path, 1).expect_err("in use").kind(),
        ErrorKind::AddrInUse
    );
}
