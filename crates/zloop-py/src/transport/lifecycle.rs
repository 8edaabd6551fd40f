//! From `connection_made` to `connection_lost`.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use pyo3::exceptions::{PyConnectionError, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zloop_core::{Interest, Readiness};
use zloop_net::Address;

use super::StreamTransport;
use crate::errors::reactor_error;
use crate::event_loop::{Ready, Source, is_fatal};
use crate::imports::imports;
use crate::logging::TARGET;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::context;
use crate::raw::object::{Instance, Object};

/// What a transport does at the next turn.
#[derive(Clone, Copy)]
pub enum Step {
    /// Tell the protocol of the connection, and begin to read.
    ConnectionMade,
    /// Tell the protocol that the connection is over, and close the descriptor.
    ConnectionLost,
}

pub(super) fn add_methods(builder: ClassBuilder<StreamTransport>) -> ClassBuilder<StreamTransport> {
    builder
        .bare_method(c"close", close, c"close($self)\n--\n\nClose once what is buffered was sent.")
        .bare_method(c"abort", abort, c"abort($self)\n--\n\nClose at once, dropping what is buffered.")
        .bare_method(c"is_closing", is_closing, c"is_closing($self)\n--\n\nWhether it is closing or closed.")
        .bare_method(c"_state", state, c"_state($self)\n--\n\nWhether it is open, closing or closed, and what the selector waits for.")
        .bare_method(c"_close_unused", close_unused, c"_close_unused($self)\n--\n\nClose the descriptor of a transport that nobody uses any more.")
        .method(c"_force_close", force_close, c"_force_close($self, exc)\n--\n\nClose at once; connection_lost() is told of `exc`.")
        .method(c"_fatal_error", report_fatal, c"_fatal_error($self, exc, message='Fatal error on transport')\n--\n\nReport an error and close at once.")
}

impl Instance<StreamTransport> {
    /// Registers the descriptor and queues `connection_made`.
    pub(super) fn begin(&self, py: Python<'_>, fd: RawFd) -> PyResult<()> {
        self.stream.borrow_mut().pause_reading();
        let source = Source::Stream(self.clone());
        let registered = self.event_loop.register(fd, Interest::NONE, source);
        match registered {
            Some(Ok(token)) => {
                self.event_loop.count_connection();
                self.token.set(Some(token));
            }
            Some(Err(error)) => return Err(reactor_error(py, error)),
            None => self.event_loop.check_open()?,
        }
        if let Err(error) = self.attach_server(py) {
            // The server was closed meanwhile.
            drop(self.server.take());
            self.close_descriptor(py)?;
            return Err(error);
        }
        self.event_loop
            .push_ready(Ready::Step(self.clone(), Step::ConnectionMade));
        Ok(())
    }

    fn attach_server(&self, py: Python<'_>) -> PyResult<()> {
        let server = self.server.get();
        let Some(server) = server else { return Ok(()) };
        #[cfg(Py_3_13)]
        server
            .bind(py)
            .call_method1(intern!(py, "_attach"), (self.bind(py),))?;
        #[cfg(not(Py_3_13))]
        server.bind(py).call_method0(intern!(py, "_attach"))?;
        Ok(())
    }

    fn detach_server(&self, py: Python<'_>) -> PyResult<()> {
        let Some(server) = self.server.take() else {
            return Ok(());
        };
        #[cfg(Py_3_13)]
        server
            .bind(py)
            .call_method1(intern!(py, "_detach"), (self.bind(py),))?;
        #[cfg(not(Py_3_13))]
        server.bind(py).call_method0(intern!(py, "_detach"))?;
        Ok(())
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub fn step(&self, py: Python<'_>, step: Step) -> PyResult<()> {
        let done = match step {
            Step::ConnectionMade => self.connection_made(py),
            Step::ConnectionLost => self.connection_lost(py),
        };
        match done {
            Err(error) if !is_fatal(py, &error) => {
                self.report(py, "Exception in a transport's callback", error)
            }
            done => done,
        }
    }

    /// Acts on readiness of the descriptor.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    #[inline]
    pub fn ready(&self, py: Python<'_>, readiness: Readiness) -> PyResult<()> {
        if readiness.is_readable() {
            self.read_if_wanted(py)?;
            // An end, or urgent data, stands behind what was read, and has no edge of its own.
            if readiness.has_ended() {
                self.look_again();
            }
        }
        if readiness.is_writable() && self.interest.get().contains(Interest::WRITABLE) {
            let written = self.write_ready(py);
            self.end_if_failed(py, written, "Fatal write error on socket transport")?;
        }
        Ok(())
    }

    /// Tells the protocol of the connection, and begins to read, whatever the protocol raises.
    fn connection_made(&self, py: Python<'_>) -> PyResult<()> {
        tracing::debug!(target: TARGET, fd = self.fd(), "connection made");
        let told = self.tell_of_connection(py);
        self.started.set(true);
        let reading = self.start_reading(py);
        let waiter = self.tell_waiter(py);
        told.and(reading).and(waiter)
    }

    fn tell_of_connection(&self, py: Python<'_>) -> PyResult<()> {
        let Some(protocol) = self.protocol.borrow().clone() else {
            return Ok(());
        };
        let Some(start_context) = self.contexts.borrow_mut().start.take() else {
            return Ok(());
        };
        let made = context::run(py, &start_context, || {
            protocol.tell(py, "connection_made", self.as_object())
        });
        match made {
            Ok(_) => Ok(()),
            Err(error) => self.report_callback(
                py,
                protocol.object(),
                "connection_made",
                self.as_object(),
                error,
            ),
        }
    }

    /// Tells who creates the connection that it is there.
    fn tell_waiter(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(waiter) = self.waiter.take() {
            let waiter = waiter.bind(py);
            if !waiter.call_method0(intern!(py, "cancelled"))?.is_truthy()? {
                waiter.call_method1(intern!(py, "set_result"), (py.None(),))?;
            }
        }
        Ok(())
    }

    /// Tells the protocol that the connection is over, and closes the descriptor.
    pub(super) fn connection_lost(&self, py: Python<'_>) -> PyResult<()> {
        let Some(protocol) = self.protocol.take() else {
            return Ok(());
        };
        tracing::debug!(target: TARGET, fd = self.fd(), "connection lost");
        if self.lost_count.get() == 0 {
            self.lost_count.set(1);
        }
        let reason = self.lost_reason.take().unwrap_or_else(|| Object::none(py));
        let lost_context = match &self.shared_context {
            Some(shared) => Some(shared.clone()),
            None => {
                let contexts = self.contexts.borrow();
                contexts.lost.clone().or_else(|| contexts.write.clone())
            }
        };
        let told = match lost_context {
            Some(lost_context) => context::run(py, &lost_context, || {
                protocol.tell(py, "connection_lost", &reason)
            }),
            None => protocol.tell(py, "connection_lost", &reason),
        };
        let reported = match told {
            Ok(_) => Ok(()),
            Err(error) => {
                self.report_callback(py, protocol.object(), "connection_lost", &reason, error)
            }
        };
        let closed = self.close_descriptor(py);
        let detached = self.detach_server(py);
        let told = self.fail_empty_waiter(py);
        reported.and(closed).and(detached).and(told)
    }

    fn fail_empty_waiter(&self, py: Python<'_>) -> PyResult<()> {
        let waiter = self.empty_waiter.get();
        if let Some(waiter) = waiter
            && !waiter.bind(py).call_method0("done")?.is_truthy()?
        {
            let error = PyConnectionError::new_err("Connection is closed by peer");
            waiter
                .bind(py)
                .call_method1("set_exception", (error.into_value(py),))?;
        }
        Ok(())
    }

    /// Closes the descriptor, once, by its owner.
    fn close_descriptor(&self, py: Python<'_>) -> PyResult<()> {
        if self.socket.is_empty()
            && self.token.get().is_some()
            && let Ok(local) = Address::local(&*self.stream.borrow())
        {
            let _ = self.local.set(Box::new(local));
        }
        let Some(token) = self.token.take() else {
            return Ok(());
        };
        self.event_loop.count_closed_connection();
        let source = self
            .event_loop
            .with_reactor(|reactor| reactor.deregister(token))
            .flatten();
        drop(source);
        drop(self.stand_in.take());
        let owned = self.stream.borrow_mut().release_descriptor();
        drop(owned);
        let socket = self.socket.get();
        if let Some(socket) = socket {
            if self.holds_socket.replace(false) {
                socket
                    .bind(py)
                    .call_method0(intern!(py, "_decref_socketios"))?;
            }
            socket.bind(py).call_method0(intern!(py, "close"))?;
        }
        Ok(())
    }

    /// Leaves the descriptor's number to who watches it now, if the transport is closing and still
    /// sends, which it goes on with.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub fn leave_number(&self) -> io::Result<()> {
        let is_sending = self.closing.get() && !self.stream.borrow().is_drained();
        let Some(token) = self.token.get().filter(|_| is_sending) else {
            return Ok(());
        };
        let stand_in = zloop_net::pipe::duplicate(&*self.stream.borrow())?;
        let source = Source::Stream(self.clone());
        let interest = self.interest.get();
        let registered =
            self.event_loop
                .reregister(token, stand_in.as_raw_fd(), interest | self.edge, source);
        let Some(registered) = registered.transpose()? else {
            return Ok(());
        };
        self.token.set(Some(registered));
        self.stand_in.set(Some(stand_in));
        Ok(())
    }

    /// Closes once what is buffered was sent.
    pub fn close_now(&self, py: Python<'_>) -> PyResult<()> {
        if self.closing.get() {
            return Ok(());
        }
        self.flush_if_possible(py)?;
        if self.closing.replace(true) {
            return Ok(());
        }
        tracing::debug!(target: TARGET, fd = self.fd(), unsent = self.stream.borrow().buffered(), "closing");
        self.stream.borrow_mut().pause_reading();
        self.update_interest(py)?;
        if self.stream.borrow().buffered() == 0 {
            self.schedule_loss(py, None)?;
        }
        Ok(())
    }

    /// Closes at once, dropping what is buffered.
    pub fn close_by_force(&self, py: Python<'_>, reason: Option<Object>) -> PyResult<()> {
        if self.lost_count.get() > 0 {
            return Ok(());
        }
        tracing::debug!(target: TARGET, fd = self.fd(), failed = reason.is_some(), "closing at once");
        self.closing.set(true);
        self.stream.borrow_mut().abort();
        self.update_interest(py)?;
        self.schedule_loss(py, reason)
    }

    /// Queues `connection_lost`.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed, or in debug mode runs on another thread.
    pub(super) fn schedule_loss(&self, py: Python<'_>, reason: Option<Object>) -> PyResult<()> {
        self.event_loop.check_thread_in_debug_mode()?;
        self.lost_count.set(self.lost_count.get() + 1);
        self.loss_scheduled.set(true);
        if self.shared_context.is_none() {
            let lost_context = context::copy_current(py)?;
            self.contexts.borrow_mut().lost = Some(lost_context);
        }
        self.lost_reason.set(reason);
        self.event_loop.check_open()?;
        self.event_loop
            .push_ready(Ready::Step(self.clone(), Step::ConnectionLost));
        Ok(())
    }

    /// Ends the connection if something raised.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt`, which do not end it.
    pub(super) fn end_if_failed(
        &self,
        py: Python<'_>,
        result: PyResult<()>,
        message: &str,
    ) -> PyResult<()> {
        match result {
            Ok(()) => Ok(()),
            Err(error) if is_fatal(py, &error) => Err(error),
            Err(error) => self.fatal_error(py, error, message),
        }
    }

    /// Reports an error as asyncio does, and closes at once.
    pub fn fatal_error(&self, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        if error.is_instance_of::<PyOSError>(py) {
            if self.event_loop.is_debug() {
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
    pub(super) fn report(&self, py: Python<'_>, message: &str, error: PyErr) -> PyResult<()> {
        let report = PyDict::new(py);
        report.set_item("message", message)?;
        report.set_item("exception", error.into_value(py))?;
        report.set_item("transport", self.bind(py))?;
        report.set_item("protocol", self.protocol_object(py).bind(py))?;
        self.event_loop
            .bind(py)
            .call_method1("call_exception_handler", (report,))?;
        Ok(())
    }

    /// Reports what the protocol raised where asyncio calls it from a handle.
    fn report_callback(
        &self,
        py: Python<'_>,
        protocol: &Object,
        method: &str,
        argument: &Object,
        error: PyErr,
    ) -> PyResult<()> {
        if is_fatal(py, &error) {
            return Err(error);
        }
        imports(py)?.report_protocol_error.bind(py).call1((
            self.event_loop.bind(py),
            protocol.bind(py),
            method,
            argument.bind(py),
            error.into_value(py),
        ))?;
        Ok(())
    }

    pub(super) fn log_debug(&self, py: Python<'_>, message: &str) -> PyResult<()> {
        imports(py)?
            .logger
            .bind(py)
            .call_method1("debug", (message, self.bind(py)))?;
        Ok(())
    }

    /// Tells the selector of what the stream waits for, if that changed.
    #[inline]
    pub(super) fn update_interest(&self, py: Python<'_>) -> PyResult<()> {
        let interest = self.stream.borrow().interest();
        if interest == self.interest.get() {
            return Ok(());
        }
        let Some(token) = self.token.get() else {
            return Ok(());
        };
        self.interest.set(interest);
        match self
            .event_loop
            .with_reactor(|reactor| reactor.set_interest(token, interest | self.edge))
        {
            Some(Err(error)) if !interest.is_empty() => Err(reactor_error(py, error)),
            _ => Ok(()),
        }
    }
}

fn close(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    transport.close_now(py)?;
    Ok(Object::none(py))
}

fn abort(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    transport.flush_if_possible(py)?;
    transport.close_by_force(py, None)?;
    Ok(Object::none(py))
}

fn close_unused(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    transport.close_descriptor(py)?;
    transport.detach_server(py)?;
    Ok(Object::none(py))
}

fn is_closing(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    Ok(Object::boolean(py, transport.closing.get()))
}

fn force_close(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [error] = arguments.bind(py, "_force_close", ["exc"], 1)?;
    let reason = error
        .filter(|error| !error.is_none())
        .map(|error| Object::from(error.to_owned()));
    transport.close_by_force(py, reason)?;
    Ok(Object::none(py))
}

fn report_fatal(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [error, message] = arguments.bind(py, "_fatal_error", ["exc", "message"], 1)?;
    let Some(error) = error else {
        return Ok(Object::none(py));
    };
    let message: String = match message {
        Some(message) => message.extract()?,
        None => "Fatal error on transport".to_owned(),
    };
    transport.fatal_error(py, PyErr::from_value(error.to_owned()), &message)?;
    Ok(Object::none(py))
}

fn state(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let state = match (transport.token.get(), transport.closing.get()) {
        (None, _) => "closed",
        (Some(_), true) => "closing",
        (Some(_), false) => "open",
    };
    let interest = transport.interest.get();
    let state = (
        state,
        interest.contains(Interest::READABLE),
        interest.contains(Interest::WRITABLE),
    );
    Ok(Object::from(state.into_pyobject(py)?))
}
