//! The examples run, and do what they say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

/// Examples are built beside the tests, one folder up.
fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(
        path.exists(),
        "no {}: build the examples first",
        path.display()
    );
    Command::new(path)
}

struct Server(Child);

impl Server {
    fn start() -> (Self, SocketAddr) {
        let mut child = example("tcp_echo")
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let stdout = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .expect("an address");
        (Self(child), address.parse().expect("an address"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn echo(address: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut writer = TcpStream::connect(address).expect("a connection");
    let mut reader = writer.try_clone().expect("a duplicate");
    thread::scope(|scope| {
        scope.spawn(move || {
            writer.write_all(message).expect("a write");
            writer.shutdown(Shutdown::Write).expect("a shutdown");
        });
        let mut answer = Vec::new();
        reader.read_to_end(&mut answer).expect("a read to the end");
        answer
    })
}

#[test]
fn tcp_echo() {
    let (_server, address) = Server::start();
    assert_eq!(echo(address, b"hello"), b"hello");
    assert_eq!(echo(address, b""), b"");
    // Someone who leaves without a word, and one who never reads, disturb nobody.
    drop(TcpStream::connect(address).expect("a connection"));
    let mut never_reads = TcpStream::connect(address).expect("a connection");
    never_reads
        .set_nonblocking(true)
        .expect("a non-blocking socket");
    while never_reads.write(&[1; 65536]).is_ok() {}
    let much: Vec<u8> = (0..8_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(echo(address, &much) == much));
        }
    });
}

#[test]
fn tcp_echo_with_nonsense() {
    let output = example("tcp_echo")
        .arg("--nonsense")
        .output()
        .expect("an output");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage"));
}

#[test]
fn socket_load_measures_an_echo() {
    let (_server, address) = Server::start();
    for mode in [["1024", "1"], ["20000", "3"]] {
        let output = example("socket_load")
            .args([address.port().to_string().as_str(), "0.05", "echo"])
            .args(mode)
            .output()
            .expect("an output");
        let printed = String::from_utf8_lossy(&output.stdout);
        let rate: f64 = printed.trim().parse().expect("a rate");
        assert!(output.status.success() && rate > 0.0, "{printed}");
    }
}

#[test]
fn socket_load_measures_connections() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || listener.incoming().for_each(drop));
    let output = example("socket_load")
        .args([port.to_string().as_str(), "0.05", "connections", "2"])
        .output()
        .expect("an output");
    let printed = String::from_utf8_lossy(&output.stdout);
    let rate: f64 = printed.trim().parse().expect("a rate");
    assert!(output.status.success() && rate > 0.0, "{printed}");
}

#[test]
fn socket_load_tells_of_a_server_that_leaves() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || listener.incoming().for_each(drop));
    let output = example("socket_load")
        .args([port.to_string().as_str(), "0.05", "echo", "10", "1"])
        .output()
        .expect("an output");
    assert!(!output.status.success());
    assert!(output.stdout.is_empty() && !output.stderr.is_empty());
}

#[test]
fn socket_load_without_arguments() {
    let output = example("socket_load").output().expect("an output");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage"));
}
