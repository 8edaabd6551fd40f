//! The loop's methods that make transports and listeners.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::rc::Rc;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use zloop_core::Interest;
use zloop_net::Descriptor;

use super::stream_transport::{AF_INET, AF_INET6, Connected, IPPROTO_TCP, Parts, Peer};
use super::{Listener, PendingConnection, StreamTransport};
use crate::errors::reactor_error;
use crate::event_loop::{EventLoop, Source};
use crate::logging::TARGET;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::context;
use crate::raw::object::{Instance, Object};
use crate::raw::slot::Slot;

/// Adds them to the loop's class.
pub fn add_loop_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder
        .method(c"_make_socket_transport", make_socket_transport, c"_make_socket_transport($self, sock, protocol, waiter=None, extra=None, server=None, context=None)\n--\n\nMake a transport over a connected socket, which stays the descriptor's owner.")
        .method(c"_start_accepting", start_accepting, c"_start_accepting($self, sock, protocol_factory, server, backlog, context=None)\n--\n\nAccept connections from a listening socket.")
        .method(c"_stop_accepting", stop_accepting, c"_stop_accepting($self, sock)\n--\n\nStop accepting connections.")
        .method(c"_resume_accepting", resume_accepting, c"_resume_accepting($self, sock)\n--\n\nGo on accepting after a lack of resources.")
}

fn present(value: Option<Borrowed<'_, '_, PyAny>>) -> Option<Object> {
    value
        .filter(|value| !value.is_none())
        .map(|value| Object::from(value.to_owned()))
}

fn fileno(socket: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    socket
        .call_method0(intern!(socket.py(), "fileno"))?
        .extract()
}

fn family(socket: &Bound<'_, PyAny>) -> PyResult<i32> {
    socket.getattr(intern!(socket.py(), "family"))?.extract()
}

fn make_socket_transport(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let names = ["sock", "protocol", "waiter", "extra", "server", "context"];
    let [Some(socket), Some(protocol), waiter, extra, server, context] =
        arguments.bind(py, "_make_socket_transport", names, 2)?
    else {
        return Ok(Object::none(py));
    };
    event_loop.check_open()?;
    let connected = connected(&socket)?;
    let transport = StreamTransport::create(
        py,
        event_loop,
        Parts {
            connected,
            protocol: &protocol,
            waiter: present(waiter),
            extra: present(extra),
            server: present(server),
            context: present(context),
        },
    )?;
    Ok(transport.into_object())
}

/// What a socket object is connected to, or what a `PendingConnection` hands over.
fn connected(socket: &Bound<'_, PyAny>) -> PyResult<Connected> {
    let py = socket.py();
    if let Ok(connecting) = socket.cast::<PendingConnection>() {
        let (fd, peer) = connecting
            .get()
            .take()
            .ok_or_else(|| PyValueError::new_err("the connection is not made"))?;
        let is_v6 = peer.ip().is_some_and(|address| address.is_ipv6());
        return Ok(Connected {
            descriptor: Descriptor::Owned(fd),
            socket: None,
            family: if is_v6 { AF_INET6 } else { AF_INET },
            proto: IPPROTO_TCP,
            peer: Peer::Address(peer),
        });
    }
    let fd = fileno(socket)?;
    let family = family(socket)?;
    // Asked for now: once the peer is gone, the system no longer knows.
    let peer = match socket.call_method0(intern!(py, "getpeername")) {
        Ok(peer) => Object::from(peer),
        Err(_) => Object::none(py),
    };
    Ok(Connected {
        descriptor: Descriptor::Borrowed(fd),
        socket: Some(Object::from(socket.to_owned())),
        family,
        proto: 0,
        peer: Peer::Object(peer),
    })
}

fn start_accepting(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let names = ["sock", "protocol_factory", "server", "backlog", "context"];
    let [
        Some(socket),
        Some(protocol_factory),
        server,
        backlog,
        context,
    ] = arguments.bind(py, "_start_accepting", names, 2)?
    else {
        return Ok(Object::none(py));
    };
    event_loop.check_open()?;
    let fd = fileno(&socket)?;
    let family = family(&socket)?;
    let context = present(context);
    let listener = Rc::new(Listener {
        socket: Object::from(socket.to_owned()),
        fd,
        family,
        proto: socket.getattr(intern!(py, "proto"))?.extract()?,
        protocol_factory: Object::from(protocol_factory.to_owned()),
        server: present(server),
        backlog: match backlog {
            Some(backlog) => backlog.extract::<i64>()?.clamp(1, i64::from(u16::MAX)) as u32,
            None => 100,
        },
        has_server_context: context.is_some(),
        context: match context {
            Some(context) => context,
            None => context::copy_current(py)?,
        },
        token: Cell::new(None),
        retry: Slot::default(),
    });
    let source = Source::Listener(listener.clone());
    match event_loop.register(fd, Interest::READABLE, source) {
        Some(Ok(token)) => {
            tracing::debug!(target: TARGET, listener = fd, backlog = listener.backlog, "accepting");
            listener.token.set(Some(token));
        }
        Some(Err(error)) => return Err(reactor_error(py, error)),
        None => {}
    }
    Ok(Object::none(py))
}

/// The listener of a listening socket.
fn listener_of(
    event_loop: &EventLoop,
    socket: &Bound<'_, PyAny>,
) -> PyResult<Option<Rc<Listener>>> {
    let fd = fileno(socket)?;
    Ok(event_loop
        .with_reactor(|reactor| match reactor.source(reactor.token_of(fd)?) {
            Some(Source::Listener(listener)) => Some(listener.clone()),
            _ => None,
        })
        .flatten())
}

fn stop_accepting(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [socket] = arguments.bind(py, "_stop_accepting", ["sock"], 1)?;
    let Some(socket) = socket else {
        return Ok(Object::none(py));
    };
    let Some(listener) = listener_of(event_loop, &socket)? else {
        return Ok(Object::none(py));
    };
    if let Some(retry) = listener.retry.take() {
        retry.bind(py).call_method0(intern!(py, "cancel"))?;
    }
    if let Some(token) = listener.token.take() {
        tracing::debug!(target: TARGET, listener = listener.fd, "accepting no more");
        let source = event_loop
            .with_reactor(|reactor| reactor.deregister(token))
            .flatten();
        drop(source);
    }
    Ok(Object::none(py))
}

fn resume_accepting(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [socket] = arguments.bind(py, "_resume_accepting", ["sock"], 1)?;
    if let Some(socket) = socket
        && let Some(listener) = listener_of(event_loop, &socket)?
    {
        listener.resume(event_loop);
    }
    Ok(Object::none(py))
}
