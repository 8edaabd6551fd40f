//! A driver and its handler, over real sockets.

#[path = "support/adopted.rs"]
mod adopted;

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use zloop_core::{Interest, ManualClock, Token};
use zloop_net::{Driver, Error, Fault, FlowEvent, Handler, NotWritable, WriteLimits, tcp, unix};

use crate::adopted::adopted;

/// Notes what happens, and answers as it is told to.
#[derive(Default)]
struct Notes {
    heard: Vec<String>,
    echo: bool,
    keep_half_open: bool,
    stop_when_closed: bool,
    /// Which connection a paused writer holds back.
    source_of: Option<(Token, Token)>,
}

impl Handler for Notes {
    fn connected(&mut self, _: &mut Driver<Self>, _: Token) {
        self.heard.push("connected".to_owned());
    }

    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        if self.echo {
            driver.write(connection, bytes).expect("an open connection");
        } else {
            let text = String::from_utf8_lossy(bytes);
            self.heard.push(format!("received {text}"));
        }
    }

    fn ended(&mut self, driver: &mut Driver<Self>, connection: Token) {
        self.heard.push("ended".to_owned());
        if !self.keep_half_open {
            driver.close(connection);
        }
    }

    fn flow(&mut self, driver: &mut Driver<Self>, connection: Token, event: FlowEvent) {
        self.heard.push(format!("{event:?}"));
        if let Some((source, sink)) = self.source_of
            && connection == sink
        {
            match event {
                FlowEvent::PauseWriting => driver.pause_reading(source),
                FlowEvent::ResumeWriting => driver.resume_reading(source),
            };
        }
    }

    fn closed(&mut self, driver: &mut Driver<Self>, _: Token, error: Option<Error>) {
        let fault = error.map(|error| error.fault());
        self.heard.push(format!("closed {fault:?}"));
        if self.stop_when_closed {
            driver.stop();
        }
    }

    fn accept_failed(&mut self, _: &mut Driver<Self>, _: Token, error: Error) {
        self.heard.push(error.to_string());
    }
}

fn driver() -> (Driver<Notes>, Notes) {
    (Driver::new().expect("a driver"), Notes::default())
}

/// A connection of the driver's, and its other end, which blocks.
fn listen(driver: &mut Driver<Notes>) -> (Token, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = tcp::listen(address, &tcp::ListenOptions::default()).expect("a listener");
    let address = tcp::local_address(&listener).expect("an address");
    (driver.listen(listener).expect("a token"), address)
}

#[test]
fn many_clients_get_their_own_bytes_back() {
    const CLIENTS: usize = 20;

    let (mut driver, mut notes) = driver();
    notes.echo = true;
    let (_, address) = listen(&mut driver);
    let remote = driver.remote();
    let clients = thread::spawn(move || {
        let echo = |client: usize| {
            let message = vec![client as u8; 100_000 + client];
            let mut stream = TcpStream::connect(address).expect("a connection");
            let mut writer = stream.try_clone().expect("a duplicate");
            thread::scope(|scope| {
                scope.spawn(|| {
                    writer.write_all(&message).expect("a write");
                    writer.shutdown(Shutdown::Write).expect("a shutdown");
                });
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).expect("a read to the end");
                assert!(answer == message);
            });
        };
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope.spawn(move || echo(client));
            }
        });
        remote.call_soon(|_, driver| driver.stop());
    });
    driver.run(&mut notes).expect("a run");
    clients.join().expect("the clients");
    let count = |what: &str| notes.heard.iter().filter(|note| *note == what).count();
    assert_eq!(count("connected"), CLIENTS);
    assert_eq!(count("closed None"), CLIENTS);
}

#[test]
fn what_a_method_writes_is_sent_when_it_returns() {
    let (mut driver, mut notes) = driver();
    let (token, mut far) = adopted(&mut driver);
    driver.write(token, "hello, ").expect("a write");
    driver.call_soon(move |_, driver| {
        driver.write(token, "world").expect("a write");
        assert_eq!(driver.buffered(token), 5);
    });
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(driver.buffered(token), 0);
    let mut received = [0; 12];
    far.read_exact(&mut received).expect("a read");
    assert_eq!(&received, b"hello, world");
}

#[test]
fn closing_sends_what_is_left_and_takes_nothing_more() {
    let (mut driver, mut notes) = driver();
    let (token, mut far) = adopted(&mut driver);
    driver.write(token, "last words").expect("a write");
    assert!(driver.close(token));
    assert_eq!(driver.write(token, "too late"), Err(NotWritable));
    driver.run_pending(&mut notes).expect("a run");
    let mut received = String::new();
    far.read_to_string(&mut received)
        .expect("a read to the end");
    assert_eq!(received, "last words");
    assert_eq!(
        notes.heard,
        ["closed None"],
        "it was closed before it was announced"
    );
    assert_eq!(driver.write(token, "gone"), Err(NotWritable));
    assert!(!driver.close(token) && !driver.abort(token) && !driver.pause_reading(token));
}

#[test]
fn aborting_is_told_once() {
    let (mut driver, mut notes) = driver();
    let (token, far) = adopted(&mut driver);
    driver.run_pending(&mut notes).expect("a run");
    driver.write(token, "never sent").expect("a write");
    assert!(driver.abort(token));
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.heard, ["connected", "closed None"]);
    far.set_nonblocking(true).expect("a non-blocking socket");
    assert_eq!((&far).read(&mut [0; 16]).expect("an end"), 0);
}

#[test]
fn each_direction_ends_by_itself() {
    let (mut driver, mut notes) = driver();
    notes.keep_half_open = true;
    let (token, mut far) = adopted(&mut driver);
    far.write_all(b"question").expect("a write");
    far.shutdown(Shutdown::Write).expect("a shutdown");
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.heard, ["connected", "received question", "ended"]);
    driver.write(token, "answer").expect("a write");
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.heard.len(), 3, "it is still half open");
    assert!(driver.write_eof(token));
    assert_eq!(driver.write(token, "more"), Err(NotWritable));
    driver.run_pending(&mut notes).expect("a run");
    let mut answer = String::new();
    far.read_to_string(&mut answer).expect("a read to the end");
    assert_eq!(answer, "answer");
    assert_eq!(notes.heard[3..], ["closed None"], "both have ended");
}

#[test]
fn a_peer_that_does_not_read_pauses_the_one_who_is_the_source() {
    let (mut driver, mut notes) = driver();
    let (source, mut source_peer) = adopted(&mut driver);
    let (sink, mut sink_peer) = adopted(&mut driver);
    notes.source_of = Some((source, sink));
    driver.set_write_limits(sink, WriteLimits { high: 1000, low: 0 });
    let mut written = 0;
    while !notes.heard.contains(&"PauseWriting".to_owned()) {
        driver.write(sink, vec![b'x'; 10_000]).expect("a write");
        written += 10_000;
        driver.run_pending(&mut notes).expect("a run");
    }
    source_peer.write_all(b"held back").expect("a write");
    driver.run_pending(&mut notes).expect("a run");
    assert!(!notes.heard.contains(&"received held back".to_owned()));

    let reader = thread::spawn(move || {
        let mut all = vec![0; written];
        sink_peer.read_exact(&mut all).expect("a read");
        sink_peer
    });
    while !notes.heard.contains(&"received held back".to_owned()) {
        driver.call_later(Duration::from_millis(1), |_, driver| driver.stop());
        driver.run(&mut notes).expect("a run");
    }
    assert!(notes.heard.contains(&"ResumeWriting".to_owned()));
    reader.join().expect("the reader");
}

#[test]
fn a_connection_that_is_refused_is_closed_without_being_announced() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (mut driver, mut notes) = driver();
    notes.stop_when_closed = true;
    let connecting = tcp::connect(address, None).expect("a beginning");
    let token = driver.connect(connecting).expect("a token");
    driver.write(token, "to nobody").expect("a write");
    driver.run(&mut notes).expect("a run");
    assert_eq!(notes.heard, [format!("closed {:?}", Some(Fault::Peer))]);
}

#[test]
fn a_connection_that_was_begun_can_be_written_to_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 4];
        stream.read_exact(&mut request).expect("a read");
        stream.write_all(&request).expect("a write");
    });
    let (mut driver, mut notes) = driver();
    notes.stop_when_closed = true;
    let connecting = tcp::connect(address, None).expect("a beginning");
    let token = driver.connect(connecting).expect("a token");
    driver.write(token, "ping").expect("a write");
    driver.run(&mut notes).expect("a run");
    server.join().expect("the server");
    let heard = ["connected", "received ping", "ended", "closed None"];
    assert_eq!(notes.heard, heard);
}

#[test]
fn unix_sockets_are_served_alike_and_a_closed_listener_is_gone() {
    let folder = std::env::temp_dir().join(format!("zloop-driver-{}", std::process::id()));
    let _ = std::fs::remove_file(&folder);
    let (mut driver, mut notes) = driver();
    let listener = driver
        .listen(unix::listen(&folder, 10).expect("a listener"))
        .expect("a token");
    let mut client = UnixStream::connect(&folder).expect("a connection");
    client.write_all(b"hello").expect("a write");
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.heard, ["connected", "received hello"]);
    assert!(driver.close(listener));
    assert!(!driver.close(listener));
    let error = UnixStream::connect(&folder).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let _ = std::fs::remove_file(&folder);
}

#[test]
fn timers_are_the_clocks_and_can_be_cancelled() {
    let clock = ManualClock::new();
    let mut driver = Driver::with_clock(clock.clone()).expect("a driver");
    let mut notes = Notes::default();
    let second = Duration::from_secs(1);
    driver.call_later(second, |notes: &mut Notes, _| {
        notes.heard.push("timer".to_owned());
    });
    let cancelled = driver.call_later(second, |_, _| panic!("it was cancelled"));
    assert!(driver.cancel(cancelled) && !driver.cancel(cancelled));
    clock.advance(second - Duration::from_nanos(1));
    driver.run_pending(&mut notes).expect("a run");
    assert!(notes.heard.is_empty());
    clock.advance(Duration::from_nanos(1));
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(notes.heard, ["timer"]);
}

#[test]
fn what_is_no_stream_is_watched() {
    let (mut driver, mut notes) = driver();
    let (near, far) = UnixDatagram::pair().expect("a pair");
    near.send(b"datagram").expect("a datagram");
    let seen = Rc::new(Cell::new(0));
    let count = Rc::clone(&seen);
    let fd = far.as_raw_fd();
    driver
        .watch(fd, Interest::READABLE, move |_, driver, token, _| {
            far.recv(&mut [0; 16]).expect("a datagram");
            count.set(count.get() + 1);
            assert!(driver.close(token), "a watcher may end its own watch");
        })
        .expect("a token");
    near.send(b"unread").expect("a datagram");
    driver.run_pending(&mut notes).expect("a run");
    assert_eq!(seen.get(), 1);
}

#[test]
fn a_reset_is_the_peers_fault() {
    let (mut driver, mut notes) = driver();
    notes.stop_when_closed = true;
    let (_, address) = listen(&mut driver);
    let client = TcpStream::connect(address).expect("a connection");
    driver.call_later(Duration::from_millis(10), |_, driver| driver.stop());
    driver.run(&mut notes).expect("a run");
    // Closing without lingering is a reset.
    socket2::SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .expect("a linger");
    drop(client);
    driver.run(&mut notes).expect("a run");
    let last = notes.heard.last().expect("a note");
    assert_eq!(*last, format!("closed {:?}", Some(Fault::Peer)));
}
