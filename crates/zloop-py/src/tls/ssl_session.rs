//! Python's `ssl` as an engine: an `SSLObject` between two `MemoryBIO`s.

use std::cell::Cell;
use std::io::IoSlice;

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyInt, PyType};
use zloop_tls::{Cipher, Fault, Handshake, Negotiated, Received, Session};

use crate::raw::bytes::{BytesBuilder, SharedBytes, lend, lend_mut};
use crate::raw::call;
use crate::raw::class::Visit;
use crate::raw::object::Object;
use crate::raw::threads::attached;
use crate::transport::Chunk;

/// The plaintext that a record holds, at most.
const RECORD_PLAINTEXT: usize = 16 * 1024;

/// The classes of the `ssl` module that the engine deals with.
struct Classes {
    memory_bio: Object,
    ssl_object: Py<PyType>,
    want_read: Py<PyType>,
    again: Py<PyType>,
    zero_return: Py<PyType>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

fn classes(py: Python<'_>) -> PyResult<&'static Classes> {
    CLASSES.get_or_try_init(py, || {
        let ssl = py.import("ssl")?;
        let class = |name| -> PyResult<Py<PyType>> {
            Ok(ssl.getattr(name)?.cast_into::<PyType>()?.unbind())
        };
        Ok(Classes {
            memory_bio: Object::from(ssl.getattr("MemoryBIO")?),
            ssl_object: class("SSLObject")?,
            want_read: class("SSLWantReadError")?,
            again: class("SSLSyscallError")?,
            zero_return: class("SSLZeroReturnError")?,
        })
    })
}

/// A TLS connection's engine that is an `ssl.SSLObject`.
///
/// Its errors are the exceptions that `ssl` raised.
pub struct SslSession {
    object: Object,
    incoming: Object,
    outgoing: Object,
    methods: Methods,
    /// Whether it is known that nothing which came from the peer waits to be looked at.
    is_drained: Cell<bool>,
    /// Whether it is known that OpenSSL holds no part of a record.
    is_between_records: bool,
    /// Whether something may wait to be sent.
    has_output: bool,
    peer_closed: bool,
}

/// Bound methods, looked up once: those of the object that `ssl.SSLObject` passes calls on to.
struct Methods {
    /// Whether they take what they need of a buffer before they return.
    keep_nothing: bool,
    do_handshake: Object,
    read: Object,
    write: Object,
    pending: Object,
    shutdown: Object,
    add_incoming: Object,
    take_outgoing: Object,
}

impl SslSession {
    /// Makes the engine of a connection under `context`.
    ///
    /// # Errors
    /// What `wrap_bio` raises.
    pub fn new(
        py: Python<'_>,
        context: &Bound<'_, PyAny>,
        server_side: bool,
        server_hostname: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let classes = classes(py)?;
        let incoming = classes.memory_bio.bind(py).call0()?;
        let outgoing = classes.memory_bio.bind(py).call0()?;
        let keywords = PyDict::new(py);
        keywords.set_item("server_side", server_side)?;
        keywords.set_item("server_hostname", server_hostname)?;
        let object = context.call_method("wrap_bio", (&incoming, &outgoing), Some(&keywords))?;
        let keep_nothing = object.get_type().is(classes.ssl_object.bind(py));
        let (inner, shutdown) = if keep_nothing {
            let inner = object.getattr("_sslobj")?;
            let shutdown = inner.getattr("shutdown")?;
            (inner, shutdown)
        } else {
            (object.clone(), object.getattr("unwrap")?)
        };
        let methods = Methods {
            keep_nothing,
            do_handshake: inner.getattr("do_handshake")?.into(),
            read: inner.getattr("read")?.into(),
            write: inner.getattr("write")?.into(),
            pending: inner.getattr("pending")?.into(),
            shutdown: shutdown.into(),
            add_incoming: incoming.getattr("write")?.into(),
            take_outgoing: outgoing.getattr("read")?.into(),
        };
        Ok(Self {
            object: object.into(),
            incoming: incoming.into(),
            outgoing: outgoing.into(),
            methods,
            is_drained: Cell::new(false),
            is_between_records: false,
            has_output: true,
            peer_closed: false,
        })
    }

    /// The `SSLObject`.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        let methods = &self.methods;
        let held = [
            &self.object,
            &self.incoming,
            &self.outgoing,
            &methods.do_handshake,
            &methods.read,
            &methods.write,
            &methods.pending,
            &methods.shutdown,
            &methods.add_incoming,
            &methods.take_outgoing,
        ];
        held.into_iter().for_each(|object| visit.object(object));
    }

    fn count(object: &Object) -> PyResult<usize> {
        object.bind(attached(object)).extract()
    }

    /// How many bytes to ask for: 0 if nothing that came from the peer waits to be looked at.
    ///
    /// A record's plaintext is never longer than its ciphertext, so that there is no need for room
    /// for the longest record when less than that has come.
    fn readable(&self, py: Python<'_>) -> PyResult<usize> {
        if self.is_drained.get() {
            return Ok(0);
        }
        let waiting = Self::pending_in(py, &self.incoming)?;
        if self.is_between_records {
            self.is_drained.set(waiting == 0);
            return Ok(waiting.min(RECORD_PLAINTEXT));
        }
        if waiting > 0 || Self::count(&call::call0(py, &self.methods.pending)?)? > 0 {
            return Ok(RECORD_PLAINTEXT);
        }
        self.is_drained.set(true);
        Ok(0)
    }

    fn pending_in(py: Python<'_>, bio: &Object) -> PyResult<usize> {
        bio.bind(py).getattr(intern!(py, "pending"))?.extract()
    }

    fn write_part(&self, py: Python<'_>, part: &[u8]) -> PyResult<usize> {
        if self.methods.keep_nothing {
            lend(py, part, |data| self.write_object(py, data))
        } else {
            self.write_object(py, &Object::from(PyBytes::new(py, part)))
        }
    }

    fn write_object(&self, py: Python<'_>, data: &Object) -> PyResult<usize> {
        match call::call1(py, &self.methods.write, data) {
            Ok(count) => Self::count(&count),
            Err(error) if wants_more(py, &error)? => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Reads at most `most` bytes by `read`, which is told how many to ask for and says how many it
    /// got, and says what became of it.
    fn read_by<T>(
        &mut self,
        py: Python<'_>,
        most: usize,
        read: impl FnOnce(&Self, usize) -> PyResult<(T, usize)>,
    ) -> PyResult<Received<T>> {
        if self.peer_closed {
            return Ok(Received::CloseNotify);
        }
        let wanted = self.readable(py)?.min(most);
        if wanted == 0 {
            return Ok(Received::Nothing);
        }
        self.has_output = true;
        let result = read(self, wanted);
        self.is_between_records = match &result {
            Ok((_, count)) => *count < wanted || wanted == RECORD_PLAINTEXT,
            Err(_) => false,
        };
        match result {
            Ok((data, count)) if count > 0 => return Ok(Received::Data(data)),
            Ok(_) => {}
            Err(error) if error.matches(py, classes(py)?.zero_return.bind(py))? => {}
            Err(error) if wants_more(py, &error)? => return Ok(Received::Nothing),
            Err(error) => return Err(error),
        }
        self.peer_closed = true;
        Ok(Received::CloseNotify)
    }
}

/// Whether an exception only says that more has to come from the peer.
fn wants_more(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    let classes = classes(py)?;
    Ok(error.matches(py, classes.want_read.bind(py))?
        || error.matches(py, classes.again.bind(py))?)
}

impl Session for SslSession {
    type Error = PyErr;
    type Plaintext<'a> = SharedBytes;
    type Ciphertext = Chunk;

    fn receive(&mut self, ciphertext: &[u8]) -> PyResult<()> {
        self.is_drained.set(false);
        let py = attached(&self.object);
        lend(py, ciphertext, |data| {
            call::call1(py, &self.methods.add_incoming, data)
        })
        .map(drop)
    }

    fn buffered_ciphertext(&self) -> usize {
        if self.is_drained.get() {
            return 0;
        }
        Self::pending_in(attached(&self.object), &self.incoming).unwrap_or(0)
    }

    fn take_ciphertext(&mut self) -> PyResult<Option<Chunk>> {
        if !std::mem::take(&mut self.has_output) {
            return Ok(None);
        }
        let py = attached(&self.object);
        if Self::pending_in(py, &self.outgoing)? == 0 {
            return Ok(None);
        }
        let data = call::call0(py, &self.methods.take_outgoing)?;
        Ok(SharedBytes::new(data.bind(py)).map(Chunk::Shared))
    }

    fn handshake(&mut self) -> PyResult<Handshake> {
        let object = self.object.clone();
        let py = attached(&object);
        self.has_output = true;
        match call::call0(py, &self.methods.do_handshake) {
            Ok(_) => Ok(Handshake::Done),
            Err(error) if wants_more(py, &error)? => Ok(Handshake::WantsMore),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, plaintext: &[IoSlice<'_>]) -> PyResult<usize> {
        self.has_output = true;
        let py = attached(&self.object);
        let Some(first) = plaintext.first() else {
            return Ok(0);
        };
        if plaintext.len() == 1 || first.len() >= RECORD_PLAINTEXT {
            return self.write_part(py, first);
        }
        let total: usize = plaintext.iter().map(|part| part.len()).sum();
        let mut joined = BytesBuilder::new(py, total.min(RECORD_PLAINTEXT))?;
        let mut length = 0;
        for part in plaintext {
            length += joined.put(length, part);
        }
        self.write_object(py, &joined.finish(py, length)?)
    }

    fn read<R>(&mut self, deliver: impl FnOnce(SharedBytes) -> R) -> PyResult<Received<R>> {
        let object = self.object.clone();
        let py = attached(&object);
        let received = self.read_by(py, RECORD_PLAINTEXT, |session, wanted| {
            let wanted = Object::from(PyInt::new(py, wanted));
            let data = call::call1(py, &session.methods.read, &wanted)?;
            let data = SharedBytes::new(data.bind(py));
            let count = data.as_ref().map_or(0, |data| data.as_ref().len());
            Ok((data, count))
        })?;
        Ok(match received {
            Received::Data(Some(data)) => Received::Data(deliver(data)),
            Received::Data(None) | Received::Nothing => Received::Nothing,
            Received::CloseNotify => Received::CloseNotify,
        })
    }

    fn read_into(&mut self, buffer: &mut [u8]) -> PyResult<Received<usize>> {
        let object = self.object.clone();
        let py = attached(&object);
        self.read_by(py, buffer.len(), |session, wanted| {
            let buffer = &mut buffer[..wanted];
            let wanted = Object::from(PyInt::new(py, wanted));
            let count = if session.methods.keep_nothing {
                lend_mut(py, buffer, |view| {
                    Self::count(&call::call2(py, &session.methods.read, &wanted, view)?)
                })?
            } else {
                let data = call::call1(py, &session.methods.read, &wanted)?;
                let data = data.bind(py).extract::<Vec<u8>>()?;
                buffer[..data.len()].copy_from_slice(&data);
                data.len()
            };
            Ok((count, count))
        })
    }

    fn close_notify(&mut self) -> PyResult<()> {
        let object = self.object.clone();
        let py = attached(&object);
        self.has_output = true;
        self.is_drained.set(false);
        self.is_between_records = false;
        match call::call0(py, &self.methods.shutdown) {
            Ok(_) => self.peer_closed = true,
            Err(error) if wants_more(py, &error)? || is_late_data(py, &error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn negotiated(&self) -> PyResult<Negotiated> {
        let object = self.object.bind(attached(&self.object));
        let cipher: Option<(String, String, u16)> = object.call_method0("cipher")?.extract()?;
        let alpn: Option<String> = object.call_method0("selected_alpn_protocol")?.extract()?;
        let certificate: Option<Vec<u8>> =
            object.call_method1("getpeercert", (true,))?.extract()?;
        Ok(Negotiated {
            version: object.call_method0("version")?.extract()?,
            cipher: cipher.map(|(name, version, secret_bits)| Cipher {
                name,
                version,
                secret_bits,
            }),
            alpn_protocol: alpn.map(String::into_bytes),
            peer_certificates: certificate.into_iter().collect(),
            resumed: object.getattr("session_reused")?.extract()?,
        })
    }

    fn fault(error: &PyErr) -> Fault {
        // Every `ssl.SSLError` is an `OSError`; anything else is a callback's or the memory's.
        if Python::attach(|py| error.is_instance_of::<PyOSError>(py)) {
            Fault::Peer
        } else {
            Fault::Local
        }
    }
}

/// Whether closing failed only because data of the peer's is unread.
fn is_late_data(py: Python<'_>, error: &PyErr) -> bool {
    error
        .value(py)
        .getattr(intern!(py, "reason"))
        .is_ok_and(|reason| {
            reason
                .eq("APPLICATION_DATA_AFTER_CLOSE_NOTIFY")
                .unwrap_or(false)
        })
}
