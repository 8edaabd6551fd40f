//! What a driver's connections are told of what comes: each byte once, and the end, although the system tells of
//! each once.

#[path = "support/adopted.rs"]
mod adopted;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;

use zloop_core::{Interest, Token};
use zloop_net::{Driver, Error, Handler};

use crate::adopted::adopted;

#[derive(Default)]
struct Notes {
    received: Vec<u8>,
    /// After so many bytes reading is paused.
    pause_after: Option<usize>,
    has_ended: bool,
    is_closed: bool,
}

impl Handler for Notes {
    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        assert!(!self.has_ended);
        self.received.extend_from_slice(bytes);
        if self
            .pause_after
            .is_some_and(|limit| self.received.len() >= limit)
        {
            driver.pause_reading(connection);
        }
    }

    fn ended(&mut self, driver: &mut Driver<Self>, connection: Token) {
        self.has_ended = true;
        driver.close(connection);
    }

    fn closed(&mut self, driver: &mut Driver<Self>, _: Token, error: Option<Error>) {
        assert!(error.is_none());
        self.is_closed = true;
        driver.stop();
    }
}

fn started() -> (Driver<Notes>, Notes) {
    (Driver::new().expect("a driver"), Notes::default())
}

#[test]
fn data_and_the_end_that_come_together_are_both_told() {
    let (mut driver, mut notes) = started();
    let (_, mut far) = adopted(&mut driver);
    driver.run_pending(&mut notes).expect("a run");
    far.write_all(b"the last").expect("a write");
    far.shutdown(Shutdown::Write).expect("an end");
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.received, b"the last");
    assert!(notes.has_ended && notes.is_closed);
}

#[test]
fn so_they_are_of_tcp_and_of_a_peer_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let mut far =
        TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (near, _) = listener.accept().expect("a connection");
    near.set_nonblocking(true).expect("a non-blocking socket");
    let (mut driver, mut notes) = started();
    driver.adopt(near.into()).expect("a token");
    driver.run_pending(&mut notes).expect("a run");
    far.write_all(b"the last").expect("a write");
    drop(far);
    // Until it is closed.
    driver.run(&mut notes).expect("a run");
    assert_eq!(notes.received, b"the last");
    assert!(notes.has_ended);
}

#[test]
fn what_fills_more_than_a_read_is_told_to_its_end() {
    let data: Vec<u8> = (0..3_000_000).map(|place| (place % 251) as u8).collect();
    let (mut driver, mut notes) = started();
    let (_, mut far) = adopted(&mut driver);
    let sent = data.clone();
    let writer = thread::spawn(move || far.write_all(&sent).expect("a write"));
    driver.run(&mut notes).expect("a run");
    writer.join().expect("a writer");
    assert!(notes.received == data, "the bytes come as they were sent");
    assert!(notes.has_ended);
}

#[test]
fn a_pause_leaves_what_came_and_the_end_for_later() {
    let data = vec![7; 150_000];
    let (mut driver, mut notes) = started();
    notes.pause_after = Some(1);
    let (token, mut far) = adopted(&mut driver);
    far.write_all(&data).expect("a write");
    drop(far);
    driver.run_pending(&mut notes).expect("a run");
    let first = notes.received.len();
    assert!(0 < first && first < data.len() && !notes.has_ended);
    notes.pause_after = Some(first + 1);
    assert!(driver.resume_reading(token));
    driver.run_pending(&mut notes).expect("a run");
    assert!(first < notes.received.len() && !notes.has_ended);
    notes.pause_after = None;
    assert!(driver.resume_reading(token));
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.received, data);
    assert!(notes.is_closed);
}

#[test]
fn who_pauses_and_resumes_at_once_misses_nothing() {
    let (mut driver, mut notes) = started();
    let (token, mut far) = adopted(&mut driver);
    far.write_all(b"one").expect("a write");
    driver.call_soon(move |_, driver| {
        assert!(driver.pause_reading(token));
        assert!(driver.resume_reading(token));
    });
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.received, b"one");
    far.write_all(b", two").expect("a write");
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.received, b"one, two");
}

#[test]
fn a_watcher_at_edges_can_leave_something_for_later() {
    let (mut driver, mut notes) = started();
    let (connection, mut far) = adopted(&mut driver);
    let (watched, mut sender) = UnixStream::pair().expect("a pair");
    sender.write_all(b"abc").expect("a write");
    let fd = watched.as_raw_fd();
    let interest = Interest::READABLE | Interest::EDGE;
    let watcher = move |notes: &mut Notes, driver: &mut Driver<Notes>, watch, _| {
        let mut byte = [0];
        (&watched).read_exact(&mut byte).expect("a byte");
        notes.received.extend(byte);
        if notes.received.len() < 3 {
            driver.look_again(watch).expect("another look");
        } else {
            driver.close(watch);
        }
    };
    driver.watch(fd, interest, watcher).expect("a watch");
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.received, b"abc");
    // What a connection is told is the driver's to decide.
    let refused = driver.look_again(connection);
    assert!(matches!(refused, Err(zloop_core::Error::Ended)));
    far.write_all(b"d").expect("a write");
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.received, b"abcd");
}
