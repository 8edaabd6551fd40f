//! A TLS echo server: a reactor, streams, timers, and TLS over them.
//!
//! `cargo run --example tls_echo -p zloop-tls -- server.pem server.key 8443`
//!
//! The first file has the certificate chain, the second the private key. Try it with
//! `openssl s_client -connect localhost:8443`.

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use zloop_core::{
    Clock, Events, Interest, MonotonicClock, Reactor, Readiness, TimerHeap, TimerKey, Timestamp,
    Token,
};
use zloop_net::{Descriptor, ReadOutcome, Stream, accept, tcp};
use zloop_tls::{
    Acceptor, Ciphertext, Connection, Event, FlowEvent, Identity, Options, RustlsSession,
    ServerSettings,
};

enum Source {
    Listener(OwnedFd),
    Client(Box<Client>),
}

struct Server {
    reactor: Reactor<Source>,
    timers: TimerHeap<Token>,
    acceptor: Acceptor,
    listener: Token,
}

impl Server {
    fn listen(address: SocketAddr, acceptor: Acceptor) -> io::Result<(Self, SocketAddr)> {
        let socket = tcp::listen(address, &tcp::ListenOptions::default())?;
        let address = tcp::local_address(&socket)?;
        let mut reactor = Reactor::new()?;
        let number = socket.as_raw_fd();
        let listener = reactor.register(number, Interest::READABLE, Source::Listener(socket))?;
        Ok((
            Self {
                reactor,
                timers: TimerHeap::new(),
                acceptor,
                listener,
            },
            address,
        ))
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let mut events = Events::new();
        loop {
            let timeout = self
                .timers
                .next_deadline()
                .map(|deadline| deadline.saturating_duration_since(MonotonicClock.now()));
            self.reactor.poll(&mut events, timeout)?;
            for (token, readiness) in events.iter() {
                match self.reactor.source(token) {
                    Some(Source::Listener(_)) => self.accept()?,
                    Some(Source::Client(_)) => self.serve(token, Some(readiness))?,
                    // An earlier event of the same poll ended it.
                    None => {}
                }
            }
            while let Some(token) = self.timers.pop_due(MonotonicClock.now()) {
                self.serve(token, None)?;
            }
        }
    }

    fn accept(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(Source::Listener(socket)) = self.reactor.source(self.listener) else {
            return Ok(());
        };
        let fd = match accept(socket) {
            Ok(accepted) => accepted.fd,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // Out of descriptors, most likely: the connection stays ready to be accepted, so the
            // listener is left alone until another one ends.
            Err(error) if self.reactor.len() > 1 => {
                eprintln!("cannot accept: {error}");
                return Ok(self.reactor.set_interest(self.listener, Interest::NONE)?);
            }
            Err(error) => return Err(error.into()),
        };
        tcp::set_nodelay(&fd, true)?;
        let client = Client {
            tls: Connection::new(self.acceptor.accept()?, Options::default()),
            timer: None,
            number: fd.as_raw_fd(),
            stream: Stream::new(Descriptor::Owned(fd)),
        };
        let number = client.number;
        let token =
            self.reactor
                .register(number, Interest::READABLE, Source::Client(Box::new(client)))?;
        self.serve(token, None)
    }

    /// Lets a client do what it can, and waits for what it waits for next.
    fn serve(&mut self, token: Token, readiness: Option<Readiness>) -> Result<(), Box<dyn Error>> {
        let Some(Source::Client(client)) = self.reactor.source_mut(token) else {
            return Ok(());
        };
        let now = since_epoch(MonotonicClock.now());
        client.advance(readiness, now);

        let deadline = client.tls.next_deadline();
        if client.timer.map(|(deadline, _)| deadline) != deadline {
            if let Some((_, timer)) = client.timer.take() {
                self.timers.remove(timer);
            }
            client.timer = deadline.map(|deadline| {
                let nanoseconds = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
                (
                    deadline,
                    self.timers
                        .insert(Timestamp::from_nanos(nanoseconds), token),
                )
            });
        }

        let interest = client.stream.interest();
        if client.stream.is_closing() && client.stream.is_drained() {
            self.reactor.deregister(token);
            // There is a descriptor again for those that wait.
            self.reactor
                .set_interest(self.listener, Interest::READABLE)?;
        } else {
            self.reactor.set_interest(token, interest)?;
        }
        Ok(())
    }
}

struct Client {
    stream: Stream<Ciphertext>,
    tls: Connection<RustlsSession>,
    timer: Option<(Duration, TimerKey)>,
    number: i32,
}

impl Client {
    fn advance(&mut self, readiness: Option<Readiness>, now: Duration) {
        self.tls.start(now);
        self.tls.expire(now);
        if readiness.is_some_and(|readiness| readiness.is_readable()) && self.stream.is_reading() {
            self.receive();
        }
        loop {
            self.deliver(now);
            self.send();
            match self.tls.flow(self.stream.buffered()) {
                // Who does not read its echo is not read either.
                Some(FlowEvent::PauseWriting) => self.tls.pause_reading(),
                Some(FlowEvent::ResumeWriting) => {
                    self.tls.resume_reading();
                    continue;
                }
                None => {}
            }
            if !self.tls.has_event() {
                break;
            }
        }
        if self.tls.wants_ciphertext() {
            self.stream.resume_reading();
        } else {
            self.stream.pause_reading();
        }
    }

    /// Receives once, into TLS's own buffer.
    fn receive(&mut self) {
        let Some(room) = self.tls.receive_buffer() else {
            // The peer's last word came already; only the end of the stream is news.
            match self.stream.read(&mut [0; 1024]) {
                Ok(ReadOutcome::End) => self.tls.receive_end(),
                Ok(ReadOutcome::Data(_) | ReadOutcome::Blocked) => {}
                Err(error) => self.tls.transport_failed(error),
            }
            return;
        };
        match self.stream.read(room) {
            Ok(ReadOutcome::Data(count)) => self.tls.received(count),
            Ok(ReadOutcome::End) => self.tls.receive_end(),
            Ok(ReadOutcome::Blocked) => {}
            Err(error) => self.tls.transport_failed(error),
        }
    }

    /// Handles what happened, and echoes what was read.
    fn deliver(&mut self, now: Duration) {
        loop {
            while let Some(event) = self.tls.next_event() {
                match event {
                    Event::HandshakeDone => {}
                    Event::PeerClosed(_) => self.tls.close(now),
                    Event::Closed => {
                        self.send();
                        self.stream.close();
                    }
                    Event::Failed(error) => {
                        eprintln!("client {}: {error}", self.number);
                        self.send();
                        self.stream.abort();
                    }
                }
            }
            while let Some(data) = self.tls.read(<[u8]>::to_vec) {
                // Only a connection that is being closed refuses, and then nobody waits for it.
                let _ = self.tls.write(data);
            }
            if !self.tls.has_event() {
                break;
            }
        }
    }

    /// Encrypts and sends for as long as the socket takes it.
    fn send(&mut self) {
        loop {
            match self.stream.flush() {
                Ok(_) if self.stream.is_blocked() => break,
                Ok(_) => {}
                Err(error) => {
                    self.tls.transport_failed(error);
                    self.stream.abort();
                    break;
                }
            }
            let Some(ciphertext) = self.tls.take_ciphertext() else {
                break;
            };
            // Nobody ended this direction of the stream but who aborted it.
            let _ = self.stream.write(ciphertext);
        }
    }
}

fn since_epoch(now: Timestamp) -> Duration {
    Duration::from_nanos(now.as_nanos())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [chain, key, port] = arguments.as_slice() else {
        return Err("usage: tls_echo CHAIN_FILE KEY_FILE PORT".into());
    };
    let acceptor = ServerSettings {
        identities: vec![Identity::from_files(chain, key)?],
        ..ServerSettings::default()
    }
    .build()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?));
    let (mut server, address) = Server::listen(address, acceptor)?;
    println!("listening on {address}");
    io::stdout().flush()?;
    server.run()
}
