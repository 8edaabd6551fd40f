//! The chat example, with rustls's own clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::programs::{Server, example};
use super::{Certificate, HOST};

struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Client {
    fn connect(certificate: &Certificate, server: &Server) -> Self {
        let config = Arc::clone(&certificate.rustls_client);
        let name = HOST.try_into().expect("a name");
        let tls = ClientConnection::new(config, name).expect("a client");
        let socket = TcpStream::connect(&server.place).expect("a connection");
        let patience = Some(Duration::from_secs(60));
        socket.set_read_timeout(patience).expect("a time-out");
        Self(BufReader::new(StreamOwned::new(tls, socket)))
    }

    fn say(&mut self, text: &str) {
        self.0
            .get_mut()
            .write_all(text.as_bytes())
            .expect("a write");
    }

    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        assert_eq!(line.trim_end(), expected);
    }
}

#[test]
fn what_somebody_says_all_others_hear() {
    let certificate = Certificate::make();
    let folder = std::env::temp_dir().join(format!("zloop-chat-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let [chain, key] = ["chain.pem", "key.pem"].map(|name| folder.join(name));
    std::fs::write(&chain, &certificate.chain).expect("a file");
    std::fs::write(&key, &certificate.key).expect("a file");
    let paths = [&chain, &key].map(|path| path.to_str().expect("a path"));
    let mut server = Server::start("chat", &[paths[0], paths[1], "0"]);

    let mut near = Client::connect(&certificate, &server);
    near.say("/name near\n");
    near.hears("* welcome, guest 1");
    let mut far = Client::connect(&certificate, &server);
    far.say("is there");
    far.say(" anybody?\nhello?\n");
    far.hears("* welcome, guest 2");
    near.hears("* guest 2 joined");
    near.hears("guest 2: is there anybody?");
    near.hears("guest 2: hello?");
    near.say("yes\n");
    far.hears("near: yes");
    server.type_line("closing soon");
    near.hears("! closing soon");
    far.hears("! closing soon");
    far.say("/quit\n");
    let mut rest = String::new();
    far.0
        .read_to_string(&mut rest)
        .expect("an end in good order");
    assert_eq!(rest, "");
    drop(far);
    near.hears("* guest 2 left");

    let mut talks_plainly = TcpStream::connect(&server.place).expect("a connection");
    talks_plainly.write_all(b"hello\n\n\n").expect("a write");
    let _ = talks_plainly.read_to_end(&mut Vec::new());
    near.say(&"x".repeat(2000));
    let error = near.0.read_line(&mut String::new());
    assert!(error.is_err(), "too long a line ends without close_notify");
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn without_arguments() {
    let output = example("chat").output().expect("an output");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage"));
}

/// `embedding.md` ends with this example.
#[test]
fn the_guide_shows_the_program_that_is_tested() {
    let guide = include_str!("../../embedding.md");
    let program = include_str!("../../examples/chat.rs");
    let (_, program) = program.split_once("\n\n").expect("a heading");
    assert!(guide.contains(program));
}
