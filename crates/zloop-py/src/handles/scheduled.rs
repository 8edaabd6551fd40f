//! The part that `Handle` and `TimerHandle` share: a call, its context, and whether it still runs.

use std::cell::{Cell, RefCell};

use pyo3::prelude::*;

use crate::imports::imports;
use crate::raw::call::Call;
use crate::raw::class::Visit;
use crate::raw::context;
use crate::raw::object::Object;

/// A call that waits to be run.
///
/// Invariant: `call` and `context` are there until it ran, was cancelled or its loop was closed;
/// a finished handle keeps nothing alive.
pub struct Scheduled {
    call: RefCell<Option<Call>>,
    context: RefCell<Option<Object>>,
    cancelled: Cell<bool>,
    /// Only in debug mode.
    debug: RefCell<Option<Box<DebugInfo>>>,
}

/// What asyncio's debug mode remembers of a handle.
struct DebugInfo {
    source_traceback: Object,
    /// How it looked before it dropped what it held.
    repr: Option<Object>,
}

impl Scheduled {
    /// A call to be run in `context`.
    #[inline]
    pub fn new(call: Call, context: Object) -> Self {
        Self {
            call: RefCell::new(Some(call)),
            context: RefCell::new(Some(context)),
            cancelled: Cell::new(false),
            debug: RefCell::new(None),
        }
    }

    /// Remembers where it was scheduled, as debug mode does.
    ///
    /// # Errors
    /// What `asyncio.format_helpers.extract_stack` raises.
    pub fn remember_source(&self, py: Python<'_>) -> PyResult<()> {
        let source_traceback = Object::from(imports(py)?.extract_stack.bind(py).call0()?);
        *self.debug.borrow_mut() = Some(Box::new(DebugInfo {
            source_traceback,
            repr: None,
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
        self.debug.borrow().is_some()
    }

    /// Marks it cancelled and drops what it holds. `describe` is asked in debug mode, in between.
    pub fn cancel(&self, describe: impl FnOnce() -> Option<Object>) {
        if self.cancelled.get() {
            return;
        }
        self.cancelled.set(true);
        let repr = if self.is_debug() { describe() } else { None };
        if let Some(debug) = self.debug.borrow_mut().as_mut() {
            debug.repr = repr;
        }
        self.release();
    }

    /// Drops what it holds.
    pub fn release(&self) {
        // Taken out first: dropping may run Python code, which may look at this handle.
        let call = self.call.take();
        let context = self.context.take();
        drop((call, context));
    }

    /// Runs it once and drops what it held, in debug mode save for the call, which reports show.
    ///
    /// # Errors
    /// What the callback raises; what it held is put back then, for the report.
    #[inline]
    pub fn run_once(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_debug() {
            return self.run_again(py);
        }
        let (Some(mut call), Some(context)) = (self.call.take(), self.context.take()) else {
            return Ok(());
        };
        let result = context::run(py, &context, || call.invoke(py));
        if result.is_err() {
            *self.call.borrow_mut() = Some(call);
            *self.context.borrow_mut() = Some(context);
        }
        result
    }

    /// Runs it and keeps what it holds, for a handle that runs at each readiness.
    ///
    /// # Errors
    /// What the callback raises.
    pub fn run_again(&self, py: Python<'_>) -> PyResult<()> {
        let call = self.call.borrow().clone();
        let context = self.context.borrow().clone();
        let (Some(mut call), Some(context)) = (call, context) else {
            return Ok(());
        };
        context::run(py, &context, || call.invoke(py))
    }

    /// The callback, or `None`.
    pub fn callback(&self, py: Python<'_>) -> Object {
        match &*self.call.borrow() {
            Some(call) => call.callable().clone(),
            None => Object::none(py),
        }
    }

    /// The arguments as a tuple, or `None`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn arguments(&self, py: Python<'_>) -> PyResult<Object> {
        match &*self.call.borrow() {
            Some(call) => Ok(Object::from(call.arguments_tuple(py)?)),
            None => Ok(Object::none(py)),
        }
    }

    /// The context it runs in, or `None`.
    pub fn context(&self, py: Python<'_>) -> Object {
        self.context
            .borrow()
            .clone()
            .unwrap_or_else(|| Object::none(py))
    }

    /// Where it was scheduled, or `None` outside debug mode.
    pub fn source_traceback(&self, py: Python<'_>) -> Object {
        match &*self.debug.borrow() {
            Some(debug) => debug.source_traceback.clone(),
            None => Object::none(py),
        }
    }

    /// How it looked before it was cancelled, if debug mode remembers.
    pub fn remembered_repr(&self) -> Option<Object> {
        self.debug
            .borrow()
            .as_ref()
            .and_then(|debug| debug.repr.clone())
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        if let Ok(call) = self.call.try_borrow()
            && let Some(call) = &*call
        {
            call.traverse(visit);
        }
        if let Ok(context) = self.context.try_borrow() {
            visit.optional(context.as_ref());
        }
        if let Ok(debug) = self.debug.try_borrow()
            && let Some(debug) = &*debug
        {
            visit.object(&debug.source_traceback);
        }
    }
}
