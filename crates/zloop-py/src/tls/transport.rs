//! The transport's state, and its Python class.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::io;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyType};
use zloop_net::ReadOutcome;

use super::engine::Engine;
use super::lower::Lower;
use super::{lifecycle, reading, writing};
use crate::event_loop::{EventLoop, READ_SIZE};
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::{Class, ClassBuilder, NativeClass, Placement, Visit};
use crate::raw::object::{Instance, Object};
use crate::raw::slot::Slot;
use crate::transport::Protocol;

/// The native part of `zloop._ssl_transport.SSLTransport`; derived from `asyncio.Transport`.
///
/// Invariant: the engine is out of its place while it works, for Python code may run in it; what
/// such code asks of the transport meanwhile is refused, or done without the engine.
pub struct TlsTransport {
    pub(super) event_loop: Instance<EventLoop>,
    engine: RefCell<Option<Box<Engine>>>,
    /// `None` until the transport below is connected.
    pub(super) lower: RefCell<Option<Lower>>,
    /// `None` after `connection_lost`.
    pub(super) protocol: RefCell<Option<Protocol>>,
    /// Set when the handshake is done, for who creates a connection.
    pub(super) waiter: Slot,
    /// What `get_extra_info` knows of TLS.
    pub(super) extra: Object,
    pub(super) timeouts: Timeouts,
    /// The timer of the handshake, then that of closing.
    pub(super) timer: Slot,
    /// When the handshake began, as debug mode tells.
    pub(super) started: Cell<Duration>,
    pub(super) told: Cell<Told>,
    pub(super) closing: Cell<bool>,
    pub(super) paused: Cell<bool>,
    /// Whether the transport below was told to stop reading.
    pub(super) intake_stopped: Cell<bool>,
    /// Whether the transport below takes no more for now.
    pub(super) lower_paused: Cell<bool>,
    /// Whether the protocol was told to pause, by us or by the transport that it had before.
    pub(super) protocol_paused: Cell<bool>,
    /// Whether the pause was told by the transport that the protocol had before.
    pub(super) inherited_pause: Cell<bool>,
    /// Whether the peer's end came without its close_notify.
    pub(super) truncated: Cell<bool>,
    /// Whether `advance` is at work, which sends what is written meanwhile.
    pub(super) advancing: Cell<bool>,
    /// Whether the protocol is being handed what came.
    pub(super) delivering: Cell<bool>,
    /// 0 while connected; then counts what is written all the same.
    pub(super) lost_count: Cell<u32>,
}

/// How long things may take, as the caller gave it, in seconds.
pub struct Timeouts {
    pub(super) handshake: Object,
    pub(super) shutdown: Object,
}

/// What the protocol was told so far.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Nothing,
    Made,
    EndReceived,
    Lost,
}

/// What a new transport is made of.
pub struct Parts<'a, 'py> {
    /// The engine, not yet started.
    pub engine: Engine,
    /// The `SSLContext`.
    pub context: &'a Bound<'py, PyAny>,
    /// The protocol to tell.
    pub protocol: &'a Bound<'py, PyAny>,
    /// A future to set when the handshake is done.
    pub waiter: Option<Object>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Whether the protocol has been told of the connection already.
    pub is_made: bool,
}

impl TlsTransport {
    /// Makes a transport, to be the protocol of the transport below.
    ///
    /// # Errors
    /// `MemoryError`, or what looking the protocol's methods up raises.
    pub fn create(
        py: Python<'_>,
        event_loop: &Instance<EventLoop>,
        parts: Parts<'_, '_>,
    ) -> PyResult<Instance<Self>> {
        let extra = PyDict::new(py);
        extra.set_item("sslcontext", parts.context)?;
        imports(py)?.tls_transport.instantiate(
            py,
            Self {
                event_loop: event_loop.clone(),
                engine: RefCell::new(Some(Box::new(parts.engine))),
                lower: RefCell::new(None),
                protocol: RefCell::new(Some(Protocol::new(parts.protocol)?)),
                waiter: Slot::new(parts.waiter),
                extra: Object::from(extra),
                timeouts: parts.timeouts,
                timer: Slot::default(),
                started: Cell::new(Duration::ZERO),
                told: Cell::new(if parts.is_made {
                    Told::Made
                } else {
                    Told::Nothing
                }),
                closing: Cell::new(false),
                paused: Cell::new(false),
                intake_stopped: Cell::new(false),
                lower_paused: Cell::new(false),
                protocol_paused: Cell::new(false),
                inherited_pause: Cell::new(false),
                truncated: Cell::new(false),
                advancing: Cell::new(false),
                delivering: Cell::new(false),
                lost_count: Cell::new(0),
            },
        )
    }

    /// Has the engine do something. `None` while it is at work already.
    #[inline]
    pub(super) fn with_engine<R>(&self, body: impl FnOnce(&mut Engine) -> R) -> Option<R> {
        let mut engine = self.engine.take()?;
        let result = body(&mut engine);
        *self.engine.borrow_mut() = Some(engine);
        Some(result)
    }

    /// Has `read` read into the engine's own room or, if it has none, into the loop's; what came is
    /// looked at by `advance`.
    ///
    /// # Errors
    /// What reading fails with.
    #[inline]
    pub fn receive(
        &self,
        read: impl FnOnce(&mut [u8]) -> io::Result<ReadOutcome>,
    ) -> io::Result<ReadOutcome> {
        let Some(mut engine) = self.engine.take() else {
            return Ok(ReadOutcome::Blocked);
        };
        let outcome = match engine.receive_buffer() {
            Some(room) => {
                let outcome = read(room);
                if let Ok(ReadOutcome::Data(count)) = outcome {
                    engine.received(count);
                }
                outcome
            }
            None => self.receive_by_copy(&mut engine, read),
        };
        *self.engine.borrow_mut() = Some(engine);
        outcome
    }

    fn receive_by_copy(
        &self,
        engine: &mut Engine,
        read: impl FnOnce(&mut [u8]) -> io::Result<ReadOutcome>,
    ) -> io::Result<ReadOutcome> {
        let mut early = Vec::new();
        let outcome = self.event_loop.with_read_buffer(READ_SIZE, |room| {
            let outcome = read(room);
            if let Ok(ReadOutcome::Data(count)) = outcome {
                if engine.is_open() {
                    engine.receive(&room[..count]);
                } else {
                    early.extend_from_slice(&room[..count]);
                }
            }
            outcome
        });
        if !early.is_empty() {
            // The handshake, or what follows closing, may call back into Python.
            engine.receive(&early);
        }
        outcome
    }

    /// Whether the protocol was told to pause writing.
    pub fn is_protocol_paused(&self) -> bool {
        self.protocol_paused.get()
    }

    pub(super) fn lower(&self) -> Option<Lower> {
        self.lower.borrow().clone()
    }

    pub(super) fn protocol_object(&self, py: Python<'_>) -> Object {
        match &*self.protocol.borrow() {
            Some(protocol) => protocol.object().clone(),
            None => Object::none(py),
        }
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
        let builder = ClassBuilder::<Self>::new()
            .method(
                c"set_protocol",
                set_protocol,
                c"set_protocol($self, protocol)\n--\n\nHave another protocol told from now on.",
            )
            .bare_method(
                c"get_protocol",
                |transport, py, _| Ok(transport.protocol_object(py)),
                c"get_protocol($self)\n--\n\nThe protocol that is told.",
            )
            .getter(c"_loop", |transport, _| {
                Ok(transport.event_loop.as_object().clone())
            })
            .getter(c"_protocol", |transport, py| {
                Ok(transport.protocol_object(py))
            })
            .getter(c"_extra", |transport, _| Ok(transport.extra.clone()))
            .getter(c"_lower", |transport, py| {
                Ok(match transport.lower() {
                    Some(lower) => lower.object().clone(),
                    None => Object::none(py),
                })
            });
        let builder = reading::add_methods(builder);
        let builder = writing::add_methods(builder);
        lifecycle::add_methods(builder).build(module, &base, true)
    }
}

impl Class for TlsTransport {
    const NAME: &'static CStr = c"zloop._zloop.TlsTransport";
    const DOC: &'static CStr = c"The native part of a TLS transport.";

    fn placement() -> &'static Placement {
        static PLACEMENT: Placement = Placement::behind_base();
        &PLACEMENT
    }

    fn traverse(&self, visit: &mut Visit) {
        visit.object(self.event_loop.as_object());
        visit.object(&self.extra);
        visit.object(&self.timeouts.handshake);
        visit.object(&self.timeouts.shutdown);
        if let Ok(engine) = self.engine.try_borrow()
            && let Some(engine) = &*engine
        {
            engine.traverse(visit);
        }
        if let Ok(lower) = self.lower.try_borrow()
            && let Some(lower) = &*lower
        {
            visit.object(lower.object());
        }
        if let Ok(protocol) = self.protocol.try_borrow()
            && let Some(protocol) = &*protocol
        {
            protocol.traverse(visit);
        }
        for slot in [&self.waiter, &self.timer] {
            slot.traverse(visit);
        }
    }

    fn clear(&self) {
        let held = (self.engine.take(), self.lower.take(), self.protocol.take());
        let objects = (self.waiter.take(), self.timer.take());
        drop((held, objects));
    }
}

fn set_protocol(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [protocol] = arguments.bind(py, "set_protocol", ["protocol"], 1)?;
    if let Some(protocol) = protocol {
        let protocol = Protocol::new(&protocol)?;
        drop(transport.protocol.replace(Some(protocol)));
    }
    Ok(Object::none(py))
}
