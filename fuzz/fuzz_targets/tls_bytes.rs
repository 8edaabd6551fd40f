//! Whatever bytes a peer sends, rustls's connection neither panics nor takes them for data.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use zloop_tls::{
    Acceptor, ClientSettings, Connection, Connector, Event, Identity, Options, Roots,
    RustlsSession, ServerSettings,
};

type Tls = Connection<RustlsSession>;

static SETTINGS: LazyLock<(Connector, Acceptor)> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let client = ClientSettings {
        roots: Roots::from_pem(chain.as_bytes()).expect("an authority"),
        ..ClientSettings::default()
    };
    let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).expect("an identity");
    let server = ServerSettings {
        identities: vec![identity],
        ..ServerSettings::default()
    };
    (
        client.build().expect("a client"),
        server.build().expect("a server"),
    )
});

fn new_pair() -> [Tls; 2] {
    let (connector, acceptor) = &*SETTINGS;
    let client = connector.connect("localhost").expect("a session");
    let server = acceptor.accept().expect("a session");
    [client, server].map(|session| {
        let mut connection = Tls::new(session, Options::default());
        connection.start(Duration::ZERO);
        connection
    })
}

/// Whatever the connection has to say, without an end.
fn drain(connection: &mut Tls) -> Vec<u8> {
    let mut outgoing = Vec::new();
    while let Some(bytes) = connection.take_ciphertext() {
        outgoing.extend_from_slice(&bytes);
    }
    outgoing
}

fn shake_hands([client, server]: &mut [Tls; 2]) {
    while client.is_handshaking() || server.is_handshaking() {
        let flight = drain(client);
        server.receive(&flight);
        let flight = drain(server);
        client.receive(&flight);
    }
}

/// Gives the bytes in pieces, then the end.
fn feed(connection: &mut Tls, bytes: &[u8], piece: usize) {
    for piece in bytes.chunks(piece) {
        connection.receive(piece);
        drain(connection);
        while connection
            .read(|data| assert!(data.is_empty(), "made of nothing"))
            .is_some()
        {}
    }
    connection.receive_end();
    while connection
        .read(|data| assert!(data.is_empty(), "made of nothing"))
        .is_some()
    {}
    connection.close(Duration::ZERO);
    drain(connection);
    connection.expire(Duration::from_secs(3600));
    assert!(connection.is_closed());
    let last = std::iter::from_fn(|| connection.next_event()).last();
    assert!(matches!(last, Some(Event::Closed | Event::Failed(_))));
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, bytes)) = data.split_first() else {
        return;
    };
    let mut pair = new_pair();
    if kind & 1 == 1 {
        shake_hands(&mut pair);
    }
    let piece = usize::from(kind >> 1) + 1;
    for connection in &mut pair {
        feed(connection, bytes, piece);
    }
});
