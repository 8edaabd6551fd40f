//! What a driver's connections are told of what comes: each byte once, and the end, although the system tells of
//! each once.

#[path = "support/adopted.rs"]
mod adopted;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;
use zloop_core::{Interest, Token};
use zloop_net::{Driver, Error, Handler, tcp};

use crate::adopted::adopted;

/// For how long a test waits for what comes by itself.
const PATIENCE: Duration = Duration::from_secs(30);

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

type Connect = fn(&mut Driver<Notes>) -> (Token, File);

/// A Unix socket, which is waited for at levels, and TCP, which is at edges.
const KINDS: [Connect; 2] = [
    |driver| {
        let (token, far) = adopted(driver);
        (token, File::from(OwnedFd::from(far)))
    },
    |driver| {
        let (token, far) = dialled(driver);
        (token, File::from(OwnedFd::from(far)))
    },
];

fn dialled<H: Handler>(driver: &mut Driver<H>) -> (Token, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let connecting = tcp::connect(address, None).expect("a connection");
    let token = driver.connect(connecting).expect("a token");
    let (far, _) = listener.accept().expect("a connection");
    (token, far)
}

#[test]
fn data_and_the_end_that_come_together_are_both_told() {
    for connect in KINDS {
        let (mut driver, mut notes) = started();
        let (_, mut far) = connect(&mut driver);
        driver.run_pending(&mut notes).expect("a run");
        far.write_all(b"the last").expect("a write");
        drop(far);
        // Until it is closed.
        driver.run(&mut notes).expect("a run");
        assert_eq!(notes.received, b"the last");
        assert!(notes.has_ended);
    }
}

#[test]
fn what_fills_more_than_a_read_is_told_to_its_end() {
    for connect in KINDS {
        let data: Vec<u8> = (0..3_000_000).map(|place| (place % 251) as u8).collect();
        let (mut driver, mut notes) = started();
        let (_, mut far) = connect(&mut driver);
        let sent = data.clone();
        let writer = thread::spawn(move || far.write_all(&sent).expect("a write"));
        driver.run(&mut notes).expect("a run");
        writer.join().expect("a writer");
        assert!(notes.received == data, "the bytes come as they were sent");
        assert!(notes.has_ended);
    }
}

#[test]
fn a_pause_leaves_what_came_and_the_end_for_later() {
    for connect in KINDS {
        let data = vec![7; 100_000];
        let (mut driver, mut notes) = started();
        notes.pause_after = Some(1);
        let (token, mut far) = connect(&mut driver);
        far.write_all(&data).expect("a write");
        drop(far);
        while notes.received.is_empty() {
            driver.run_pending(&mut notes).expect("a run");
        }
        let first = notes.received.len();
        assert!(first < data.len() && !notes.has_ended);
        driver.run_pending(&mut notes).expect("a run");
        assert_eq!(notes.received.len(), first, "it is paused");
        notes.pause_after = None;
        assert!(driver.resume_reading(token));
        driver.run(&mut notes).expect("a run");
        assert_eq!(notes.received, data);
        assert!(notes.has_ended);
    }
}

#[test]
fn what_is_behind_urgent_data_is_told() {
    let (mut driver, mut notes) = started();
    let (_, mut far) = dialled(&mut driver);
    driver.run_pending(&mut notes).expect("a run");
    far.write_all(b"abc").expect("a write");
    let sent = SockRef::from(&far).send_out_of_band(b"!");
    assert_eq!(sent.expect("urgent data"), 1);
    far.write_all(b"def").expect("a write");
    let until = Instant::now() + PATIENCE;
    while notes.received.len() < 6 && Instant::now() < until {
        driver.run_pending(&mut notes).expect("a run");
    }
    assert_eq!(notes.received, b"abcdef");
}

/// Panics at what comes.
struct Panicking;

impl Handler for Panicking {
    fn received(&mut self, _: &mut Driver<Self>, _: Token, _: &[u8]) {
        panic!("as the test wants");
    }
}

#[test]
fn room_that_came_with_what_a_handler_panicked_at_is_used() {
    const SIZE: usize = 16 * 1024 * 1024;
    let mut driver = Driver::new().expect("a driver");
    let (token, mut far) = dialled(&mut driver);
    driver.run_pending(&mut Panicking).expect("a run");
    driver.write(token, vec![7; SIZE]).expect("a write");
    driver.run_pending(&mut Panicking).expect("a run");
    assert!(driver.buffered(token) > 0);
    let mut room = vec![0; 1024 * 1024];
    let mut left = SIZE;
    far.set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout");
    while let Ok(count) = far.read(&mut room) {
        left -= count;
    }
    far.write_all(b"?").expect("a write");
    let run = catch_unwind(AssertUnwindSafe(|| driver.run_pending(&mut Panicking)));
    run.expect_err("a panic");
    let until = Instant::now() + PATIENCE;
    while left > 0 && Instant::now() < until {
        driver.run_pending(&mut Panicking).expect("a run");
        if let Ok(count) = far.read(&mut room) {
            left -= count;
        }
    }
    assert_eq!(left, 0);
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
