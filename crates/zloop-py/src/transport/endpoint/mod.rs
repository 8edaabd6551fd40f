//! What datagram and pipe transports share, whatever they carry.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `lifecycle` | from `connection_made` to `connection_lost`, errors, flow control's calls |
//! | `methods` | the Python methods that all of them have |
//! | `creation` | the loop's methods that make them |

mod creation;
mod lifecycle;
mod methods;

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use zloop_core::{Interest, Readiness, Token};

pub use creation::add_loop_methods;
pub(super) use methods::{add_methods, add_reading_methods};

use super::datagram::DatagramTransport;
use super::pipe::{ReadPipeTransport, WritePipeTransport};
use crate::event_loop::EventLoop;
use crate::raw::call;
use crate::raw::class::{Class, Visit};
use crate::raw::context;
use crate::raw::object::{Instance, Object};
use crate::raw::slot::Slot;

/// The state that every such transport has.
///
/// Invariant: `token` is set from creation until `connection_lost`; the registry holds the
/// transport alive for as long.
pub struct Endpoint {
    pub(super) event_loop: Instance<EventLoop>,
    pub(super) fd: RawFd,
    token: Cell<Option<Token>>,
    /// The interest that the selector was told.
    interest: Cell<Interest>,
    /// Registered instead of `fd`, where somebody else's registration has that number.
    stand_in: Cell<Option<OwnedFd>>,
    /// The socket or file object that owns the descriptor; `None` once it is closed.
    owner: Slot,
    /// `None` after `connection_lost`.
    protocol: RefCell<Option<Receiver>>,
    extra: RefCell<Object>,
    contexts: RefCell<Contexts>,
    /// Set when the transport is ready, for who creates it.
    waiter: Slot,
    /// What `connection_lost` will be told.
    lost_reason: Slot,
    pub(super) closing: Cell<bool>,
    pub(super) paused: Cell<bool>,
    pub(super) started: Cell<bool>,
    /// Whether `connection_lost` is queued, or was called.
    pub(super) loss_scheduled: Cell<bool>,
    /// 0 while connected; then counts what is written all the same.
    pub(super) lost_count: Cell<u32>,
}

/// The contexts in which the protocol is called.
struct Contexts {
    start: Object,
    read: Object,
    write: Option<Object>,
    lost: Option<Object>,
}

/// What a new transport is made of.
pub struct Parts {
    /// The loop.
    pub event_loop: Instance<EventLoop>,
    /// The socket or file object.
    pub owner: Object,
    /// Its descriptor, which is non-blocking.
    pub fd: RawFd,
    /// The protocol to tell.
    pub protocol: Object,
    /// A future to set when the transport is ready.
    pub waiter: Option<Object>,
    /// What `get_extra_info` knows.
    pub extra: Option<Object>,
}

/// A protocol, and its method that takes what comes, looked up once per `set_protocol`.
#[derive(Clone)]
pub struct Receiver {
    object: Object,
    method: Option<Object>,
}

impl Receiver {
    fn new(py: Python<'_>, protocol: Object, method: Option<&str>) -> Self {
        let method = method
            .and_then(|method| protocol.bind(py).getattr(method).ok())
            .map(Object::from);
        Self {
            object: protocol,
            method,
        }
    }

    /// The protocol itself.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The method called `name`, which this transport gives what comes to.
    ///
    /// # Errors
    /// `AttributeError` if the protocol has none.
    pub fn method(&self, py: Python<'_>, name: &str) -> PyResult<Object> {
        match &self.method {
            Some(method) => Ok(method.clone()),
            None => Ok(Object::from(self.object.bind(py).getattr(name)?)),
        }
    }

    fn notify(&self, py: Python<'_>, method: &str) -> PyResult<()> {
        let method = Object::from(self.object.bind(py).getattr(method)?);
        call::call0(py, &method).map(drop)
    }

    fn tell(&self, py: Python<'_>, method: &str, argument: &Object) -> PyResult<()> {
        let method = Object::from(self.object.bind(py).getattr(method)?);
        call::call1(py, &method, argument).map(drop)
    }
}

impl Endpoint {
    /// A transport's state before it is registered.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn new(py: Python<'_>, parts: Parts, receive: Option<&str>) -> PyResult<Self> {
        let contexts = Contexts {
            start: context::copy_current(py)?,
            read: context::copy_current(py)?,
            write: None,
            lost: None,
        };
        Ok(Self {
            event_loop: parts.event_loop,
            fd: parts.fd,
            token: Cell::new(None),
            interest: Cell::new(Interest::NONE),
            stand_in: Cell::new(None),
            owner: Slot::new(Some(parts.owner)),
            protocol: RefCell::new(Some(Receiver::new(py, parts.protocol, receive))),
            extra: RefCell::new(parts.extra.unwrap_or_else(|| Object::from(PyDict::new(py)))),
            contexts: RefCell::new(contexts),
            waiter: Slot::new(parts.waiter),
            lost_reason: Slot::default(),
            closing: Cell::new(false),
            paused: Cell::new(false),
            started: Cell::new(false),
            loss_scheduled: Cell::new(false),
            lost_count: Cell::new(0),
        })
    }

    /// The protocol, until `connection_lost`.
    #[inline]
    pub(super) fn protocol(&self) -> Option<Receiver> {
        self.protocol.borrow().clone()
    }

    /// The socket or file object, until it is closed.
    pub(super) fn owner(&self) -> Option<Object> {
        self.owner.get()
    }

    /// Whether what comes is wanted.
    #[inline]
    pub(super) fn is_reading(&self) -> bool {
        !self.closing.get() && !self.paused.get()
    }

    /// The context to read in.
    #[inline]
    pub(super) fn read_context(&self) -> Object {
        self.contexts.borrow().read.clone()
    }

    /// Has what is read from now on be told in a copy of the current context.
    pub(super) fn renew_read_context(&self, py: Python<'_>) -> PyResult<()> {
        let read = context::copy_current(py)?;
        let replaced = std::mem::replace(&mut self.contexts.borrow_mut().read, read);
        drop(replaced);
        Ok(())
    }

    /// The context to go on writing in.
    pub(super) fn write_context(&self) -> Option<Object> {
        self.contexts.borrow().write.clone()
    }

    /// Has writing go on in a copy of the current context.
    pub(super) fn renew_write_context(&self, py: Python<'_>) -> PyResult<()> {
        let write = context::copy_current(py)?;
        let replaced = self.contexts.borrow_mut().write.replace(write);
        drop(replaced);
        Ok(())
    }

    /// Shows the collector what it holds.
    pub(super) fn traverse(&self, visit: &mut Visit) {
        visit.object(self.event_loop.as_object());
        if let Ok(protocol) = self.protocol.try_borrow()
            && let Some(protocol) = &*protocol
        {
            visit.object(&protocol.object);
            visit.optional(protocol.method.as_ref());
        }
        for slot in [&self.owner, &self.waiter, &self.lost_reason] {
            slot.traverse(visit);
        }
        if let Ok(extra) = self.extra.try_borrow() {
            visit.object(&extra);
        }
        if let Ok(contexts) = self.contexts.try_borrow() {
            visit.object(&contexts.start);
            visit.object(&contexts.read);
            visit.optional(contexts.write.as_ref());
            visit.optional(contexts.lost.as_ref());
        }
    }

    /// Drops what may be part of a cycle.
    pub(super) fn clear(&self) {
        let protocol = self.protocol.take();
        let objects = (self.waiter.take(), self.lost_reason.take());
        drop((protocol, objects));
    }
}

/// What a transport does at the next turn.
#[derive(Clone, Copy)]
pub enum Step {
    /// Tell the protocol of the connection, and begin to read.
    ConnectionMade,
    /// Do what this kind of transport put off.
    Proceed,
    /// Tell the protocol that the connection is over, and close the descriptor.
    ConnectionLost,
}

/// A transport over an [`Endpoint`].
pub trait EndpointTransport: Class {
    /// The protocol's method that takes what comes.
    const RECEIVE: Option<&'static str>;

    /// The shared state.
    fn endpoint(&self) -> &Endpoint;

    /// What to wait for now.
    fn wanted(&self) -> Interest;

    /// Whether something waits to be sent.
    fn has_unsent(&self) -> bool;

    /// Drops what waits to be sent.
    fn drop_unsent(&self);

    /// Whether an error that ends the transport is only worth a line in debug mode.
    fn is_quiet(py: Python<'_>, error: &PyErr) -> bool;

    /// Acts on readiness of the descriptor.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    fn ready(transport: &Instance<Self>, py: Python<'_>, readiness: Readiness) -> PyResult<()>;

    /// Does what it put off by [`Step::Proceed`].
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    fn proceed(_transport: &Instance<Self>, _py: Python<'_>) -> PyResult<()> {
        Ok(())
    }

    /// Told that reading goes on.
    fn reading_resumed(_transport: &Instance<Self>) {}

    /// The transport, whatever its kind.
    fn any(transport: Instance<Self>) -> AnyEndpoint;
}

/// A transport of any such kind.
#[derive(Clone)]
pub enum AnyEndpoint {
    /// Over a datagram socket.
    Datagram(Instance<DatagramTransport>),
    /// Over the reading end of a pipe.
    ReadPipe(Instance<ReadPipeTransport>),
    /// Over the writing end of a pipe.
    WritePipe(Instance<WritePipeTransport>),
}

impl AnyEndpoint {
    /// The Python object.
    pub fn as_object(&self) -> &Object {
        match self {
            Self::Datagram(transport) => transport.as_object(),
            Self::ReadPipe(transport) => transport.as_object(),
            Self::WritePipe(transport) => transport.as_object(),
        }
    }

    /// Whether it is a socket's that is not closing, whose descriptor is nobody else's to watch.
    pub fn is_open_socket(&self) -> bool {
        matches!(self, Self::Datagram(transport) if !transport.endpoint().closing.get())
    }

    /// Leaves the descriptor's number to who watches it now, if the transport is closing and still
    /// sends.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub fn leave_number(&self) -> io::Result<()> {
        match self {
            Self::Datagram(transport) => transport.leave_number(),
            Self::ReadPipe(transport) => transport.leave_number(),
            Self::WritePipe(transport) => transport.leave_number(),
        }
    }

    /// Acts on readiness of the descriptor.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub fn ready(&self, py: Python<'_>, readiness: Readiness) -> PyResult<()> {
        match self {
            Self::Datagram(transport) => DatagramTransport::ready(transport, py, readiness),
            Self::ReadPipe(transport) => ReadPipeTransport::ready(transport, py, readiness),
            Self::WritePipe(transport) => WritePipeTransport::ready(transport, py, readiness),
        }
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub fn step(&self, py: Python<'_>, step: Step) -> PyResult<()> {
        match self {
            Self::Datagram(transport) => transport.step(py, step),
            Self::ReadPipe(transport) => transport.step(py, step),
            Self::WritePipe(transport) => transport.step(py, step),
        }
    }
}
