//! Datagrams.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;

use zloop_core::{Events, Interest, Reactor};
use zloop_net::{Address, tcp, udp};

fn bind() -> (std::os::fd::OwnedFd, SocketAddr) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let socket = udp::bind(any, &udp::BindOptions::default()).expect("a socket");
    let address = tcp::local_address(&socket).expect("an address");
    (socket, address)
}

#[test]
fn datagrams_keep_their_bounds_and_their_senders() {
    let (server, address) = bind();
    let mut buffer = [0; 16];
    let error = udp::recv_from(&server, &mut buffer).expect_err("nothing came");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let from = Address::Ip(client.local_addr().expect("an address"));
    for bytes in [&b"one"[..], b"", b"three"] {
        client.send_to(bytes, address).expect("a datagram");
    }
    for bytes in [&b"one"[..], b"", b"three"] {
        let (count, peer) = udp::recv_from(&server, &mut buffer).expect("a datagram");
        assert_eq!((&buffer[..count], &peer), (bytes, &from));
    }
    assert_eq!(
        udp::send_to(&server, b"answer", &from).expect("a datagram"),
        6
    );
    assert_eq!(client.recv(&mut buffer).expect("a datagram"), 6);
    let error = udp::send_to(&server, b"", &Address::Unknown).expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let too_large = vec![0; 70_000];
    assert!(udp::send_to(&server, &too_large, &from).is_err());
}

#[test]
fn a_connected_socket_learns_that_nobody_is_there() {
    let (server, address) = bind();
    drop(server);
    let client = udp::connect(address, None).expect("a socket");
    udp::send(&client, b"anybody?").expect("a datagram");
    let mut reactor = Reactor::new().expect("a reactor");
    let fd = std::os::fd::AsRawFd::as_raw_fd(&client);
    reactor
        .register(fd, Interest::READABLE, ())
        .expect("a token");
    reactor.poll(&mut Events::new(), None).expect("a poll");
    let error = udp::recv_from(&client, &mut [0; 8]).expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn batches_take_and_send_many_at_once() {
    let (server, server_address) = bind();
    let (client, client_address) = bind();
    let to = Address::Ip(server_address);
    let texts: Vec<String> = (0..40).map(|number| format!("datagram {number}")).collect();
    let outgoing: Vec<_> = texts
        .iter()
        .map(|text| udp::Outgoing {
            bytes: text.as_bytes(),
            peer: Some(&to),
        })
        .collect();
    let sent = udp::send_batch(&client, &outgoing).expect("a batch");
    assert_eq!(sent, udp::MAX_BATCH);
    let rest = udp::send_batch(&client, &outgoing[sent..]).expect("a batch");
    assert_eq!(sent + rest, 40);
    assert_eq!(udp::send_batch(&client, &[]).expect("nothing"), 0);

    let mut incoming = udp::ReceiveBatch::new(25, 64);
    let mut received = Vec::new();
    for expected in [25, 15] {
        assert_eq!(incoming.receive(&server).expect("a batch"), expected);
        for datagram in incoming.iter() {
            assert_eq!(datagram.peer.ip(), Some(client_address));
            assert!(!datagram.truncated);
            received.push(String::from_utf8_lossy(datagram.bytes).into_owned());
        }
    }
    assert_eq!(received, texts);
    let error = incoming.receive(&server).expect_err("nothing is left");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(incoming.iter().count(), 0);
}

#[test]
fn what_was_too_long_is_marked() {
    let (server, address) = bind();
    let client = udp::connect(address, None).expect("a socket");
    for bytes in [&b"123"[..], b"12345", b"", b"12"] {
        udp::send(&client, bytes).expect("a datagram");
    }
    let mut incoming = udp::ReceiveBatch::new(8, 3);
    assert_eq!(incoming.receive(&server).expect("a batch"), 4);
    let seen: Vec<_> = incoming
        .iter()
        .map(|datagram| (datagram.bytes, datagram.truncated))
        .collect();
    assert_eq!(
        seen,
        [
            (&b"123"[..], false),
            (b"123", true),
            (b"", false),
            (b"12", false)
        ]
    );
}

#[test]
fn a_bad_address_ends_a_batch_before_it() {
    let (server, address) = bind();
    let (client, _) = bind();
    let good = Address::Ip(address);
    let outgoing = [Some(&good), Some(&Address::Unknown), Some(&good)]
        .map(|peer| udp::Outgoing { bytes: b"x", peer });
    assert_eq!(udp::send_batch(&client, &outgoing).expect("a batch"), 1);
    let error = udp::send_batch(&client, &outgoing[1..]).expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    udp::recv_from(&server, &mut [0]).expect("a datagram");
}

#[test]
fn unix_datagrams_work_alike() {
    let (near, far) = UnixDatagram::pair().expect("a pair");
    near.set_nonblocking(true).expect("a non-blocking socket");
    far.send(b"one").expect("a datagram");
    far.send(b"two").expect("a datagram");
    let mut buffer = [0; 8];
    let (count, peer) = udp::recv_from(&near, &mut buffer).expect("a datagram");
    assert_eq!(
        (&buffer[..count], peer),
        (&b"one"[..], Address::Unix(Vec::new()))
    );
    let mut incoming = udp::ReceiveBatch::new(4, 8);
    assert_eq!(incoming.receive(&near).expect("a batch"), 1);
    let datagram = incoming.iter().next().expect("a datagram");
    assert_eq!(
        (datagram.bytes, datagram.peer),
        (&b"two"[..], &Address::Unix(Vec::new()))
    );
}

#[test]
fn a_port_can_be_shared() {
    let options = udp::BindOptions {
        reuse_port: true,
        broadcast: true,
        ..Default::default()
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let first = udp::bind(any, &options).expect("a socket");
    let address = tcp::local_address(&first).expect("an address");
    udp::bind(address, &options).expect("a second socket");
    let error = udp::bind(address, &udp::BindOptions::default()).expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(
        socket2::SockRef::from(&first)
            .broadcast()
            .expect("an option")
    );
}
