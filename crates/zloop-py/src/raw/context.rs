//! Context variables' contexts, entered without a Python call.

use std::cell::Cell;

use pyo3::ffi;
use pyo3::prelude::*;

use super::class::Visit;
use super::object::Object;
use super::slot::Slot;

/// A copy of the context that is current.
///
/// # Errors
/// `MemoryError`.
#[inline]
pub fn copy_current(py: Python<'_>) -> PyResult<Object> {
    // SAFETY: attached thread; the result is a new reference or null.
    unsafe { Object::from_owned(py, ffi::PyContext_CopyCurrent()) }
}

/// A copy of `context`.
///
/// # Errors
/// `TypeError` if it is no context.
#[inline]
pub fn copy(py: Python<'_>, context: &Object) -> PyResult<Object> {
    // SAFETY: a live object on an attached thread; CPython checks its type.
    unsafe { Object::from_owned(py, ffi::PyContext_Copy(context.as_ptr())) }
}

/// Runs `body` inside `context`.
///
/// # Errors
/// `RuntimeError` if the context is entered already, `TypeError` if it is none, or the body's.
#[inline]
pub fn run<R>(py: Python<'_>, context: &Object, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    enter(py, context)?;
    let result = body();
    exit(py, context)?;
    result
}

/// Enters a context, which one [`exit`] follows.
#[inline]
pub(super) fn enter(py: Python<'_>, context: &Object) -> PyResult<()> {
    // SAFETY: a live object on an attached thread; CPython checks that it is a context that is not entered.
    match unsafe { ffi::PyContext_Enter(context.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(py)),
    }
}

/// Leaves the context that was entered last.
#[inline]
pub(super) fn exit(py: Python<'_>, context: &Object) -> PyResult<()> {
    // SAFETY: a live object on an attached thread; CPython checks that it is the current context.
    match unsafe { ffi::PyContext_Exit(context.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(py)),
    }
}

/// What a call that waits is going to run in.
pub enum CallContext {
    /// This very context.
    Own(Object),
    /// A copy, yet to be made, of one that never changes because nothing ever enters it.
    Snapshot(Object),
}

impl CallContext {
    /// The context itself, for whoever asks to see it.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn settle(self, py: Python<'_>) -> PyResult<Object> {
        match self {
            Self::Own(context) => Ok(context),
            Self::Snapshot(context) => copy(py, &context),
        }
    }

    /// Whether somebody else keeps it, so that to drop it ends no variable's value.
    #[inline]
    pub fn is_kept(&self) -> bool {
        let (Self::Own(context) | Self::Snapshot(context)) = self;
        context.references() > 1
    }
}

/// A place for what a call that waits is going to run in.
#[derive(Default)]
pub struct ContextSlot {
    context: Slot,
    is_snapshot: Cell<bool>,
}

impl ContextSlot {
    /// Puts a context in, in place of what was there.
    #[inline(always)]
    pub fn set(&self, context: CallContext) {
        let (context, is_snapshot) = match context {
            CallContext::Own(context) => (context, false),
            CallContext::Snapshot(context) => (context, true),
        };
        self.is_snapshot.set(is_snapshot);
        self.context.set(context);
    }

    /// Takes out what is in it.
    #[inline(always)]
    pub fn take(&self) -> Option<CallContext> {
        let context = self.context.take()?;
        Some(self.kind_of(context))
    }

    /// A new reference to what is in it.
    #[inline]
    pub fn get(&self) -> Option<CallContext> {
        let context = self.context.get()?;
        Some(self.kind_of(context))
    }

    #[inline(always)]
    fn kind_of(&self, context: Object) -> CallContext {
        if self.is_snapshot.get() {
            CallContext::Snapshot(context)
        } else {
            CallContext::Own(context)
        }
    }

    /// Shows the collector what is in it.
    pub fn traverse(&self, visit: &mut Visit) {
        self.context.traverse(visit);
    }
}
