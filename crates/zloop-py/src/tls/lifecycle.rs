//! From the handshake to `connection_lost`.

use std::time::Duration;

use pyo3::exceptions::{
    PyConnectionAbortedError, PyConnectionError, PyConnectionResetError, PyOSError, PyTimeoutError,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zloop_tls::Ending;

use super::TlsTransport;
use super::engine::Failure;
use super::errors;
use super::lower::Lower;
use super::transport::Told;
use crate::event_loop::is_fatal;
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};
use crate::transport::Receiver;

const FAILED: &str = "Fatal error on transport";

pub(super) fn add_methods(builder: ClassBuilder<TlsTransport>) -> ClassBuilder<TlsTransport> {
    builder
        .bare_method(
            c"close",
            |transport, py, _| {
                transport.close(py)?;
                Ok(Object::none(py))
            },
            c"close($self)\n--\n\nClose once what is buffered was sent.",
        )
        .bare_method(
            c"abort",
            |transport, py, _| {
                transport.close_by_force(py, None)?;
                Ok(Object::none(py))
            },
            c"abort($self)\n--\n\nClose at once, dropping what is buffered.",
        )
        .bare_method(
            c"is_closing",
            |transport, py, _| Ok(Object::boolean(py, transport.is_closing())),
            c"is_closing($self)\n--\n\nWhether it is closing or closed.",
        )
        .method(
            c"_force_close",
            force_close,
            c"_force_close($self, exc)\n--\n\nClose at once; connection_lost() is told of `exc`.",
        )
        .method(
            c"_start",
            start,
            c"_start($self, lower, received=b'', was_told=False)\n--\n\nBegin the handshake over a transport that is connected; `was_told` says whether it told the protocol when to pause.",
        )
        .bare_method(
            c"_expire",
            expire,
            c"_expire($self)\n--\n\nGive up what was to be done by now.",
        )
        .method(
            c"_lower_lost",
            lower_lost,
            c"_lower_lost($self, exc)\n--\n\nThe transport below is gone.",
        )
}

impl Instance<TlsTransport> {
    /// What the transport below tells its protocol.
    ///
    /// # Errors
    /// What the protocol's `connection_made` raises, `SystemExit` and `KeyboardInterrupt`.
    pub fn on_lower(
        &self,
        py: Python<'_>,
        method: &str,
        argument: Option<&Object>,
    ) -> PyResult<Object> {
        match (method, argument) {
            ("connection_made", Some(lower)) => self.start(py, lower, &[], false)?,
            ("connection_lost", Some(reason)) => self.lost(py, reason)?,
            ("eof_received", _) => {
                self.with_engine(|engine| engine.receive_end());
                self.advance(py)?;
                // Who closes the transport below, and when, is decided here.
                return Ok(Object::boolean(py, true));
            }
            ("pause_writing", _) => self.lower_paused.set(true),
            ("resume_writing", _) => {
                self.lower_paused.set(false);
                self.advance(py)?;
            }
            _ => {}
        }
        Ok(Object::none(py))
    }

    /// Begins the handshake; `received` came from the peer already. `was_told` says whether the protocol was
    /// the lower transport's, and so knows of a pause.
    fn start(
        &self,
        py: Python<'_>,
        lower: &Object,
        received: &[u8],
        was_told: bool,
    ) -> PyResult<()> {
        let imports = imports(py)?;
        let lower = match imports.stream_transport.cast(lower.bind(py))? {
            Some(stream) => Lower::Stream(stream),
            None => match imports.tls_transport.cast(lower.bind(py))? {
                Some(transport) => Lower::Tls(transport),
                None => return Ok(()),
            },
        };
        if lower.is_paused() {
            self.lower_paused.set(true);
            if was_told {
                self.protocol_paused.set(true);
                self.inherited_pause.set(true);
            }
        }
        drop(self.lower.replace(Some(lower.clone())));
        if self.closing.get() {
            return lower.close_by_force(py, None);
        }
        if self.event_loop.is_debug() {
            let logger = imports.logger.bind(py);
            logger.call_method1("debug", ("%r starts SSL handshake", self.bind(py)))?;
        }
        let now = self.now();
        self.started.set(now);
        self.set_timer(py, &self.timeouts.handshake)?;
        self.with_engine(|engine| {
            if !received.is_empty() {
                engine.receive(received);
            }
            engine.start(now);
        });
        self.advance(py)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.event_loop.now().as_nanos())
    }

    fn set_timer(&self, py: Python<'_>, timeout: &Object) -> PyResult<()> {
        self.cancel_timer(py)?;
        let expire = self.bind(py).getattr(intern!(py, "_expire"))?;
        let event_loop = self.event_loop.bind(py);
        let timer =
            event_loop.call_method1(intern!(py, "call_later"), (timeout.bind(py), expire))?;
        self.timer.set(Object::from(timer));
        Ok(())
    }

    fn cancel_timer(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(timer) = self.timer.take() {
            timer.bind(py).call_method0(intern!(py, "cancel"))?;
        }
        Ok(())
    }

    fn wake_waiter(&self, py: Python<'_>, error: Option<&Object>) -> PyResult<()> {
        let Some(waiter) = self.waiter.take() else {
            return Ok(());
        };
        let waiter = waiter.bind(py);
        if waiter.call_method0(intern!(py, "cancelled"))?.is_truthy()? {
            return Ok(());
        }
        match error {
            Some(error) => waiter.call_method1(intern!(py, "set_exception"), (error.bind(py),))?,
            None => waiter.call_method1(intern!(py, "set_result"), (py.None(),))?,
        };
        Ok(())
    }

    /// The handshake is done: tells the protocol, and who waits.
    pub(super) fn handshake_done(&self, py: Python<'_>) -> PyResult<()> {
        self.cancel_timer(py)?;
        if let Err(error) = self.describe(py) {
            return self.handshake_failed(py, error);
        }
        if self.event_loop.is_debug() {
            let taken = self.now().saturating_sub(self.started.get()).as_secs_f64() * 1e3;
            let logger = imports(py)?.logger.bind(py);
            logger.call_method1(
                "debug",
                ("%r: SSL handshake took %.1f ms", self.bind(py), taken),
            )?;
        }
        if self.told.get() == Told::Nothing {
            self.told.set(Told::Made);
            let protocol = self.protocol.borrow().clone();
            if let Some(protocol) = protocol {
                protocol.tell(py, "connection_made", self.as_object())?;
            }
        }
        self.wake_waiter(py, None)
    }

    /// Puts what the handshake settled where `get_extra_info` finds it.
    fn describe(&self, py: Python<'_>) -> PyResult<()> {
        let made = match self.with_engine(|engine| engine.ssl_object(py)) {
            Some(made) => made?,
            None => return Ok(()),
        };
        let ssl_object = made.bind(py);
        let extra = self.extra.bind(py);
        extra.set_item("peercert", ssl_object.call_method0("getpeercert")?)?;
        extra.set_item("cipher", ssl_object.call_method0("cipher")?)?;
        extra.set_item("compression", ssl_object.call_method0("compression")?)?;
        extra.set_item("ssl_object", ssl_object)?;
        Ok(())
    }

    fn handshake_failed(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let certificate_error = py.import("ssl")?.getattr("CertificateError")?;
        let message = if error.value(py).is_instance(&certificate_error)? {
            "SSL handshake failed on verifying the certificate"
        } else {
            "SSL handshake failed"
        };
        self.cancel_timer(py)?;
        self.send_farewell(py)?;
        let value = Object::from(error.value(py).clone().into_any());
        self.fatal_error(py, error, message)?;
        self.wake_waiter(py, Some(&value))
    }

    /// Sends what the engine has left, such as an alert, if that can be done at once.
    fn send_farewell(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(lower) = self.lower() {
            self.send_through(py, &lower, true)?;
            lower.flush(py)?;
        }
        Ok(())
    }

    /// The peer will send no more: neither will we, as asyncio has it.
    pub(super) fn peer_closed(&self, py: Python<'_>, ending: Ending) -> PyResult<()> {
        self.truncated.set(ending == Ending::Truncated);
        if self.tell_end(py)? {
            self.answer_end(py, ending)?;
        }
        Ok(())
    }

    /// Tells the protocol of the peer's end, once. Says whether the connection outlived that.
    fn tell_end(&self, py: Python<'_>) -> PyResult<bool> {
        if self.told.get() != Told::Made {
            return Ok(true);
        }
        self.told.set(Told::EndReceived);
        let Some(protocol) = self.protocol.borrow().clone() else {
            return Ok(true);
        };
        let keep_open = protocol
            .notify(py, "eof_received")
            .and_then(|answer| answer.bind(py).is_truthy());
        match keep_open {
            Ok(keep_open) => {
                if keep_open && protocol.tls().is_none() {
                    let warning = "returning true from eof_received() has no effect when using ssl";
                    imports(py)?
                        .logger
                        .bind(py)
                        .call_method1("warning", (warning,))?;
                }
                Ok(true)
            }
            Err(error) if is_fatal(py, &error) => Err(error),
            Err(error) => {
                self.fatal_error(py, error, "Error calling eof_received()")?;
                Ok(false)
            }
        }
    }

    /// From now on the protocol is told of the connection's loss alone.
    fn tell_no_end(&self) {
        if self.told.get() == Told::Made {
            self.told.set(Told::EndReceived);
        }
    }

    /// Closes; without a close_notify to a peer that sent none.
    fn answer_end(&self, py: Python<'_>, ending: Ending) -> PyResult<()> {
        if ending == Ending::CloseNotify {
            return self.close(py);
        }
        self.closing.set(true);
        if let Some(lower) = self.lower() {
            self.send_through(py, &lower, true)?;
        }
        self.with_engine(|engine| engine.abort());
        Ok(())
    }

    /// Closes once everything was sent and the peer said that it closes too.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.closing.replace(true) || self.lower.borrow().is_none() {
            return Ok(());
        }
        if self
            .with_engine(|engine| engine.is_handshaking())
            .unwrap_or(true)
        {
            return self.close_by_force(py, None);
        }
        // What has come by now is still handed on, unless reading is paused.
        let delivered = self.deliver(py);
        let now = self.now();
        self.set_timer(py, &self.timeouts.shutdown)?;
        self.with_engine(|engine| engine.close(now));
        delivered.and(self.advance(py))
    }

    /// Whether it is closing or closed, or what carries it is.
    pub fn is_closing(&self) -> bool {
        self.closing.get() || self.lower().is_some_and(|lower| lower.is_closing())
    }

    /// Closes at once, for `reason`.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from a protocol.
    pub fn close_by_force(&self, py: Python<'_>, reason: Option<Object>) -> PyResult<()> {
        self.closing.set(true);
        let Some(lower) = self.lower() else {
            return Ok(());
        };
        self.send_through(py, &lower, false)?;
        lower.flush(py)?;
        self.tell_no_end();
        self.with_engine(|engine| engine.abort());
        lower.close_by_force(py, reason)
    }

    /// The connection ended as it should: closes the transport below.
    pub(super) fn closed(&self, py: Python<'_>) -> PyResult<()> {
        self.cancel_timer(py)?;
        let outlived = self.tell_end(py)?;
        if outlived && let Some(lower) = self.lower() {
            self.send_through(py, &lower, true)?;
            lower.close(py)?;
        }
        Ok(())
    }

    /// The connection ended by a failure: aborts the transport below.
    pub(super) fn failed(&self, py: Python<'_>, failure: Failure) -> PyResult<()> {
        match failure {
            Failure::Handshake(error) => self.handshake_failed(py, error),
            Failure::HandshakeEnd => self.handshake_failed(py, PyConnectionResetError::new_err(())),
            Failure::Traffic(error) => {
                self.send_farewell(py)?;
                self.fatal_error(py, error, "Fatal error on SSL protocol")
            }
            Failure::HandshakeTimeout => {
                let message = format!(
                    "SSL handshake is taking longer than {} seconds: aborting the connection",
                    self.timeouts.handshake.bind(py).str()?
                );
                // Nobody was told of the connection, nor is anybody told of its end but who waits.
                self.fatal_error(py, PyConnectionAbortedError::new_err(message), FAILED)
            }
            Failure::ShutdownTimeout => {
                let error = PyTimeoutError::new_err("SSL shutdown timed out");
                let reason = Object::from(error.into_value(py));
                match self.lower() {
                    Some(lower) => lower.close_by_force(py, Some(reason)),
                    None => Ok(()),
                }
            }
            Failure::LateData => self.fatal_error(py, errors::late_data(py), FAILED),
            Failure::Transport => Ok(()),
        }
    }

    /// Reports an error as asyncio does, and closes at once.
    pub(super) fn fatal_error(&self, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        let value = Object::from(error.value(py).clone().into_any());
        self.closing.set(true);
        self.tell_no_end();
        self.with_engine(|engine| engine.abort());
        let lower = self.lower();
        if let Some(lower) = &lower {
            lower.close_by_force(py, Some(value.clone()))?;
        }
        if is_fatal(py, &error) {
            return Err(error);
        }
        if error.is_instance_of::<PyOSError>(py) {
            if self.event_loop.is_debug() {
                let keywords = PyDict::new(py);
                keywords.set_item("exc_info", value.bind(py))?;
                let logger = imports(py)?.logger.bind(py);
                logger.call_method("debug", ("%r: %s", self.bind(py), message), Some(&keywords))?;
            }
            return Ok(());
        }
        let cancelled = py.import("asyncio")?.getattr("CancelledError")?;
        if value.bind(py).is_instance(&cancelled)? {
            return Ok(());
        }
        let report = PyDict::new(py);
        report.set_item("message", message)?;
        report.set_item("exception", value.bind(py))?;
        report.set_item("transport", self.bind(py))?;
        report.set_item("protocol", self.protocol_object(py).bind(py))?;
        self.event_loop
            .bind(py)
            .call_method1("call_exception_handler", (report,))?;
        Ok(())
    }

    /// The transport below is gone: tells the protocol at the next turn.
    fn lost(&self, py: Python<'_>, reason: &Object) -> PyResult<()> {
        self.cancel_timer(py)?;
        self.closing.set(true);
        self.lost_count.set(self.lost_count.get() + 1);
        let was_handshaking = !self.started.get().is_zero()
            && self
                .with_engine(|engine| engine.is_handshaking())
                .unwrap_or(false);
        let error = reason.bind(py);
        // A peer that left without its close_notify may not have stayed for ours.
        let is_expected = self.truncated.get() && error.is_instance_of::<PyConnectionError>();
        let reason = if is_expected {
            Object::none(py)
        } else {
            reason.clone()
        };
        self.with_engine(|engine| engine.abort());
        let protocol = self.protocol.take();
        let told = self.told.replace(Told::Lost);
        if let Some(protocol) = protocol
            && !was_handshaking
            && (told == Told::Made || told == Told::EndReceived)
        {
            let method = match protocol.receiver() {
                Receiver::Tls(_) => intern!(py, "_lower_lost"),
                _ => intern!(py, "connection_lost"),
            };
            let tell = protocol.object().bind(py).getattr(method)?;
            let arguments = (tell, reason.bind(py));
            self.event_loop
                .bind(py)
                .call_method1(intern!(py, "call_soon"), arguments)?;
        }
        let error = (!reason.bind(py).is_none()).then_some(&reason);
        self.wake_waiter(py, error)
    }
}

fn force_close(
    transport: &Instance<TlsTransport>,
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

fn start(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let names = ["lower", "received", "was_told"];
    let [lower, received, was_told] = arguments.bind(py, "_start", names, 1)?;
    if let Some(lower) = lower {
        let received: Vec<u8> = match received {
            Some(received) => received.extract()?,
            None => Vec::new(),
        };
        let was_told = was_told.map_or(Ok(false), |was_told| was_told.is_truthy())?;
        transport.start(py, &Object::from(lower.to_owned()), &received, was_told)?;
    }
    Ok(Object::none(py))
}

fn expire(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let now = transport.now();
    transport.with_engine(|engine| engine.expire(now));
    transport.advance(py)?;
    Ok(Object::none(py))
}

fn lower_lost(
    transport: &Instance<TlsTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [error] = arguments.bind(py, "_lower_lost", ["exc"], 1)?;
    if let Some(error) = error {
        transport.lost(py, &Object::from(error.to_owned()))?;
    }
    Ok(Object::none(py))
}
