//! Loads a TLS server on this machine, and prints how fast it was. The server's certificate may be
//! anybody's.
//!
//! `cargo run --release --example tls_load -p zloop-tls -- PORT SECONDS MODE`, with one of
//!
//! - `echo SIZE CONNECTIONS`: messages a second that came back;
//! - `send` or `receive`: GB/s in one direction; of what it receives only the first is decrypted, and
//!   then what is on the wire is counted, so that the server is measured, and not this program;
//! - `handshakes THREADS`: connections a second, each read until the server ends it.

#[path = "../../zloop-net/examples/load/rate.rs"]
mod rate;

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use zloop_tls::{
    ClientSettings, Connection, Connector, Event, Options, RustlsSession, Verification,
};

use crate::rate::warm_rate;

/// What is written at a time when sending as much as possible.
const CHUNK: usize = 256 * 1024;
/// For how long what is received gathers before it is read.
const GATHERING: Duration = Duration::from_micros(100);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A connection over a blocking socket.
struct Client {
    socket: TcpStream,
    tls: Connection<RustlsSession, Arc<[u8]>>,
    is_ended: bool,
}

impl Client {
    fn connect(port: u16, connector: &Connector) -> Outcome<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        let mut client = Self {
            socket,
            tls: Connection::new(connector.connect_unnamed()?, Options::default()),
            is_ended: false,
        };
        client.tls.start(Duration::ZERO);
        client.send_out()?;
        while client.tls.is_handshaking() {
            client.receive()?;
            client.send_out()?;
        }
        Ok(client)
    }

    fn write(&mut self, data: &Arc<[u8]>) -> Outcome<()> {
        self.tls.write(Arc::clone(data))?;
        self.send_out()
    }

    fn send_out(&mut self) -> Outcome<()> {
        while let Some(ciphertext) = self.tls.take_ciphertext() {
            self.socket.write_all(&ciphertext)?;
        }
        Ok(())
    }

    /// Waits for something from the server, and sees what it is.
    fn receive(&mut self) -> Outcome<()> {
        let Some(room) = self.tls.receive_buffer() else {
            return Err("the server sent data after its end".into());
        };
        match self.socket.read(room)? {
            0 => self.tls.receive_end(),
            count => self.tls.received(count),
        }
        self.take_events()
    }

    fn take_events(&mut self) -> Outcome<()> {
        while let Some(event) = self.tls.next_event() {
            match event {
                Event::HandshakeDone => {}
                Event::PeerClosed(_) | Event::Closed => self.is_ended = true,
                Event::Failed(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for data, and says how much came; 0 at the end.
    fn read(&mut self) -> Outcome<usize> {
        loop {
            let mut count = 0;
            while let Some(length) = self.tls.read(<[u8]>::len) {
                count += length;
            }
            self.take_events()?;
            if count > 0 || self.is_ended {
                return Ok(count);
            }
            self.receive()?;
        }
    }

    /// Answers the server's end.
    fn close(mut self) -> Outcome<()> {
        self.tls.close(Duration::ZERO);
        self.send_out()
    }
}

fn ended() -> Box<dyn Error + Send + Sync> {
    "the server closed the connection".into()
}

fn echo(
    port: u16,
    connector: &Connector,
    seconds: f64,
    size: usize,
    connections: usize,
) -> Outcome<f64> {
    let message: Arc<[u8]> = vec![7; size].into();
    let mut clients = (0..connections)
        .map(|_| Client::connect(port, connector))
        .collect::<Outcome<Vec<_>>>()?;
    warm_rate(seconds, || {
        for client in &mut clients {
            client.write(&message)?;
        }
        for client in &mut clients {
            let mut left = size;
            while left > 0 {
                match client.read()? {
                    0 => return Err(ended()),
                    count => left = left.checked_sub(count).ok_or("too long an echo")?,
                }
            }
        }
        Ok(connections)
    })
}

fn send(port: u16, connector: &Connector, seconds: f64) -> Outcome<f64> {
    let mut client = Client::connect(port, connector)?;
    let data: Arc<[u8]> = vec![7; CHUNK].into();
    let bytes = warm_rate(seconds, || -> Outcome<usize> {
        client.write(&data)?;
        Ok(CHUNK)
    })?;
    Ok(bytes / 1e9)
}

fn receive(port: u16, connector: &Connector, seconds: f64) -> Outcome<f64> {
    let mut client = Client::connect(port, connector)?;
    let mut decrypted = 0;
    while decrypted < CHUNK {
        match client.read()? {
            0 => return Err(ended()),
            count => decrypted += count,
        }
    }
    let mut buffer = vec![0; 4 * CHUNK];
    let bytes = warm_rate(seconds, || -> Outcome<usize> {
        // One that sleeps in `read` has to be woken by the server, at a cost that no distant client has.
        thread::sleep(GATHERING);
        match client.socket.read(&mut buffer)? {
            0 => Err(ended()),
            count => Ok(count),
        }
    })?;
    Ok(bytes / 1e9)
}

fn handshakes(port: u16, connector: &Connector, seconds: f64, threads: usize) -> Outcome<f64> {
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    warm_rate(seconds, || {
                        let mut client = Client::connect(port, connector)?;
                        while client.read()? > 0 {}
                        client.close()?;
                        Ok(1)
                    })
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread panicked")?)
            .sum()
    })
}

fn main() -> Outcome<()> {
    const USAGE: &str = "usage: tls_load PORT SECONDS \
                         (echo SIZE CONNECTIONS | send | receive | handshakes THREADS)";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [port, seconds, mode @ ..] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let (port, seconds) = (port.parse()?, seconds.parse()?);
    let connector = ClientSettings {
        verification: Verification::None,
        resumption: false,
        ..ClientSettings::default()
    }
    .build()?;
    let rate = match mode {
        ["echo", size, connections] => echo(
            port,
            &connector,
            seconds,
            size.parse()?,
            connections.parse()?,
        )?,
        ["send"] => send(port, &connector, seconds)?,
        ["receive"] => receive(port, &connector, seconds)?,
        ["handshakes", threads] => handshakes(port, &connector, seconds, threads.parse()?)?,
        _ => return Err(USAGE.into()),
    };
    writeln!(io::stdout(), "{rate}")?;
    Ok(())
}
