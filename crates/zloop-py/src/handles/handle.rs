//! `zloop.Handle`, what `call_soon` answers.

use std::cell::Cell;
use std::ffi::{CStr, c_ulong};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyModule;

use super::{Scheduled, Spare};
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::{Class, ClassBuilder, NativeClass, Placement, Visit};
use crate::raw::context_copies::ContextCopies;
use crate::raw::object::{Instance, Object};
use crate::raw::threads::current_ident;

/// A callback of `call_soon`, `call_soon_threadsafe`, `add_reader` or `add_writer`.
///
/// It is not derived from `asyncio.Handle`, which would force the collector's header on it: half
/// of the cost of scheduling, measured. The loop shows the collector what its handles hold.
#[derive(Default)]
pub struct Handle {
    scheduled: Scheduled,
    /// The thread that runs the callback, while one does; 0 else. Only of a callback of
    /// `call_soon_threadsafe`: from 3.14 on, cancelling it waits until it ran.
    running_on: Cell<c_ulong>,
}

/// How often a thread that waits for a callback's end looks.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

impl Handle {
    /// Makes a handle that has nothing to call yet, or takes a spare one.
    ///
    /// # Errors
    /// `MemoryError`, or in debug mode what extracting the stack raises.
    #[inline(always)]
    pub fn create(py: Python<'_>, spare: &Spare<Self>, debug: bool) -> PyResult<Instance<Self>> {
        match spare.take() {
            Some(handle) if !debug => Ok(handle),
            _ => Self::create_anew(py, debug),
        }
    }

    #[inline(never)]
    fn create_anew(py: Python<'_>, debug: bool) -> PyResult<Instance<Self>> {
        let handle = Self::default();
        if debug {
            handle.scheduled.remember_source(py)?;
        }
        imports(py)?.handle.instantiate(py, handle)
    }

    /// What it shares with a timer's handle.
    #[inline]
    pub fn scheduled(&self) -> &Scheduled {
        &self.scheduled
    }

    /// Runs it once as [`Scheduled::run_once`] does, so that other threads can wait for its end.
    ///
    /// # Errors
    /// What the callback raises.
    pub fn run_seen_by_threads(&self, py: Python<'_>, copies: &ContextCopies) -> PyResult<()> {
        self.running_on.set(current_ident());
        let result = self.scheduled.run_once(py, copies);
        self.running_on.set(0);
        result
    }

    /// Keeps the callback from being called, and drops it.
    pub fn cancel(handle: &Instance<Self>, py: Python<'_>) {
        handle.scheduled.cancel(|| repr(handle, py).ok());
    }

    /// Waits until no other thread runs the callback.
    fn wait_for_other_threads(&self, py: Python<'_>) {
        while ![0, current_ident()].contains(&self.running_on.get()) {
            py.detach(|| std::thread::sleep(LOOK_AGAIN));
        }
    }

    /// Builds the Python class.
    ///
    /// # Errors
    /// What CPython raises when the class cannot be made.
    pub fn class(module: &Bound<'_, PyModule>) -> PyResult<NativeClass<Self>> {
        let base = module.py().get_type::<PyAny>();
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
            .getter(c"_source_traceback", |handle, py| {
                Ok(handle.scheduled.source_traceback(py))
            })
            .repr(repr)
            .build(module, &base, false)
    }
}

impl Class for Handle {
    const NAME: &'static CStr = c"zloop.Handle";
    const DOC: &'static CStr = c"A callback that waits to be called; what call_soon() returns.";
    const COLLECTED: bool = false;
    const WEAKLY_REFERENCED: bool = true;

    #[inline(always)]
    fn placement() -> &'static Placement {
        &Placement::BehindObject
    }

    fn traverse(&self, visit: &mut Visit) {
        self.scheduled.traverse(visit);
    }
}

fn cancel(handle: &Instance<Handle>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    handle.wait_for_other_threads(py);
    Handle::cancel(handle, py);
    Ok(Object::none(py))
}

fn cancelled(handle: &Instance<Handle>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    handle.wait_for_other_threads(py);
    Ok(Object::boolean(py, handle.scheduled.is_cancelled()))
}

fn get_context(handle: &Instance<Handle>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    handle.scheduled.context(py)
}

fn run(handle: &Instance<Handle>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    handle.scheduled.run_alone(py)?;
    Ok(Object::none(py))
}

fn repr(handle: &Instance<Handle>, py: Python<'_>) -> PyResult<Object> {
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
