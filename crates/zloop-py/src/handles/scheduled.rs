//! The part that `Handle` and `TimerHandle` share: a call, its context, and whether it still runs.

use std::cell::{Cell, OnceCell, RefCell};

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
    pending: RefCell<Option<Pending>>,
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
            pending: RefCell::new(Some(Pending { call, context })),
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
            return self.run_again(py, copies);
        }
        let Some(mut pending) = self.pending.take() else {
            return Ok(());
        };
        let result = copies.run(py, &pending.context, || pending.call.invoke(py));
        if result.is_err() {
            self.pending.replace(Some(pending));
        }
        result
    }

    /// Runs it and keeps what it holds, for a handle that runs at each readiness.
    ///
    /// # Errors
    /// What the callback raises.
    pub fn run_again(&self, py: Python<'_>, copies: &ContextCopies) -> PyResult<()> {
        let pending = self.pending.borrow().clone();
        let Some(mut pending) = pending else {
            return Ok(());
        };
        copies.run(py, &pending.context, || pending.call.invoke(py))
    }

    /// The callback, or `None`.
    pub fn callback(&self, py: Python<'_>) -> Object {
        match &*self.pending.borrow() {
            Some(pending) => pending.call.callable().clone(),
            None => Object::none(py),
        }
    }

    /// The arguments as a tuple, or `None`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn arguments(&self, py: Python<'_>) -> PyResult<Object> {
        match &*self.pending.borrow() {
            Some(pending) => Ok(Object::from(pending.call.arguments_tuple(py)?)),
            None => Ok(Object::none(py)),
        }
    }

    /// The context it runs in, or `None`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn context(&self, py: Python<'_>) -> PyResult<Object> {
        let context = match &*self.pending.borrow() {
            Some(pending) => pending.context.clone(),
            None => return Ok(Object::none(py)),
        };
        let settled = context.settle(py)?;
        let shown = CallContext::Own(settled.clone());
        let replaced = self
            .pending
            .borrow_mut()
            .as_mut()
            .map(|pending| std::mem::replace(&mut pending.context, shown));
        drop(replaced);
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
        if let Ok(pending) = self.pending.try_borrow()
            && let Some(pending) = &*pending
        {
            pending.call.traverse(visit);
            pending.context.traverse(visit);
        }
        if let Some(debug) = self.debug.get() {
            visit.object(&debug.source_traceback);
        }
    }
}
