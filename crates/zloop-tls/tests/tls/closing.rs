//! How connections end.

use std::time::Duration;

use zloop_tls::{Ending, Error, Fault, NotWritable, Options, Version};

use crate::bench::{Node, Note, Pair};
use crate::certificates::{HOST, acceptor, connector};
use crate::handshake::{connected, pair_of};
use crate::splits::reference_server;

const CLEAN: Note = Note::PeerClosed(Ending::CloseNotify);
const TRUNCATED: Note = Note::PeerClosed(Ending::Truncated);

fn close_client(pair: &mut Pair<Node, Node>) {
    let now = pair.now;
    pair.client.connection.close(now);
}

#[test]
fn a_close_is_answered_and_both_sides_end_well() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut pair = pair_of(version);
        pair.run();
        close_client(&mut pair);
        assert!(pair.client.connection.is_closing() && !pair.client.connection.is_closed());
        pair.run();
        assert_eq!(pair.client.notes, [Note::HandshakeDone, Note::Closed]);
        assert_eq!(
            pair.server.notes,
            [Note::HandshakeDone, CLEAN, Note::Closed]
        );
        assert_eq!(pair.client.connection.next_deadline(), None);
    }
}

#[test]
fn closing_twice_or_aborting_after_the_end_changes_nothing() {
    let mut pair = connected();
    close_client(&mut pair);
    close_client(&mut pair);
    pair.run();
    close_client(&mut pair);
    pair.client.connection.abort();
    pair.run();
    assert_eq!(pair.client.notes, [Note::HandshakeDone, Note::Closed]);
    assert!(pair.client.connection.next_event().is_none());
}

#[test]
fn data_close_notify_and_end_in_one_segment_all_count() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut pair = pair_of(version);
        pair.run();
        pair.client.write(&[7; 30_000]);
        close_client(&mut pair);
        // What the client sends goes into the network as one piece, with its end.
        while let Some(ciphertext) = pair.client.connection.take_ciphertext() {
            pair.to_server.send(&ciphertext);
        }
        pair.to_server.end();
        pair.run();
        assert_eq!(pair.server.received, [7; 30_000]);
        assert_eq!(
            pair.server.notes,
            [Note::HandshakeDone, CLEAN, Note::Closed]
        );
    }
}

#[test]
fn an_end_without_close_notify_is_told_apart() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut pair = pair_of(version);
        pair.run();
        pair.client.write(b"whole record");
        pair.run();
        pair.to_server.end();
        pair.run();
        assert_eq!(pair.server.received, b"whole record");
        assert_eq!(
            pair.server.notes,
            [Note::HandshakeDone, TRUNCATED, Note::Closed]
        );
    }
}

#[test]
fn an_end_within_a_record_is_truncation_too() {
    let mut pair = connected();
    pair.client.write(b"first");
    pair.run();
    pair.to_server.cut_at = Some(pair.to_server.sent + 9);
    pair.client.write(b"second");
    pair.run();
    assert_eq!(pair.server.received, b"first");
    assert_eq!(pair.server.notes[1], TRUNCATED);
}

#[test]
fn a_closer_whose_peer_just_hangs_up_ends_well() {
    let mut pair = connected();
    pair.to_client.end();
    close_client(&mut pair);
    pair.run();
    assert_eq!(pair.client.notes, [Note::HandshakeDone, Note::Closed]);
}

#[test]
fn a_close_sends_what_was_written_before_it() {
    let mut pair = connected();
    let data = vec![5; 5_000_000];
    pair.client.write(&data);
    pair.to_server.capacity = 10_000;
    close_client(&mut pair);
    assert_eq!(
        pair.client.connection.write(b"late".to_vec()),
        Err(NotWritable)
    );
    pair.run();
    assert!(pair.server.received == data);
    assert_eq!(
        pair.server.notes,
        [Note::HandshakeDone, CLEAN, Note::Closed]
    );
    assert_eq!(pair.client.outcome(), Some(&Note::Closed));
}

#[test]
fn what_was_written_before_the_peer_closed_still_goes_out() {
    let mut pair = connected();
    let data = vec![5; 1_000_000];
    pair.to_server.capacity = 1;
    pair.client.write(&data);
    let now = pair.now;
    pair.server.connection.write_eof();
    pair.server.follows = false;
    pair.run();
    assert!(
        pair.server.received == data,
        "the server reads on after its own end"
    );
    assert_eq!(
        pair.client.notes,
        [
            Note::HandshakeDone,
            Note::PauseWriting,
            CLEAN,
            Note::ResumeWriting,
            Note::Closed,
        ]
    );
    assert_eq!(pair.server.outcome(), Some(&Note::Closed));
    assert_eq!(pair.now, now);
}

#[test]
fn an_abort_loses_what_was_written() {
    let mut pair = connected();
    pair.client.write(&[5; 1_000_000]);
    pair.client.connection.abort();
    assert_eq!(pair.client.connection.buffered(), 0);
    assert_eq!(
        pair.client.connection.write(b"late".to_vec()),
        Err(NotWritable)
    );
    pair.run();
    assert_eq!(pair.client.notes, [Note::HandshakeDone, Note::Closed]);
    assert!(pair.server.received.is_empty());
    assert_eq!(pair.server.notes[1], TRUNCATED);
}

#[test]
fn a_peer_that_never_answers_a_close_is_given_up_in_time() {
    let mut pair = connected();
    pair.to_server.capacity = 0;
    close_client(&mut pair);
    pair.run();
    pair.pass(Duration::from_millis(29_999));
    assert_eq!(pair.client.outcome(), None);
    pair.pass(Duration::from_millis(1));
    let message = "the TLS connection could not be closed in time".to_owned();
    assert_eq!(
        pair.client.outcome(),
        Some(&Note::Failed(Fault::Peer, message))
    );
}

#[test]
fn a_peer_that_reads_but_never_answers_is_given_up_in_time() {
    let mut pair = Pair::new(
        Node::new(connector().connect(HOST).unwrap()),
        reference_server(),
    );
    pair.run();
    let now = pair.now;
    pair.client.connection.close(now);
    pair.run();
    assert!(pair.server.peer_closed);
    pair.pass(Duration::from_secs(30));
    assert!(matches!(pair.client.error, Some(Error::ShutdownTimeout)));
}

#[test]
fn one_direction_can_end_while_the_other_goes_on() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut pair = pair_of(version);
        pair.server.follows = false;
        pair.run();
        pair.client.write(b"request");
        pair.client.connection.write_eof();
        pair.client.connection.write_eof();
        assert_eq!(
            pair.client.connection.write(b"more".to_vec()),
            Err(NotWritable)
        );
        pair.run();
        assert_eq!(pair.server.received, b"request");
        assert_eq!(pair.server.notes, [Note::HandshakeDone, CLEAN]);

        pair.server.write(&[9; 100_000]);
        pair.run();
        assert_eq!(pair.client.received, [9; 100_000]);

        pair.server.connection.write_eof();
        pair.run();
        assert_eq!(pair.server.outcome(), Some(&Note::Closed));
        assert_eq!(
            pair.client.notes,
            [Note::HandshakeDone, CLEAN, Note::Closed]
        );
    }
}

#[test]
fn a_half_closed_connection_can_be_closed_and_given_up_in_time() {
    let mut pair = connected();
    pair.server.follows = false;
    pair.client.connection.write_eof();
    pair.run();
    assert_eq!(pair.client.connection.next_deadline(), None);
    close_client(&mut pair);
    pair.run();
    assert_eq!(
        pair.server.notes,
        [Note::HandshakeDone, CLEAN],
        "close_notify is sent once"
    );
    assert_eq!(pair.client.outcome(), None);
    pair.pass(Duration::from_secs(30));
    assert!(matches!(pair.client.error, Some(Error::ShutdownTimeout)));
}

#[test]
fn data_that_comes_after_our_close_is_thrown_away() {
    let mut pair = Pair::new(
        Node::new(connector().connect(HOST).unwrap()),
        reference_server(),
    );
    pair.run();
    let now = pair.now;
    pair.client.connection.close(now);
    pair.server.write(b"still talking");
    pair.run();
    pair.server.write(b"and talking");
    pair.server.close_notify();
    pair.run();
    assert!(pair.client.received.is_empty());
    assert_eq!(pair.client.notes, [Note::HandshakeDone, Note::Closed]);
}

#[test]
fn a_peer_that_goes_on_sending_after_our_close_is_given_up() {
    let options = Options {
        late_data_limit: 1000,
        ..Options::default()
    };
    let client = Node::with_options(connector().connect(HOST).unwrap(), options);
    let mut pair = Pair::new(client, reference_server());
    pair.run();
    let now = pair.now;
    pair.client.connection.close(now);
    pair.run();
    pair.server.write(&[1; 1000]);
    pair.run();
    assert_eq!(pair.client.outcome(), None);
    pair.server.write(&[1]);
    pair.run();
    assert!(matches!(pair.client.error, Some(Error::LateData)));
}

#[test]
fn data_that_comes_while_ours_is_still_going_out_does_not_count_as_late() {
    let options = Options {
        encrypt_ahead: 64 * 1024,
        late_data_limit: 0,
        ..Options::default()
    };
    let mut pair = Pair::new(
        Node::with_options(connector().connect(HOST).unwrap(), options),
        Node::new(acceptor().accept().unwrap()),
    );
    pair.run();
    pair.to_server.capacity = 1;
    pair.client.write(&[1; 500_000]);
    pair.step();
    pair.server.write(&[2; 500_000]);
    let now = pair.now;
    pair.client.connection.close(now);
    pair.run();
    assert_eq!(pair.server.received, [1; 500_000]);
    assert_eq!(pair.client.notes.last(), Some(&Note::Closed));
}

#[test]
fn bytes_after_the_peers_close_notify_mean_nothing() {
    let mut pair = Pair::new(
        Node::new(connector().connect(HOST).unwrap()),
        reference_server(),
    );
    pair.client.follows = false;
    pair.run();
    pair.server.close_notify();
    pair.run();
    pair.to_client.send(b"garbage behind the end");
    pair.run();
    assert_eq!(pair.client.notes, [Note::HandshakeDone, CLEAN]);
    pair.client.write(b"and we go on");
    pair.to_client.end();
    pair.run();
    assert_eq!(pair.server.received, b"and we go on");
    assert!(
        !pair.client.connection.wants_ciphertext(),
        "there is nothing left to receive"
    );
}

#[test]
fn a_close_while_reading_is_paused_does_not_wait_for_the_reader() {
    let mut pair = connected();
    pair.client.connection.pause_reading();
    pair.server.write(&[3; 100_000]);
    pair.run();
    assert!(pair.client.received.is_empty());
    close_client(&mut pair);
    pair.run();
    assert!(pair.client.received.is_empty());
    assert_eq!(pair.client.outcome(), Some(&Note::Closed));
}

#[test]
fn an_end_that_comes_while_reading_is_paused_waits_behind_the_data() {
    for clean in [true, false] {
        let mut pair = connected();
        pair.client.connection.pause_reading();
        pair.server.write(&[3; 100_000]);
        if clean {
            let now = pair.now;
            pair.server.connection.close(now);
        }
        pair.run();
        pair.to_client.end();
        pair.run();
        assert_eq!(pair.client.notes, [Note::HandshakeDone]);
        pair.client.connection.resume_reading();
        pair.run();
        assert_eq!(pair.client.received, [3; 100_000]);
        assert_eq!(pair.client.notes[1], if clean { CLEAN } else { TRUNCATED });
        assert_eq!(pair.client.outcome(), Some(&Note::Closed));
    }
}
