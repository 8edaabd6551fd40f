//! Context variables' contexts, entered without a Python call and copied only where it shows.

use std::cell::RefCell;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::class::Visit;
use super::context_layout::ContextLayout;
use super::object::Object;

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
    // SAFETY: live objects on an attached thread; each successful enter is followed by one exit,
    // with the same context, because `body` cannot leave contexts of its own entered.
    unsafe {
        if ffi::PyContext_Enter(context.as_ptr()) != 0 {
            return Err(PyErr::fetch(py));
        }
        let result = body();
        if ffi::PyContext_Exit(context.as_ptr()) != 0 {
            return Err(PyErr::fetch(py));
        }
        result
    }
}

/// What a call that waits is going to run in.
#[derive(Clone)]
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

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        let (Self::Own(context) | Self::Snapshot(context)) = self;
        visit.object(context);
    }
}

/// The copies that a loop makes of contexts for its callbacks.
///
/// asyncio copies the current context for each callback. Most callbacks of a program are scheduled
/// with the same variables and set none, so that one snapshot serves all that wait, and one copy
/// of it all that run: whatever could tell the difference gets a copy of its own.
#[derive(Default)]
pub struct ContextCopies {
    /// The latest copy of what was current. Invariant: never entered nor shown to anybody.
    snapshot: RefCell<Option<Object>>,
    /// Where the latest callback ran. Invariant: nobody else can reach it.
    spare: RefCell<Option<Object>>,
}

impl ContextCopies {
    /// The context that is current, as it is now.
    ///
    /// # Errors
    /// `MemoryError`.
    #[inline]
    pub fn current(&self, py: Python<'_>) -> PyResult<CallContext> {
        let Some(layout) = layout(py) else {
            return copy_current(py).map(CallContext::Own);
        };
        let current = layout.current_variables(py);
        if let Some(snapshot) = &*self.snapshot.borrow()
            // SAFETY: a context.
            && unsafe { layout.variables(snapshot) } == current
        {
            return Ok(CallContext::Snapshot(snapshot.clone()));
        }
        self.renew(py)
    }

    #[cold]
    fn renew(&self, py: Python<'_>) -> PyResult<CallContext> {
        let snapshot = copy_current(py)?;
        let old = self.snapshot.replace(Some(snapshot.clone()));
        drop(old);
        Ok(CallContext::Snapshot(snapshot))
    }

    /// Runs `body` in what a call is to run in, which is left in `context` if the body fails: what
    /// it raised is reported there.
    ///
    /// # Errors
    /// As [`run`].
    #[inline]
    pub fn run<R>(
        &self,
        py: Python<'_>,
        context: &mut CallContext,
        body: impl FnOnce() -> PyResult<R>,
    ) -> PyResult<R> {
        let snapshot = match context {
            CallContext::Own(context) => return run(py, context, body),
            CallContext::Snapshot(snapshot) => snapshot,
        };
        let Some(layout) = layout(py) else {
            return run(py, &copy(py, snapshot)?, body);
        };
        let spare = self.spare.take();
        let fresh = match spare {
            // SAFETY: both are contexts.
            Some(spare) if unsafe { layout.variables(&spare) == layout.variables(snapshot) } => {
                spare
            }
            _ => copy(py, snapshot)?,
        };
        let result = run(py, &fresh, body);
        if result.is_err() {
            let snapshot = std::mem::replace(context, CallContext::Own(fresh));
            drop(snapshot);
            return result;
        }
        // One whose variables were set is not kept, nor are they through it.
        // SAFETY: both are contexts.
        if unsafe {
            layout.is_unshared(&fresh) && layout.variables(&fresh) == layout.variables(snapshot)
        } {
            let old = self.spare.replace(Some(fresh));
            drop(old);
        }
        result
    }

    /// Drops the copies if nothing else has their variables any more, and says whether it did: the
    /// loop is about to wait, and must not keep alive what ended. Destructors run then, which may
    /// give the loop something to do.
    #[inline]
    pub fn forget_what_ended(&self, py: Python<'_>) -> bool {
        let is_last = match (&*self.snapshot.borrow(), layout(py)) {
            (Some(snapshot), Some(layout)) => {
                let spare = self.spare.borrow();
                // SAFETY: both are contexts.
                unsafe {
                    let shared = spare
                        .as_ref()
                        .is_some_and(|spare| layout.variables(spare) == layout.variables(snapshot));
                    layout.holders_of_variables(snapshot) <= 1 + isize::from(shared)
                }
            }
            _ => false,
        };
        if is_last {
            self.clear();
        }
        is_last
    }

    /// Drops the copies.
    pub fn clear(&self) {
        let copies = (self.snapshot.take(), self.spare.take());
        drop(copies);
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        for place in [&self.snapshot, &self.spare] {
            if let Ok(context) = place.try_borrow() {
                visit.optional(context.as_ref());
            }
        }
    }
}

static LAYOUT: PyOnceLock<Option<ContextLayout>> = PyOnceLock::new();

/// Finds out where contexts keep their variables: when the module is imported, since other threads
/// run meanwhile.
pub fn prepare(py: Python<'_>) {
    LAYOUT.get_or_init(py, || ContextLayout::find(py));
}

#[inline]
fn layout(py: Python<'_>) -> Option<&'static ContextLayout> {
    LAYOUT.get(py)?.as_ref()
}
