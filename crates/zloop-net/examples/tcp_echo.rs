//! An echo server: a reactor, streams, and flow control.
//!
//! `cargo run --example tcp_echo -p zloop-net -- --port 7777`

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use zloop_core::{Events, Interest, Reactor, Readiness, Token};
use zloop_net::{Accepted, Descriptor, FlowEvent, ReadOutcome, Stream, accept, tcp};

/// How much is read at once.
const READ_SIZE: usize = 64 * 1024;

enum Source {
    Listener(OwnedFd),
    Connection(Stream<Vec<u8>>),
}

struct Server {
    reactor: Reactor<Source>,
    listener: Token,
    buffer: Box<[u8]>,
}

impl Server {
    fn listen(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let socket = tcp::listen(address, &tcp::ListenOptions::default())?;
        let address = tcp::local_address(&socket)?;
        let mut reactor = Reactor::new()?;
        let fd = socket.as_raw_fd();
        let listener = reactor.register(fd, Interest::READABLE, Source::Listener(socket))?;
        Ok((
            Self {
                reactor,
                listener,
                buffer: vec![0; READ_SIZE].into(),
            },
            address,
        ))
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::new();
        loop {
            self.reactor.poll(&mut events, None)?;
            for (token, readiness) in events.iter() {
                self.handle(token, readiness)?;
            }
        }
    }

    fn handle(&mut self, token: Token, readiness: Readiness) -> io::Result<()> {
        match self.reactor.source_mut(token) {
            // An earlier event of the same poll ended it.
            None => Ok(()),
            Some(Source::Listener(socket)) => {
                let accepted = accept(socket);
                self.handle_accepted(accepted)
            }
            Some(Source::Connection(stream)) => {
                let result = serve(stream, readiness, &mut self.buffer);
                let is_over = stream.is_closing() && stream.is_drained();
                let interest = stream.interest();
                if result.is_err() || is_over {
                    self.reactor.deregister(token);
                    // There is a descriptor again for those that wait.
                    return Ok(self
                        .reactor
                        .set_interest(self.listener, Interest::READABLE)?);
                }
                Ok(self.reactor.set_interest(token, interest)?)
            }
        }
    }

    fn handle_accepted(&mut self, accepted: io::Result<Accepted>) -> io::Result<()> {
        match accepted {
            Ok(Accepted { fd, .. }) => {
                tcp::set_nodelay(&fd, true)?;
                let number = fd.as_raw_fd();
                let connection = Source::Connection(Stream::new(Descriptor::Owned(fd)));
                self.reactor
                    .register(number, Interest::READABLE, connection)?;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            // Out of descriptors, most likely: the connection stays ready to be accepted, so the
            // listener is left alone until another one ends.
            Err(error) if self.reactor.len() > 1 => {
                eprintln!("cannot accept: {error}");
                Ok(self.reactor.set_interest(self.listener, Interest::NONE)?)
            }
            Err(error) => Err(error),
        }
    }
}

/// Sends what can be sent, and reads what is there; a peer that does not read is not read either.
fn serve(stream: &mut Stream<Vec<u8>>, readiness: Readiness, buffer: &mut [u8]) -> io::Result<()> {
    if readiness.is_readable() && stream.is_reading() {
        match stream.read(buffer)? {
            ReadOutcome::Data(count) => stream.write(buffer[..count].to_vec())?,
            ReadOutcome::End => stream.close(),
            ReadOutcome::Blocked => {}
        }
    }
    if readiness.is_writable() || !stream.is_blocked() {
        stream.flush()?;
    }
    match stream.flow() {
        Some(FlowEvent::PauseWriting) => stream.pause_reading(),
        Some(FlowEvent::ResumeWriting) => stream.resume_reading(),
        None => {}
    }
    Ok(())
}

fn port_from_arguments() -> Result<u16, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(0),
        (Some("--port"), Some(port)) => Ok(port.parse()?),
        _ => Err("usage: tcp_echo [--port NUMBER]".into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port_from_arguments()?));
    let (mut server, address) = Server::listen(address)?;
    println!("listening on {address}");
    io::stdout().flush()?;
    Ok(server.run()?)
}
