//! What the protocol's side may ask of reading.

use pyo3::intern;
use pyo3::prelude::*;
use zloop_net::WriteLimits;
use zloop_tls::Limits;

use super::TlsTransport;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};
use crate::transport::{limits_to_python, limits_with_default};

/// What `set_read_buffer_limits` takes for a high limit that is not given.
const DEFAULT_HIGH: i64 = 256 * 1024;

pub(super) fn add_methods(builder: ClassBuilder<TlsTransport>) -> ClassBuilder<TlsTransport> {
    builder
        .bare_method(
            c"pause_reading",
            |transport, py, _| {
                transport.pause();
                Ok(Object::none(py))
            },
            c"pause_reading($self)\n--\n\nStop handing data to the protocol.",
        )
        .bare_method(
            c"resume_reading",
            |transport, py, _| {
                transport.resume(py)?;
                Ok(Object::none(py))
            },
            c"resume_reading($self)\n--\n\nGo on handing data to the protocol.",
        )
        .bare_method(
            c"is_reading",
            |transport, py, _| Ok(Object::boolean(py, !transport.paused.get())),
            c"is_reading($self)\n--\n\nWhether data is handed to the protocol.",
        )
        .bare_method(
            c"get_read_buffer_size",
            get_read_buffer_size,
            c"get_read_buffer_size($self)\n--\n\nHow many bytes wait to be decrypted.",
        )
        .bare_method(
            c"get_read_buffer_limits",
            get_read_buffer_limits,
            c"get_read_buffer_limits($self)\n--\n\nThe low and the high limit of receiving while reading is paused.",
        )
        .method(
            c"set_read_buffer_limits",
            set_read_buffer_limits,
            c"set_read_buffer_limits($self, high=None, low=None)\n--\n\nSet the limits of receiving while reading is paused.",
        )
        .bare_method(
            c"_advance",
            |transport, py, _| {
                transport.advance(py)?;
                Ok(Object::none(py))
            },
            c"_advance($self)\n--\n\nDo what there is to do.",
        )
}

impl Instance<TlsTransport> {
    /// Stops handing data to the protocol.
    pub fn pause(&self) {
        self.paused.set(true);
        self.with_engine(|engine| engine.pause_reading());
    }

    /// Goes on handing data to the protocol, from the next turn on.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    pub fn resume(&self, py: Python<'_>) -> PyResult<()> {
        if self.paused.replace(false) {
            self.with_engine(|engine| engine.resume_reading());
            self.advance_soon(py)?;
        }
        Ok(())
    }

    /// Does in the next turn what there is to do.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    pub(super) fn advance_soon(&self, py: Python<'_>) -> PyResult<()> {
        let advance = self.bind(py).getattr(intern!(py, "_advance"))?;
        self.event_loop
            .bind(py)
            .call_method1(intern!(py, "call_soon"), (advance,))?;
        Ok(())
    }
}

fn get_read_buffer_size(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let size = transport
        .with_engine(|engine| engine.buffered_ciphertext())
        .unwrap_or(0);
    Ok(Object::from(size.into_pyobject(py)?))
}

fn get_read_buffer_limits(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let limits = transport.with_engine(|engine| engine.read_limits());
    let Limits { high, low } = limits.unwrap_or(Limits { high: 0, low: 0 });
    limits_to_python(py, WriteLimits { high, low })
}

fn set_read_buffer_limits(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let WriteLimits { high, low } = limits_with_default(py, &arguments, DEFAULT_HIGH)?;
    transport.with_engine(|engine| engine.set_read_limits(Limits { high, low }));
    transport.update_intake(py)?;
    Ok(Object::none(py))
}
