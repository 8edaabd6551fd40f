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

#![forbid(unsafe_code)]

mod connection;
mod engine;
mod error;
mod session;
mod settings;

pub use self::connection::{Connection, Ending, Event, FlowEvent, Limits, NotWritable, Options};
pub use self::engine::{RustlsError, RustlsSession, VerifyError};
pub use self::error::Error;
pub use self::session::{Cipher, Fault, Handshake, Negotiated, Received, Session};
pub use self::settings::{
    Acceptor, CipherPreference, ClientCertificates, ClientSettings, Connector, Identity, Roots,
    ServerSettings, SettingsError, Verification, Version,
};
