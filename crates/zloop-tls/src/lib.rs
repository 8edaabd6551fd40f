//! Sans-io TLS: no sockets, no clock, no thread, only bytes and times that the caller brings.
//!
//! Three parts, each of use alone:
//!
//! - [`Session`], what a TLS engine has to offer;
//! - [`Connection`], the state machine over any such engine: the handshake and its timeout, data
//!   both ways with flow control, half-close, the exchange of close_notify and its timeout,
//!   truncation told apart from a clean end, and errors that say whose fault they are;
//! - [`RustlsSession`], the engine that comes with it, from [`ServerSettings`] or
//!   [`ClientSettings`].
//!
//! # The states of a connection
//!
//! Each is named after what it waits for:
//!
//! ```text
//!  ExpectStart
//!      | start
//!      v
//!  ExpectHandshake ----- end of transport, bad bytes, timeout ------------+
//!      | HandshakeDone                                                    |
//!      v                                                                  |
//!  ExpectTraffic ------- bad bytes ---------------------------------------+
//!      |   |  ^                                                           |
//!      |   |  | PeerClosed, write_eof: one direction ends,                |
//!      |   +--+ the other stays open                                      |
//!      |   |                                                              |
//!      |   +---- both directions ended ---------------------------+       |
//!      | close                                                    |       |
//!      v                                                          |       |
//!  ExpectFlush --------- timeout, bad bytes ----------------------|-------+
//!      | the transport took everything, and our close_notify      |       |
//!      v                                                          |       |
//!  ExpectCloseNotify --- timeout, bad bytes, too much late data --|-------+
//!      | the peer's close_notify, or the end of the transport     |       |
//!      v                                                          v       v
//!    Closed <------------------------------------------------- (Closed) (Failed)
//! ```
//!
//! `abort` and a failing transport lead to the last state from every other one. Events stand in
//! capitals: [`Event::Closed`] or [`Event::Failed`] is the last, whichever way it went.
//!
//! # Errors
//!
//! A connection fails once, by [`Event::Failed`] with an [`Error`]; [`Error::fault`] says whether the
//! peer, the own configuration or the transport is to blame. Settings that cannot work are a
//! [`SettingsError`]. The names that [`RustlsError::reason`] and [`VerifyError`] give are OpenSSL's, since
//! those are what logs and people know.
//!
//! # Cryptography
//!
//! aws-lc-rs. With the feature `ring`, off by default, the cipher suites are ring's on processors where
//! they are faster: x86-64 with VAES and without AVX-512. rustls then has two
//! providers, and its own `builder()` panics in a program that has not installed one as the default;
//! the settings of this crate do not ask for it.
//!
//! # Debug builds
//!
//! rustls 0.23 asserts that no alert follows another, and counts close_notify as one: a broken record
//! that comes after ours panics where debug assertions are on, and is answered where they are off.
//! Programs whose debug builds talk to strangers turn them off for rustls, in `Cargo.toml`:
//!
//! ```toml
//! [profile.dev.package.rustls]
//! debug-assertions = false
//! ```
//!
//! # Example
//!
//! A client and a server in one thread, with nothing but memory between them. Over sockets,
//! `examples/tls_echo.rs` does the same.
//!
//! ```
//! use std::time::Duration;
//! use zloop_tls::{
//!     ClientSettings, Connection, Event, Identity, Options, Roots, RustlsSession, ServerSettings,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
//! let server = ServerSettings {
//!     identities: vec![Identity::from_pem(chain.as_bytes(), key.as_bytes())?],
//!     ..ServerSettings::default()
//! };
//! let client =
//!     ClientSettings { roots: Roots::from_pem(chain.as_bytes())?, ..ClientSettings::default() };
//!
//! let mut server: Connection<RustlsSession> =
//!     Connection::new(server.build()?.accept()?, Options::default());
//! let mut client: Connection<RustlsSession> =
//!     Connection::new(client.build()?.connect("localhost")?, Options::default());
//! let now = Duration::ZERO;
//! server.start(now);
//! client.start(now);
//! client.write(b"hello".to_vec())?;
//!
//! let mut heard = Vec::new();
//! while heard.is_empty() {
//!     while let Some(ciphertext) = client.take_ciphertext() {
//!         server.receive(&ciphertext);
//!     }
//!     while let Some(ciphertext) = server.take_ciphertext() {
//!         client.receive(&ciphertext);
//!     }
//!     for connection in [&mut client, &mut server] {
//!         while let Some(event) = connection.next_event() {
//!             assert!(matches!(event, Event::HandshakeDone));
//!         }
//!     }
//!     while server.read(|data| heard.extend_from_slice(data)).is_some() {}
//! }
//! assert_eq!(heard, b"hello");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod connection;
mod engine;
mod error;
mod session;
mod settings;

pub use self::connection::{Connection, Ending, Event, FlowEvent, Limits, NotWritable, Options};
pub use self::engine::{Ciphertext, RustlsError, RustlsSession, VerifyError};
pub use self::error::Error;
pub use self::session::{Cipher, Fault, Handshake, Negotiated, Received, Session};
pub use self::settings::{
    Acceptor, CipherPreference, ClientCertificates, ClientSettings, Connector, Identity, Roots,
    ServerSettings, SettingsError, Verification, Version,
};
