//! rustls as a [`Session`].

mod cipher;
mod ciphertext;
mod error;
mod inbound;
mod records;
mod verify_error;

use std::fmt;
use std::io::IoSlice;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};

pub use self::ciphertext::Ciphertext;
pub use self::error::RustlsError;
pub(crate) use self::verify_error::Refusal;
pub use self::verify_error::VerifyError;

use self::inbound::Inbound;
use self::records::{Outgoing, RECORD_PLAINTEXT, Step, Task, settle};
use crate::{Fault, Handshake, Negotiated, Received, Session};

/// A TLS connection's engine that is rustls, for either side.
///
/// Made by [`Connector::connect`](crate::Connector::connect) and
/// [`Acceptor::accept`](crate::Acceptor::accept). Ciphertext is received into its own buffer, and
/// plaintext is encrypted straight from the writer's memory.
///
/// Invariant: `stash` holds data that was decrypted before anybody asked for it, and comes before
/// everything that `inbound` holds.
///
/// Invariant: once `broken`, rustls is asked for nothing more; `failure` is the error of the
/// receiving side that a writer met, kept for the reader to find behind the stash.
pub struct RustlsSession {
    side: Side,
    inbound: Inbound,
    outbound: Ciphertext,
    stash: Vec<u8>,
    stash_used: usize,
    peer_closed: bool,
    broken: bool,
    failure: Option<RustlsError>,
}

enum Side {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

impl RustlsSession {
    pub(crate) fn client(connection: UnbufferedClientConnection) -> Self {
        Self::new(Side::Client(Box::new(connection)))
    }

    pub(crate) fn server(connection: UnbufferedServerConnection) -> Self {
        Self::new(Side::Server(Box::new(connection)))
    }

    fn new(side: Side) -> Self {
        Self {
            side,
            inbound: Inbound::new(),
            outbound: Ciphertext::default(),
            stash: Vec::new(),
            stash_used: 0,
            peer_closed: false,
            broken: false,
            failure: None,
        }
    }

    /// Whether this is the server's side.
    pub fn is_server(&self) -> bool {
        matches!(self.side, Side::Server(_))
    }

    fn common(&self) -> &CommonState {
        match &self.side {
            Side::Client(connection) => connection,
            Side::Server(connection) => connection,
        }
    }

    fn step(&mut self, task: Task<'_>) -> Result<Step, RustlsError> {
        let expects_client_hello = self.common().protocol_version().is_none() && self.is_server();
        let inbound = self.inbound.unused();
        let plain_http = expects_client_hello && looks_like_http(inbound);
        let outbound = &mut self.outbound;
        let (discard, step) = match &mut self.side {
            Side::Client(connection) => {
                settle(connection.process_tls_records(inbound), outbound, task)
            }
            Side::Server(connection) => {
                settle(connection.process_tls_records(inbound), outbound, task)
            }
        };
        self.inbound.discard(discard);
        match step {
            Ok(step) => {
                self.peer_closed |= step == Step::PeerClosed;
                Ok(step)
            }
            Err(error) => {
                self.broken = true;
                self.collect_alert();
                Err(if plain_http {
                    RustlsError::PlainHttp
                } else {
                    error.into()
                })
            }
        }
    }

    /// As `step`, with data that nobody asked for yet put aside.
    fn step_stashing(&mut self, send: Outgoing<'_>) -> Result<Step, RustlsError> {
        let mut stash = std::mem::take(&mut self.stash);
        // Else a reader that always leaves something would have all keep growing that ever came.
        stash.drain(..std::mem::take(&mut self.stash_used));
        let mut put_aside = |plaintext: &[u8]| stash.extend_from_slice(plaintext);
        let step = self.step(Task {
            on_data: Some(&mut put_aside),
            send,
        });
        self.stash = stash;
        step
    }

    /// Takes from rustls what it queued for the peer, if it did.
    fn collect_queued(&mut self) -> Result<(), RustlsError> {
        while self.common().wants_write() {
            self.step_stashing(Outgoing::Nothing)?;
        }
        Ok(())
    }

    /// Takes the alert that rustls made on an error. It hands out what is queued before it looks
    /// at anything inbound, which it must not do again.
    fn collect_alert(&mut self) {
        while self.common().wants_write() {
            let task = Task {
                on_data: Some(&mut |_| {}),
                send: Outgoing::Nothing,
            };
            let step = match &mut self.side {
                Side::Client(connection) => settle(
                    connection.process_tls_records(&mut []),
                    &mut self.outbound,
                    task,
                ),
                Side::Server(connection) => settle(
                    connection.process_tls_records(&mut []),
                    &mut self.outbound,
                    task,
                ),
            };
            if step.1.is_err() {
                break;
            }
        }
    }

    /// Sends, whatever has to be done before. Says whether it could.
    fn send(&mut self, outgoing: Outgoing<'_>) -> Result<bool, RustlsError> {
        while !self.broken {
            match self.step_stashing(outgoing) {
                Ok(Step::Sent) => return Ok(true),
                Ok(Step::Idle) => break,
                Ok(Step::Again | Step::Data | Step::PeerClosed) => {}
                Err(error) if error.is_encrypting() => return Err(error),
                Err(error) => self.failure = Some(error),
            }
        }
        Ok(false)
    }
}

impl Session for RustlsSession {
    type Error = RustlsError;
    type Plaintext<'a> = &'a [u8];
    type Ciphertext = Ciphertext;

    fn receive(&mut self, ciphertext: &[u8]) -> Result<(), RustlsError> {
        self.inbound.push(ciphertext);
        Ok(())
    }

    fn receive_buffer(&mut self) -> Option<&mut [u8]> {
        Some(self.inbound.room())
    }

    fn received(&mut self, count: usize) {
        self.inbound.fill(count);
    }

    fn buffered_ciphertext(&self) -> usize {
        self.inbound.len() + self.stash.len() - self.stash_used
    }

    fn take_ciphertext(&mut self) -> Result<Option<Ciphertext>, RustlsError> {
        if !self.broken {
            self.collect_queued()?;
        }
        let outbound = std::mem::take(&mut self.outbound);
        Ok(if outbound.is_empty() {
            None
        } else {
            Some(outbound)
        })
    }

    fn handshake(&mut self) -> Result<Handshake, RustlsError> {
        while !self.broken && self.common().is_handshaking() {
            let task = Task {
                on_data: None,
                send: Outgoing::Nothing,
            };
            match self.step(task) {
                Ok(Step::Again) => {}
                Ok(Step::Data | Step::PeerClosed | Step::Sent | Step::Idle) => break,
                // rustls looked at what follows the handshake's end already.
                Err(error) if !self.common().is_handshaking() => self.failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        Ok(if self.common().is_handshaking() {
            Handshake::WantsMore
        } else {
            Handshake::Done
        })
    }

    fn write(&mut self, plaintext: &[IoSlice<'_>]) -> Result<usize, RustlsError> {
        let Some(first) = plaintext.first() else {
            return Ok(0);
        };
        let mut joined = Vec::new();
        let part: &[u8] = if plaintext.len() == 1 || first.len() >= RECORD_PLAINTEXT {
            first
        } else {
            let total: usize = plaintext.iter().map(|part| part.len()).sum();
            joined.reserve_exact(total.min(RECORD_PLAINTEXT));
            for part in plaintext {
                let fits = part.len().min(RECORD_PLAINTEXT - joined.len());
                joined.extend_from_slice(&part[..fits]);
            }
            &joined
        };
        let sent = self.send(Outgoing::Data(part))?;
        Ok(if sent { part.len() } else { 0 })
    }

    fn read<R>(&mut self, deliver: impl FnOnce(&[u8]) -> R) -> Result<Received<R>, RustlsError> {
        if self.stash_used < self.stash.len() {
            let delivered = deliver(&self.stash[self.stash_used..]);
            self.stash = Vec::new();
            self.stash_used = 0;
            return Ok(Received::Data(delivered));
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut deliver = Some(deliver);
        let mut delivered = None;
        let mut on_data = |plaintext: &[u8]| {
            delivered = deliver.take().map(|deliver| deliver(plaintext));
        };
        while !self.peer_closed && !self.broken {
            let task = Task {
                on_data: Some(&mut on_data),
                send: Outgoing::Nothing,
            };
            match self.step(task)? {
                Step::Again | Step::PeerClosed => {}
                Step::Data | Step::Sent | Step::Idle => {
                    return Ok(delivered.map_or(Received::Nothing, Received::Data));
                }
            }
        }
        Ok(if self.peer_closed {
            Received::CloseNotify
        } else {
            Received::Nothing
        })
    }

    fn read_into(&mut self, buffer: &mut [u8]) -> Result<Received<usize>, RustlsError> {
        if self.stash_used == self.stash.len() {
            let mut rest = Vec::new();
            let received = self.read(|plaintext| {
                let fits = plaintext.len().min(buffer.len());
                buffer[..fits].copy_from_slice(&plaintext[..fits]);
                rest.extend_from_slice(&plaintext[fits..]);
                fits
            })?;
            self.stash = rest;
            self.stash_used = 0;
            return Ok(received);
        }
        let waiting = &self.stash[self.stash_used..];
        let fits = waiting.len().min(buffer.len());
        buffer[..fits].copy_from_slice(&waiting[..fits]);
        self.stash_used += fits;
        if self.stash_used == self.stash.len() {
            self.stash = Vec::new();
            self.stash_used = 0;
        }
        Ok(Received::Data(fits))
    }

    fn close_notify(&mut self) -> Result<(), RustlsError> {
        self.send(Outgoing::CloseNotify).map(|_| ())
    }

    fn negotiated(&self) -> Result<Negotiated, RustlsError> {
        let common = self.common();
        Ok(Negotiated {
            version: common.protocol_version().map(version_name),
            cipher: common.negotiated_cipher_suite().map(cipher::describe),
            alpn_protocol: common.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: common
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|certificate| certificate.to_vec())
                .collect(),
            resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    fn fault(error: &RustlsError) -> Fault {
        error.fault()
    }
}

impl fmt::Debug for RustlsSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RustlsSession")
            .field("server", &self.is_server())
            .field("handshaking", &self.common().is_handshaking())
            .field("buffered_ciphertext", &self.buffered_ciphertext())
            .finish_non_exhaustive()
    }
}

fn looks_like_http(bytes: &[u8]) -> bool {
    [
        b"GET ".as_slice(),
        b"POST ",
        b"HEAD ",
        b"PUT ",
        b"CONNE",
        b"OPTIO",
        b"DELET",
        b"PATCH",
    ]
    .iter()
    .any(|start| bytes.starts_with(start))
}

/// A version's name as OpenSSL has it.
fn version_name(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2".into(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".into(),
        other => format!("{other:?}"),
    }
}
