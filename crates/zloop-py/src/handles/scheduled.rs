//! The part that `Handle` and `TimerHandle` share: a call, its context, and whether it still runs.

use std::cell::{Cell, OnceCell};

use pyo3::prelude::*;

use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::Visit;
use crate::raw::context::{CallContext, ContextSlot};
use crate::raw::context_copies::ContextCopies;
use crate::raw::object::Object;
use crate::raw::stored_call::StoredCall;

/// A call that waits to be run.
///
/// Invariant: the call and its context are there until it ran, was cancelled or its loop was closed; a
/// finished handle keeps nothing alive. Hundreds of thousands may wait at once, so the size counts.
#[derive(Default)]
pub struct Scheduled {
    call: StoredCall,
    context: ContextSlot,
    /// Only in debug mode.
    debug: OnceCell<Box<DebugInfo>>,
    cancelled: Cell<bool>,
}

/// What asyncio's debug mode remembers of a handle.
struct DebugInfo {
    source_traceback: Object,
    /// How it looked before it dropped what it held.
    repr: OnceCell<Object>,
}

impl Scheduled {
    /// Has it call `callback` with the arguments from `index` on, in `context`, the next time that it is run.
    ///
    /// # Errors
    /// `MemoryError`.
    #[inline(always)]
    pub fn begin(
        &self,
        callback: Borrowed<'_, '_, PyAny>,
        arguments: &Arguments<'_>,
        index: usize,
        context: CallContext,
    ) -> PyResult<()> {
        self.cancelled.set(false);
        self.context.set(context);
        self.call.store(callback, arguments, index)
    }

    /// Remembers where it was scheduled, as debug mode does.
    ///
    /// # Errors
    /// What `asyncio.format_helpers.extract_stack` raises.
    pub fn remember_source(&self, py: Python<'_>) -> PyResult<()> {
        let source_traceback = Object::from(imports(py)?.extract_stack.bind(py).call0()?);
        // A handle is made once, so that nothing is there yet.
        let _ = self.debug.set(Box::new(DebugInfo {
            source_traceback,
            repr: OnceCell::new(),
        }));
        Ok(())
    }

    /// Whether it was cancelled.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    /// Whether it was made in debug mode.
    pub fn is_debug(&self) -> bool {
        self.debug.get().is_some()
    }

    /// Marks it cancelled and drops what it holds. `describe` is asked in debug mode, in between.
    pub fn cancel(&self, describe: impl FnOnce() -> Option<Object>) {
        if self.cancelled.get() {
            return;
        }
        self.cancelled.set(true);
        if let Some(debug) = self.debug.get()
            && let Some(repr) = describe()
        {
            let _ = debug.repr.set(repr);
        }
        self.release();
    }

    /// Drops what it holds.
    pub fn release(&self) {
        let context = self.context.take();
        self.call.clear();
        drop(context);
    }

    /// Runs it once and drops what it held, but not yet in debug mode, whose reports show it.
    ///
    /// # Errors
    /// What the callback raises; what it held is put back then, for the report.
    #[inline]
    pub fn run_once(&self, py: Python<'_>, copies: &ContextCopies) -> PyResult<()> {
        if self.is_debug() {
            // The context that it ran in is part of what reports show.
            self.context(py)?;
            return self.run_again(py, copies);
        }
        let Some(mut context) = self.context.take() else {
            return Ok(());
        };
        let Some(mut call) = self.call.take() else {
            return Ok(());
        };
        let result = copies.run(py, &mut context, || call.make(py));
        if result.is_err() {
            self.context.set(context);
            self.call.restore(call);
        } else if !(call.ends_quietly() && context.is_kept()) {
            // What ends now does so outside of the context, as what a task's end reports is reported inside its
            // own.
            copies.leave(py);
        }
        result
    }

    /// Runs it once as [`run_once`](Self::run_once) does, for somebody else than its loop.
    ///
    /// # Errors
    /// As [`run_once`](Self::run_once).
    pub fn run_alone(&self, py: Python<'_>) -> PyResult<()> {
        let copies = ContextCopies::default();
        let result = self.run_once(py, &copies);
        copies.leave(py);
        result
    }

    /// Runs it and keeps what it holds, for a handle that runs at each readiness.
    ///
    /// # Errors
    /// What the callback raises.
    pub fn run_again(&self, py: Python<'_>, copies: &ContextCopies) -> PyResult<()> {
        let (Some(mut context), Some(mut call)) = (self.context.get(), self.call.get()) else {
            return Ok(());
        };
        copies.run(py, &mut context, || call.make(py))
    }

    /// The callback, or `None`.
    pub fn callback(&self, py: Python<'_>) -> Object {
        self.call.callable().unwrap_or_else(|| Object::none(py))
    }

    /// The arguments as a tuple, or `None`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn arguments(&self, py: Python<'_>) -> PyResult<Object> {
        let arguments = self.call.arguments(py)?;
        Ok(arguments.unwrap_or_else(|| Object::none(py)))
    }

    /// The context it runs in, or `None`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn context(&self, py: Python<'_>) -> PyResult<Object> {
        let Some(context) = self.context.get() else {
            return Ok(Object::none(py));
        };
        let settled = context.settle(py)?;
        self.context.set(CallContext::Own(settled.clone()));
        Ok(settled)
    }

    /// Where it was scheduled, or `None` outside debug mode.
    pub fn source_traceback(&self, py: Python<'_>) -> Object {
        match self.debug.get() {
            Some(debug) => debug.source_traceback.clone(),
            None => Object::none(py),
        }
    }

    /// How it looked before it was cancelled, if debug mode remembers.
    pub fn remembered_repr(&self) -> Option<Object> {
        self.debug.get()?.repr.get().cloned()
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        self.call.traverse(visit);
        self.context.traverse(visit);
        if let Some(debug) = self.debug.get() {
            visit.object(&debug.source_traceback);
        }
    }
}
