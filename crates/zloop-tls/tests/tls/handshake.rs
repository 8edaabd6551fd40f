//! Getting to know each other, in time or not.

use std::time::Duration;

use zloop_tls::{Error, Fault, NotWritable, Options, Version};

use crate::bench::{Node, Note, Pair};
use crate::certificates::{HOST, acceptor, client_settings, connector, server_settings};

pub fn pair() -> Pair<Node, Node> {
    Pair::new(
        Node::new(connector().connect(HOST).unwrap()),
        Node::new(acceptor().accept().unwrap()),
    )
}

/// A pair whose handshake is done.
pub fn connected() -> Pair<Node, Node> {
    let mut pair = pair();
    pair.run();
    assert!(pair.client.is_connected() && pair.server.is_connected());
    pair
}

pub fn pair_of(version: Version) -> Pair<Node, Node> {
    let client = zloop_tls::ClientSettings {
        versions: version..=version,
        ..client_settings()
    };
    Pair::new(
        Node::new(client.build().unwrap().connect(HOST).unwrap()),
        Node::new(acceptor().accept().unwrap()),
    )
}

#[test]
fn both_versions_shake_hands_and_carry_data_both_ways() {
    for (version, name) in [(Version::Tls12, "TLSv1.2"), (Version::Tls13, "TLSv1.3")] {
        let mut pair = pair_of(version);
        pair.run();
        for node in [&pair.client, &pair.server] {
            assert_eq!(node.notes, [Note::HandshakeDone]);
            let negotiated = node.negotiated();
            assert_eq!(negotiated.version.as_deref(), Some(name));
            assert_eq!(negotiated.cipher.unwrap().version, name);
            assert_eq!(node.connection.next_deadline(), None);
        }
        pair.client.write(b"ping");
        pair.run();
        pair.server.write(b"pong");
        pair.run();
        assert_eq!(pair.server.received, b"ping");
        assert_eq!(pair.client.received, b"pong");
    }
}

#[test]
fn what_is_written_before_the_handshake_is_done_follows_it() {
    let mut pair = pair();
    pair.client.write(b"early");
    pair.server.write(b"bird");
    assert_eq!(pair.client.connection.buffered(), 5);
    pair.run();
    assert_eq!(pair.server.received, b"early");
    assert_eq!(pair.client.received, b"bird");
    assert_eq!(pair.client.connection.buffered(), 0);
}

#[test]
fn bytes_that_came_before_the_start_count() {
    let mut pair = pair();
    pair.client.connection.start(Duration::ZERO);
    let hello = pair.client.connection.take_ciphertext().unwrap();
    pair.server.connection.receive(&hello);
    assert!(pair.server.connection.take_ciphertext().is_none());
    pair.run();
    assert!(pair.client.is_connected() && pair.server.is_connected());
}

#[test]
fn a_handshake_that_takes_too_long_fails_by_the_peers_fault() {
    let options = Options {
        handshake_timeout: Duration::from_millis(1500),
        ..Options::default()
    };
    let mut pair = Pair::new(
        Node::with_options(connector().connect(HOST).unwrap(), options.clone()),
        Node::with_options(acceptor().accept().unwrap(), options),
    );
    pair.to_server.capacity = 0;
    pair.run();
    pair.pass(Duration::from_millis(1499));
    assert_eq!(pair.client.outcome(), None);
    pair.pass(Duration::from_millis(1));
    for node in [&pair.client, &pair.server] {
        assert!(matches!(node.error, Some(Error::HandshakeTimeout(_))));
        let message = "the TLS handshake was not done within 1.5s".to_owned();
        assert_eq!(node.notes, [Note::Failed(Fault::Peer, message)]);
        assert_eq!(node.connection.next_deadline(), None);
    }
}

#[test]
fn a_finished_handshake_never_times_out() {
    let mut pair = connected();
    pair.pass(Duration::from_secs(3600));
    assert!(pair.client.is_connected() && pair.server.is_connected());
}

#[test]
fn closing_before_the_handshake_is_done_ends_at_once() {
    let mut pair = pair();
    pair.step();
    let now = pair.now;
    pair.client.connection.close(now);
    assert_eq!(
        pair.client.connection.write(b"late".to_vec()),
        Err(NotWritable)
    );
    pair.run();
    assert_eq!(pair.client.notes, [Note::Closed]);
    assert!(matches!(pair.server.error, Some(Error::HandshakeEnd)));
}

#[test]
fn a_peer_that_leaves_at_any_byte_of_the_handshake_fails_it_once() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut whole = pair_of(version);
        whole.run();
        for cut_at in 0..whole.to_server.sent {
            let mut pair = pair_of(version);
            pair.to_server.cut_at = Some(cut_at);
            pair.run();
            assert!(
                matches!(pair.server.error, Some(Error::HandshakeEnd)),
                "cut at {cut_at}"
            );
            assert_eq!(pair.server.notes.len(), 1);
        }
        for cut_at in (0..whole.to_client.sent).step_by(3) {
            let mut pair = pair_of(version);
            pair.to_client.cut_at = Some(cut_at);
            pair.run();
            let complete = pair.client.notes.first() == Some(&Note::HandshakeDone);
            assert!(
                complete || matches!(pair.client.error, Some(Error::HandshakeEnd)),
                "cut at {cut_at}: {:?}",
                pair.client.notes,
            );
        }
    }
}

#[test]
fn a_failing_transport_is_the_transports_fault() {
    let mut pair = connected();
    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    pair.client.connection.transport_failed(reset);
    pair.run();
    assert!(matches!(
        pair.client.outcome(),
        Some(Note::Failed(Fault::Transport, _))
    ));
}

#[test]
fn a_server_says_what_is_wrong_before_it_gives_up() {
    let server = zloop_tls::ServerSettings {
        versions: Version::Tls12..=Version::Tls12,
        ..server_settings()
    };
    let client = zloop_tls::ClientSettings {
        versions: Version::Tls13..=Version::Tls13,
        ..client_settings()
    };
    let mut pair = Pair::new(
        Node::new(client.build().unwrap().connect(HOST).unwrap()),
        Node::new(server.build().unwrap().accept().unwrap()),
    );
    pair.run();
    assert_eq!(pair.server.engine_error().reason(), "UNSUPPORTED_PROTOCOL");
    assert_eq!(
        pair.client.engine_error().reason(),
        "TLSV1_ALERT_PROTOCOL_VERSION"
    );
}
