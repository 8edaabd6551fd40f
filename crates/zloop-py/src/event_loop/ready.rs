//! What waits in the ready queue, and how each kind is run.

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use zloop_core::{Readiness, Token};

use super::watchers::wake;
use super::{EventLoop, Source};
use crate::handles::{Handle, Scheduled, TimerHandle};
use crate::imports::imports;
use crate::raw::class::{Class, Visit};
use crate::raw::object::{Instance, Object};
use crate::transport::{AnyEndpoint, EndpointStep, Step, StreamTransport};

/// One thing to run.
pub enum Ready {
    /// A callback of `call_soon`.
    Handle(Instance<Handle>),
    /// A callback of `call_soon_threadsafe`, from 3.14 on.
    #[cfg_attr(not(Py_3_14), allow(dead_code))]
    ThreadsafeHandle(Instance<Handle>),
    /// A callback of `add_reader` or `add_writer`, which stays registered.
    Watcher(Instance<Handle>),
    /// A future that waited for a descriptor.
    Waiter(Object),
    /// A timer whose time has come.
    Timer(Instance<TimerHandle>),
    /// A descriptor became ready.
    Event(Token, Readiness),
    /// The next step in a transport's life.
    Step(Instance<StreamTransport>, Step),
    /// The next step in the life of a datagram or pipe transport.
    Endpoint(AnyEndpoint, EndpointStep),
}

/// Whether an exception ends `run_forever` instead of being reported.
#[inline]
pub fn is_fatal(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
}

impl Ready {
    /// Runs it. What a callback raises is reported to the loop's exception handler.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt`, and what the exception handler lets through.
    #[inline(always)]
    pub fn run(&self, event_loop: &Instance<EventLoop>, py: Python<'_>) -> PyResult<()> {
        if !self.is_callback() {
            event_loop.contexts.leave(py);
        }
        match self {
            Self::Handle(handle) => {
                event_loop.run_once(py, handle.scheduled(), handle.as_object(), |scheduled| {
                    scheduled.run_once(py, &event_loop.contexts)
                })
            }
            Self::ThreadsafeHandle(handle) => {
                event_loop.run_once(py, handle.scheduled(), handle.as_object(), |_| {
                    handle.run_seen_by_threads(py, &event_loop.contexts)
                })
            }
            Self::Timer(handle) => {
                event_loop.run_once(py, handle.scheduled(), handle.as_object(), |scheduled| {
                    scheduled.run_once(py, &event_loop.contexts)
                })
            }
            Self::Watcher(handle) => {
                if handle.scheduled().is_cancelled() {
                    return Ok(());
                }
                handle
                    .scheduled()
                    .run_again(py, &event_loop.contexts)
                    .or_else(|error| event_loop.report(py, handle.as_object(), error))
            }
            Self::Waiter(future) => {
                wake(py, future).or_else(|error| event_loop.report_waiter(py, future, error))
            }
            Self::Event(token, readiness) => {
                // A stale token: the descriptor was closed by something that ran before.
                let source = event_loop
                    .with_reactor(|reactor| reactor.source(*token).cloned())
                    .flatten();
                match source {
                    Some(Source::Stream(transport)) => transport.ready(py, *readiness),
                    Some(Source::Endpoint(transport)) => transport.ready(py, *readiness),
                    Some(Source::Listener(listener)) => listener.ready(event_loop, py),
                    Some(Source::Watchers(_)) | None => Ok(()),
                }
            }
            Self::Step(transport, step) => transport.step(py, *step),
            Self::Endpoint(transport, step) => transport.step(py, *step),
        }
    }

    /// Whether it is one callback that runs once, in a context of [`ContextCopies`]'s.
    #[inline]
    fn is_callback(&self) -> bool {
        matches!(
            self,
            Self::Handle(_) | Self::ThreadsafeHandle(_) | Self::Timer(_)
        )
    }

    /// Drops it after it was run. A handle that nobody else has is kept for another callback.
    #[inline]
    pub fn finish(self, event_loop: &EventLoop, py: Python<'_>) {
        let left_over = match self {
            Self::Handle(handle) | Self::ThreadsafeHandle(handle)
                if !handle.scheduled().is_debug() =>
            {
                let kept = event_loop.spare_handles.keep(handle, |_| {});
                kept.map_err(Instance::into_object)
            }
            Self::Timer(handle) if handle.is_reusable() => {
                let spare = &event_loop.spare_timers;
                let kept = spare.keep(handle, TimerHandle::forget_loop);
                kept.map_err(Instance::into_object)
            }
            _ => return,
        };
        if let Err(handle) = left_over
            && !handle.ends_quietly()
        {
            // Weak references may have callbacks.
            event_loop.contexts.leave(py);
        }
    }

    /// Drops what debug mode kept of a callback that ran, for the reports on it.
    pub fn forget(&self) {
        match self {
            Self::Handle(handle) | Self::ThreadsafeHandle(handle) => handle.scheduled().release(),
            Self::Timer(handle) => handle.scheduled().release(),
            Self::Watcher(_)
            | Self::Waiter(_)
            | Self::Event(..)
            | Self::Step(..)
            | Self::Endpoint(..) => {}
        }
    }

    /// The Python object that reports of slow callbacks name.
    pub fn subject(&self, event_loop: &EventLoop, py: Python<'_>) -> Object {
        match self {
            Self::Handle(handle) | Self::ThreadsafeHandle(handle) | Self::Watcher(handle) => {
                handle.as_object().clone()
            }
            Self::Timer(handle) => handle.as_object().clone(),
            Self::Waiter(future) => future.clone(),
            Self::Step(transport, _) => transport.as_object().clone(),
            Self::Endpoint(transport, _) => transport.as_object().clone(),
            Self::Event(token, _) => event_loop
                .with_reactor(|reactor| reactor.source(*token).and_then(Source::object))
                .flatten()
                .unwrap_or_else(|| Object::none(py)),
        }
    }

    /// Shows the collector what it holds. A handle has no collector's header of its own: what it
    /// holds counts as the loop's, whoever else keeps the handle, because it can do nothing with it
    /// but cancel it. A watcher is shown by its registration.
    pub fn traverse(&self, visit: &mut Visit) {
        match self {
            Self::Handle(handle) | Self::ThreadsafeHandle(handle) => handle.traverse(visit),
            Self::Timer(handle) => visit.object(handle.as_object()),
            Self::Waiter(future) => visit.object(future),
            Self::Step(transport, _) => visit.object(transport.as_object()),
            Self::Endpoint(transport, _) => visit.object(transport.as_object()),
            Self::Watcher(_) | Self::Event(..) => {}
        }
    }

    /// Drops what a handle holds, even if somebody keeps the handle: its loop closes.
    pub fn release(&self) {
        match self {
            Self::Handle(handle) | Self::ThreadsafeHandle(handle) => {
                handle.scheduled().release();
            }
            Self::Timer(handle) => handle.release(),
            Self::Watcher(_)
            | Self::Waiter(_)
            | Self::Event(..)
            | Self::Step(..)
            | Self::Endpoint(..) => {}
        }
    }
}

impl Instance<EventLoop> {
    /// Runs what is run no second time, unless it was cancelled.
    #[inline(always)]
    fn run_once(
        &self,
        py: Python<'_>,
        scheduled: &Scheduled,
        handle: &Object,
        run: impl FnOnce(&Scheduled) -> PyResult<()>,
    ) -> PyResult<()> {
        if scheduled.is_cancelled() {
            return Ok(());
        }
        match run(scheduled) {
            Ok(()) => Ok(()),
            Err(error) => {
                let reported = self.report(py, handle, error);
                scheduled.release();
                reported
            }
        }
    }

    /// Reports what a callback raised.
    ///
    /// # Errors
    /// The error itself if it is fatal, else what the exception handler lets through.
    #[cold]
    pub fn report(&self, py: Python<'_>, handle: &Object, error: PyErr) -> PyResult<()> {
        self.report_by(py, &imports(py)?.report_error, handle, error)
    }

    /// Reports what a future raised that was to be woken.
    #[cold]
    fn report_waiter(&self, py: Python<'_>, future: &Object, error: PyErr) -> PyResult<()> {
        self.report_by(py, &imports(py)?.report_waiter_error, future, error)
    }

    fn report_by(
        &self,
        py: Python<'_>,
        reporter: &Object,
        subject: &Object,
        error: PyErr,
    ) -> PyResult<()> {
        if is_fatal(py, &error) {
            return Err(error);
        }
        let arguments = (self.bind(py), subject.bind(py), error.into_value(py));
        reporter.bind(py).call1(arguments)?;
        Ok(())
    }
}
