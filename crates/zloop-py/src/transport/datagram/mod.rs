//! Transports over datagram sockets.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `sending` | `sendto`, the queue of what cannot be sent yet, flow control |
//! | `receiving` | from readiness to `datagram_received`, one by one or in batches |
//! | `destination` | where a datagram goes, and addresses that are met again and again |

mod destination;
mod receiving;
mod sending;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::CStr;

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyType};
use zloop_core::{Interest, Readiness};
use zloop_net::DatagramQueue;

use super::endpoint::{self, AnyEndpoint, Endpoint, EndpointTransport, Parts, Step};
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::{Class, ClassBuilder, NativeClass, Placement, Visit};
use crate::raw::context;
use crate::raw::object::{Instance, Object};
use destination::{AddressFamily, Destination, KnownPeer};
use sending::Outgoing;

/// The native part of `zloop._datagram_transport.DatagramTransport`.
pub struct DatagramTransport {
    endpoint: Endpoint,
    family: AddressFamily,
    /// Whether the socket itself is connected.
    connected: bool,
    /// The only address that may be sent to, if the caller named one.
    address: Option<Object>,
    queue: RefCell<DatagramQueue<Outgoing>>,
    /// The peer that was met last, in both forms.
    known_peer: RefCell<Option<KnownPeer>>,
    /// What came in a batch with the datagram at which the protocol paused reading.
    kept: RefCell<VecDeque<Incoming>>,
    /// How many datagrams the next receive makes room for.
    expected: Cell<usize>,
}

/// A datagram on its way to the protocol.
struct Incoming {
    data: Object,
    address: Object,
}

impl DatagramTransport {
    /// Makes a transport, which calls `connection_made` at the next turn.
    ///
    /// # Errors
    /// `OSError` if the descriptor cannot be registered, or what Python raises on the way.
    pub fn create(
        py: Python<'_>,
        parts: Parts,
        address: Option<Object>,
    ) -> PyResult<Instance<Self>> {
        let socket = parts.owner.bind(py);
        let family = AddressFamily::of(socket)?;
        let peer = match &parts.extra {
            Some(extra) => extra.bind(py).get_item(intern!(py, "peername"))?,
            None => py.None().into_bound(py),
        };
        let connected = peer.is_truthy()?;
        let transport = Self {
            endpoint: Endpoint::new(py, parts, Self::RECEIVE)?,
            family,
            connected,
            address,
            queue: RefCell::new(DatagramQueue::new()),
            known_peer: RefCell::new(None),
            kept: RefCell::new(VecDeque::new()),
            expected: Cell::new(1),
        };
        let transport = imports(py)?.datagram_transport.instantiate(py, transport)?;
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
            .getattr("DatagramTransport")?
            .cast_into::<PyType>()?;
        let builder =
            endpoint::add_reading_methods(endpoint::add_methods(ClassBuilder::<Self>::new()));
        sending::add_methods(builder)
            .bare_method(
                c"close",
                close,
                c"close($self)\n--\n\nClose once what is buffered was sent.",
            )
            .bare_method(
                c"abort",
                abort,
                c"abort($self)\n--\n\nClose at once, dropping what is buffered.",
            )
            .build(module, &base, true)
    }
}

impl Class for DatagramTransport {
    const NAME: &'static CStr = c"zloop._zloop.DatagramTransport";
    const DOC: &'static CStr = c"The native part of a datagram transport.";

    fn placement() -> &'static Placement {
        static PLACEMENT: Placement = Placement::behind_base();
        &PLACEMENT
    }

    fn traverse(&self, visit: &mut Visit) {
        self.endpoint.traverse(visit);
        visit.optional(self.address.as_ref());
        if let Ok(queue) = self.queue.try_borrow() {
            for outgoing in queue.iter() {
                if let Destination::Python(Some(address)) = &outgoing.destination {
                    visit.object(address);
                }
            }
        }
        if let Ok(peer) = self.known_peer.try_borrow()
            && let Some(peer) = &*peer
        {
            visit.object(peer.object());
        }
        if let Ok(kept) = self.kept.try_borrow() {
            for incoming in &*kept {
                visit.object(&incoming.data);
                visit.object(&incoming.address);
            }
        }
    }

    fn clear(&self) {
        self.endpoint.clear();
        let unsent: Vec<_> = self.queue.borrow_mut().take_all().collect();
        drop((unsent, self.kept.take(), self.known_peer.take()));
    }
}

impl EndpointTransport for DatagramTransport {
    const RECEIVE: Option<&'static str> = Some(receiving::DATAGRAM_RECEIVED);

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn wanted(&self) -> Interest {
        let reading = self.endpoint.started.get() && self.endpoint.is_reading();
        let read = if reading {
            Interest::READABLE
        } else {
            Interest::NONE
        };
        let write = if self.has_unsent() {
            Interest::WRITABLE
        } else {
            Interest::NONE
        };
        read | write
    }

    fn has_unsent(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    fn drop_unsent(&self) {
        let unsent: Vec<_> = self.queue.borrow_mut().take_all().collect();
        drop(unsent);
    }

    fn is_quiet(py: Python<'_>, error: &PyErr) -> bool {
        error.is_instance_of::<PyOSError>(py)
    }

    fn ready(transport: &Instance<Self>, py: Python<'_>, readiness: Readiness) -> PyResult<()> {
        if readiness.is_readable() && transport.waits_for(Interest::READABLE) {
            let read_context = transport.endpoint.read_context();
            context::run(py, &read_context, || transport.read_ready(py))?;
        }
        if readiness.is_writable() && transport.waits_for(Interest::WRITABLE) {
            match transport.endpoint.write_context() {
                Some(write_context) => {
                    context::run(py, &write_context, || transport.write_ready(py))?
                }
                None => transport.write_ready(py)?,
            }
        }
        Ok(())
    }

    /// Hands on what was kept while reading was paused.
    fn proceed(transport: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let read_context = transport.endpoint.read_context();
        context::run(py, &read_context, || transport.deliver_kept(py))
    }

    fn reading_resumed(transport: &Instance<Self>) {
        if !transport.kept.borrow().is_empty() {
            transport.put_off(Step::Proceed);
        }
    }

    fn any(transport: Instance<Self>) -> AnyEndpoint {
        AnyEndpoint::Datagram(transport)
    }
}

fn close(
    transport: &Instance<DatagramTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    if transport.endpoint.closing.replace(true) {
        return Ok(Object::none(py));
    }
    if transport.has_unsent() {
        transport.update_interest(py)?;
    } else {
        transport.schedule_loss(py, None)?;
    }
    Ok(Object::none(py))
}

fn abort(
    transport: &Instance<DatagramTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    transport.close_by_force(py, None)?;
    Ok(Object::none(py))
}
