//! From readiness to `data_received` or `buffer_updated`.

use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};
use zloop_core::Interest;
use zloop_net::ReadOutcome;

use super::StreamTransport;
use super::protocol::{Protocol, Receiver};
use crate::errors::os_error;
use crate::event_loop::{READ_SIZE, STREAM_READ_SIZE};
use crate::logging::TARGET;
use crate::raw::arguments::Arguments;
use crate::raw::bytes::{Buffer, BytesBuilder};
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};
use crate::raw::{call, context};
use crate::tls::TlsTransport;

/// From so many bytes on, to copy them costs more than to cut a `bytes` object to size.
const LARGE: usize = 8 * 1024;
/// What brings more than this is bulk, of which as much is read at a time: while more of it is read at a time,
/// its sender has to wait for room.
const BULK: usize = STREAM_READ_SIZE / 2;
/// The same of bulk that is copied: it stays in the processor's cache.
const COPIED_BULK: usize = READ_SIZE;
/// More than a `bytes` object and the allocator need beside the bytes.
const BYTES_OVERHEAD: usize = 4096;
const READ_FAILED: &str = "Fatal read error on socket transport";

pub(super) fn add_methods(builder: ClassBuilder<StreamTransport>) -> ClassBuilder<StreamTransport> {
    builder
        .bare_method(
            c"pause_reading",
            pause_reading,
            c"pause_reading($self)\n--\n\nStop handing data to the protocol.",
        )
        .bare_method(
            c"resume_reading",
            resume_reading,
            c"resume_reading($self)\n--\n\nGo on handing data to the protocol.",
        )
        .bare_method(
            c"is_reading",
            is_reading,
            c"is_reading($self)\n--\n\nWhether data is handed to the protocol.",
        )
}

/// What the last read tells of the next one.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    Small,
    Large,
    /// Larger than what a read brings at a time.
    Bulk,
}

impl Expected {
    /// What to expect once a turn brought so many bytes.
    fn after(length: usize) -> Self {
        if length > BULK {
            Self::Bulk
        } else if length >= LARGE {
            Self::Large
        } else {
            Self::Small
        }
    }

    /// Whether to read into the shared buffer and copy, and how many bytes at most.
    fn way_to_read(self, copies_bulk: bool) -> (bool, usize) {
        match self {
            Self::Small => (true, STREAM_READ_SIZE),
            Self::Large => (false, STREAM_READ_SIZE),
            Self::Bulk if copies_bulk => (true, COPIED_BULK),
            Self::Bulk => (false, BULK),
        }
    }
}

/// Tells the allocator that blocks of a read's size come and go: glibc maps the first ones, page by page, and
/// takes those of a size that was given back from the heap afterwards. A `bytes` object that was cut to size
/// is too small to teach it that, and each one would be mapped and given back.
fn expect_objects_of_read_size() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(
        STREAM_READ_SIZE + BYTES_OVERHEAD,
    )));
}

/// What one read brought.
enum Received {
    Data { data: Object, length: usize },
    End,
    Nothing,
}

impl Instance<StreamTransport> {
    /// Reads once and hands what came to the protocol, in the context that the caller entered.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub(super) fn read_ready(&self, py: Python<'_>) -> PyResult<()> {
        if self.lost_count.get() > 0 {
            return Ok(());
        }
        let Some(protocol) = self.protocol.borrow().clone() else {
            return Ok(());
        };
        match protocol.receiver() {
            Receiver::Streaming(data_received) => self.read_data(py, &protocol, data_received),
            Receiver::Buffered {
                get_buffer,
                buffer_updated,
            } => self.read_into_buffer(py, &protocol, get_buffer, buffer_updated),
            Receiver::Tls(layer) => self.read_ciphertext(py, &protocol, layer),
            Receiver::Missing(method) => self.read_in_vain(py, &protocol, method),
        }
    }

    /// The protocol has no method for data: there is an error once data comes.
    #[cold]
    fn read_in_vain(
        &self,
        py: Python<'_>,
        protocol: &Protocol,
        method: &'static str,
    ) -> PyResult<()> {
        let outcome = self.stream.borrow_mut().read(&mut [0]);
        match outcome {
            Ok(ReadOutcome::Data(_)) => {
                let error = match protocol.object().bind(py).getattr(method) {
                    Ok(_) => PyAttributeError::new_err(method),
                    Err(error) => error,
                };
                let message = "Fatal error: protocol.data_received() call failed.";
                self.fatal_error(py, error, message)
            }
            Ok(ReadOutcome::End) => self.end_received(py, protocol),
            Ok(ReadOutcome::Blocked) => Ok(()),
            Err(error) => self.fatal_error(py, os_error(py, &error), READ_FAILED),
        }
    }

    /// Reads once, or bulk in pieces as long as each is full, as much in a turn as a large read brings.
    fn read_data(
        &self,
        py: Python<'_>,
        protocol: &Protocol,
        data_received: &Object,
    ) -> PyResult<()> {
        let copies_bulk = self.event_loop.copies_bulk();
        let (is_copied, size) = self.expected.get().way_to_read(copies_bulk);
        let mut brought = 0;
        while brought < STREAM_READ_SIZE {
            let received = match self.receive(py, is_copied, size) {
                Ok(received) => received,
                Err(error) => return self.fatal_error(py, error, READ_FAILED),
            };
            let (data, length) = match received {
                Received::Data { data, length } => (data, length),
                Received::End => return self.end_received(py, protocol),
                Received::Nothing => return Ok(()),
            };
            brought += length;
            self.expect(Expected::after(brought));
            let result = call::call1(py, data_received, &data);
            self.end_if_failed(
                py,
                result.map(drop),
                "Fatal error: protocol.data_received() call failed.",
            )?;
            if length < size {
                return Ok(());
            }
            if !self.goes_on_reading(protocol) {
                break;
            }
        }
        self.look_again();
        Ok(())
    }

    fn expect(&self, next: Expected) {
        let before = self.expected.replace(next);
        if matches!(before, Expected::Small) && !matches!(next, Expected::Small) {
            expect_objects_of_read_size();
        }
    }

    /// Whether a protocol that was just handed data wants more.
    fn goes_on_reading(&self, protocol: &Protocol) -> bool {
        let is_same = match &*self.protocol.borrow() {
            Some(current) => current.object().is(protocol.object().as_ptr()),
            None => false,
        };
        is_same && self.lost_count.get() == 0 && self.is_reading()
    }

    /// Reads into TLS's own buffer and has it go on, as long as each read fills the buffer, and as much in a turn as a
    /// large read brings.
    fn read_ciphertext(
        &self,
        py: Python<'_>,
        protocol: &Protocol,
        layer: &Instance<TlsTransport>,
    ) -> PyResult<()> {
        let mut brought = 0;
        while brought < STREAM_READ_SIZE {
            let mut size = 0;
            let outcome = layer.receive(|buffer| {
                size = buffer.len();
                self.stream.borrow_mut().read(buffer)
            });
            let length = match outcome {
                Ok(ReadOutcome::Data(length)) => length,
                Ok(ReadOutcome::End) => return self.end_received(py, protocol),
                // TLS is at work further up the stack, and nothing was read.
                Ok(ReadOutcome::Blocked) if size == 0 => break,
                Ok(ReadOutcome::Blocked) => return Ok(()),
                Err(error) => return self.fatal_error(py, os_error(py, &error), READ_FAILED),
            };
            brought += length;
            self.event_loop.count_received(length);
            let result = layer.advance(py);
            self.end_if_failed(
                py,
                result,
                "Fatal error: protocol.buffer_updated() call failed.",
            )?;
            if length < size {
                return Ok(());
            }
            if !self.goes_on_reading(protocol) {
                break;
            }
        }
        self.look_again();
        Ok(())
    }

    fn receive(&self, py: Python<'_>, is_copied: bool, size: usize) -> PyResult<Received> {
        let received = if is_copied {
            self.receive_copied(py, size)?
        } else {
            self.receive_into_object(py, size)?
        };
        if let Received::Data { length, .. } = received {
            self.event_loop.count_received(length);
        }
        Ok(received)
    }

    /// Reads into the shared buffer and copies what came, once, into an exact `bytes`.
    fn receive_copied(&self, py: Python<'_>, size: usize) -> PyResult<Received> {
        let outcome = self.event_loop.with_read_buffer(size, |buffer| {
            let outcome = self.stream.borrow_mut().read(buffer)?;
            Ok(match outcome {
                ReadOutcome::Data(length) => Received::Data {
                    data: Object::from(PyBytes::new(py, &buffer[..length])),
                    length,
                },
                ReadOutcome::End => Received::End,
                ReadOutcome::Blocked => Received::Nothing,
            })
        });
        outcome.map_err(|error: std::io::Error| os_error(py, &error))
    }

    /// Reads into a `bytes` object, which is then cut to size.
    fn receive_into_object(&self, py: Python<'_>, size: usize) -> PyResult<Received> {
        let mut bytes = BytesBuilder::new(py, size)?;
        let outcome = self.stream.borrow_mut().read_uninit(bytes.spare());
        Ok(match outcome.map_err(|error| os_error(py, &error))? {
            ReadOutcome::Data(length) => Received::Data {
                data: bytes.finish(py, length)?,
                length,
            },
            ReadOutcome::End => Received::End,
            ReadOutcome::Blocked => Received::Nothing,
        })
    }

    fn read_into_buffer(
        &self,
        py: Python<'_>,
        protocol: &Protocol,
        get_buffer: &Object,
        buffer_updated: &Object,
    ) -> PyResult<()> {
        let any_size = Object::from(PyInt::new(py, -1));
        let buffer = call::call1(py, get_buffer, &any_size).and_then(|buffer| {
            if buffer.bind(py).len()? == 0 {
                return Err(PyRuntimeError::new_err(
                    "get_buffer() returned an empty buffer",
                ));
            }
            Ok(buffer)
        });
        let buffer = match buffer {
            Ok(buffer) => buffer,
            Err(error) => {
                return self.end_if_failed(
                    py,
                    Err(error),
                    "Fatal error: protocol.get_buffer() call failed.",
                );
            }
        };
        if self.lost_count.get() > 0 {
            // get_buffer() aborted the connection.
            return Ok(());
        }
        let mut size = 0;
        let outcome = Buffer::writable(buffer.bind(py)).and_then(|mut view| {
            let bytes = view.as_mut_slice()?;
            size = bytes.len();
            Ok(self.stream.borrow_mut().read(bytes))
        });
        let outcome = outcome.map_err(|_| not_writable(buffer.bind(py)));
        drop(buffer);
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return self.end_if_failed(py, Err(error), READ_FAILED),
        };
        match outcome {
            Ok(ReadOutcome::Data(length)) => {
                self.event_loop.count_received(length);
                if length == size {
                    self.look_again();
                }
                let length = Object::from(PyInt::new(py, length));
                let result = call::call1(py, buffer_updated, &length);
                self.end_if_failed(
                    py,
                    result.map(drop),
                    "Fatal error: protocol.buffer_updated() call failed.",
                )
            }
            Ok(ReadOutcome::End) => self.end_received(py, protocol),
            Ok(ReadOutcome::Blocked) => Ok(()),
            Err(error) => self.fatal_error(py, os_error(py, &error), READ_FAILED),
        }
    }

    /// The peer ended its side: the protocol says whether to go on writing.
    fn end_received(&self, py: Python<'_>, protocol: &Protocol) -> PyResult<()> {
        if self.event_loop.is_debug() {
            self.log_debug(py, "%r received EOF")?;
        }
        let keep_open = protocol
            .notify(py, "eof_received")
            .and_then(|answer| answer.bind(py).is_truthy());
        match keep_open {
            Ok(true) => {
                self.read_ended.set(true);
                self.stream.borrow_mut().pause_reading();
                self.update_interest(py)
            }
            Ok(false) => self.close_now(py),
            Err(error) => self.end_if_failed(
                py,
                Err(error),
                "Fatal error: protocol.eof_received() call failed.",
            ),
        }
    }

    /// Stops handing data to the protocol.
    pub fn pause(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_reading() {
            self.paused.set(true);
            self.stream.borrow_mut().pause_reading();
            self.update_interest(py)?;
            if self.event_loop.is_debug() {
                self.log_debug(py, "%r pauses reading")?;
            }
        }
        Ok(())
    }

    /// Goes on handing data to the protocol.
    pub fn resume(&self, py: Python<'_>) -> PyResult<()> {
        if self.closing.get() || !self.paused.replace(false) {
            return Ok(());
        }
        if self.shared_context.is_none() {
            let read_context = context::copy_current(py)?;
            let replaced = std::mem::replace(&mut self.contexts.borrow_mut().read, read_context);
            drop(replaced);
        }
        self.start_reading(py)?;
        if self.event_loop.is_debug() {
            self.log_debug(py, "%r resumes reading")?;
        }
        Ok(())
    }

    fn is_reading(&self) -> bool {
        !self.closing.get() && !self.paused.get()
    }

    /// Reads once, unless the protocol wants nothing by now. To want data again changes what the selector is asked
    /// for, so that it tells again.
    #[inline(always)]
    pub(super) fn read_if_wanted(&self, py: Python<'_>) -> PyResult<()> {
        if !self.interest.get().contains(Interest::READABLE) {
            return Ok(());
        }
        let read_context = self.contexts.borrow().read.clone();
        match context::run(py, &read_context, || self.read_ready(py)) {
            Ok(()) => Ok(()),
            Err(error) => self.read_failed(py, error),
        }
    }

    #[cold]
    fn read_failed(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        // If the exception ends the run, what is left to read is to be told of again, and so is room to write, which
        // may have been told of with it.
        self.look_again();
        self.end_if_failed(py, Err(error), READ_FAILED)
    }

    /// Has the selector, where it waits at edges, tell again of what is left. It does so behind all that is queued,
    /// as it would at levels.
    #[cold]
    pub(super) fn look_again(&self) {
        let Some(token) = self.token.get() else {
            return;
        };
        let told = self
            .event_loop
            .with_reactor(|reactor| reactor.look_again(token));
        if let Some(Err(error)) = told {
            tracing::debug!(target: TARGET, fd = self.fd(), %error, "what is left is not told of");
        }
    }

    /// Has the selector tell of data, if data is wanted.
    pub(super) fn start_reading(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_reading() && self.started.get() && !self.read_ended.get() {
            self.stream.borrow_mut().resume_reading();
            self.update_interest(py)?;
        }
        Ok(())
    }
}

fn pause_reading(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    transport.pause(py)?;
    Ok(Object::none(py))
}

fn resume_reading(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    transport.resume(py)?;
    Ok(Object::none(py))
}

fn is_reading(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    Ok(Object::boolean(py, transport.is_reading()))
}

/// What asyncio's `recv_into` says of a buffer that nothing can be read into.
fn not_writable(buffer: &Bound<'_, PyAny>) -> PyErr {
    match buffer.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!(
            "recv_into() argument 1 must be read-write bytes-like object, not {name}"
        )),
        Err(error) => error,
    }
}
