//! The examples run, and do what they say, for clients that know nothing of this crate.

#[path = "support/programs.rs"]
mod programs;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use programs::{Server, example};

/// Long enough for any machine; only a failure takes it.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(60));

fn server(name: &str) -> (Server, SocketAddr) {
    let server = Server::start(name, &["--port", "0"]);
    let address = server.place.parse().expect("an address");
    (server, address)
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

fn much() -> Vec<u8> {
    (0..8_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect()
}

#[test]
fn tcp_echo() {
    let (_server, address) = server("tcp_echo");
    assert_eq!(echo(address, b"hello"), b"hello");
    assert_eq!(echo(address, b""), b"");
    // Someone who leaves without a word, and one who never reads, disturb nobody.
    drop(TcpStream::connect(address).expect("a connection"));
    let mut never_reads = TcpStream::connect(address).expect("a connection");
    never_reads
        .set_nonblocking(true)
        .expect("a non-blocking socket");
    while never_reads.write(&[1; 65536]).is_ok() {}
    let much = much();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(echo(address, &much) == much));
        }
    });
}

#[test]
fn udp_echo() {
    let (_server, address) = server("udp_echo");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.connect(address).expect("a peer");
    client.set_read_timeout(PATIENCE).expect("a time-out");
    let mut buffer = vec![0; 70_000];
    for size in [0, 1, 1000, 60_000] {
        client.send(&vec![7; size]).expect("a datagram");
        let count = client.recv(&mut buffer).expect("its echo");
        assert_eq!(&buffer[..count], vec![7; size]);
    }
    for number in 0..20 {
        client.send(&[number]).expect("a datagram");
    }
    for number in 0..20 {
        let count = client.recv(&mut buffer).expect("its echo");
        assert_eq!(buffer[..count], [number], "in order");
    }
}

#[test]
fn line_server() {
    let path = std::env::temp_dir().join(format!("zloop-lines-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let _server = Server::start("line_server", &[path.to_str().expect("a path")]);
    let connect = || {
        let stream = UnixStream::connect(&path).expect("a connection");
        stream.set_read_timeout(PATIENCE).expect("a time-out");
        (
            stream.try_clone().expect("a duplicate"),
            BufReader::new(stream),
        )
    };
    let read = |reader: &mut BufReader<UnixStream>| {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        line
    };
    let (mut near, mut near_answers) = connect();
    let (mut far, mut far_answers) = connect();
    near.write_all(b"add 2 40\nmultiply 6").expect("a write");
    far.write_all(b"sing\nadd nine\n").expect("a write");
    assert_eq!(read(&mut near_answers), "42\n");
    assert_eq!(
        read(&mut far_answers),
        "error: say add or multiply, and numbers\n"
    );
    assert_eq!(
        read(&mut far_answers),
        "error: nine: invalid digit found in string\n"
    );
    near.write_all(b" 7\n").expect("a write");
    assert_eq!(read(&mut near_answers), "42\n");
    far.write_all(&[b'x'; 4097]).expect("a write");
    assert_eq!(read(&mut far_answers), "error: the line is too long\n");
    assert_eq!(read(&mut far_answers), "", "it was shown the door");
    let _ = std::fs::remove_file(&path);
}

#[test]
fn http_server() {
    let (_server, address) = server("http_server");
    let ask = |requests: &[&[u8]]| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(PATIENCE).expect("a time-out");
        stream.set_nodelay(true).expect("a socket");
        for part in requests {
            stream.write_all(part).expect("a write");
            thread::yield_now();
        }
        let mut answers = String::new();
        stream.read_to_string(&mut answers).expect("answers");
        answers
    };
    let last = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";

    let answers = ask(&[b"GET / HTTP/1.1\r\n\r\nGET / HTT", b"P/1.1\r\n\r\n", last]);
    assert_eq!(answers.matches("200 OK").count(), 3);
    assert_eq!(answers.matches("connection: keep-alive").count(), 2);
    assert!(answers.ends_with("connection: close\r\n\r\nhello\n"));

    let post = b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab";
    let answers = ask(&[post, b"cde", b"GET /no HTTP/1.1\r\n\r\n", last]);
    assert!(answers.contains("5 bytes\n") && answers.contains("404 Not Found"));

    assert!(ask(&[b"GET / HTTP/1.0\r\n\r\n"]).contains("connection: close"));
    assert!(ask(&[b"nonsense\r\n\r\n"]).starts_with("HTTP/1.1 400 "));
    assert!(ask(&[&[b'x'; 16 * 1024 + 1]]).starts_with("HTTP/1.1 431 "));
}

#[test]
fn proxy() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let upstream_address = upstream.local_addr().expect("an address").to_string();
    let mut server = Server::start("proxy", &[&upstream_address]);
    let address: SocketAddr = server.place.parse().expect("an address");

    // A round trip, with each direction ended by itself.
    let echoing = thread::spawn(move || {
        let (mut stream, _) = upstream.accept().expect("a connection");
        let mut request = Vec::new();
        stream.read_to_end(&mut request).expect("a request");
        stream.write_all(&request).expect("a write");
        upstream
    });
    assert_eq!(echo(address, b"through and back"), b"through and back");
    let upstream = echoing.join().expect("the upstream");

    // An upstream that does not read holds the client back, not the proxy's memory.
    let mut client = TcpStream::connect(address).expect("a connection");
    let (mut slow, _) = upstream.accept().expect("a connection");
    client.set_nonblocking(true).expect("a non-blocking socket");
    let chunk = [1; 65536];
    let mut sent = 0;
    let mut refused = 0;
    while refused < 20 {
        match client.write(&chunk) {
            Ok(count) => (sent, refused) = (sent + count, 0),
            Err(_) => {
                refused += 1;
                thread::sleep(Duration::from_millis(10));
            }
        }
        assert!(sent < 100_000_000, "nobody holds the client back");
    }
    client.shutdown(Shutdown::Write).expect("a shutdown");
    let mut received = Vec::new();
    slow.read_to_end(&mut received).expect("a read to the end");
    assert_eq!(received.len(), sent, "and nothing is lost");
    drop((client, slow));
    let told: Vec<usize> = (0..2).map(|_| server.next_number()).collect();
    assert!(told[1] > 0 && told[1] <= 64 * 1024 * 2, "{told:?}");
}

#[test]
fn nonsense_is_refused() {
    for name in [
        "tcp_echo",
        "udp_echo",
        "http_server",
        "line_server",
        "proxy",
    ] {
        let output = example(name)
            .args(["--nonsense", "and", "more"])
            .output()
            .expect("an output");
        assert!(!output.status.success());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("usage"), "{name}: {stderr}");
    }
}

#[test]
fn socket_load_measures_an_echo() {
    let (_server, address) = server("tcp_echo");
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
