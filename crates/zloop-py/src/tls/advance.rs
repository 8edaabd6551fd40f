//! The way of bytes and events, after anything happened.

use pyo3::exceptions::{PyAttributeError, PyException, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::TlsTransport;
use super::engine::Event;
use super::lower::Lower;
use super::transport::Told;
use crate::raw::bytes::{Buffer, SharedBytes};
use crate::raw::call;
use crate::raw::object::{Instance, Object};
use crate::transport::{Protocol, Receiver};

const FAILED: &str = "Fatal error on SSL protocol";

impl Instance<TlsTransport> {
    /// Does what there is to do: tells the protocol what happened and what came, and sends.
    ///
    /// # Errors
    /// What the protocol's `connection_made` raises, `SystemExit` and `KeyboardInterrupt`.
    pub fn advance(&self, py: Python<'_>) -> PyResult<()> {
        if self.advancing.replace(true) {
            return Ok(());
        }
        let result = self.advance_once(py);
        self.advancing.set(false);
        if result.is_err() && self.told.get() != Told::Nothing {
            // If it ends the run, the next one has to send what was written, and deliver what is left.
            self.advance_soon(py)?;
        }
        result?;
        self.update_intake(py)
    }

    fn advance_once(&self, py: Python<'_>) -> PyResult<()> {
        loop {
            self.tell_events(py)?;
            self.deliver(py)?;
            self.tell_events(py)?;
            self.send(py)?;
            if !self.has_event() {
                return Ok(());
            }
        }
    }

    fn has_event(&self) -> bool {
        self.with_engine(|engine| engine.has_event())
            .unwrap_or(false)
    }

    fn tell_events(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(event) = self.with_engine(|engine| engine.next_event()).flatten() {
            match event {
                Event::HandshakeDone => self.handshake_done(py)?,
                Event::PeerClosed(ending) => self.peer_closed(py, ending)?,
                Event::Closed => self.closed(py)?,
                Event::Failed(failure) => self.failed(py, failure)?,
            }
        }
        Ok(())
    }

    /// Hands on what came, until nothing is left or the protocol wants no more. Does nothing while it
    /// does so already.
    pub(super) fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        if self.delivering.replace(true) {
            return Ok(());
        }
        let result = self.deliver_all(py);
        self.delivering.set(false);
        result
    }

    fn deliver_all(&self, py: Python<'_>) -> PyResult<()> {
        loop {
            if self.told.get() == Told::Nothing || self.paused.get() {
                return Ok(());
            }
            let Some(protocol) = self.protocol.borrow().clone() else {
                return Ok(());
            };
            let delivered = match protocol.receiver() {
                Receiver::Streaming(data_received) => self.deliver_bytes(py, data_received),
                Receiver::Buffered {
                    get_buffer,
                    buffer_updated,
                } => self.deliver_into(py, get_buffer, buffer_updated),
                Receiver::Tls(upper) => self.deliver_ciphertext(py, upper),
                Receiver::Missing(method) => self.deliver_in_vain(py, &protocol, method),
            };
            match delivered {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if error.is_instance_of::<PyException>(py) => {
                    return self.fatal_error(py, error, FAILED);
                }
                // The transport below reports it, as asyncio's does.
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes what came as one object; counts for every kind of protocol.
    fn take_data(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        self.with_engine(|engine| engine.read(py))
            .unwrap_or(Ok(None))
    }

    fn deliver_bytes(&self, py: Python<'_>, data_received: &Object) -> PyResult<bool> {
        let Some(data) = self.take_data(py)? else {
            return Ok(false);
        };
        call::call1(py, data_received, &data)?;
        Ok(true)
    }

    fn deliver_into(
        &self,
        py: Python<'_>,
        get_buffer: &Object,
        buffer_updated: &Object,
    ) -> PyResult<bool> {
        let waiting = self
            .with_engine(|engine| engine.buffered_ciphertext())
            .unwrap_or(0);
        let buffer = call::call1(py, get_buffer, &Object::from(PyInt::new(py, waiting)))?;
        if buffer.bind(py).len()? == 0 {
            return Err(PyRuntimeError::new_err(
                "get_buffer() returned an empty buffer",
            ));
        }
        let mut view = Buffer::writable(buffer.bind(py))?;
        let bytes = view.as_mut_slice()?;
        let count = self
            .with_engine(|engine| engine.read_into(bytes))
            .unwrap_or(0);
        drop(view);
        if count == 0 {
            return Ok(false);
        }
        call::call1(py, buffer_updated, &Object::from(PyInt::new(py, count)))?;
        Ok(true)
    }

    /// The protocol is TLS once more.
    fn deliver_ciphertext(&self, py: Python<'_>, upper: &Instance<TlsTransport>) -> PyResult<bool> {
        let Some(data) = self.take_data(py)? else {
            return Ok(false);
        };
        if let Some(bytes) = SharedBytes::new(data.bind(py)) {
            upper.with_engine(|engine| engine.receive(bytes.as_ref()));
        }
        upper.advance(py)?;
        Ok(true)
    }

    fn deliver_in_vain(
        &self,
        py: Python<'_>,
        protocol: &Protocol,
        method: &'static str,
    ) -> PyResult<bool> {
        if self.take_data(py)?.is_none() {
            return Ok(false);
        }
        protocol.object().bind(py).getattr(method)?;
        Err(PyAttributeError::new_err(method))
    }

    /// Encrypts what was written, as far as the transport below takes it, and lets the protocol
    /// know how much waits.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub fn send(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(lower) = self.lower() {
            self.send_through(py, &lower, false)?;
        }
        self.update_flow(py)
    }

    /// Gives ciphertext to the transport below: all of it, or what it takes.
    pub(super) fn send_through(&self, py: Python<'_>, lower: &Lower, all: bool) -> PyResult<()> {
        while all || !self.lower_paused.get() {
            let ciphertext = self
                .with_engine(|engine| engine.take_ciphertext())
                .flatten();
            let Some(ciphertext) = ciphertext else {
                break;
            };
            lower.write(py, ciphertext)?;
            // One write to a lost connection is counted once, however much it brings.
            if lower.is_lost() {
                break;
            }
        }
        lower.flush_bulk(py)
    }

    /// Has the transport below stop or go on receiving.
    pub(super) fn update_intake(&self, py: Python<'_>) -> PyResult<()> {
        let Some(lower) = self.lower() else {
            return Ok(());
        };
        let wanted = self
            .with_engine(|engine| engine.is_closed() || engine.wants_ciphertext())
            .unwrap_or(true);
        if wanted == self.intake_stopped.get() {
            self.intake_stopped.set(!wanted);
            lower.set_reading(py, wanted)?;
        }
        Ok(())
    }
}
