//! The reading end.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyModule, PyType};
use zloop_core::{Interest, Readiness};
use zloop_net::{Descriptor, ReadOutcome, Stream};

use crate::errors::os_error;
use crate::event_loop::READ_SIZE;
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::bytes::BytesBuilder;
use crate::raw::class::{Class, ClassBuilder, NativeClass, Placement, Visit};
use crate::raw::object::{Instance, Object};
use crate::raw::{call, context};
use crate::transport::chunk::Chunk;
use crate::transport::endpoint::{self, AnyEndpoint, Endpoint, EndpointTransport, Parts, Step};

const DATA_RECEIVED: &str = "data_received";

/// What a terminal says when the other side is gone.
const EIO: i32 = 5;

/// The native part of `zloop._pipe_transports.ReadPipeTransport`.
pub struct ReadPipeTransport {
    endpoint: Endpoint,
    stream: RefCell<Stream<Chunk>>,
    /// Whether the last read filled the shared buffer.
    reads_are_large: Cell<bool>,
}

impl ReadPipeTransport {
    /// Makes a transport, which calls `connection_made` at the next turn.
    ///
    /// # Errors
    /// `OSError` if the descriptor cannot be registered, or what Python raises on the way.
    pub fn create(py: Python<'_>, parts: Parts) -> PyResult<Instance<Self>> {
        let stream = RefCell::new(Stream::new(Descriptor::Borrowed(parts.fd)));
        let transport = Self {
            endpoint: Endpoint::new(py, parts, Self::RECEIVE)?,
            stream,
            reads_are_large: Cell::new(false),
        };
        let transport = imports(py)?
            .read_pipe_transport
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
            .getattr("ReadTransport")?
            .cast_into::<PyType>()?;
        let builder =
            endpoint::add_reading_methods(endpoint::add_methods(ClassBuilder::<Self>::new()));
        builder
            .bare_method(
                c"close",
                close,
                c"close($self)\n--\n\nClose; what was not read is lost.",
            )
            .build(module, &base, true)
    }
}

impl Class for ReadPipeTransport {
    const NAME: &'static CStr = c"zloop._zloop.ReadPipeTransport";
    const DOC: &'static CStr = c"The native part of a transport that reads from a pipe.";

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

impl EndpointTransport for ReadPipeTransport {
    const RECEIVE: Option<&'static str> = Some(DATA_RECEIVED);

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn wanted(&self) -> Interest {
        if self.endpoint.started.get() && self.endpoint.is_reading() {
            Interest::READABLE
        } else {
            Interest::NONE
        }
    }

    fn has_unsent(&self) -> bool {
        false
    }

    fn drop_unsent(&self) {}

    fn is_quiet(py: Python<'_>, error: &PyErr) -> bool {
        error.is_instance_of::<PyOSError>(py)
            && error
                .value(py)
                .getattr(intern!(py, "errno"))
                .and_then(|number| number.extract::<i32>())
                .is_ok_and(|number| number == EIO)
    }

    fn ready(transport: &Instance<Self>, py: Python<'_>, readiness: Readiness) -> PyResult<()> {
        if readiness.is_readable() && transport.waits_for(Interest::READABLE) {
            return transport.read_ready(py);
        }
        Ok(())
    }

    /// Tells the protocol that the end was reached.
    fn proceed(transport: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let Some(protocol) = transport.endpoint.protocol() else {
            return Ok(());
        };
        let read_context = transport.endpoint.read_context();
        let told = context::run(py, &read_context, || {
            protocol
                .object()
                .bind(py)
                .call_method0(intern!(py, "eof_received"))
                .map(drop)
        });
        transport.check_callback(
            py,
            protocol.object(),
            "eof_received",
            &Object::none(py),
            told,
        )
    }

    fn any(transport: Instance<Self>) -> AnyEndpoint {
        AnyEndpoint::ReadPipe(transport)
    }
}

impl Instance<ReadPipeTransport> {
    /// Reads once and hands what came to the protocol.
    fn read_ready(&self, py: Python<'_>) -> PyResult<()> {
        let received = if self.reads_are_large.get() {
            self.receive_large(py)
        } else {
            self.receive(py)
        };
        match received {
            Ok(Received::Data(data)) => self.data_received(py, &data),
            Ok(Received::End) => self.end_received(py),
            Ok(Received::Nothing) => Ok(()),
            Err(error) => self.fatal_error(py, error, "Fatal read error on pipe transport"),
        }
    }

    fn data_received(&self, py: Python<'_>, data: &Object) -> PyResult<()> {
        let Some(protocol) = self.endpoint.protocol() else {
            return Ok(());
        };
        let read_context = self.endpoint.read_context();
        let told = context::run(py, &read_context, || {
            call::call1(py, &protocol.method(py, DATA_RECEIVED)?, data).map(drop)
        });
        self.check_callback(py, protocol.object(), DATA_RECEIVED, data, told)
    }

    fn end_received(&self, py: Python<'_>) -> PyResult<()> {
        self.log(py, "info", "%r was closed by peer")?;
        self.endpoint.closing.set(true);
        self.put_off(Step::Proceed);
        self.schedule_loss(py, None)
    }

    /// Reads into the shared buffer and copies what came, once, into an exact `bytes`.
    fn receive(&self, py: Python<'_>) -> PyResult<Received> {
        let outcome = self
            .endpoint
            .event_loop
            .with_read_buffer(READ_SIZE, |buffer| {
                Ok(match self.stream.borrow_mut().read(buffer)? {
                    ReadOutcome::Data(length) => {
                        self.endpoint.event_loop.count_received(length);
                        self.reads_are_large.set(length == READ_SIZE);
                        Received::Data(Object::from(PyBytes::new(py, &buffer[..length])))
                    }
                    ReadOutcome::End => Received::End,
                    ReadOutcome::Blocked => Received::Nothing,
                })
            });
        outcome.map_err(|error: std::io::Error| os_error(py, &error))
    }

    /// Reads into the `bytes` object itself, of a pipe's usual capacity: a full pipe fills it, and
    /// what is longer would have to be cut to size again.
    fn receive_large(&self, py: Python<'_>) -> PyResult<Received> {
        let mut bytes = BytesBuilder::new(py, READ_SIZE)?;
        let outcome = self.stream.borrow_mut().read_uninit(bytes.spare());
        match outcome.map_err(|error| os_error(py, &error))? {
            ReadOutcome::Data(length) => {
                self.endpoint.event_loop.count_received(length);
                self.reads_are_large.set(length == READ_SIZE);
                Ok(Received::Data(bytes.finish(py, length)?))
            }
            ReadOutcome::End => Ok(Received::End),
            ReadOutcome::Blocked => Ok(Received::Nothing),
        }
    }
}

/// What one read brought.
enum Received {
    Data(Object),
    End,
    Nothing,
}

fn close(
    transport: &Instance<ReadPipeTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    if !transport.endpoint.closing.get() {
        transport.close_by_force(py, None)?;
    }
    Ok(Object::none(py))
}
