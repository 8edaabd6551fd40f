//! Listeners of a driver: when they accept, when they do not, and where they are.

use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
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
            driver.pause_accepting(listener).expect("a listener");
        }
    }

    fn received(&mut self, _: &mut Driver<Self>, _: Token, _: &[u8]) {}

    fn closed(&mut self, driver: &mut Driver<Self>, connection: Token, _: Option<Error>) {
        self.here.retain(|guest| *guest != connection);
        if let Some(listener) = self.listener {
            driver.resume_accepting(listener).expect("a listener");
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

fn listen<H: Handler>(driver: &mut Driver<H>) -> (Token, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = tcp::listen(address, &tcp::ListenOptions::default()).expect("a listener");
    let listener = driver.listen(listener).expect("a token");
    let address = driver.local_address(listener).expect("an address");
    (listener, address.ip().expect("an IP address"))
}

/// A listener that is readable and accepts nothing: it listens no longer.
fn broken<H: Handler>(driver: &mut Driver<H>) -> Token {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let same = TcpStream::from(OwnedFd::from(listener.try_clone().expect("a number")));
    let token = driver.listen(listener.into()).expect("a token");
    same.shutdown(Shutdown::Both).expect("an end");
    token
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn what_does_not_listen_is_refused_at_once() {
    let mut driver = Driver::<Guests>::new().expect("a driver");
    let stream = UnixStream::pair().expect("a pair").0;
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for socket in [OwnedFd::from(stream), OwnedFd::from(datagrams)] {
        let error = driver.listen(socket).expect_err("no listener");
        assert_eq!(error.fault(), zloop_core::Fault::Caller);
        assert_eq!(std::io::Error::from(error).kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn what_blocks_is_made_not_to() {
    let mut driver = Driver::new().expect("a driver");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    driver.listen(listener.into()).expect("a token");
    let (near, far) = UnixStream::pair().expect("a pair");
    let adopted = driver.adopt(near.into()).expect("a token");
    let _client = TcpStream::connect(address).expect("a connection");
    let mut guests = guests(5);
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.here.len(), 2);
    // More than the system takes.
    driver.write(adopted, vec![0; 8 << 20]).expect("a write");
    driver.run_pending(&mut guests).expect("a run");
    assert!(driver.buffered(adopted) > 0);
    drop(far);
}

fn five_clients(address: SocketAddr) -> Vec<TcpStream> {
    (0..5)
        .map(|_| TcpStream::connect(address).expect("a connection"))
        .collect()
}

#[test]
fn a_handler_takes_no_more_than_it_wants() {
    let mut driver = Driver::new().expect("a driver");
    let mut guests = guests(2);
    let (listener, address) = listen(&mut driver);
    guests.listener = Some(listener);
    let clients = five_clients(address);
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.here.len(), 2);

    let first = guests.here[0];
    assert!(driver.abort(first));
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.here.len(), 2, "one left, one of the queue came");
    assert!(!guests.here.contains(&first));

    guests.most = usize::MAX;
    driver.resume_accepting(listener).expect("a listener");
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.here.len(), 4);
    drop(clients);
}

#[test]
fn a_paused_listener_is_not_tried_again_and_one_that_goes_on_is_only_after_a_while() {
    let clock = ManualClock::new();
    let mut driver = Driver::with_clock(clock.clone()).expect("a driver");
    let mut guests = guests(1);
    let listener = broken(&mut driver);
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.refused, 1);

    driver.pause_accepting(listener).expect("a listener");
    clock.advance(Duration::from_secs(1));
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.refused, 1, "it is paused");

    driver.resume_accepting(listener).expect("a listener");
    driver.run_pending(&mut guests).expect("a run");
    assert_eq!(guests.refused, 2);

    driver.pause_accepting(listener).expect("a listener");
    driver.resume_accepting(listener).expect("a listener");
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
    let (closed, _) = listen(&mut driver);
    assert!(driver.close(closed));
    for token in [connection, watch, closed] {
        let refusals = [
            driver.pause_accepting(token),
            driver.resume_accepting(token),
        ];
        assert!(
            refusals
                .iter()
                .all(|refusal| matches!(refusal, Err(zloop_core::Error::Ended)))
        );
    }
    assert_eq!(driver.local_address(watch), None);
    assert!(driver.close(watch));
}

type Step = fn(&mut Script, &mut Driver<Script>, Token);

/// Does something whenever a connection comes, or does not.
struct Script {
    listener: Option<Token>,
    connected: usize,
    refused: usize,
    at_connection: Step,
    at_failure: Step,
}

impl Script {
    fn new(at_connection: Step, at_failure: Step) -> Self {
        Self {
            listener: None,
            connected: 0,
            refused: 0,
            at_connection,
            at_failure,
        }
    }
}

impl Handler for Script {
    fn connected(&mut self, driver: &mut Driver<Self>, connection: Token) {
        self.connected += 1;
        (self.at_connection)(self, driver, connection);
    }

    fn received(&mut self, _: &mut Driver<Self>, _: Token, _: &[u8]) {}

    fn accept_failed(&mut self, driver: &mut Driver<Self>, listener: Token, _: Error) {
        self.refused += 1;
        (self.at_failure)(self, driver, listener);
    }
}

fn nothing(_: &mut Script, _: &mut Driver<Script>, _: Token) {}

#[test]
fn a_listener_that_is_closed_by_its_first_guest_takes_no_second() {
    let mut driver = Driver::new().expect("a driver");
    let replace: Step = |script, driver, _| {
        assert!(driver.close(script.listener.expect("a listener")));
        listen(driver);
    };
    let mut script = Script::new(replace, nothing);
    let (listener, address) = listen(&mut driver);
    script.listener = Some(listener);
    let _clients = five_clients(address);
    driver.run_pending(&mut script).expect("a run");
    assert_eq!(script.connected, 1);
}

#[test]
fn the_end_of_a_rest_does_not_wake_the_listener_that_has_its_place() {
    let clock = ManualClock::new();
    let mut driver = Driver::with_clock(clock.clone()).expect("a driver");
    let replace: Step = |script, driver, failed| {
        assert!(driver.close(failed));
        let (listener, _) = listen(driver);
        driver.pause_accepting(listener).expect("a listener");
        script.listener = Some(listener);
    };
    let mut script = Script::new(nothing, replace);
    broken(&mut driver);
    driver.run_pending(&mut script).expect("a run");
    let listener = script.listener.expect("a failure");
    let address = driver
        .local_address(listener)
        .and_then(|address| address.ip());
    let _client = TcpStream::connect(address.expect("an address")).expect("a connection");
    clock.advance(Duration::from_secs(1));
    driver.run_pending(&mut script).expect("a run");
    assert_eq!((script.connected, script.refused), (0, 1));
    driver.resume_accepting(listener).expect("a listener");
    driver.run_pending(&mut script).expect("a run");
    assert_eq!(script.connected, 1);
}

fn there_is_one_failure_each_time(at_failure: Step) {
    let clock = ManualClock::new();
    let mut driver = Driver::with_clock(clock.clone()).expect("a driver");
    let mut script = Script::new(nothing, at_failure);
    broken(&mut driver);
    for refused in 1..4 {
        driver.run_pending(&mut script).expect("a run");
        assert_eq!(script.refused, refused);
        clock.advance(Duration::from_millis(100));
    }
}

#[test]
fn a_listener_that_cannot_accept_is_tried_again_after_a_while() {
    there_is_one_failure_each_time(nothing);
}

#[test]
fn a_failure_whose_handler_runs_the_driver_is_one_failure() {
    there_is_one_failure_each_time(|script, driver, _| driver.run_pending(script).expect("a run"));
}

#[test]
fn a_listener_that_is_paused_before_its_event_accepts_nothing() {
    let mut driver = Driver::new().expect("a driver");
    let mut script = Script::new(nothing, nothing);
    let (listener, address) = listen(&mut driver);
    let _client = TcpStream::connect(address).expect("a connection");
    driver.call_soon(move |_, driver| driver.pause_accepting(listener).expect("a listener"));
    driver.run_pending(&mut script).expect("a run");
    assert_eq!(script.connected, 0);
    driver.resume_accepting(listener).expect("a listener");
    driver.run_pending(&mut script).expect("a run");
    assert_eq!(script.connected, 1);
}
