//! Who waits for whom.

use zloop_tls::{Limits, Options};

use crate::bench::{Node, Note, Pair};
use crate::certificates::{HOST, acceptor, connector};
use crate::handshake::connected;

#[test]
fn a_writer_pauses_at_the_high_limit_and_resumes_at_the_low_one() {
    let mut pair = connected();
    pair.client.connection.set_write_limits(Limits {
        high: 1000,
        low: 100,
    });
    pair.to_server.capacity = 0;
    pair.client.write(&[1; 999]);
    pair.run();
    assert!(!pair.client.connection.is_writing_paused());
    pair.client.write(&[1; 1]);
    pair.run();
    assert_eq!(pair.client.notes[1..], [Note::PauseWriting]);
    assert!(pair.client.connection.is_writing_paused());
    pair.to_server.capacity = usize::MAX;
    pair.run();
    assert_eq!(
        pair.client.notes[1..],
        [Note::PauseWriting, Note::ResumeWriting]
    );
    assert_eq!(pair.server.received, [1; 1000]);
}

#[test]
fn what_the_transport_still_holds_counts() {
    let mut pair = connected();
    pair.client.connection.set_write_limits(Limits {
        high: 1000,
        low: 100,
    });
    assert_eq!(pair.client.connection.flow(999), None);
    assert!(pair.client.connection.flow(1000).is_some());
    assert_eq!(pair.client.connection.flow(101), None);
    assert!(pair.client.connection.flow(100).is_some());
}

#[test]
fn no_more_is_encrypted_than_the_transport_asks_for() {
    let options = Options {
        encrypt_ahead: 20_000,
        ..Options::default()
    };
    let mut pair = Pair::new(
        Node::with_options(connector().connect(HOST).unwrap(), options),
        Node::new(acceptor().accept().unwrap()),
    );
    pair.run();
    pair.client.write(&[1; 100_000]);
    let ciphertext = pair.client.connection.take_ciphertext().unwrap();
    assert!((20_000..21_000).contains(&ciphertext.len()));
    assert_eq!(pair.client.connection.buffered(), 80_000);
    pair.to_server.send(&ciphertext);
    pair.run();
    assert_eq!(pair.server.received, [1; 100_000]);
}

#[test]
fn small_writes_share_a_record() {
    let mut pair = connected();
    let before = pair.to_server.sent;
    for number in 0..100_u8 {
        pair.client.write(&[number]);
    }
    pair.run();
    assert_eq!(pair.server.received, (0..100).collect::<Vec<u8>>());
    let spent = pair.to_server.sent - before;
    assert!(
        spent < 100 + 10 * 22,
        "{spent} bytes for 100: too many records"
    );
}

#[test]
fn a_paused_reader_stops_the_transport_once_enough_waits() {
    let mut pair = connected();
    pair.server.connection.set_read_limits(Limits {
        high: 50_000,
        low: 10_000,
    });
    pair.server.connection.pause_reading();
    assert!(!pair.server.connection.is_reading());
    pair.to_server.capacity = 10_000;
    pair.segments = vec![10_000];
    pair.client.write(&[1; 1_000_000]);
    pair.run();
    assert!(pair.server.received.is_empty());
    assert!(!pair.server.connection.wants_ciphertext());
    assert!(
        pair.client.connection.buffered() > 700_000,
        "the client has to wait"
    );

    pair.server.connection.resume_reading();
    assert!(pair.server.connection.wants_ciphertext());
    pair.run();
    assert_eq!(pair.server.received, [1; 1_000_000]);
}

#[test]
fn a_paused_reader_can_write_and_loses_nothing() {
    let mut pair = connected();
    pair.server.connection.pause_reading();
    for number in 0..50_u8 {
        pair.client.write(&[number; 1000]);
        pair.server.write(&[number; 10]);
        pair.run();
    }
    assert_eq!(pair.client.received.len(), 500);
    assert!(pair.server.received.is_empty());
    pair.server.read_size = Some(333);
    pair.server.connection.resume_reading();
    pair.run();
    let expected: Vec<u8> = (0..50).flat_map(|number| [number; 1000]).collect();
    assert_eq!(pair.server.received, expected);
}

#[test]
fn a_small_buffer_reads_everything_in_order() {
    for size in [1, 2, 1000, 16 * 1024, 100_000] {
        let mut pair = connected();
        pair.server.read_size = Some(size);
        let sent: Vec<u8> = (0..60_000_u32).map(|number| (number % 251) as u8).collect();
        pair.client.write(&sent);
        pair.run();
        assert!(pair.server.received == sent, "by {size}");
    }
}

#[test]
fn an_empty_buffer_reads_nothing() {
    let mut pair = connected();
    pair.client.write(b"data");
    let ciphertext = pair.client.connection.take_ciphertext().unwrap();
    pair.server.connection.receive(&ciphertext);
    assert_eq!(pair.server.connection.read_into(&mut []), None);
    pair.run();
    assert_eq!(pair.server.received, b"data");
}

#[test]
fn an_aborted_connection_tells_no_writer_to_go_on() {
    let mut pair = connected();
    pair.client.connection.set_write_limits(Limits {
        high: 1000,
        low: 100,
    });
    assert!(pair.client.connection.flow(1000).is_some());
    pair.client.connection.abort();
    assert_eq!(pair.client.connection.flow(0), None);
}
