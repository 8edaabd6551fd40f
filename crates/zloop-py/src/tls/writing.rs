//! `write` and its like, and flow control.

use pyo3::exceptions::{PyNotImplementedError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zloop_net::WriteLimits;
use zloop_tls::{FlowEvent, Limits};

use super::TlsTransport;
use crate::event_loop::is_fatal;
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};
use crate::transport::{Chunk, LOG_THRESHOLD, limits_to_python, limits_with_default};

/// Writes are gathered up to this many bytes, to share records; more is encrypted at once.
const GATHER_LIMIT: usize = 64 * 1024;
/// What `set_write_buffer_limits` takes for a high limit that is not given.
const DEFAULT_HIGH: i64 = 512 * 1024;

pub(super) fn add_methods(builder: ClassBuilder<TlsTransport>) -> ClassBuilder<TlsTransport> {
    builder
        .method(
            c"write",
            write,
            c"write($self, data)\n--\n\nSend bytes; what cannot be sent yet is buffered.",
        )
        .method(
            c"writelines",
            writelines,
            c"writelines($self, list_of_data)\n--\n\nSend several pieces of bytes.",
        )
        .bare_method(
            c"write_eof",
            |_, _, _| Err(PyNotImplementedError::new_err(())),
            c"write_eof($self)\n--\n\nNot for TLS: raises NotImplementedError.",
        )
        .bare_method(
            c"can_write_eof",
            |_, py, _| Ok(Object::boolean(py, false)),
            c"can_write_eof($self)\n--\n\nFalse: asyncio ends both directions of a TLS connection at once.",
        )
        .bare_method(
            c"get_write_buffer_size",
            get_write_buffer_size,
            c"get_write_buffer_size($self)\n--\n\nHow many bytes wait to be encrypted.",
        )
        .bare_method(
            c"get_write_buffer_limits",
            get_write_buffer_limits,
            c"get_write_buffer_limits($self)\n--\n\nThe low and the high limit of flow control.",
        )
        .method(
            c"set_write_buffer_limits",
            set_write_buffer_limits,
            c"set_write_buffer_limits($self, high=None, low=None)\n--\n\nSet the limits of flow control.",
        )
        .getter(c"_protocol_paused", |transport, py| {
            Ok(Object::boolean(py, transport.protocol_paused.get()))
        })
}

impl Instance<TlsTransport> {
    /// Takes in data to send.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub fn write_chunks(
        &self,
        py: Python<'_>,
        chunks: impl IntoIterator<Item = Chunk>,
    ) -> PyResult<()> {
        let taken = !self.closing.get()
            && self
                .with_engine(|engine| chunks.into_iter().try_for_each(|chunk| engine.write(chunk)))
                .is_some_and(|written| written.is_ok());
        if !taken {
            return self.write_lost(py);
        }
        let state = self.with_engine(|engine| {
            (
                engine.is_handshaking(),
                engine.buffered(),
                engine.write_limits().high,
            )
        });
        let Some((is_handshaking, buffered, high)) = state else {
            return Ok(());
        };
        if is_handshaking {
            return self.update_flow(py);
        }
        if buffered < GATHER_LIMIT && buffered < high {
            let will_be_sent = self.advancing.get()
                || (self.event_loop.is_in_callback()
                    && self
                        .lower
                        .borrow()
                        .as_ref()
                        .is_some_and(|lower| lower.gather()));
            if will_be_sent {
                return Ok(());
            }
        }
        self.send(py)
    }

    /// Sends what the callbacks that were run wrote.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub fn send_gathered(&self, py: Python<'_>) -> PyResult<()> {
        self.send(py)?;
        if self
            .with_engine(|engine| engine.has_event())
            .unwrap_or(false)
        {
            return self.advance(py);
        }
        Ok(())
    }

    /// Counts a write to a closing connection, and says so after a few.
    fn write_lost(&self, py: Python<'_>) -> PyResult<()> {
        if self.lost_count.get() >= LOG_THRESHOLD {
            imports(py)?
                .logger
                .bind(py)
                .call_method1("warning", ("SSL connection is closed",))?;
        }
        self.lost_count.set(self.lost_count.get() + 1);
        Ok(())
    }

    /// Tells the protocol to pause or to go on, at each crossing of a limit.
    pub(super) fn update_flow(&self, py: Python<'_>) -> PyResult<()> {
        let event = self.with_engine(|engine| engine.flow()).flatten();
        let paused = match event {
            Some(FlowEvent::PauseWriting) => true,
            Some(FlowEvent::ResumeWriting) => false,
            None if self.inherited_pause.get() && !self.lower_paused.get() => false,
            None => return Ok(()),
        };
        self.inherited_pause.set(false);
        if self.protocol_paused.replace(paused) == paused {
            return Ok(());
        }
        let method = if paused {
            "pause_writing"
        } else {
            "resume_writing"
        };
        let Some(protocol) = self.protocol.borrow().clone() else {
            return Ok(());
        };
        match protocol.notify(py, method) {
            Ok(_) => Ok(()),
            Err(error) if is_fatal(py, &error) => Err(error),
            Err(error) => {
                let report = PyDict::new(py);
                report.set_item("message", format!("protocol.{method}() failed"))?;
                report.set_item("exception", error.into_value(py))?;
                report.set_item("transport", self.bind(py))?;
                report.set_item("protocol", protocol.object().bind(py))?;
                self.event_loop
                    .bind(py)
                    .call_method1("call_exception_handler", (report,))?;
                Ok(())
            }
        }
    }
}

fn write(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [data] = arguments.bind(py, "write", ["data"], 1)?;
    let Some(data) = data else {
        return Ok(Object::none(py));
    };
    let Some(chunk) = Chunk::of(&data)? else {
        return Err(not_bytes(&data));
    };
    if !chunk.as_ref().is_empty() {
        transport.write_chunks(py, [chunk])?;
    }
    Ok(Object::none(py))
}

fn writelines(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [list] = arguments.bind(py, "writelines", ["list_of_data"], 1)?;
    let Some(list) = list else {
        return Ok(Object::none(py));
    };
    let mut chunks = Vec::new();
    for data in list.try_iter()? {
        let data = data?;
        chunks.push(Chunk::of(&data)?.ok_or_else(|| not_bytes(&data))?);
    }
    transport.write_chunks(py, chunks)?;
    Ok(Object::none(py))
}

/// What asyncio says of an argument that is no bytes.
fn not_bytes(data: &Bound<'_, PyAny>) -> PyErr {
    match data.get_type().name() {
        Ok(name) => {
            PyTypeError::new_err(format!("data: expecting a bytes-like instance, got {name}"))
        }
        Err(error) => error,
    }
}

fn get_write_buffer_size(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    transport.send(py)?;
    let buffered = transport
        .with_engine(|engine| engine.buffered())
        .unwrap_or(0);
    Ok(Object::from(buffered.into_pyobject(py)?))
}

fn get_write_buffer_limits(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let limits = transport.with_engine(|engine| engine.write_limits());
    let Limits { high, low } = limits.unwrap_or(Limits { high: 0, low: 0 });
    limits_to_python(py, WriteLimits { high, low })
}

fn set_write_buffer_limits(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let WriteLimits { high, low } = limits_with_default(py, &arguments, DEFAULT_HIGH)?;
    transport.with_engine(|engine| engine.set_write_limits(Limits { high, low }));
    transport.send(py)?;
    Ok(Object::none(py))
}
