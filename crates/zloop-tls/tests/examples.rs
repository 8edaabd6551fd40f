//! The examples run, and do what they say.

#[path = "../../zloop-net/tests/support/programs.rs"]
mod programs;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use programs::example;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const HOST: &str = "localhost";

struct Server {
    process: Child,
    address: SocketAddr,
    config: Arc<ClientConfig>,
    folder: PathBuf,
}

impl Server {
    fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("zloop-tls-echo-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("chain.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();

        let mut process = example("tls_echo")
            .args([folder.join("chain.pem"), folder.join("key.pem"), "0".into()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .parse()
            .unwrap();

        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            process,
            address,
            config: Arc::new(config),
            folder,
        }
    }

    fn connect(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let tls =
            ClientConnection::new(Arc::clone(&self.config), HOST.try_into().unwrap()).unwrap();
        StreamOwned::new(tls, TcpStream::connect(self.address).unwrap())
    }

    fn echoes(&self, message: &[u8]) {
        let mut stream = self.connect();
        stream.conn.complete_io(&mut stream.sock).unwrap();
        let mut echo = vec![0; 100_000];
        for part in message.chunks(echo.len()) {
            stream.write_all(part).unwrap();
            stream.read_exact(&mut echo[..part.len()]).unwrap();
            assert!(echo[..part.len()] == *part);
        }
        stream.conn.send_close_notify();
        let mut rest = Vec::new();
        stream
            .read_to_end(&mut rest)
            .expect("the server answers close_notify by its own");
        assert!(rest.is_empty());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn tls_echo() {
    let server = Server::start();
    server.echoes(b"hello");
    server.echoes(b"");

    // Those who leave in the middle, who do not speak TLS and who never read disturb nobody.
    drop(TcpStream::connect(server.address).unwrap());
    let mut half = server.connect();
    half.conn.write_tls(&mut half.sock).unwrap();
    drop(half);
    let mut plain = TcpStream::connect(server.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut never_reads = server.connect();
    never_reads.write_all(b"hello").unwrap();
    never_reads.sock.set_nonblocking(true).unwrap();
    while never_reads.write_all(&[1; 10_000]).is_ok() {}

    let much: Vec<u8> = (0..4_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| server.echoes(&much));
        }
    });
}

#[test]
fn tls_client() {
    let server = Server::start();
    let port = server.address.port().to_string();
    let ask = |host: &str, request: &[u8]| {
        let mut client = example("tls_client")
            .args([
                server.folder.join("chain.pem"),
                host.into(),
                port.clone().into(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        client.stdin.take().unwrap().write_all(request).unwrap();
        client.wait_with_output().unwrap()
    };
    let request = [b'x'; 50_000];
    let answered = ask(HOST, &request);
    assert!(answered.status.success());
    assert!(answered.stdout == request);

    let refused = ask("127.0.0.1", b"hello");
    assert!(!refused.status.success());
    let reason = String::from_utf8_lossy(&refused.stderr);
    assert!(reason.contains("IP address mismatch"), "{reason}");
    assert!(refused.stdout.is_empty());
}

#[test]
fn without_arguments() {
    for name in ["tls_echo", "tls_client"] {
        let output = example(name).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage"));
    }
}

#[test]
fn tls_load_measures_tls_echo() {
    let server = Server::start();
    let port = server.address.port().to_string();
    for mode in [["echo", "1024", "1"], ["echo", "20000", "3"]] {
        let output = example("tls_load")
            .args([port.as_str(), "0.05"])
            .args(mode)
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let rate: f64 = printed.trim().parse().unwrap();
        assert!(output.status.success() && rate > 0.0, "{printed}");
    }
}

#[test]
fn tls_load_tells_of_a_server_that_speaks_no_tls() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"220 mail.example ready\r\n").unwrap();
        let _ = peer.read(&mut [0; 1024]);
    });
    let output = example("tls_load")
        .args([port.as_str(), "0.05", "send"])
        .output()
        .unwrap();
    server.join().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty() && !output.stderr.is_empty());
}

#[test]
fn tls_load_without_arguments() {
    let output = example("tls_load").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage"));
}
