//! What each row does, asked from outside.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

type Outcome = Result<(), Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(60);

/// The program; killed when the test is done with it.
struct Bare {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Bare {
    fn start(row: &str) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_bare"))
            .arg(row)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            input: process.stdin.take().ok_or("no input")?,
            output: BufReader::new(process.stdout.take().ok_or("no output")?),
            process,
        })
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn connect(&mut self) -> Result<TcpStream, Box<dyn Error>> {
        let port = self.line()?.parse()?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether messages of several sizes come back whole.
fn echoes(mut stream: impl Read + Write) -> Outcome {
    for size in [1, 1024, 100 * 1024, 1_000_000] {
        let message: Vec<u8> = (0..size).map(|place| (place % 251) as u8).collect();
        let mut answer = vec![0; size];
        // What is longer than the sockets' buffers comes back while it is being sent.
        for (part, place) in message.chunks(64 * 1024).zip(answer.chunks_mut(64 * 1024)) {
            stream.write_all(part)?;
            stream.read_exact(place)?;
        }
        assert!(answer == message, "{size} bytes came back changed");
    }
    Ok(())
}

#[test]
fn streams_come_back() -> Outcome {
    echoes(Bare::start("echo")?.connect()?)
}

#[test]
fn streams_of_unix_sockets_come_back() -> Outcome {
    let mut bare = Bare::start("echo-unix")?;
    let line = bare.line()?;
    let name = line.strip_prefix('@').ok_or("no name of Linux's own")?;
    let stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    echoes(stream)
}

#[test]
fn a_client_that_leaves_disturbs_no_other() -> Outcome {
    let mut bare = Bare::start("echo")?;
    let stays = bare.connect()?;
    let leaves = TcpStream::connect(stays.peer_addr()?)?;
    (&leaves).write_all(&[0; 1000])?;
    leaves.shutdown(Shutdown::Write)?;
    leaves.set_read_timeout(Some(PATIENCE))?;
    let mut answer = Vec::new();
    (&leaves).read_to_end(&mut answer)?;
    assert_eq!(answer.len(), 1000);
    echoes(stays)
}

#[test]
fn bulk_goes_either_way() -> Outcome {
    let bulk = vec![0; 10_000_000];
    Bare::start("receive")?.connect()?.write_all(&bulk)?;
    let mut received = vec![1; bulk.len()];
    Bare::start("send")?.connect()?.read_exact(&mut received)?;
    assert!(received == bulk);
    Ok(())
}

#[test]
fn whoever_connects_is_greeted() -> Outcome {
    let mut bare = Bare::start("greet")?;
    let mut stream = bare.connect()?;
    let mut greeting = String::new();
    stream.read_to_string(&mut greeting)?;
    assert_eq!(greeting, "hello");
    Ok(())
}

#[test]
fn turns_are_answered_with_rates() -> Outcome {
    for row in ["spawn", "pipe"] {
        let mut bare = Bare::start(row)?;
        assert_eq!(bare.line()?, "ready");
        for _ in 0..2 {
            bare.input.write_all(b"0.01\n")?;
            assert!(bare.line()?.parse::<f64>()? > 0.0, "{row}");
        }
    }
    Ok(())
}

#[test]
fn other_words_are_answered_with_usage() -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_bare"))
        .arg("nothing")
        .output()?;
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr)?.contains("usage: bare echo"));
    Ok(())
}
