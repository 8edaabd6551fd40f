//! The part that `Handle` and `TimerHandle` share: a call, its context, and whether it still runs.

use std::cell::{Cell, OnceCell};

use pyo3::prelude::*;

use crate::imports::imports;
use crate::raw::call::Call;
use crate::raw::class::Visit;
use crate::raw::context::{CallContext, ContextCopies};
use crate::raw::object::Object;

/// A call that waits to be run.
///
/// Invariant: `pending` is there until the call ran, was cancelled or its loop was closed; a
/// finished handle keeps nothing alive. Hundreds of thousands may wait at once, so the size counts.
pub struct Scheduled {
    pending: Cell<Option<Pending>>,
    /// Only in debug mode.
    debug: OnceCell<Box<DebugInfo>>,
    cancelled: Cell<bool>,
}

/// A call and where it runs.
#[derive(Clone)]
struct Pending {
    call: Call,
    context: CallContext,
}

/// What asyncio's debug mode remembers of a handle.
struct DebugInfo {
    source_traceback: Object,
    /// How it looked before it dropped what it held.
    repr: OnceCell<Object>,
}

impl Scheduled {
    /// A call to be run in `context`.
    #[inline]
    pub fn new(call: Call, context: CallContext) -> Self {
        Self {
            pending: Cell::new(Some(Pending { call, context })),
            debug: OnceCell::new(),
            cancelled: Cell::new(false),
        }
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

    /// Looks at what it holds. `look` runs no Python code and drops no object.
    fn peek<R>(&self, look: impl FnOnce(&Pending) -> R) -> Option<R> {
        let pending = self.pending.take()?;
        let seen = look(&pending);
        self.pending.set(Some(pending));
        Some(seen)
    }

    /// Drops what it holds.
    pub fn release(&self) {
        // Taken out first: dropping may run Python code, which may look at this handle.
        let pending = self.pending.take();
        drop(pending);
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
        let Some(mut pending) = self.pending.take() else {
            return Ok(());
        };
        let result = copies.run(py, &mut pending.context, || pending.call.invoke(py));
        if result.is_err() {
            self.pending.set(Some(pending));
        }
        result
    }

    /// Runs it and keeps what it holds, for a handle that runs at each readiness.
    ///
    /// # Errors
    /// What the callback raises.
    pub fn run_again(&self, py: Python<'_>, copies: &ContextCopies) -> PyResult<()> {
        let Some(mut pending) = self.peek(Clone::clone) else {
            return Ok(());
        };
        copies.run(py, &mut pending.context, || pending.call.invoke(py))
    }

    /// The callback, or `None`.
    pub fn callback(&self, py: Python<'_>) -> Object {
        self.peek(|pending| pending.call.callable().clone())
            .unwrap_or_else(|| Object::none(py))
    }

    /// The arguments as a tuple, or `None`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn arguments(&self, py: Python<'_>) -> PyResult<Object> {
        match self.peek(|pending| pending.call.clone()) {
            Some(call) => Ok(Object::from(call.arguments_tuple(py)?)),
            None => Ok(Object::none(py)),
        }
    }

    /// The context it runs in, or `None`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn context(&self, py: Python<'_>) -> PyResult<Object> {
        let Some(context) = self.peek(|pending| pending.context.clone()) else {
            return Ok(Object::none(py));
        };
        let settled = context.settle(py)?;
        if let Some(mut pending) = self.pending.take() {
            let shown = CallContext::Own(settled.clone());
            let replaced = std::mem::replace(&mut pending.context, shown);
            self.pending.set(Some(pending));
            drop(replaced);
        }
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
        self.peek(|pending| {
            pending.call.traverse(visit);
            pending.context.traverse(visit);
        });
        if let Some(debug) = self.debug.get() {
            visit.object(&debug.source_traceback);
        }
    }
}
