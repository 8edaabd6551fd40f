//! Bytes that no honest peer sends.

use proptest::prelude::*;
use zloop_tls::{Ending, Fault, Version};

use crate::bench::{Node, Note};
use crate::certificates::{HOST, acceptor, connector};
use crate::handshake::{connected, pair_of};

/// Feeds `bytes` to a fresh server and a fresh client, then the end.
fn feed(bytes: &[u8]) -> [Node; 2] {
    [acceptor().accept(), connector().connect(HOST)].map(|session| {
        let mut node = Node::new(session.unwrap());
        let mut inward = crate::bench::Link::new();
        let mut outward = crate::bench::Link::new();
        inward.send(bytes);
        inward.end();
        while crate::bench::Endpoint::advance(
            &mut node,
            Default::default(),
            usize::MAX,
            &mut inward,
            &mut outward,
        ) {}
        node
    })
}

#[test]
fn plain_http_is_told_apart_from_garbage() {
    let [server, client] = feed(b"GET / HTTP/1.1\r\nHost: server.test\r\n\r\n");
    assert_eq!(server.engine_error().reason(), "HTTP_REQUEST");
    assert_eq!(client.engine_error().reason(), "WRONG_VERSION_NUMBER");
    let [server, _] = feed(b"SSH-2.0-OpenSSH_9.6\r\n");
    assert_eq!(server.engine_error().reason(), "WRONG_VERSION_NUMBER");
}

#[test]
fn nothing_at_all_is_a_peer_that_left() {
    for node in feed(b"") {
        let left = "the peer left before the TLS handshake was done".to_owned();
        assert_eq!(node.notes, [Note::Failed(Fault::Peer, left)]);
    }
}

#[test]
fn a_changed_byte_anywhere_in_the_handshake_never_completes_it_on_both_sides() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut whole = pair_of(version);
        whole.run();
        for place in (0..whole.to_client.sent).step_by(5) {
            let mut pair = pair_of(version);
            pair.to_client.flip = Some((place, 0x40));
            pair.run();
            // A session ticket comes after the handshake; changing it breaks the connection then.
            // A changed record version is ignored, as the protocol asks.
            let intact = pair.client.is_connected() && pair.server.is_connected();
            assert!(
                !intact || pair.client.outcome().is_none(),
                "place {place}: {:?} {:?}",
                pair.client.notes,
                pair.server.notes,
            );
            if !intact && pair.client.outcome().is_some() {
                assert!(matches!(pair.client.outcome(), Some(Note::Failed(..))));
            }
        }
    }
}

#[test]
fn a_changed_record_fails_the_connection_after_the_data_before_it() {
    let mut pair = connected();
    pair.client.write(b"good");
    pair.run();
    let next = pair.to_server.sent;
    pair.to_server.flip = Some((next + 10, 1));
    pair.client.write(b"bad");
    pair.run();
    assert_eq!(pair.server.received, b"good");
    assert_eq!(
        pair.server.engine_error().reason(),
        "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    );
    assert_eq!(
        pair.client.engine_error().reason(),
        "SSLV3_ALERT_BAD_RECORD_MAC"
    );
}

#[test]
fn a_writer_that_meets_a_bad_record_leaves_the_good_ones_to_the_reader() {
    let mut pair = connected();
    pair.client.write(b"good");
    let good = pair.client.connection.take_ciphertext().unwrap().to_vec();
    pair.client.write(b"bad");
    let mut bad = pair.client.connection.take_ciphertext().unwrap().to_vec();
    *bad.last_mut().unwrap() ^= 1;

    pair.server.connection.pause_reading();
    pair.server.connection.receive(&[good, bad].concat());
    pair.server.write(b"unaware");
    let _ = pair.server.connection.take_ciphertext();
    assert!(
        !pair.server.connection.is_closed(),
        "the failure waits behind the data"
    );

    pair.server.connection.resume_reading();
    pair.run();
    assert_eq!(pair.server.received, b"good");
    assert_eq!(
        pair.server.engine_error().reason(),
        "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    );
}

#[test]
fn a_bad_record_met_while_closing_ends_it_at_once() {
    let mut pair = connected();
    pair.client.write(b"bad");
    let mut bad = pair.client.connection.take_ciphertext().unwrap().to_vec();
    *bad.last_mut().unwrap() ^= 1;
    pair.server.connection.pause_reading();
    pair.server.connection.receive(&bad);
    pair.server.write(b"unaware");
    let _ = pair.server.connection.take_ciphertext();
    let now = pair.now;
    pair.server.connection.close(now);
    pair.run();
    assert!(matches!(
        pair.server.outcome(),
        Some(Note::Failed(Fault::Peer, _))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn garbage_never_completes_a_handshake(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        for node in feed(&bytes) {
            prop_assert!(matches!(node.notes.as_slice(), [Note::Failed(Fault::Peer, _)]));
        }
    }

    #[test]
    fn garbage_in_a_record_never_completes_a_handshake(
        kind in 20_u8..25,
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut record = vec![kind, 3, 3];
        record.extend((body.len() as u16).to_be_bytes());
        record.extend(body);
        for node in feed(&record) {
            prop_assert!(matches!(node.notes.as_slice(), [Note::Failed(..)]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn garbage_after_the_handshake_never_passes_for_data(
        bytes in prop::collection::vec(any::<u8>(), 1..500),
    ) {
        let mut pair = connected();
        pair.to_server.send(&bytes);
        pair.to_server.end();
        pair.run();
        prop_assert!(pair.server.received.is_empty());
        let truncated = pair.server.notes.contains(&Note::PeerClosed(Ending::Truncated));
        let failed = matches!(pair.server.outcome(), Some(Note::Failed(Fault::Peer, _)));
        prop_assert!(truncated || failed, "{:?}", pair.server.notes);
    }

    #[test]
    fn a_flipped_bit_in_the_traffic_never_changes_data(place in 0_usize..20_000, bit in 0_u8..8) {
        let mut pair = connected();
        let sent: Vec<u8> = (0..20_000_u32).map(|number| (number / 7) as u8).collect();
        let start = pair.to_server.sent;
        pair.to_server.flip = Some((start + place, 1 << bit));
        pair.client.write(&sent);
        pair.run();
        prop_assert!(sent.starts_with(&pair.server.received));
    }
}
