//! From `connection_made` to `connection_lost`.

use std::io;
use std::os::fd::AsRawFd;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zloop_core::{Error, Interest};
use zloop_net::FlowEvent;

use super::{EndpointTransport, Step};
use crate::errors::{os_error, reactor_error};
use crate::event_loop::{Ready, Source, is_fatal};
use crate::imports::imports;
use crate::raw::context;
use crate::raw::object::{Instance, Object};

impl<T: EndpointTransport> Instance<T> {
    /// Registers the descriptor and queues `connection_made`.
    pub(in crate::transport) fn begin(&self, py: Python<'_>) -> PyResult<()> {
        let endpoint = self.endpoint();
        endpoint.event_loop.check_open()?;
        self.register().map_err(|error| os_error(py, &error))?;
        self.put_off(Step::ConnectionMade);
        Ok(())
    }

    fn register(&self) -> io::Result<()> {
        let endpoint = self.endpoint();
        let register = |fd| {
            let source = Source::Endpoint(T::any(self.clone()));
            endpoint.event_loop.register(fd, Interest::NONE, source)
        };
        let registered = match register(endpoint.fd) {
            Some(Err(Error::AlreadyRegistered(_))) => {
                // A terminal, for instance, with a transport for each direction.
                let stand_in = zloop_net::pipe::duplicate(&endpoint.fd)?;
                let registered = register(stand_in.as_raw_fd());
                endpoint.stand_in.set(Some(stand_in));
                registered
            }
            registered => registered,
        };
        if let Some(registered) = registered {
            endpoint.token.set(Some(registered?));
        }
        Ok(())
    }

    /// Leaves the descriptor's number to who watches it now, if the transport is closing and still
    /// sends, which it goes on with.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub(in crate::transport) fn leave_number(&self) -> io::Result<()> {
        let endpoint = self.endpoint();
        let is_sending = endpoint.closing.get() && self.has_unsent();
        let Some(token) = endpoint.token.get().filter(|_| is_sending) else {
            return Ok(());
        };
        let stand_in = zloop_net::pipe::duplicate(&endpoint.fd)?;
        let source = Source::Endpoint(T::any(self.clone()));
        let interest = endpoint.interest.get();
        let registered =
            endpoint
                .event_loop
                .reregister(token, stand_in.as_raw_fd(), interest, source);
        let Some(registered) = registered.transpose()? else {
            return Ok(());
        };
        endpoint.token.set(Some(registered));
        endpoint.stand_in.set(Some(stand_in));
        Ok(())
    }

    /// Does something at the next turn.
    pub(in crate::transport) fn put_off(&self, step: Step) {
        self.endpoint()
            .event_loop
            .push_ready(Ready::Endpoint(T::any(self.clone()), step));
    }

    pub(super) fn step(&self, py: Python<'_>, step: Step) -> PyResult<()> {
        match step {
            Step::ConnectionMade => self.connection_made(py),
            Step::Proceed => T::proceed(self, py),
            Step::ConnectionLost => self.connection_lost(py),
        }
    }

    fn connection_made(&self, py: Python<'_>) -> PyResult<()> {
        let endpoint = self.endpoint();
        let told = match endpoint.protocol() {
            Some(protocol) => {
                let start_context = endpoint.contexts.borrow().start.clone();
                let told = context::run(py, &start_context, || {
                    protocol.tell(py, "connection_made", self.as_object())
                });
                self.check_callback(
                    py,
                    protocol.object(),
                    "connection_made",
                    self.as_object(),
                    told,
                )
            }
            None => Ok(()),
        };
        endpoint.started.set(true);
        if let Err(error) = self.update_interest(py) {
            self.report(py, "Cannot wait for the descriptor of a transport", error)?;
        }
        if let Some(waiter) = endpoint.waiter.take() {
            let waiter = waiter.bind(py);
            if !waiter.call_method0(intern!(py, "cancelled"))?.is_truthy()? {
                waiter.call_method1(intern!(py, "set_result"), (py.None(),))?;
            }
        }
        told
    }

    /// Tells the protocol that the connection is over, and closes the descriptor.
    pub(in crate::transport) fn connection_lost(&self, py: Python<'_>) -> PyResult<()> {
        let endpoint = self.endpoint();
        let Some(protocol) = endpoint.protocol.take() else {
            return Ok(());
        };
        endpoint.loss_scheduled.set(true);
        if endpoint.lost_count.get() == 0 {
            endpoint.lost_count.set(1);
        }
        let reason = endpoint
            .lost_reason
            .take()
            .unwrap_or_else(|| Object::none(py));
        let lost_context = endpoint.contexts.borrow().lost.clone();
        let told = match lost_context {
            Some(lost_context) => context::run(py, &lost_context, || {
                protocol.tell(py, "connection_lost", &reason)
            }),
            // Writing has just ended, in its own context.
            None => protocol.tell(py, "connection_lost", &reason),
        };
        let told = self.check_callback(py, protocol.object(), "connection_lost", &reason, told);
        let closed = match self.close_descriptor(py) {
            Err(error) if !is_fatal(py, &error) => {
                self.report(py, "Cannot close a transport's descriptor", error)
            }
            closed => closed,
        };
        told.and(closed)
    }

    /// Closes the descriptor, once, by its owner.
    fn close_descriptor(&self, py: Python<'_>) -> PyResult<()> {
        let endpoint = self.endpoint();
        if let Some(token) = endpoint.token.take() {
            let source = endpoint
                .event_loop
                .with_reactor(|reactor| reactor.deregister(token))
                .flatten();
            drop(source);
        }
        endpoint.interest.set(Interest::NONE);
        drop(endpoint.stand_in.take());
        match endpoint.owner.take() {
            Some(owner) => owner.bind(py).call_method0(intern!(py, "close")).map(drop),
            None => Ok(()),
        }
    }

    /// Closes at once, dropping what is not sent.
    pub(in crate::transport) fn close_by_force(
        &self,
        py: Python<'_>,
        reason: Option<Object>,
    ) -> PyResult<()> {
        if self.endpoint().loss_scheduled.get() {
            return Ok(());
        }
        self.endpoint().closing.set(true);
        self.drop_unsent();
        self.schedule_loss(py, reason)
    }

    /// Has `connection_lost` called at the next turn.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed, or in debug mode runs on another thread.
    pub(in crate::transport) fn schedule_loss(
        &self,
        py: Python<'_>,
        reason: Option<Object>,
    ) -> PyResult<()> {
        let endpoint = self.endpoint();
        if endpoint.loss_scheduled.get() {
            return Ok(());
        }
        endpoint.event_loop.check_open()?;
        endpoint.event_loop.check_thread_in_debug_mode()?;
        endpoint.loss_scheduled.set(true);
        endpoint.lost_count.set(endpoint.lost_count.get() + 1);
        self.update_interest(py)?;
        let lost = context::copy_current(py)?;
        endpoint.contexts.borrow_mut().lost = Some(lost);
        endpoint.lost_reason.set(reason);
        self.put_off(Step::ConnectionLost);
        Ok(())
    }

    /// Reports an error as asyncio does, and closes at once.
    pub(in crate::transport) fn fatal_error(
        &self,
        py: Python<'_>,
        error: PyErr,
        message: &str,
    ) -> PyResult<()> {
        if T::is_quiet(py, &error) {
            if self.endpoint().event_loop.is_debug() {
                let logger = imports(py)?.logger.bind(py);
                let keywords = PyDict::new(py);
                keywords.set_item("exc_info", error.clone_ref(py).into_value(py))?;
                logger.call_method("debug", ("%r: %s", self.bind(py), message), Some(&keywords))?;
            }
        } else {
            self.report(py, message, error.clone_ref(py))?;
        }
        self.close_by_force(py, Some(Object::from(error.into_value(py))))
    }

    /// Tells the loop's exception handler of an error on this transport.
    ///
    /// # Errors
    /// The error itself if it is fatal, else what the exception handler lets through.
    pub(in crate::transport) fn report(
        &self,
        py: Python<'_>,
        message: &str,
        error: PyErr,
    ) -> PyResult<()> {
        if is_fatal(py, &error) {
            return Err(error);
        }
        let endpoint = self.endpoint();
        let report = PyDict::new(py);
        report.set_item("message", message)?;
        report.set_item("exception", error.into_value(py))?;
        report.set_item("transport", self.bind(py))?;
        let protocol = endpoint
            .protocol()
            .map(|protocol| protocol.object().clone());
        report.set_item(
            "protocol",
            protocol.unwrap_or_else(|| Object::none(py)).bind(py),
        )?;
        endpoint
            .event_loop
            .bind(py)
            .call_method1("call_exception_handler", (report,))?;
        Ok(())
    }

    /// Reports what the protocol raised where asyncio calls it from a handle.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt`, and what the exception handler lets through.
    pub(in crate::transport) fn check_callback(
        &self,
        py: Python<'_>,
        protocol: &Object,
        method: &str,
        argument: &Object,
        result: PyResult<()>,
    ) -> PyResult<()> {
        let Err(error) = result else { return Ok(()) };
        if is_fatal(py, &error) {
            return Err(error);
        }
        imports(py)?.report_protocol_error.bind(py).call1((
            self.endpoint().event_loop.bind(py),
            protocol.bind(py),
            method,
            argument.bind(py),
            error.into_value(py),
        ))?;
        Ok(())
    }

    /// Tells the protocol to pause or to go on.
    pub(in crate::transport) fn tell_flow(
        &self,
        py: Python<'_>,
        event: Option<FlowEvent>,
    ) -> PyResult<()> {
        let (Some(event), Some(protocol)) = (event, self.endpoint().protocol()) else {
            return Ok(());
        };
        let method = match event {
            FlowEvent::PauseWriting => "pause_writing",
            FlowEvent::ResumeWriting => "resume_writing",
        };
        match protocol.notify(py, method) {
            Ok(()) => Ok(()),
            Err(error) => self.report(py, &format!("protocol.{method}() failed"), error),
        }
    }

    /// Tells the selector of what the transport waits for, if that changed.
    pub(in crate::transport) fn update_interest(&self, py: Python<'_>) -> PyResult<()> {
        let endpoint = self.endpoint();
        let wanted = self.wanted();
        if wanted == endpoint.interest.get() {
            return Ok(());
        }
        let Some(token) = endpoint.token.get() else {
            return Ok(());
        };
        match endpoint
            .event_loop
            .with_reactor(|reactor| reactor.set_interest(token, wanted))
        {
            Some(Err(error)) if !wanted.is_empty() => Err(reactor_error(py, error)),
            _ => {
                endpoint.interest.set(wanted);
                Ok(())
            }
        }
    }

    /// Whether the selector was told to wait for `interest`.
    #[inline]
    pub(in crate::transport) fn waits_for(&self, interest: Interest) -> bool {
        self.endpoint().interest.get().contains(interest)
    }

    /// Whether it is open, closing or closed.
    pub(super) fn state(&self) -> &'static str {
        let endpoint = self.endpoint();
        match (endpoint.owner.is_empty(), endpoint.closing.get()) {
            (true, _) => "closed",
            (false, true) => "closing",
            (false, false) => "open",
        }
    }

    pub(in crate::transport) fn log(
        &self,
        py: Python<'_>,
        level: &str,
        message: &str,
    ) -> PyResult<()> {
        if self.endpoint().event_loop.is_debug() {
            imports(py)?
                .logger
                .bind(py)
                .call_method1(level, (message, self.bind(py)))?;
        }
        Ok(())
    }
}
