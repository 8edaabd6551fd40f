//! The writing end.

use std::cell::RefCell;
use std::ffi::CStr;

use pyo3::exceptions::{PyAssertionError, PyBrokenPipeError, PyOSError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyType};
use zloop_core::{Interest, Readiness};
use zloop_net::{Descriptor, FlushOutcome, Stream};

use crate::errors::os_error;
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::{Class, ClassBuilder, NativeClass, Placement, Visit};
use crate::raw::context;
use crate::raw::object::{Instance, Object};
use crate::transport::chunk::Chunk;
use crate::transport::endpoint::{self, AnyEndpoint, Endpoint, EndpointTransport, Parts};
use crate::transport::{LOG_THRESHOLD, flow};

/// The native part of `zloop._pipe_transports.WritePipeTransport`.
pub struct WritePipeTransport {
    endpoint: Endpoint,
    stream: RefCell<Stream<Chunk>>,
    /// Whether readability says that the peer is gone, which it does on pipes and sockets.
    watches_peer: bool,
}

impl WritePipeTransport {
    /// Makes a transport, which calls `connection_made` at the next turn.
    ///
    /// # Errors
    /// `OSError` if the descriptor cannot be registered, or what Python raises on the way.
    pub fn create(py: Python<'_>, parts: Parts, watches_peer: bool) -> PyResult<Instance<Self>> {
        let mut stream = Stream::new(Descriptor::Borrowed(parts.fd));
        stream.pause_reading();
        let transport = Self {
            endpoint: Endpoint::new(py, parts, Self::RECEIVE)?,
            stream: RefCell::new(stream),
            watches_peer,
        };
        let transport = imports(py)?
            .write_pipe_transport
            .instantiate(py, transport)?;
        transport.begin(py)?;
        Ok(transport)
    }

    /// Builds the Python class.
    ///
    /// # Errors
    /// What CPython raises when the class cannot be made.
    pub fn class(module: &Bound<'_, PyModule>) -> PyResult<NativeClass<Self>> {
        let base = module
            .py()
            .import("asyncio")?
            .getattr("Transport")?
            .cast_into::<PyType>()?;
        endpoint::add_methods(ClassBuilder::<Self>::new())
            .method(c"write", write, c"write($self, data)\n--\n\nWrite bytes; what the pipe cannot take yet is buffered.")
            .bare_method(c"write_eof", write_eof, c"write_eof($self)\n--\n\nClose once what is buffered was written.")
            .bare_method(c"can_write_eof", |_, py, _| Ok(Object::boolean(py, true)), c"can_write_eof($self)\n--\n\nTrue: closing tells the reader of the end.")
            .bare_method(c"close", write_eof, c"close($self)\n--\n\nClose once what is buffered was written.")
            .bare_method(c"abort", abort, c"abort($self)\n--\n\nClose at once, dropping what is buffered.")
            .bare_method(c"get_write_buffer_size", get_write_buffer_size, c"get_write_buffer_size($self)\n--\n\nHow many bytes wait to be written.")
            .bare_method(c"get_write_buffer_limits", get_write_buffer_limits, c"get_write_buffer_limits($self)\n--\n\nThe low and the high limit of flow control.")
            .method(c"set_write_buffer_limits", set_write_buffer_limits, c"set_write_buffer_limits($self, high=None, low=None)\n--\n\nSet the limits of flow control.")
            .build(module, &base, true)
    }
}

impl Class for WritePipeTransport {
    const NAME: &'static CStr = c"zloop._zloop.WritePipeTransport";
    const DOC: &'static CStr = c"The native part of a transport that writes to a pipe.";

    fn placement() -> &'static Placement {
        static PLACEMENT: Placement = Placement::behind_base();
        &PLACEMENT
    }

    fn traverse(&self, visit: &mut Visit) {
        self.endpoint.traverse(visit);
    }

    fn clear(&self) {
        self.endpoint.clear();
    }
}

impl EndpointTransport for WritePipeTransport {
    const RECEIVE: Option<&'static str> = None;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn wanted(&self) -> Interest {
        if self.endpoint.loss_scheduled.get() {
            return Interest::NONE;
        }
        let watching = self.watches_peer && self.endpoint.started.get();
        let peer = if watching {
            Interest::READABLE
        } else {
            Interest::NONE
        };
        let room = if self.has_unsent() {
            Interest::WRITABLE
        } else {
            Interest::NONE
        };
        peer | room
    }

    fn has_unsent(&self) -> bool {
        self.stream.borrow().buffered() > 0
    }

    fn drop_unsent(&self) {
        self.stream.borrow_mut().abort();
    }

    fn is_quiet(py: Python<'_>, error: &PyErr) -> bool {
        error.is_instance_of::<PyOSError>(py)
    }

    fn ready(transport: &Instance<Self>, py: Python<'_>, readiness: Readiness) -> PyResult<()> {
        if readiness.is_readable() && transport.waits_for(Interest::READABLE) {
            transport.peer_gone(py)?;
        }
        if readiness.is_writable() && transport.waits_for(Interest::WRITABLE) {
            transport.write_ready(py)?;
        }
        Ok(())
    }

    fn any(transport: Instance<Self>) -> AnyEndpoint {
        AnyEndpoint::WritePipe(transport)
    }
}

impl Instance<WritePipeTransport> {
    fn peer_gone(&self, py: Python<'_>) -> PyResult<()> {
        self.log(py, "info", "%r was closed by peer")?;
        let reason = self
            .has_unsent()
            .then(|| Object::from(PyBrokenPipeError::new_err(()).into_value(py)));
        self.close_by_force(py, reason)
    }

    /// The pipe takes more: goes on writing.
    fn write_ready(&self, py: Python<'_>) -> PyResult<()> {
        match self.endpoint.write_context() {
            Some(write_context) => context::run(py, &write_context, || self.write_more(py)),
            None => self.write_more(py),
        }
    }

    fn write_more(&self, py: Python<'_>) -> PyResult<()> {
        if self.flush(py)? == Some(FlushOutcome::Flushed) {
            self.update_flow(py)?;
            if self.endpoint.closing.get() && !self.has_unsent() {
                return self.connection_lost(py);
            }
        }
        self.update_interest(py)
    }

    /// Writes as much as the pipe takes; `None` if that ended the transport.
    fn flush(&self, py: Python<'_>) -> PyResult<Option<FlushOutcome>> {
        let (outcome, sent) = {
            let mut stream = self.stream.borrow_mut();
            let waiting = stream.buffered();
            let outcome = stream.flush();
            (outcome, waiting - stream.buffered())
        };
        self.endpoint.event_loop.count_sent(sent);
        match outcome {
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) => {
                self.endpoint
                    .lost_count
                    .set(self.endpoint.lost_count.get() + 1);
                self.fatal_error(
                    py,
                    os_error(py, &error),
                    "Fatal write error on pipe transport",
                )?;
                Ok(None)
            }
        }
    }

    fn update_flow(&self, py: Python<'_>) -> PyResult<()> {
        let event = self.stream.borrow_mut().flow();
        self.tell_flow(py, event)
    }

    /// Counts a write that comes too late, and says so after a few.
    fn write_lost(&self, py: Python<'_>) -> PyResult<()> {
        let count = self.endpoint.lost_count.get();
        if count >= LOG_THRESHOLD {
            let message = "pipe closed by peer or os.write(pipe, data) raised exception.";
            imports(py)?
                .logger
                .bind(py)
                .call_method1("warning", (message,))?;
        }
        self.endpoint.lost_count.set(count + 1);
        Ok(())
    }
}

fn write(
    transport: &Instance<WritePipeTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [Some(data)] = arguments.bind(py, "write", ["data"], 1)? else {
        return Err(PyTypeError::new_err(
            "write() missing 1 required positional argument: 'data'",
        ));
    };
    let Some(chunk) = Chunk::of(&data)? else {
        return Err(PyAssertionError::new_err(data.repr()?.unbind()));
    };
    if chunk.as_ref().is_empty() {
        return Ok(Object::none(py));
    }
    let endpoint = &transport.endpoint;
    if endpoint.lost_count.get() > 0 || endpoint.closing.get() {
        transport.write_lost(py)?;
        return Ok(Object::none(py));
    }
    let waits = transport.has_unsent();
    // It was asked above whether the pipe is closing.
    let _ = transport.stream.borrow_mut().write(chunk);
    if !waits {
        match transport.flush(py)? {
            Some(FlushOutcome::Blocked) => {
                endpoint.renew_write_context(py)?;
                transport.update_interest(py)?;
            }
            Some(FlushOutcome::Flushed) | None => return Ok(Object::none(py)),
        }
    }
    transport.update_flow(py)?;
    Ok(Object::none(py))
}

fn write_eof(
    transport: &Instance<WritePipeTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    if !transport.endpoint.closing.replace(true) && !transport.has_unsent() {
        transport.schedule_loss(py, None)?;
    }
    Ok(Object::none(py))
}

fn abort(
    transport: &Instance<WritePipeTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    transport.close_by_force(py, None)?;
    Ok(Object::none(py))
}

fn get_write_buffer_size(
    transport: &Instance<WritePipeTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let buffered = transport.stream.borrow().buffered();
    Ok(Object::from(buffered.into_pyobject(py)?))
}

fn get_write_buffer_limits(
    transport: &Instance<WritePipeTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let limits = transport.stream.borrow().write_limits();
    flow::to_python(py, limits)
}

fn set_write_buffer_limits(
    transport: &Instance<WritePipeTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let limits = flow::limits_of(py, &arguments)?;
    transport.stream.borrow_mut().set_write_limits(limits);
    transport.update_flow(py)?;
    Ok(Object::none(py))
}
