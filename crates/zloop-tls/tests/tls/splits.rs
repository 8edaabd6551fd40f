//! The same conversation, however the network cuts it.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use zloop_tls::{Ending, Version};

use crate::bench::{Endpoint, Node, Note, Pair, Reference};
use crate::certificates::{AUTHORITY, HOST, acceptor, connector};
use crate::handshake::{pair, pair_of};

fn client_config(provider: CryptoProvider) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(
            rustls_pemfile::certs(&mut AUTHORITY.pem.as_bytes())
                .next()
                .unwrap()
                .unwrap(),
        )
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn server_config(provider: CryptoProvider) -> Arc<ServerConfig> {
    let (chain, key) = AUTHORITY.issue_pem(HOST, |_| ());
    let chain = rustls_pemfile::certs(&mut chain.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = rustls_pemfile::private_key(&mut key.as_bytes())
        .unwrap()
        .unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

fn reference_client() -> Reference {
    let config = client_config(aws_lc_rs::default_provider());
    Reference::new(ClientConnection::new(config, HOST.try_into().unwrap()).unwrap())
}

pub fn reference_server() -> Reference {
    let config = server_config(aws_lc_rs::default_provider());
    Reference::new(ServerConnection::new(config).unwrap())
}

/// Both sides say something, the client more than fits a record, and part in good order.
fn converse(pair: &mut Pair<Node, Node>) {
    let long: Vec<u8> = (0..40_000_u32).map(|number| number as u8).collect();
    pair.client.write(&long);
    pair.server.write(b"welcome");
    pair.run();
    assert!(pair.server.received == long);
    assert_eq!(pair.client.received, b"welcome");
    let now = pair.now;
    pair.client.connection.close(now);
    pair.run();
    assert_eq!(pair.client.notes, [Note::HandshakeDone, Note::Closed]);
    let ended = Note::PeerClosed(Ending::CloseNotify);
    assert_eq!(
        pair.server.notes,
        [Note::HandshakeDone, ended, Note::Closed]
    );
}

#[test]
fn a_byte_at_a_time() {
    for version in [Version::Tls12, Version::Tls13] {
        for receives_directly in [false, true] {
            let mut pair = pair_of(version);
            pair.client.receives_directly = receives_directly;
            pair.server.receives_directly = receives_directly;
            pair.segments = vec![1];
            converse(&mut pair);
        }
    }
}

/// Whichever of them this processor's own settings take.
#[cfg(feature = "ring")]
#[test]
fn sides_of_different_cryptography_understand_each_other() {
    let ring = rustls::crypto::ring::default_provider;
    let aws_lc = aws_lc_rs::default_provider;
    for (client, server) in [(ring(), aws_lc()), (aws_lc(), ring()), (ring(), ring())] {
        let connector = zloop_tls::Connector::from(client_config(client));
        let acceptor = zloop_tls::Acceptor::from(server_config(server));
        let mut pair = Pair::new(
            Node::new(connector.connect(HOST).unwrap()),
            Node::new(acceptor.accept().unwrap()),
        );
        converse(&mut pair);
    }
}

#[test]
fn every_split_of_a_handshake_in_two() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut whole = pair_of(version);
        whole.run();
        let longest = whole.to_client.sent.max(whole.to_server.sent);
        for split in 1..longest {
            let mut pair = pair_of(version);
            pair.segments = vec![split, split, usize::MAX];
            pair.run();
            assert!(
                pair.client.is_connected() && pair.server.is_connected(),
                "split at {split}"
            );
        }
    }
}

/// Runs a whole conversation of one of ours and a reference, whichever is the client.
fn exchange<C: Endpoint, S: Endpoint>(pair: &mut Pair<C, S>, mut say: impl FnMut(&mut Pair<C, S>)) {
    pair.run();
    say(pair);
    pair.run();
}

#[test]
fn a_reference_server_understands_us() {
    for segment in [1, 7, 1000, usize::MAX] {
        let mut pair = Pair::new(
            Node::new(connector().connect(HOST).unwrap()),
            reference_server(),
        );
        pair.segments = vec![segment];
        exchange(&mut pair, |pair| {
            pair.client.write(&[1; 50_000]);
            pair.server.write(&[2; 50_000]);
        });
        assert_eq!(pair.server.received, [1; 50_000]);
        assert_eq!(pair.client.received, [2; 50_000]);
        exchange(&mut pair, |pair| pair.server.close_notify());
        assert!(
            pair.server.peer_closed,
            "the client answers close_notify by its own"
        );
        assert_eq!(pair.client.outcome(), Some(&Note::Closed));
    }
}

#[test]
fn a_reference_client_understands_us() {
    for segment in [1, 7, 1000, usize::MAX] {
        let mut pair = Pair::new(reference_client(), Node::new(acceptor().accept().unwrap()));
        pair.segments = vec![segment];
        exchange(&mut pair, |pair| {
            pair.client.write(&[1; 50_000]);
            pair.server.write(&[2; 50_000]);
        });
        assert_eq!(pair.server.received, [1; 50_000]);
        assert_eq!(pair.client.received, [2; 50_000]);
        let now = pair.now;
        pair.server.connection.close(now);
        pair.run();
        assert!(pair.client.peer_closed);
        assert_eq!(
            pair.server.outcome(),
            None,
            "it waits for the client's close_notify"
        );
        exchange(&mut pair, |pair| pair.client.close_notify());
        assert_eq!(pair.server.outcome(), Some(&Note::Closed));
    }
}

#[test]
fn new_keys_in_the_middle_change_nothing() {
    let mut pair = Pair::new(
        Node::new(connector().connect(HOST).unwrap()),
        reference_server(),
    );
    exchange(&mut pair, |pair| pair.server.write(b"one "));
    pair.server.tls.refresh_traffic_keys().unwrap();
    exchange(&mut pair, |pair| {
        pair.server.write(b"two");
        pair.client.write(b"three");
    });
    exchange(&mut pair, |pair| pair.client.write(b" four"));
    assert_eq!(pair.client.received, b"one two");
    assert_eq!(pair.server.received, b"three four");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_segments(
        segments in prop::collection::vec(1_usize..3000, 1..60),
        reads in prop::option::of(1_usize..20_000),
        receives_directly: bool,
    ) {
        let mut pair = pair();
        pair.segments = segments;
        pair.server.read_size = reads;
        pair.server.receives_directly = receives_directly;
        converse(&mut pair);
    }

    #[test]
    fn any_writes(writes in prop::collection::vec(0_usize..40_000, 0..40), each_alone: bool) {
        let mut pair = pair();
        let mut written = Vec::new();
        for (number, len) in writes.into_iter().enumerate() {
            let chunk = vec![number as u8; len];
            pair.client.write(&chunk);
            written.extend(chunk);
            if each_alone {
                pair.run();
            }
        }
        pair.run();
        prop_assert!(pair.server.received == written);
    }
}
