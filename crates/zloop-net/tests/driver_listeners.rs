//! Listeners of a driver: when they accept, when they do not, and where they are.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use zloop_core::{Interest, ManualClock, Token};
use zloop_net::{Address, Driver, Error, Handler, tcp};

/// Takes a number of connections at a time, and counts.
struct Guests {
    listener: Option<Token>,
    here: Vec<Token>,
    most: usize,
    refused: usize,
}

impl Handler for Guests {
    fn connected(&mut self, driver: &mut Driver<Self>, connection: Token) {
        self.here.push(connection);
        if self.here.len() == self.most
            && let Some(listener) = self.listener
        {
            assert!(driver.pause_accepting(listener));
        }
    }

    fn received(&mut self, _: &mut Driver<Self>, _: Token, _: &[u8]) {}

    fn closed(&mut self, driver: &mut Driver<Self>, connection: Token, _: Option<Error>) {
        self.here.retain(|guest| *guest != connection);
        if let Some(listener) = self.listener {
            assert!(driver.resume_accepting(listener));
        }
    }

    fn accept_failed(&mut self, _: &mut Driver<Self>, _: Token, _: Error) {
        self.refused += 1;
    }
}

fn guests(most: usize) -> Guests {
    Guests {
        listener: None,
        here: Vec::new(),
        most,
        refused: 0,
    }
}

fn listen(driver: &mut Driver<Guests>) -> (Token, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = tcp::listen(address, &tcp::ListenOptions::default()).expect("a listener");
    let listener = driver.listen(listener).expect("a token");
    let address = driver.local_address(listener).expect("an address");
    (listener, address.ip().expect("an IP address"))
}

/// A socket to listen on that is readable and accepts nothing, with what keeps it readable.
fn broken(driver: &mut Driver<Guests>) -> (Token, UnixStream) {
    let (near, mut far) = UnixStream::pair().expect("a pair");
    near.set_nonblocking(true).expect("a non-blocking socket");
    far.write_all(b"x").expect("a write");
    (driver.listen(OwnedFd::from(near)).expect("a token"), far)
}

#[test]
fn a_handler_takes_no_more_than_it_wants() {
    let mut driver = Driver::new().expect("a driver");
    let mut guests = guests(2);
    let (listener, address) = listen(&mut driver);
    guests.listener = Some(listener);
    let clients: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(address).expect("a connection"))
        .collect();
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.here.len(), 2);

    let first = guests.here[0];
    assert!(driver.abort(first));
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.here.len(), 2, "one left, one of the queue came");
    assert!(!guests.here.contains(&first));

    guests.most = usize::MAX;
    assert!(driver.resume_accepting(listener));
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.here.len(), 4);
    drop(clients);
}

#[test]
fn a_listener_that_cannot_accept_is_tried_again_after_a_while() {
    let clock = ManualClock::new();
    let mut driver = Driver::with_clock(clock.clone()).expect("a driver");
    let mut guests = guests(1);
    let (_, _far) = broken(&mut driver);
    for attempts in 1..4 {
        driver.run_pending(&mut guests).expect("a run");
        assert_eq!(guests.refused, attempts);
        clock.advance(Duration::from_millis(100));
    }
}

#[test]
fn a_paused_listener_is_not_tried_again_and_one_that_goes_on_is_only_after_a_while() {
    let clock = ManualClock::new();
    let mut driver = Driver::with_clock(clock.clone()).expect("a driver");
    let mut guests = guests(1);
    let (listener, _far) = broken(&mut driver);
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.refused, 1);

    assert!(driver.pause_accepting(listener));
    clock.advance(Duration::from_secs(1));
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.refused, 1, "it is paused");

    assert!(driver.resume_accepting(listener));
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.refused, 2);

    assert!(driver.pause_accepting(listener));
    assert!(driver.resume_accepting(listener));
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.refused, 2, "the system is left alone");
}

#[test]
fn both_ends_say_where_they_are() {
    let mut driver = Driver::new().expect("a driver");
    let mut guests = guests(9);
    let (listener, address) = listen(&mut driver);
    let client = TcpStream::connect(address).expect("a connection");
    driver.run_pending(&mut guests).expect("a run");
    let guest = guests.here[0];
    let of_client = client.local_addr().expect("an address");
    assert_eq!(driver.peer_address(guest), Some(Address::Ip(of_client)));
    assert_eq!(driver.local_address(guest), Some(Address::Ip(address)));

    assert!(driver.close(listener));
    assert_eq!(driver.local_address(listener), None);
}

#[test]
fn only_a_listener_can_be_paused() {
    let mut driver: Driver<Guests> = Driver::new().expect("a driver");
    let (near, _far) = UnixStream::pair().expect("a pair");
    near.set_nonblocking(true).expect("a non-blocking socket");
    let watched = near.try_clone().expect("a descriptor");
    let connection = driver.adopt(near.into()).expect("a token");
    let fd = std::os::fd::AsRawFd::as_raw_fd(&watched);
    let watch = driver
        .watch(fd, Interest::READABLE, |_, _, _, _| ())
        .expect("a token");
    for token in [connection, watch] {
        assert!(!driver.pause_accepting(token));
        assert!(!driver.resume_accepting(token));
    }
    assert_eq!(driver.local_address(watch), None);
    assert!(driver.close(watch));
}
