//! The connection's state machine over either engine.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zloop_tls::{
    Connection, Ending, Error, FlowEvent, Limits, NotWritable, Options, RustlsSession, Session,
};

use super::errors::exception;
use super::rustls_context::{self, RustlsContext};
use super::ssl_session::SslSession;
use crate::raw::bytes::{BytesBuilder, SharedBytes};
use crate::raw::class::Visit;
use crate::raw::object::Object;
use crate::transport::Chunk;

/// How much plaintext is handed to the protocol at a time.
const DELIVERY_LIMIT: usize = 256 * 1024;
/// The ciphertext of the longest record, more or less.
const RECORD_CIPHERTEXT: usize = 16 * 1024 + 256;

/// A connection, by whichever engine.
pub enum Engine {
    /// Python's `ssl`.
    Ssl(Box<Connection<SslSession, Chunk>>),
    /// rustls.
    Rustls(Box<Connection<RustlsSession, Chunk>>, Box<Peer>),
}

/// What a connection by rustls was made for.
pub struct Peer {
    /// The `zloop.SSLContext`.
    pub context: Object,
    /// What it was built into.
    pub rustls: Py<RustlsContext>,
    /// Whether we are the server.
    pub server_side: bool,
    /// The server's name, if we are a client that knows it.
    pub server_hostname: Option<String>,
}

/// What happened, as `zloop_tls::Event` has it, with Python's exceptions.
pub enum Event {
    HandshakeDone,
    PeerClosed(Ending),
    Closed,
    Failed(Failure),
}

/// Why a connection failed.
pub enum Failure {
    Handshake(PyErr),
    Traffic(PyErr),
    HandshakeEnd,
    HandshakeTimeout,
    ShutdownTimeout,
    LateData,
    Transport,
}

macro_rules! each {
    ($engine:expr, $connection:ident => $body:expr) => {
        match $engine {
            Engine::Ssl($connection) => $body,
            Engine::Rustls($connection, _) => $body,
        }
    };
}

impl Engine {
    /// A connection over Python's `ssl`.
    pub fn over_ssl(session: SslSession, options: Options) -> Self {
        Self::Ssl(Box::new(Connection::new(session, options)))
    }

    /// A connection over rustls.
    pub fn over_rustls(session: RustlsSession, options: Options, peer: Peer) -> Self {
        Self::Rustls(Box::new(Connection::new(session, options)), Box::new(peer))
    }

    pub fn start(&mut self, now: Duration) {
        each!(self, connection => connection.start(now));
    }

    pub fn close(&mut self, now: Duration) {
        each!(self, connection => connection.close(now));
    }

    pub fn expire(&mut self, now: Duration) {
        each!(self, connection => connection.expire(now));
    }

    pub fn abort(&mut self) {
        each!(self, connection => connection.abort());
    }

    pub fn is_handshaking(&self) -> bool {
        each!(self, connection => connection.is_handshaking())
    }

    /// Whether it is neither handshaking nor closing: what is received is only kept.
    pub fn is_open(&self) -> bool {
        each!(self, connection => !connection.is_handshaking() && !connection.is_closing())
    }

    pub fn is_closed(&self) -> bool {
        each!(self, connection => connection.is_closed())
    }

    pub fn has_event(&self) -> bool {
        each!(self, connection => connection.has_event())
    }

    pub fn next_event(&mut self) -> Option<Event> {
        match self {
            Self::Ssl(connection) => connection
                .next_event()
                .map(|event| translate(event, |error| error)),
            Self::Rustls(connection, _) => {
                let event = connection.next_event()?;
                Some(translate(event, |error| exception(&error)))
            }
        }
    }

    pub fn receive_buffer(&mut self) -> Option<&mut [u8]> {
        each!(self, connection => connection.receive_buffer())
    }

    pub fn received(&mut self, count: usize) {
        each!(self, connection => connection.received(count));
    }

    pub fn receive(&mut self, ciphertext: &[u8]) {
        each!(self, connection => connection.receive(ciphertext));
    }

    pub fn receive_end(&mut self) {
        each!(self, connection => connection.receive_end());
    }

    pub fn write(&mut self, chunk: Chunk) -> Result<(), NotWritable> {
        each!(self, connection => connection.write(chunk))
    }

    pub fn buffered(&self) -> usize {
        each!(self, connection => connection.buffered())
    }

    pub fn buffered_ciphertext(&self) -> usize {
        each!(self, connection => connection.session().buffered_ciphertext())
    }

    pub fn take_ciphertext(&mut self) -> Option<Chunk> {
        match self {
            Self::Ssl(connection) => connection.take_ciphertext(),
            Self::Rustls(connection, _) => connection.take_ciphertext().map(Chunk::Encrypted),
        }
    }

    pub fn flow(&mut self) -> Option<FlowEvent> {
        each!(self, connection => connection.flow(0))
    }

    pub fn write_limits(&self) -> Limits {
        each!(self, connection => connection.options().write_limits)
    }

    pub fn read_limits(&self) -> Limits {
        each!(self, connection => connection.options().read_limits)
    }

    pub fn set_write_limits(&mut self, limits: Limits) {
        each!(self, connection => connection.set_write_limits(limits));
    }

    pub fn set_read_limits(&mut self, limits: Limits) {
        each!(self, connection => connection.set_read_limits(limits));
    }

    pub fn pause_reading(&mut self) {
        each!(self, connection => connection.pause_reading());
    }

    pub fn resume_reading(&mut self) {
        each!(self, connection => connection.resume_reading());
    }

    pub fn wants_ciphertext(&mut self) -> bool {
        each!(self, connection => connection.wants_ciphertext())
    }

    /// Reads into `buffer` until it is full or nothing is left, and says how many bytes.
    pub fn read_into(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = each!(self, connection => connection.read_into(&mut buffer[filled..]));
            match read {
                Some(count) => filled += count,
                None => break,
            }
        }
        filled
    }

    /// Reads what there is, up to a limit, as one `bytes` object.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn read(&mut self, py: Python<'_>) -> PyResult<Option<Object>> {
        match self {
            Self::Ssl(connection) => gather(py, connection, |plaintext| plaintext),
            Self::Rustls(connection, _) => {
                gather(py, connection, |plaintext| SharedBytes::copy(py, plaintext))
            }
        }
    }

    /// The object that `ssl_object` answers, once the handshake is done.
    ///
    /// # Errors
    /// What making it raises.
    pub fn ssl_object(&self, py: Python<'_>) -> PyResult<Object> {
        match self {
            Self::Ssl(connection) => Ok(connection.session().object().clone()),
            Self::Rustls(connection, peer) => {
                let negotiated = connection
                    .session()
                    .negotiated()
                    .map_err(|error| exception(&error))?;
                let name = peer.server_hostname.as_deref();
                let (context, rustls) = (peer.context.bind(py), peer.rustls.bind(py));
                rustls_context::ssl_object(context, rustls, negotiated, peer.server_side, name)
                    .map(Object::from)
            }
        }
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        match self {
            Self::Ssl(connection) => connection.session().traverse(visit),
            Self::Rustls(_, peer) => visit.object(&peer.context),
        }
    }
}

/// Joins what several records hold. One record's plaintext, the usual case, is handed on as it is.
fn gather<S: Session>(
    py: Python<'_>,
    connection: &mut Connection<S, Chunk>,
    own: impl Fn(S::Plaintext<'_>) -> SharedBytes,
) -> PyResult<Option<Object>> {
    let mut first = None;
    if connection.session().buffered_ciphertext() <= RECORD_CIPHERTEXT {
        first = connection.read(own);
        if first.is_none() || connection.session().buffered_ciphertext() == 0 {
            return Ok(first.map(SharedBytes::into_object));
        }
    }
    let start = first.as_ref().map_or(&[][..], AsRef::as_ref);
    let waiting = connection.session().buffered_ciphertext();
    let most = DELIVERY_LIMIT + RECORD_CIPHERTEXT;
    let mut joined = BytesBuilder::new(py, (start.len() + waiting).min(most))?;
    let mut length = joined.put(0, start);
    let mut rest = Vec::new();
    while length < DELIVERY_LIMIT && rest.is_empty() {
        let read = connection.read(|plaintext| {
            let plaintext = plaintext.as_ref();
            let fits = joined.put(length, plaintext);
            rest.extend_from_slice(&plaintext[fits..]);
            fits
        });
        match read {
            Some(count) => length += count,
            None => break,
        }
    }
    if length == start.len() {
        return Ok(first.map(SharedBytes::into_object));
    }
    let joined = joined.finish(py, length)?;
    if rest.is_empty() {
        return Ok(Some(joined));
    }
    let joined = joined.bind(py).add(PyBytes::new(py, &rest))?;
    Ok(Some(Object::from(joined)))
}

fn translate<E: std::error::Error + 'static>(
    event: zloop_tls::Event<E>,
    exception: impl FnOnce(E) -> PyErr,
) -> Event {
    match event {
        zloop_tls::Event::HandshakeDone => Event::HandshakeDone,
        zloop_tls::Event::PeerClosed(ending) => Event::PeerClosed(ending),
        zloop_tls::Event::Closed => Event::Closed,
        zloop_tls::Event::Failed(error) => Event::Failed(match error {
            Error::Handshake(error) => Failure::Handshake(exception(error)),
            Error::Traffic(error) => Failure::Traffic(exception(error)),
            Error::HandshakeEnd => Failure::HandshakeEnd,
            Error::HandshakeTimeout(_) => Failure::HandshakeTimeout,
            Error::ShutdownTimeout => Failure::ShutdownTimeout,
            Error::LateData => Failure::LateData,
            Error::Transport(_) => Failure::Transport,
        }),
    }
}
