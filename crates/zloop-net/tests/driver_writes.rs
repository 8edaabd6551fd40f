//! What becomes of a driver's writes when the system takes only a part of them.

#[path = "support/adopted.rs"]
mod adopted;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::thread;

use zloop_core::Token;
use zloop_net::{Driver, Error, Fault, FlowEvent, Handler, NotWritable, tcp};

use crate::adopted::adopted;

#[derive(Default)]
struct Notes {
    closed: Vec<Option<Fault>>,
    flow: Vec<FlowEvent>,
}

impl Handler for Notes {
    fn received(&mut self, _: &mut Driver<Self>, _: Token, _: &[u8]) {}

    fn flow(&mut self, _: &mut Driver<Self>, _: Token, event: FlowEvent) {
        self.flow.push(event);
    }

    fn closed(&mut self, driver: &mut Driver<Self>, _: Token, error: Option<Error>) {
        self.closed.push(error.map(|error| error.fault()));
        driver.stop();
    }
}

/// A connection that is announced, and its other end.
fn connected() -> (Driver<Notes>, Notes, Token, UnixStream) {
    let mut driver = Driver::new().expect("a driver");
    let mut notes = Notes::default();
    let (token, far) = adopted(&mut driver);
    driver.run_pending(&mut notes).expect("a run");
    (driver, notes, token, far)
}

/// A connection of the driver's that is not announced yet, and its other end.
/// Each byte tells where it belongs, so that a lost or doubled one shows.
fn numbered(start: usize, count: usize) -> Vec<u8> {
    (start..start + count)
        .map(|place| (place % 251) as u8)
        .collect()
}

#[test]
fn many_bytes_are_sent_before_the_method_returns() {
    let (mut driver, mut notes, token, far) = connected();
    far.set_nonblocking(true).expect("a non-blocking socket");
    driver.call_soon(move |_, driver| {
        driver
            .write(token, numbered(0, 10_000).as_slice())
            .expect("a write");
        assert_eq!(driver.buffered(token), 0);
        let mut received = vec![0; 10_000];
        (&far).read_exact(&mut received).expect("a read");
        assert!(received == numbered(0, 10_000));

        driver.write(token, "few").expect("a write");
        assert_eq!(driver.buffered(token), 3);
        let error = (&far).read(&mut received).expect_err("nothing was sent");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(driver.buffered(token), 0);
}

#[test]
fn bytes_of_which_the_system_takes_a_part_arrive_whole_and_in_order() {
    let (mut driver, mut notes, token, mut far) = connected();
    let mut written = 0;
    // Slices and vectors, few and many, behind few that wait and behind many that wait.
    for size in [3, 9_000, 3_000_000, 1, 20_000, 7_000, 500_000] {
        driver
            .write(token, numbered(written, size))
            .expect("a write");
        written += size;
        driver
            .write(token, numbered(written, size).as_slice())
            .expect("a write");
        written += size;
        driver.run_pending(&mut notes).expect("a run");
    }
    assert!(driver.buffered(token) > 0);
    assert_eq!(notes.flow, [FlowEvent::PauseWriting]);
    assert!(driver.close(token));
    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        far.read_to_end(&mut received).expect("a read to the end");
        received
    });
    driver.run(&mut notes).expect("a run");
    assert!(reader.join().expect("the reader") == numbered(0, written));
    assert_eq!(notes.closed, [None]);
}

#[test]
fn the_rest_of_a_write_is_counted_and_goes_on_when_the_peer_reads() {
    let (mut driver, mut notes, token, mut far) = connected();
    driver
        .write(token, numbered(0, 2_000_000).as_slice())
        .expect("a write");
    let waiting = driver.buffered(token);
    assert!(waiting > 0 && waiting < 2_000_000, "{waiting}");
    let mut received = vec![0; 2_000_000 - waiting];
    far.read_exact(&mut received).expect("a read");
    driver.run_pending(&mut notes).expect("a run");
    assert!(driver.buffered(token) < waiting);
    assert!(received == numbered(0, received.len()));
}

#[test]
fn a_write_to_a_peer_that_is_gone_closes_the_connection_once() {
    let (mut driver, mut notes, token, far) = connected();
    driver.call_soon(move |_, driver| {
        drop(far);
        let bytes = [0; 10_000];
        assert_eq!(driver.write(token, bytes), Ok(()), "the reason comes later");
        assert_eq!(driver.write(token, bytes), Err(NotWritable));
        assert_eq!(driver.write(token, "few"), Err(NotWritable));
    });
    driver.run(&mut notes).expect("a run");
    assert_eq!(notes.closed, [Some(Fault::Peer)]);
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.closed.len(), 1);
}

#[test]
fn many_bytes_wait_until_a_connection_is_made_and_stay_out_of_one_that_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let mut driver = Driver::new().expect("a driver");
    let mut notes = Notes::default();
    let connecting = tcp::connect(address, None).expect("a beginning");
    let token = driver.connect(connecting).expect("a token");
    let bytes = numbered(0, 100_000);
    driver.write(token, bytes.as_slice()).expect("a write");
    assert!(driver.write_eof(token));
    assert_eq!(driver.write(token, bytes.as_slice()), Err(NotWritable));
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut received = Vec::new();
        stream
            .read_to_end(&mut received)
            .expect("a read to the end");
        received
    });
    driver.run(&mut notes).expect("a run");
    assert!(server.join().expect("the server") == bytes);
    assert_eq!(notes.closed, [None]);
}

/// Answers, and runs the driver in the midst of that once.
struct Nested {
    other: Option<Token>,
    received: usize,
}

impl Handler for Nested {
    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        self.received += 1;
        driver.write(connection, bytes).expect("a write");
        if self.other.take_if(|other| *other != connection).is_some() {
            driver.run_pending(self).expect("a run");
            driver.write(connection, "!").expect("a write");
        }
    }
}

#[test]
fn a_handler_that_runs_the_driver_mixes_no_answers() {
    let mut driver = Driver::new().expect("a driver");
    let (_, mut first) = adopted(&mut driver);
    let (second_token, mut second) = adopted(&mut driver);
    let mut nested = Nested {
        other: None,
        received: 0,
    };
    driver.run_pending(&mut nested).expect("a run");
    nested.other = Some(second_token);
    first.write_all(b"one").expect("a write");
    second.write_all(b"two").expect("a write");
    driver.run_pending(&mut nested).expect("a run");
    assert_eq!(nested.received, 2);
    drop(driver);
    let mut answers = [String::new(), String::new()];
    first.read_to_string(&mut answers[0]).expect("an answer");
    second.read_to_string(&mut answers[1]).expect("an answer");
    assert_eq!(answers, ["one!", "two"]);
}

/// Writes in pieces, changes the connection in between, and looks at what waits.
struct Pieces;

impl Handler for Pieces {
    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, _: &[u8]) {
        let mut written = 0;
        for size in [10, 4_000, 5_000, 1, 9_000, 20, 8_191] {
            let bytes = numbered(written, size);
            driver.write(connection, bytes.as_slice()).expect("a write");
            written += size;
            if size > 8_000 {
                driver.pause_reading(connection);
            }
        }
        assert!(driver.buffered(connection) <= written);
        driver.write_eof(connection);
        assert!(driver.write(connection, "late").is_err());
    }
}

#[test]
fn an_answer_in_pieces_keeps_their_order() {
    let mut driver = Driver::new().expect("a driver");
    let (_, mut far) = adopted(&mut driver);
    far.write_all(b"?").expect("a write");
    driver.run_pending(&mut Pieces).expect("a run");
    let mut answer = Vec::new();
    far.read_to_end(&mut answer).expect("an answer");
    assert!(answer == numbered(0, 26_222));
}
