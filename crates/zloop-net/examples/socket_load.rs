//! Loads a server on this machine by blocking sockets, and prints how fast it was.
//!
//! `cargo run --release --example socket_load -p zloop-net -- ADDRESS SECONDS MODE`, where the address is
//! a port, or the path of a Unix socket (`@` begins a name without a file), with one of
//!
//! - `echo SIZE CONNECTIONS`: messages a second that came back;
//! - `datagrams SIZE FLIGHT`: datagrams a second that came back, so many on their way at a time;
//! - `connections THREADS`: connections a second, each read until the server ends it.

#[path = "load/rate.rs"]
mod rate;

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use zloop_net::ReadBuffer;

use crate::rate::warm_rate;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What both kinds of stream sockets can do.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

fn connect(address: &str) -> Outcome<Box<dyn Stream>> {
    if let Ok(port) = address.parse::<u16>() {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        return Ok(Box::new(stream));
    }
    // Linux has names that begin with a zero byte.
    let path = match address.strip_prefix('@') {
        Some(name) => format!("\0{name}"),
        None => address.to_owned(),
    };
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(Box::new(socket))
}

/// Sends all connections a message, then waits for each answer.
fn echo(address: &str, seconds: f64, size: usize, connections: usize) -> Outcome<f64> {
    let mut streams = (0..connections)
        .map(|_| connect(address))
        .collect::<Outcome<Vec<_>>>()?;
    let message = vec![7; size];
    let mut answer = ReadBuffer::new(size);
    warm_rate(seconds, || {
        for stream in &mut streams {
            stream.write_all(&message)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut answer)?;
        }
        Ok(connections)
    })
}

fn datagrams(port: u16, seconds: f64, size: usize, flight: usize) -> Outcome<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    // One that is lost fails the run, not blocks it.
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let message = vec![7; size];
    let mut answer = ReadBuffer::new(size);
    warm_rate(seconds, || {
        for _ in 0..flight {
            socket.send(&message)?;
        }
        for _ in 0..flight {
            socket.recv(&mut answer)?;
        }
        Ok(flight)
    })
}

fn connections(address: &str, seconds: f64, threads: usize) -> Outcome<f64> {
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    warm_rate(seconds, || {
                        io::copy(&mut connect(address)?, &mut io::sink())?;
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
    const USAGE: &str = "usage: socket_load ADDRESS SECONDS \
                         (echo SIZE CONNECTIONS | datagrams SIZE FLIGHT | connections THREADS)";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [address, seconds, mode @ ..] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let seconds = seconds.parse()?;
    let rate = match mode {
        ["echo", size, connections] => echo(address, seconds, size.parse()?, connections.parse()?)?,
        ["datagrams", size, flight] => {
            datagrams(address.parse()?, seconds, size.parse()?, flight.parse()?)?
        }
        ["connections", threads] => connections(address, seconds, threads.parse()?)?,
        _ => return Err(USAGE.into()),
    };
    writeln!(io::stdout(), "{rate}")?;
    Ok(())
}
