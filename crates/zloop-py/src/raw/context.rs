//! Context variables' contexts, entered without a Python call and copied only where it shows.

use std::cell::{Cell, RefCell};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::class::Visit;
use super::context_layout::ContextLayout;
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
fn enter(py: Python<'_>, context: &Object) -> PyResult<()> {
    // SAFETY: a live object on an attached thread; CPython checks that it is a context that is not entered.
    match unsafe { ffi::PyContext_Enter(context.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(py)),
    }
}

/// Leaves the context that was entered last.
#[inline]
fn exit(py: Python<'_>, context: &Object) -> PyResult<()> {
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

/// The copies that a loop makes of contexts for its callbacks.
///
/// asyncio copies the current context for each callback. Most callbacks of a program are scheduled
/// with the same variables and set none, so that one snapshot serves all that wait, and one copy
/// of it all that run: whatever could tell the difference gets a copy of its own. That one is entered
/// once for callbacks that run one after the other.
#[derive(Default)]
pub struct ContextCopies {
    /// The latest copy of what was current. Invariant: never entered nor shown to anybody.
    snapshot: RefCell<Option<Object>>,
    /// Where the latest callback ran. Invariant: nobody else can reach it.
    spare: RefCell<Option<Object>>,
    /// Whether `spare` is entered. Invariant: not while the loop waits, runs anything but a callback in it, or
    /// does not run.
    is_inside: Cell<bool>,
}

impl ContextCopies {
    /// The context that is current, as it is now.
    ///
    /// # Errors
    /// `MemoryError`.
    #[inline(always)]
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
            CallContext::Own(context) => {
                self.leave(py);
                return run(py, context, body);
            }
            CallContext::Snapshot(snapshot) => snapshot,
        };
        let Some(layout) = layout(py) else {
            return run(py, &copy(py, snapshot)?, body);
        };
        // SAFETY: a context.
        let variables = unsafe { layout.variables(snapshot) };
        // What the callback before this one set is not seen by this one.
        if !self.is_inside.get() || layout.current_variables(py) != variables {
            self.leave(py);
            self.enter(py, layout, snapshot)?;
        }
        let result = body();
        if result.is_err() {
            let ran_in = self.spare.borrow().clone();
            self.leave(py);
            if let Some(ran_in) = ran_in {
                let snapshot = std::mem::replace(context, CallContext::Own(ran_in));
                drop(snapshot);
            }
        }
        result
    }

    /// Enters a context with the variables of `snapshot`: the spare one if it still has them.
    fn enter(&self, py: Python<'_>, layout: &ContextLayout, snapshot: &Object) -> PyResult<()> {
        let spare = self.spare.take();
        let fresh = match spare {
            // SAFETY: both are contexts.
            Some(spare) if unsafe { layout.variables(&spare) == layout.variables(snapshot) } => {
                spare
            }
            _ => copy(py, snapshot)?,
        };
        enter(py, &fresh)?;
        self.spare.replace(Some(fresh));
        self.is_inside.set(true);
        Ok(())
    }

    /// Leaves the context that callbacks run in, if it is entered.
    #[inline]
    pub fn leave(&self, py: Python<'_>) {
        if self.is_inside.get() {
            self.exit(py);
        }
    }

    fn exit(&self, py: Python<'_>) {
        self.is_inside.set(false);
        let Some(spare) = self.spare.take() else {
            return;
        };
        if let Err(error) = exit(py, &spare) {
            error.write_unraisable(py, None);
            return;
        }
        let Some(layout) = layout(py) else {
            return;
        };
        // One whose variables were set is not kept, nor are they through it.
        let is_as_it_was = match &*self.snapshot.borrow() {
            // SAFETY: both are contexts.
            Some(snapshot) => unsafe {
                layout.is_unshared(&spare) && layout.variables(&spare) == layout.variables(snapshot)
            },
            None => false,
        };
        if is_as_it_was {
            self.spare.replace(Some(spare));
        }
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

    /// Drops the copies, but for one that is entered.
    pub fn clear(&self) {
        let spare = if self.is_inside.get() {
            None
        } else {
            self.spare.take()
        };
        drop((self.snapshot.take(), spare));
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
