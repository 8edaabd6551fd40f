//! Accepting connections.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use zloop_core::{Interest, Token};
use zloop_net::{Accepted, Descriptor, Fault};

use super::StreamTransport;
use super::stream_transport::{Connected, Parts, Peer};
use crate::errors::os_error;
use crate::event_loop::{EventLoop, is_fatal};
use crate::imports::imports;
use crate::logging::TARGET;
use crate::raw::call;
use crate::raw::class::Visit;
use crate::raw::context;
use crate::raw::object::{Instance, Object};
use crate::raw::slot::Slot;

/// How long accepting rests when the system is out of descriptors or memory, in seconds.
const RETRY_DELAY: f64 = 1.0;

/// A listening socket, the server it belongs to, and who makes its protocols.
pub struct Listener {
    pub(super) socket: Object,
    pub(super) fd: RawFd,
    pub(super) family: i32,
    pub(super) proto: i32,
    pub(super) protocol_factory: Object,
    pub(super) server: Option<Object>,
    pub(super) backlog: u32,
    /// Where protocols are made.
    pub(super) context: Object,
    /// Whether `context` is the server's own, which 3.15 copies for each connection and hands on.
    pub(super) has_server_context: bool,
    pub(super) token: Cell<Option<Token>>,
    /// Wakes the listener up after it ran out of resources.
    pub(super) retry: Slot,
}

impl Listener {
    /// The listening socket.
    pub fn socket(&self) -> &Object {
        &self.socket
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        visit.object(&self.socket);
        visit.object(&self.protocol_factory);
        visit.optional(self.server.as_ref());
        visit.object(&self.context);
        self.retry.traverse(visit);
    }

    /// Accepts what waits, at most a backlog's worth.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol factory.
    pub fn ready(&self, event_loop: &Instance<EventLoop>, py: Python<'_>) -> PyResult<()> {
        for _ in 0..self.backlog {
            if self.token.get().is_none() {
                return Ok(());
            }
            match zloop_net::accept(&self.fd) {
                Ok(accepted) => self.welcome(event_loop, py, accepted)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if Fault::of(&error) == Fault::Exhausted => {
                    return self.rest(event_loop, py, &error);
                }
                Err(error) => {
                    let error = os_error(py, &error).into_value(py);
                    return self.report(
                        event_loop,
                        py,
                        "Accept error on listening socket",
                        error.into_any(),
                    );
                }
            }
        }
        Ok(())
    }

    /// Makes the protocol and the transport of a new connection.
    fn welcome(
        &self,
        event_loop: &Instance<EventLoop>,
        py: Python<'_>,
        accepted: Accepted,
    ) -> PyResult<()> {
        let connection_context = context::copy(py, &self.context)?;
        let mut protocol = None;
        let made = context::run(py, &connection_context, || {
            let made = protocol.insert(call::call0(py, &self.protocol_factory)?);
            let parts = Parts {
                connected: Connected {
                    descriptor: Descriptor::Owned(accepted.fd),
                    socket: None,
                    family: self.family,
                    proto: self.proto,
                    peer: Peer::Address(accepted.peer),
                },
                protocol: made.bind(py),
                waiter: None,
                extra: None,
                server: self.server.clone(),
                context: self.has_server_context.then(|| connection_context.clone()),
            };
            StreamTransport::create(py, event_loop, parts)
        });
        match made {
            Ok(transport) if event_loop.is_debug() => self.log_connection(py, &transport),
            Ok(_) => Ok(()),
            Err(error) if is_fatal(py, &error) => Err(error),
            Err(_) if !event_loop.is_debug() => {
                tracing::debug!(target: TARGET, listener = self.fd, "dropped a connection: no protocol or transport could be made");
                Ok(())
            }
            Err(error) => {
                let report = PyDict::new(py);
                report.set_item(
                    "message",
                    "Error on transport creation for incoming connection",
                )?;
                report.set_item("exception", error.into_value(py))?;
                if let Some(protocol) = protocol {
                    report.set_item("protocol", protocol.bind(py))?;
                }
                event_loop
                    .bind(py)
                    .call_method1("call_exception_handler", (report,))?;
                Ok(())
            }
        }
    }

    fn log_connection(
        &self,
        py: Python<'_>,
        transport: &Instance<StreamTransport>,
    ) -> PyResult<()> {
        let transport = transport.bind(py);
        let message = "%r got a new connection from %r: %r";
        let server = self.server.as_ref().map(|server| server.bind(py));
        let peer = transport.call_method1("get_extra_info", ("peername",))?;
        let socket = transport.call_method1("get_extra_info", ("socket",))?;
        let logger = imports(py)?.logger.bind(py);
        logger.call_method1("debug", (message, server, peer, socket))?;
        Ok(())
    }

    /// Stops accepting for a while, so that a full process does not spin.
    fn rest(
        &self,
        event_loop: &Instance<EventLoop>,
        py: Python<'_>,
        error: &io::Error,
    ) -> PyResult<()> {
        let error = os_error(py, error).into_value(py);
        self.report(
            event_loop,
            py,
            "socket.accept() out of system resource",
            error.into_any(),
        )?;
        tracing::debug!(target: TARGET, listener = self.fd, "accepting rests");
        self.set_interest(event_loop, Interest::NONE);
        let resume = event_loop.bind(py).getattr("_resume_accepting")?;
        let retry = event_loop
            .bind(py)
            .call_method1("call_later", (RETRY_DELAY, resume, self.socket.bind(py)))?;
        self.retry.set(Object::from(retry));
        Ok(())
    }

    /// Goes on accepting after a rest.
    pub(super) fn resume(&self, event_loop: &Instance<EventLoop>) {
        tracing::debug!(target: TARGET, listener = self.fd, "accepting again");
        drop(self.retry.take());
        self.set_interest(event_loop, Interest::READABLE);
    }

    fn set_interest(&self, event_loop: &Instance<EventLoop>, interest: Interest) {
        if let Some(token) = self.token.get() {
            event_loop.with_reactor(|reactor| {
                // A listening socket that its user closed is gone from the selector already.
                let _ = reactor.set_interest(token, interest);
            });
        }
    }

    fn report(
        &self,
        event_loop: &Instance<EventLoop>,
        py: Python<'_>,
        message: &str,
        error: Py<PyAny>,
    ) -> PyResult<()> {
        let report = PyDict::new(py);
        report.set_item("message", message)?;
        report.set_item("exception", error)?;
        report.set_item(
            "socket",
            imports(py)?
                .transport_socket
                .bind(py)
                .call1((self.socket.bind(py),))?,
        )?;
        event_loop
            .bind(py)
            .call_method1("call_exception_handler", (report,))?;
        Ok(())
    }
}
