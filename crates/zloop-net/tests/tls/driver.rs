//! TLS between two connections of one driver, and with peers that do not keep to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use zloop_core::{Clock, ManualClock, MonotonicClock, Token};
use zloop_net::{Driver, Error, Fault, FlowEvent, Handler, tcp};
use zloop_tls::{ClientSettings, Options};

use super::{Certificate, HOST};

/// Echoes as the server, notes as the client.
#[derive(Default)]
struct Both {
    client: Option<Token>,
    received: Vec<u8>,
    expected: usize,
    negotiated: Vec<String>,
    heard: Vec<String>,
}

impl Handler for Both {
    fn connected(&mut self, driver: &mut Driver<Self>, connection: Token) {
        let negotiated = driver.negotiated(connection).expect("a handshake");
        let protocol = negotiated.alpn_protocol.unwrap_or_default();
        let protocol = String::from_utf8_lossy(&protocol).into_owned();
        self.negotiated.push(protocol);
    }

    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        if Some(connection) != self.client {
            driver.write(connection, bytes).expect("an open connection");
            return;
        }
        self.received.extend_from_slice(bytes);
        if self.received.len() >= self.expected {
            driver.close(connection);
        }
    }

    fn flow(&mut self, driver: &mut Driver<Self>, connection: Token, event: FlowEvent) {
        if Some(connection) != self.client {
            match event {
                FlowEvent::PauseWriting => driver.pause_reading(connection),
                FlowEvent::ResumeWriting => driver.resume_reading(connection),
            };
        }
    }

    fn closed(&mut self, driver: &mut Driver<Self>, connection: Token, error: Option<Error>) {
        let who = if Some(connection) == self.client {
            "client"
        } else {
            "server"
        };
        let fault = error.map(|error| error.fault());
        self.heard.push(format!("{who} closed {fault:?}"));
        if self.heard.len() == 2 {
            driver.stop();
        }
    }

    fn accept_failed(&mut self, driver: &mut Driver<Self>, _: Token, error: Error) {
        let fault = error.fault();
        self.heard.push(format!("{error}: {fault:?}"));
        driver.stop();
    }
}

fn listening(clock: impl Clock + 'static) -> (Driver<Both>, SocketAddr, Certificate) {
    listening_with(clock, Options::default())
}

fn listening_with(
    clock: impl Clock + 'static,
    options: Options,
) -> (Driver<Both>, SocketAddr, Certificate) {
    let certificate = Certificate::make();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = tcp::listen(address, &tcp::ListenOptions::default()).expect("a listener");
    let address = tcp::local_address(&listener).expect("an address");
    let mut driver = Driver::with_clock(clock).expect("a driver");
    let acceptor = certificate.acceptor();
    driver
        .listen_tls(listener, acceptor, options)
        .expect("a token");
    (driver, address, certificate)
}

#[test]
fn data_goes_both_ways_and_both_ends_close_in_good_order() {
    let (mut driver, address, certificate) = listening(MonotonicClock);
    let message: Vec<u8> = (0..3_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    let session = certificate.connector().connect(HOST).expect("a session");
    let connecting = tcp::connect(address, None).expect("a beginning");
    let client = driver
        .connect_tls(connecting, session, Options::default())
        .expect("a token");
    driver.write(client, message.clone()).expect("a write");
    let mut both = Both {
        client: Some(client),
        expected: message.len(),
        ..Both::default()
    };
    driver.run(&mut both).expect("a run");
    assert!(both.received == message);
    assert_eq!(both.negotiated, ["echo", "echo"]);
    both.heard.sort();
    assert_eq!(both.heard, ["client closed None", "server closed None"]);
}

#[test]
fn an_untrusted_server_is_no_connection_for_either_side() {
    let (mut driver, address, _) = listening(MonotonicClock);
    let trusts_nobody = ClientSettings::default().build().expect("settings");
    let session = trusts_nobody.connect(HOST).expect("a session");
    let connecting = tcp::connect(address, None).expect("a beginning");
    let client = driver
        .connect_tls(connecting, session, Options::default())
        .expect("a token");
    let mut both = Both {
        client: Some(client),
        ..Both::default()
    };
    while both.heard.len() < 2 {
        driver.call_later(Duration::from_millis(1), |_, driver| driver.stop());
        driver.run(&mut both).expect("a run");
    }
    assert!(both.negotiated.is_empty());
    both.heard.sort();
    let fault = Some(Fault::Peer);
    assert_eq!(both.heard[0], format!("client closed {fault:?}"));
    let alert = "the TLS handshake failed: the peer sent the alert certificate unknown: Caller";
    assert_eq!(both.heard[1], alert);
}

#[test]
fn who_speaks_no_tls_is_not_announced() {
    let (mut driver, address, _) = listening(MonotonicClock);
    let mut client = TcpStream::connect(address).expect("a connection");
    client
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("a write");
    let mut both = Both::default();
    driver.run(&mut both).expect("a run");
    assert_eq!(both.heard, ["the TLS handshake failed: http request: Peer"]);
    assert!(both.negotiated.is_empty());
}

fn a_silent_client_is_given_up_after(timeout: Duration, named: &str, options: Options) {
    let clock = ManualClock::new();
    let (mut driver, address, _) = listening_with(clock.clone(), options);
    let _silent = TcpStream::connect(address).expect("a connection");
    let mut both = Both::default();
    driver.run_pending(&mut both).expect("a run");
    clock.advance(timeout - Duration::from_nanos(1));
    driver.run_pending(&mut both).expect("a run");
    assert!(both.heard.is_empty());
    clock.advance(Duration::from_nanos(1));
    driver.run_pending(&mut both).expect("a run");
    let expected = format!("the TLS handshake was not done within {named}: Peer");
    assert_eq!(both.heard, [expected]);
}

#[test]
fn a_handshake_that_never_comes_is_given_up_in_time() {
    a_silent_client_is_given_up_after(Duration::from_secs(60), "60s", Options::default());
}

#[test]
fn a_listener_says_how_long_a_handshake_may_take() {
    let handshake_timeout = Duration::from_secs(2);
    let options = Options {
        handshake_timeout,
        ..Options::default()
    };
    a_silent_client_is_given_up_after(handshake_timeout, "2s", options);
}

#[test]
fn a_client_says_how_long_a_handshake_may_take() {
    let clock = ManualClock::new();
    let mut driver = Driver::with_clock(clock.clone()).expect("a driver");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = silent.local_addr().expect("an address");
    let session = Certificate::make().connector().connect(HOST);
    let options = Options {
        handshake_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let connecting = tcp::connect(address, None).expect("a beginning");
    let client = driver
        .connect_tls(connecting, session.expect("a session"), options)
        .expect("a token");
    let mut both = Both {
        client: Some(client),
        ..Both::default()
    };
    driver.run_pending(&mut both).expect("a run");
    clock.advance(Duration::from_secs(2));
    driver.run_pending(&mut both).expect("a run");
    assert_eq!(both.heard, ["client closed Some(Peer)"]);
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    let (mut driver, address, certificate) = listening(MonotonicClock);
    let client = std::thread::spawn(move || {
        let config = Arc::clone(&certificate.rustls_client);
        let name = HOST.try_into().expect("a name");
        let tls = ClientConnection::new(config, name).expect("a client");
        let socket = TcpStream::connect(address).expect("a connection");
        let mut stream = StreamOwned::new(tls, socket);
        stream.write_all(b"hello").expect("a write");
        stream.read_exact(&mut [0; 5]).expect("its echo");
    });
    let mut both = Both::default();
    while both.heard.is_empty() {
        driver.call_later(Duration::from_millis(1), |_, driver| driver.stop());
        driver.run(&mut both).expect("a run");
    }
    client.join().expect("the client");
    assert_eq!(
        both.heard,
        [format!("server closed {:?}", Some(Fault::Peer))]
    );
}

#[test]
fn what_is_connected_already_can_have_tls() {
    let certificate = Certificate::make();
    let mut driver = Driver::new().expect("a driver");
    let (near, far) = UnixStream::pair().expect("a pair");
    let options = Options::default();
    let session = certificate.acceptor().accept().expect("a session");
    driver
        .adopt_tls(near.into(), session, options.clone())
        .expect("a token");
    let session = certificate.connector().connect(HOST).expect("a session");
    let client = driver
        .adopt_tls(far.into(), session, options)
        .expect("a token");
    driver.write(client, "hello").expect("a write");
    let mut both = Both {
        client: Some(client),
        expected: 5,
        ..Both::default()
    };
    driver.run(&mut both).expect("a run");
    assert_eq!(both.received, b"hello");
    assert_eq!(both.negotiated, ["echo", "echo"]);
}
