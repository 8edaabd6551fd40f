//! The transport's state, and its Python class.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyType};
use zloop_core::{Interest, Token};
use zloop_net::{Address, Descriptor, Stream};

use super::chunk::Chunk;
use super::protocol::Protocol;
use super::reading::Expected;
use super::{lifecycle, reading, writing};
use crate::event_loop::EventLoop;
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::{Class, ClassBuilder, NativeClass, Placement, Visit};
use crate::raw::context;
use crate::raw::object::{Instance, Object};
use crate::raw::slot::Slot;

pub(super) const AF_INET: i32 = 2;
pub(super) const AF_INET6: i32 = 10;
pub(super) const IPPROTO_TCP: i32 = 6;

/// The native part of `zloop._transport.StreamTransport`; derived from `asyncio.Transport`.
///
/// Invariant: `token` is set from creation until `connection_lost`; the registry holds the
/// transport alive for as long.
pub struct StreamTransport {
    pub(super) event_loop: Instance<EventLoop>,
    pub(super) stream: RefCell<Stream<Chunk>>,
    pub(super) token: Cell<Option<Token>>,
    /// The descriptor's number, told even when it is closed.
    number: RawFd,
    /// Registered instead of the descriptor, where somebody watches its number.
    pub(super) stand_in: Cell<Option<OwnedFd>>,
    /// The interest that the selector was told.
    pub(super) interest: Cell<Interest>,
    /// Added to it for TCP (not for MPTCP or SCTP), of which a read that comes short is known to leave nothing,
    /// unless the program brought the socket, and may use it too.
    pub(super) edge: Interest,
    /// `None` after `connection_lost`.
    pub(super) protocol: RefCell<Option<Protocol>>,
    /// The socket object that owns the descriptor; none for a descriptor of our own.
    pub(super) socket: Slot,
    /// Whether that socket object was told to stay open while the transport uses it.
    pub(super) holds_socket: Cell<bool>,
    /// Whether `get_extra_info("socket")` was asked for, whose answer refers to that socket object.
    pub(super) shows_socket: Cell<bool>,
    /// The address family of a descriptor of our own, for the socket object that may be asked for.
    pub(super) family: i32,
    /// Its protocol number, likewise.
    pub(super) proto: i32,
    /// Its local address once it is closed.
    pub(super) local: OnceCell<Box<Address>>,
    /// What `peername` answers even when the peer is gone.
    pub(super) peer: RefCell<Peer>,
    pub(super) server: Slot,
    pub(super) extra: Slot,
    /// Given by the server or the connection from 3.15 on; before, each registration copies.
    pub(super) shared_context: Option<Object>,
    pub(super) contexts: RefCell<Contexts>,
    /// Set when the transport is ready, for who creates a connection.
    pub(super) waiter: Slot,
    /// Set when the buffer is empty, for `sendfile`.
    pub(super) empty_waiter: Slot,
    /// What `connection_lost` will be told.
    pub(super) lost_reason: Slot,
    pub(super) closing: Cell<bool>,
    pub(super) paused: Cell<bool>,
    pub(super) started: Cell<bool>,
    /// Whether the peer ended its side and the protocol chose to go on writing.
    pub(super) read_ended: Cell<bool>,
    /// How much the next read is to bring.
    pub(super) expected: Cell<Expected>,
    /// Whether it waits for the batch of callbacks to end, to send then.
    pub(super) gathered: Cell<bool>,
    /// Whether `connection_lost` is queued.
    pub(super) loss_scheduled: Cell<bool>,
    /// Whether the protocol was told to pause.
    pub(super) protocol_paused: Cell<bool>,
    /// 0 while connected; then counts what is written all the same.
    pub(super) lost_count: Cell<u32>,
}

/// The peer's address.
pub enum Peer {
    /// As accept gave it.
    Address(Address),
    /// As Python has it, or `None`.
    Object(Object),
}

/// The contexts in which the protocol is called.
pub struct Contexts {
    /// For `connection_made`; gone once it was called.
    pub(super) start: Option<Object>,
    pub(super) read: Object,
    pub(super) lost: Option<Object>,
    pub(super) write: Option<Object>,
}

/// What a new transport is made of.
pub struct Parts<'a, 'py> {
    /// What it is the transport of.
    pub connected: Connected,
    /// The protocol to tell.
    pub protocol: &'a Bound<'py, PyAny>,
    /// A future to set when the connection is made.
    pub waiter: Option<Object>,
    /// What `get_extra_info` knows beforehand.
    pub extra: Option<Object>,
    /// The server that accepted it.
    pub server: Option<Object>,
    /// The context of the server or the connection.
    pub context: Option<Object>,
}

/// A socket that is connected, and what is known of it.
pub struct Connected {
    /// The connected descriptor.
    pub descriptor: Descriptor,
    /// The socket object that owns it, if one does.
    pub socket: Option<Object>,
    /// Its address family.
    pub family: i32,
    /// Its protocol number.
    pub proto: i32,
    /// The peer's address.
    pub peer: Peer,
}

impl StreamTransport {
    /// Makes a transport, which calls `connection_made` at the next turn.
    ///
    /// # Errors
    /// `OSError` if the descriptor cannot be registered, or what Python raises on the way.
    pub fn create(
        py: Python<'_>,
        event_loop: &Instance<EventLoop>,
        parts: Parts<'_, '_>,
    ) -> PyResult<Instance<Self>> {
        let Connected {
            descriptor,
            socket,
            family,
            proto,
            peer,
        } = parts.connected;
        let fd = descriptor.as_raw_fd();
        if is_internet(family) && fd >= 0 {
            // A peer that is gone already makes this fail; reading will tell.
            let _ = zloop_net::tcp::set_nodelay(&fd, true);
        }
        let is_tcp = is_internet(family) && matches!(proto, 0 | IPPROTO_TCP);
        let edge = if is_tcp && socket.is_none() {
            Interest::EDGE
        } else {
            Interest::NONE
        };
        let contexts = match &parts.context {
            Some(context) => Contexts {
                start: Some(context.clone()),
                read: context.clone(),
                lost: None,
                write: None,
            },
            None => Contexts {
                start: Some(context::copy_current(py)?),
                read: context::copy_current(py)?,
                lost: None,
                write: None,
            },
        };
        let transport = imports(py)?.stream_transport.instantiate(
            py,
            Self {
                event_loop: event_loop.clone(),
                stream: RefCell::new(Stream::new(descriptor)),
                token: Cell::new(None),
                number: fd,
                stand_in: Cell::new(None),
                interest: Cell::new(Interest::NONE),
                edge,
                protocol: RefCell::new(Some(Protocol::new(parts.protocol)?)),
                socket: Slot::new(socket),
                holds_socket: Cell::new(false),
                shows_socket: Cell::new(false),
                family,
                proto,
                local: OnceCell::new(),
                peer: RefCell::new(peer),
                server: Slot::new(parts.server),
                extra: Slot::new(parts.extra),
                shared_context: parts.context,
                contexts: RefCell::new(contexts),
                waiter: Slot::new(parts.waiter),
                empty_waiter: Slot::default(),
                lost_reason: Slot::default(),
                closing: Cell::new(false),
                paused: Cell::new(false),
                started: Cell::new(false),
                read_ended: Cell::new(false),
                expected: Cell::new(Expected::Small),
                gathered: Cell::new(false),
                loss_scheduled: Cell::new(false),
                protocol_paused: Cell::new(false),
                lost_count: Cell::new(0),
            },
        )?;
        transport.hold_socket(py)?;
        transport.begin(py, fd)?;
        Ok(transport)
    }

    /// Whether the protocol was told to pause writing.
    pub fn is_protocol_paused(&self) -> bool {
        self.protocol_paused.get()
    }

    /// Whether it is closing or closed.
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Whether what is written to it is lost.
    #[inline]
    pub fn is_lost(&self) -> bool {
        self.lost_count.get() > 0
    }

    /// The descriptor's number; -1 once it is closed.
    pub fn fd(&self) -> RawFd {
        match self.token.get() {
            Some(_) => self.number,
            None => -1,
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
                get_protocol,
                c"get_protocol($self)\n--\n\nThe protocol that is told.",
            )
            .getter(c"_loop", |transport, _| {
                Ok(transport.event_loop.as_object().clone())
            })
            .getter(c"_server", |transport, py| {
                Ok(transport.server.get().unwrap_or_else(|| Object::none(py)))
            })
            .getter(c"_protocol", |transport, py| {
                Ok(transport.protocol_object(py))
            })
            .bare_method(
                c"_show_socket",
                show_socket,
                c"_show_socket($self)\n--\n\nThe socket object for `get_extra_info`.",
            )
            .getter(c"_sock", socket)
            .getter(c"_sock_fd", |transport, py| {
                Ok(Object::from(transport.number.into_pyobject(py)?))
            })
            .getter(c"_peername", peername)
            .getter(c"_local_name", local_name)
            .property(c"_extra", extra, |transport, _, value| {
                transport.extra.set(Object::from(value));
                Ok(())
            });
        let builder = reading::add_methods(builder);
        let builder = writing::add_methods(builder);
        lifecycle::add_methods(builder).build(module, &base, true)
    }

    /// Whether others have the socket object too, and may use it past the transport.
    pub fn shares_socket(&self) -> bool {
        let own = 1 + isize::from(self.shows_socket.get());
        self.socket.references() > own
    }

    pub(super) fn protocol_object(&self, py: Python<'_>) -> Object {
        match &*self.protocol.borrow() {
            Some(protocol) => protocol.object().clone(),
            None => Object::none(py),
        }
    }
}

impl Class for StreamTransport {
    const NAME: &'static CStr = c"zloop._zloop.StreamTransport";
    const DOC: &'static CStr = c"The native part of a stream transport.";

    fn placement() -> &'static Placement {
        static PLACEMENT: Placement = Placement::behind_base();
        &PLACEMENT
    }

    fn traverse(&self, visit: &mut Visit) {
        visit.object(self.event_loop.as_object());
        visit.optional(self.shared_context.as_ref());
        if let Ok(protocol) = self.protocol.try_borrow()
            && let Some(protocol) = &*protocol
        {
            protocol.traverse(visit);
        }
        let slots = [
            &self.socket,
            &self.server,
            &self.extra,
            &self.waiter,
            &self.empty_waiter,
            &self.lost_reason,
        ];
        for slot in slots {
            slot.traverse(visit);
        }
        if let Ok(peer) = self.peer.try_borrow()
            && let Peer::Object(object) = &*peer
        {
            visit.object(object);
        }
        if let Ok(contexts) = self.contexts.try_borrow() {
            visit.optional(contexts.start.as_ref());
            visit.object(&contexts.read);
            visit.optional(contexts.lost.as_ref());
            visit.optional(contexts.write.as_ref());
        }
    }

    fn clear(&self) {
        let protocol = self.protocol.take();
        let server = self.server.take();
        let extra = self.extra.take();
        let waiters = (
            self.waiter.take(),
            self.empty_waiter.take(),
            self.lost_reason.take(),
        );
        drop((protocol, server, extra, waiters));
    }
}

impl Instance<StreamTransport> {
    /// Keeps a given socket open, even if its user closes it, for as long as the transport uses its
    /// number: it may be another's by the next write. A file made by `makefile` does the same.
    fn hold_socket(&self, py: Python<'_>) -> PyResult<()> {
        let Some(socket) = self.socket.get() else {
            return Ok(());
        };
        let socket = socket.bind(py);
        if socket.is_instance(imports(py)?.socket.bind(py))? {
            let count: i64 = socket.getattr(intern!(py, "_io_refs"))?.extract()?;
            socket.setattr(intern!(py, "_io_refs"), count + 1)?;
            self.holds_socket.set(true);
        }
        Ok(())
    }
}

fn set_protocol(
    transport: &Instance<StreamTransport>,
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

fn get_protocol(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    Ok(transport.protocol_object(py))
}

/// The socket object; made now if the descriptor was our own, and its owner from then on.
fn socket(transport: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<Object> {
    if let Some(socket) = transport.socket.get() {
        return Ok(socket);
    }
    let fd = transport.fd();
    if fd < 0 {
        return Ok(Object::none(py));
    }
    const SOCK_STREAM: i32 = 1;
    let arguments = (transport.family, SOCK_STREAM, transport.proto, fd);
    let socket = Object::from(imports(py)?.socket.bind(py).call1(arguments)?);
    // Meanwhile another thread may have made one, which owns the number, or closed the transport, and
    // the number may be another's by now.
    let existing = transport.socket.get();
    if existing.is_some() || transport.fd() < 0 {
        socket.bind(py).call_method0(intern!(py, "detach"))?;
        return Ok(existing.unwrap_or_else(|| Object::none(py)));
    }
    if let Some(owned) = transport.stream.borrow_mut().release_descriptor() {
        let _ = owned.into_raw_fd();
    }
    transport.socket.set(socket.clone());
    // The descriptor does not block; the object should know.
    socket
        .bind(py)
        .call_method1(intern!(py, "setblocking"), (false,))?;
    Ok(socket)
}

fn show_socket(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let socket = socket(transport, py)?;
    transport.shows_socket.set(true);
    Ok(socket)
}

/// What `sockname` answers once the descriptor is closed.
fn local_name(transport: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<Object> {
    match transport.local.get() {
        Some(address) => super::address::to_python(py, address),
        None => Ok(Object::none(py)),
    }
}

fn peername(transport: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<Object> {
    let address = match &*transport.peer.borrow() {
        Peer::Object(object) => return Ok(object.clone()),
        Peer::Address(address) => address.clone(),
    };
    // Nothing is borrowed here: a path is decoded by Python code.
    let made = super::address::to_python(py, &address)?;
    drop(transport.peer.replace(Peer::Object(made.clone())));
    Ok(made)
}

fn extra(transport: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<Object> {
    if let Some(extra) = transport.extra.get() {
        return Ok(extra);
    }
    let extra = Object::from(pyo3::types::PyDict::new(py));
    transport.extra.set(extra.clone());
    Ok(extra)
}

const fn is_internet(family: i32) -> bool {
    family == AF_INET || family == AF_INET6
}

/// What asyncio says of an argument of a stream's `write` that is no bytes.
pub(super) fn not_bytes(data: &Bound<'_, PyAny>) -> PyErr {
    if cfg!(Py_3_14) {
        not_a("bytes, bytearray, or memoryview", data)
    } else {
        not_bytes_like(data)
    }
}

/// What asyncio says of an argument of `sendto` that is no bytes.
pub(super) fn not_bytes_like(data: &Bound<'_, PyAny>) -> PyErr {
    not_a("bytes-like", data)
}

fn not_a(expected: &str, data: &Bound<'_, PyAny>) -> PyErr {
    match data.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!(
            "data argument must be a {expected} object, not {}",
            name.repr().map(|repr| repr.to_string()).unwrap_or_default()
        )),
        Err(error) => error,
    }
}
