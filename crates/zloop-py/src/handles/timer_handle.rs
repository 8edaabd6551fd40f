//! `zloop.TimerHandle`, what `call_later` and `call_at` answer.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyModule, PyType};
use zloop_core::TimerKey;

use super::{Scheduled, Spare};
use crate::event_loop::EventLoop;
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::{Class, ClassBuilder, NativeClass, Placement, Visit};
use crate::raw::object::{Instance, Object};
use crate::raw::slot::Slot;

/// A callback that waits for its time; derived from `asyncio.TimerHandle`.
#[derive(Default)]
pub struct TimerHandle {
    scheduled: Scheduled,
    when: Cell<f64>,
    /// What was passed as the time, if it was no float.
    given: Slot,
    /// Where it stands among the loop's timers, while it does.
    key: Cell<Option<TimerKey>>,
    event_loop: RefCell<Option<Instance<EventLoop>>>,
}

/// When a callback is due, on the loop's clock, in seconds.
pub enum When {
    /// A float.
    Seconds(f64),
    /// Another number, as it was passed.
    Given(Object),
}

impl TimerHandle {
    /// Makes a handle that has nothing to call yet, or takes a spare one.
    ///
    /// # Errors
    /// `MemoryError`, or in debug mode what extracting the stack raises.
    #[inline(always)]
    pub fn create(
        py: Python<'_>,
        spare: &Spare<Self>,
        event_loop: &Instance<EventLoop>,
        when: When,
    ) -> PyResult<Instance<Self>> {
        let debug = event_loop.is_debug();
        let handle = match spare.take() {
            Some(handle) if !debug => handle,
            _ => Self::create_anew(py, debug)?,
        };
        match when {
            When::Seconds(seconds) => handle.when.set(seconds),
            When::Given(when) => handle.given.set(when),
        }
        handle.event_loop.replace(Some(event_loop.clone()));
        Ok(handle)
    }

    #[inline(never)]
    fn create_anew(py: Python<'_>, debug: bool) -> PyResult<Instance<Self>> {
        let handle = Self::default();
        if debug {
            handle.scheduled.remember_source(py)?;
        }
        imports(py)?.timer_handle.instantiate(py, handle)
    }

    /// What it shares with a plain handle.
    #[inline]
    pub fn scheduled(&self) -> &Scheduled {
        &self.scheduled
    }

    fn when(&self, py: Python<'_>) -> Object {
        self.given
            .get()
            .unwrap_or_else(|| Object::from(PyFloat::new(py, self.when.get())))
    }

    /// Remembers its place among the loop's timers.
    #[inline]
    pub fn set_key(&self, key: Option<TimerKey>) {
        self.key.set(key);
    }

    /// Lets go of its loop: it ran, and nobody else has it.
    #[inline]
    pub fn forget_loop(&self) {
        drop(self.event_loop.take());
    }

    /// Whether it can serve again once it ran.
    #[inline]
    pub fn is_reusable(&self) -> bool {
        !self.scheduled.is_debug() && self.given.is_empty()
    }

    /// Drops all that it holds: its loop closes.
    pub fn release(&self) {
        self.key.set(None);
        self.scheduled.release();
        drop(self.event_loop.take());
    }

    /// Builds the Python class.
    ///
    /// # Errors
    /// What CPython raises when the class cannot be made.
    pub fn class(module: &Bound<'_, PyModule>) -> PyResult<NativeClass<Self>> {
        let base = module
            .py()
            .import("asyncio")?
            .getattr("TimerHandle")?
            .cast_into::<PyType>()?;
        ClassBuilder::<Self>::new()
            .bare_method(
                c"cancel",
                cancel,
                c"cancel($self)\n--\n\nKeep the callback from being called.",
            )
            .bare_method(
                c"cancelled",
                cancelled,
                c"cancelled($self)\n--\n\nWhether the callback was cancelled.",
            )
            .bare_method(
                c"when",
                when,
                c"when($self)\n--\n\nThe time of the call, on the loop's clock, in seconds.",
            )
            .bare_method(
                c"get_context",
                get_context,
                c"get_context($self)\n--\n\nThe context the callback runs in.",
            )
            .bare_method(
                c"_run",
                run,
                c"_run($self)\n--\n\nCall the callback in its context.",
            )
            .getter(c"_callback", |handle, py| Ok(handle.scheduled.callback(py)))
            .getter(c"_args", |handle, py| handle.scheduled.arguments(py))
            .getter(c"_context", |handle, py| handle.scheduled.context(py))
            .getter(c"_cancelled", |handle, py| {
                Ok(Object::boolean(py, handle.scheduled.is_cancelled()))
            })
            .getter(c"_scheduled", |handle, py| {
                Ok(Object::boolean(py, handle.key.get().is_some()))
            })
            .getter(c"_source_traceback", |handle, py| {
                Ok(handle.scheduled.source_traceback(py))
            })
            .getter(c"_repr", |handle, py| {
                let repr = handle.scheduled.remembered_repr();
                Ok(repr.unwrap_or_else(|| Object::none(py)))
            })
            .getter(c"_when", |handle, py| Ok(handle.when(py)))
            .getter(c"_loop", |handle, py| {
                Ok(match &*handle.event_loop.borrow() {
                    Some(event_loop) => event_loop.as_object().clone(),
                    None => Object::none(py),
                })
            })
            .repr(repr)
            .build(module, &base, false)
    }
}

impl Class for TimerHandle {
    const NAME: &'static CStr = c"zloop.TimerHandle";
    const DOC: &'static CStr =
        c"A callback that waits for its time; what call_later() and call_at() return.";

    fn placement() -> &'static Placement {
        static PLACEMENT: Placement = Placement::behind_base();
        &PLACEMENT
    }

    fn traverse(&self, visit: &mut Visit) {
        self.scheduled.traverse(visit);
        self.given.traverse(visit);
        if let Ok(event_loop) = self.event_loop.try_borrow() {
            visit.optional(event_loop.as_ref().map(Instance::as_object));
        }
    }

    fn clear(&self) {
        self.release();
    }
}

fn cancel(handle: &Instance<TimerHandle>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    handle.scheduled.cancel(|| repr(handle, py).ok());
    if let Some(key) = handle.key.take() {
        let event_loop = handle.event_loop.borrow().clone();
        if let Some(event_loop) = event_loop {
            event_loop.forget_timer(key);
        }
    }
    Ok(Object::none(py))
}

fn cancelled(handle: &Instance<TimerHandle>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    Ok(Object::boolean(py, handle.scheduled.is_cancelled()))
}

fn when(handle: &Instance<TimerHandle>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    Ok(handle.when(py))
}

fn get_context(
    handle: &Instance<TimerHandle>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    handle.scheduled.context(py)
}

fn run(handle: &Instance<TimerHandle>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    handle.scheduled.run_alone(py)?;
    Ok(Object::none(py))
}

fn repr(handle: &Instance<TimerHandle>, py: Python<'_>) -> PyResult<Object> {
    match handle.scheduled.remembered_repr() {
        Some(repr) => Ok(repr),
        None => Ok(Object::from(
            imports(py)?
                .describe_handle
                .bind(py)
                .call1((handle.bind(py),))?,
        )),
    }
}
