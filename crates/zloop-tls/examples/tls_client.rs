//! A TLS client over a blocking socket of the standard library: sends what it reads from its input,
//! and prints what comes back.
//!
//! `echo hello | cargo run --example tls_client -p zloop-tls -- roots.pem localhost 8443`

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use zloop_tls::{ClientSettings, Connection, Ending, Event, Options, Roots, RustlsSession};

fn talk(
    tls: &mut Connection<RustlsSession>,
    socket: &mut TcpStream,
    output: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    tls.start(started.elapsed());
    loop {
        while let Some(ciphertext) = tls.take_ciphertext() {
            socket.write_all(&ciphertext)?;
        }
        while let Some(data) = tls.read(<[u8]>::to_vec) {
            output.write_all(&data)?;
        }
        while let Some(event) = tls.next_event() {
            match event {
                Event::HandshakeDone | Event::PeerClosed(Ending::CloseNotify) => {}
                Event::PeerClosed(Ending::Truncated) => {
                    return Err("the answer is cut short".into());
                }
                Event::Closed => return Ok(()),
                Event::Failed(error) => {
                    // It may have left an alert for the peer, who may be gone.
                    if let Some(alert) = tls.take_ciphertext() {
                        let _ = socket.write_all(&alert);
                    }
                    return Err(error.into());
                }
            }
        }
        let patience = tls
            .next_deadline()
            .map(|deadline| deadline.saturating_sub(started.elapsed()))
            // The standard library takes no zero for a time-out.
            .map(|patience| patience.max(Duration::from_millis(1)));
        socket.set_read_timeout(patience)?;
        let Some(room) = tls.receive_buffer() else {
            continue;
        };
        match socket.read(room) {
            Ok(0) => tls.receive_end(),
            Ok(count) => tls.received(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                tls.expire(started.elapsed());
            }
            Err(error) => tls.transport_failed(error),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [roots, host, port] = arguments.as_slice() else {
        return Err("usage: tls_client ROOTS_FILE HOST PORT".into());
    };
    let connector = ClientSettings {
        roots: Roots::from_file(roots)?,
        ..ClientSettings::default()
    }
    .build()?;
    let mut request = Vec::new();
    io::stdin().read_to_end(&mut request)?;

    let mut tls = Connection::new(connector.connect(host)?, Options::default());
    tls.write(request)?;
    tls.write_eof();
    let mut socket = TcpStream::connect((host.as_str(), port.parse()?))?;
    talk(&mut tls, &mut socket, &mut io::stdout())
}
