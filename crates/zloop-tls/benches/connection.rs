//! What the connection costs above rustls itself: handshakes, an echo of 1 KiB, and bulk data, in
//! memory. Each runs over this crate and over rustls's own buffered interface.

use std::hint::black_box;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use zloop_tls::{
    Acceptor, ClientSettings, Connection, Connector, Identity, Options, Roots, RustlsSession,
    ServerSettings,
};

const HOST: &str = "localhost";

struct Credentials {
    chain: String,
    key: String,
}

impl Credentials {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let chain = params.self_signed(&key).unwrap().pem();
        Self {
            chain,
            key: key.serialize_pem(),
        }
    }

    fn ours(&self) -> (Connector, Acceptor) {
        let client = ClientSettings {
            roots: Roots::from_pem(self.chain.as_bytes()).unwrap(),
            resumption: false,
            ..ClientSettings::default()
        };
        let identity = Identity::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap();
        let server = ServerSettings {
            identities: vec![identity],
            ..ServerSettings::default()
        };
        (client.build().unwrap(), server.build().unwrap())
    }

    fn plain(&self) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
        let chain: Vec<_> = rustls_pemfile::certs(&mut self.chain.as_bytes())
            .map(Result::unwrap)
            .collect();
        let key = rustls_pemfile::private_key(&mut self.key.as_bytes())
            .unwrap()
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(chain[0].clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::disabled();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        (Arc::new(client), Arc::new(server))
    }
}

type Ours = Connection<RustlsSession>;

/// Moves what one side has for the other, and returns how much plaintext arrived.
fn pass(from: &mut Ours, to: &mut Ours, plaintext: &mut Vec<u8>) -> usize {
    let mut arrived = 0;
    while let Some(ciphertext) = from.take_ciphertext() {
        let mut left = &*ciphertext;
        while !left.is_empty() {
            let Some(room) = to.receive_buffer() else {
                break;
            };
            let count = room.len().min(left.len());
            room[..count].copy_from_slice(&left[..count]);
            to.received(count);
            left = &left[count..];
            while to.next_event().is_some() {}
            while let Some(count) = to.read(|data| {
                plaintext.clear();
                plaintext.extend_from_slice(data);
                data.len()
            }) {
                arrived += count;
            }
        }
    }
    arrived
}

fn ours_connected(connector: &Connector, acceptor: &Acceptor) -> (Ours, Ours) {
    let mut client = Ours::new(connector.connect(HOST).unwrap(), Options::default());
    let mut server = Ours::new(acceptor.accept().unwrap(), Options::default());
    let mut plaintext = Vec::new();
    client.start(Duration::ZERO);
    server.start(Duration::ZERO);
    while client.is_handshaking() || server.is_handshaking() {
        pass(&mut client, &mut server, &mut plaintext);
        pass(&mut server, &mut client, &mut plaintext);
    }
    pass(&mut server, &mut client, &mut plaintext);
    (client, server)
}

/// As `pass`, for rustls's own connections.
fn pass_plain(
    from: &mut rustls::Connection,
    to: &mut rustls::Connection,
    wire: &mut Vec<u8>,
    plaintext: &mut Vec<u8>,
) -> usize {
    wire.clear();
    while from.wants_write() {
        from.write_tls(wire).unwrap();
    }
    let mut left = wire.as_slice();
    let mut arrived = 0;
    while !left.is_empty() {
        to.read_tls(&mut left).unwrap();
        let count = to.process_new_packets().unwrap().plaintext_bytes_to_read();
        plaintext.resize(count, 0);
        to.reader().read_exact(plaintext).unwrap();
        arrived += count;
    }
    arrived
}

fn plain_connected(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> (rustls::Connection, rustls::Connection) {
    let name = HOST.try_into().unwrap();
    let mut client: rustls::Connection = ClientConnection::new(Arc::clone(client), name)
        .unwrap()
        .into();
    let mut server: rustls::Connection = ServerConnection::new(Arc::clone(server)).unwrap().into();
    let (mut wire, mut plaintext) = (Vec::new(), Vec::new());
    while client.is_handshaking() || server.is_handshaking() {
        pass_plain(&mut client, &mut server, &mut wire, &mut plaintext);
        pass_plain(&mut server, &mut client, &mut wire, &mut plaintext);
    }
    pass_plain(&mut server, &mut client, &mut wire, &mut plaintext);
    (client, server)
}

fn handshake(criterion: &mut Criterion) {
    let credentials = Credentials::new();
    let mut group = criterion.benchmark_group("handshake");
    let (connector, acceptor) = credentials.ours();
    group.bench_function("ours", |bench| {
        bench.iter(|| ours_connected(&connector, &acceptor))
    });
    let (client, server) = credentials.plain();
    group.bench_function("rustls", |bench| {
        bench.iter(|| plain_connected(&client, &server))
    });
    group.finish();
}

fn echo(criterion: &mut Criterion) {
    let credentials = Credentials::new();
    let message = vec![7; 1024];
    let mut group = criterion.benchmark_group("echo 1 KiB");
    let (connector, acceptor) = credentials.ours();
    let (mut client, mut server) = ours_connected(&connector, &acceptor);
    let mut plaintext = Vec::new();
    group.bench_function("ours", |bench| {
        bench.iter(|| {
            client.write(message.clone()).unwrap();
            assert_eq!(pass(&mut client, &mut server, &mut plaintext), 1024);
            server.write(message.clone()).unwrap();
            assert_eq!(pass(&mut server, &mut client, &mut plaintext), 1024);
        });
    });
    let (client, server) = credentials.plain();
    let (mut client, mut server) = plain_connected(&client, &server);
    let mut wire = Vec::new();
    group.bench_function("rustls", |bench| {
        bench.iter(|| {
            client.writer().write_all(&message).unwrap();
            assert_eq!(
                pass_plain(&mut client, &mut server, &mut wire, &mut plaintext),
                1024
            );
            server.writer().write_all(&message).unwrap();
            assert_eq!(
                pass_plain(&mut server, &mut client, &mut wire, &mut plaintext),
                1024
            );
        });
    });
    group.finish();
}

fn bulk(criterion: &mut Criterion) {
    let credentials = Credentials::new();
    let message = vec![7; 1024 * 1024];
    let mut group = criterion.benchmark_group("bulk 1 MiB");
    group.throughput(Throughput::Bytes(message.len() as u64));
    let (connector, acceptor) = credentials.ours();
    let (mut client, mut server) = ours_connected(&connector, &acceptor);
    let mut plaintext = Vec::new();
    group.bench_function("ours", |bench| {
        bench.iter(|| {
            client.write(message.clone()).unwrap();
            black_box(pass(&mut client, &mut server, &mut plaintext));
        });
    });
    let (client, server) = credentials.plain();
    let (mut client, mut server) = plain_connected(&client, &server);
    let mut wire = Vec::new();
    group.bench_function("rustls", |bench| {
        bench.iter(|| {
            for part in message.chunks(64 * 1024) {
                client.writer().write_all(part).unwrap();
                pass_plain(&mut client, &mut server, &mut wire, &mut plaintext);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, handshake, echo, bulk);
criterion_main!(benches);
