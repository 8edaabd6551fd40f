//! Contexts for a loop's callbacks, copied only where it shows, and entered only where they change.

use std::cell::{Cell, RefCell};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::class::Visit;
use super::context::{CallContext, copy, copy_current, enter, exit, run};
use super::context_layout::ContextLayout;
use super::object::Object;

/// The copies that a loop makes of contexts for its callbacks.
///
/// asyncio copies the current context for each callback. Most callbacks of a program are scheduled
/// with the same variables and set none, so that one snapshot serves all that wait, and one copy
/// of it all that run, which is entered once for those that run one after the other. Whatever could tell
/// the difference ends that: a variable that is set, somebody who has the context, a destructor that is about
/// to run.
///
/// Invariant: what is shared is entered or has the variables of the snapshot, so to let go of it outside of
/// [`run`](Self::run) ends no value.
#[derive(Default)]
pub struct ContextCopies {
    /// The latest copy of what was current. Invariant: never entered nor shown to anybody.
    snapshot: RefCell<Option<Object>>,
    /// Where the latest callback ran. Invariant: nobody else can reach it.
    shared: RefCell<Option<Object>>,
    /// The variables that what is shared was entered with; null while it is not entered.
    inside: Cell<*const ()>,
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
        drop((old, self.take_unless_inside()));
        Ok(CallContext::Snapshot(snapshot))
    }

    /// Runs `body` in what a call is to run in, which is left in `context` if the body fails: what
    /// it raised is reported there. It may stay entered afterwards, until [`leave`](Self::leave).
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
        if self.inside.get() != variables {
            self.leave(py);
            self.enter(py, layout, snapshot)?;
        }
        let result = body();
        if result.is_err() {
            if let Some(ran_in) = self.take_out(py) {
                let snapshot = std::mem::replace(context, CallContext::Own(ran_in));
                drop(snapshot);
            }
        } else if !self.is_as_entered(layout) {
            self.leave(py);
        }
        result
    }

    /// Whether nobody can tell that the next callback with the same variables runs in the entered context too.
    #[inline]
    fn is_as_entered(&self, layout: &ContextLayout) -> bool {
        let (shared, snapshot) = (self.shared.borrow(), self.snapshot.borrow());
        let (Some(shared), Some(snapshot)) = (&*shared, &*snapshot) else {
            return false;
        };
        let variables = self.inside.get();
        // SAFETY: both are contexts. The thread's state has the other reference to the entered one.
        unsafe {
            layout.variables(shared) == variables
                && layout.variables(snapshot) == variables
                && layout.has_references(shared, 2)
        }
    }

    /// Enters a context with the variables of `snapshot`: the one that is shared, if it has them.
    fn enter(&self, py: Python<'_>, layout: &ContextLayout, snapshot: &Object) -> PyResult<()> {
        // SAFETY: a context.
        let variables = unsafe { layout.variables(snapshot) };
        let shared = self
            .shared
            .take()
            // SAFETY: a context.
            .filter(|shared| unsafe { layout.variables(shared) } == variables);
        let shared = match shared {
            Some(shared) => shared,
            None => copy(py, snapshot)?,
        };
        enter(py, &shared)?;
        self.shared.replace(Some(shared));
        self.inside.set(variables);
        Ok(())
    }

    /// Leaves the context that callbacks run in, if it is entered.
    #[inline]
    pub fn leave(&self, py: Python<'_>) {
        if !self.inside.get().is_null() {
            self.exit(py);
        }
    }

    fn exit(&self, py: Python<'_>) {
        let (Some(shared), Some(layout)) = (self.take_out(py), layout(py)) else {
            return;
        };
        // One whose variables were set is not kept, nor are they through it.
        let is_as_it_was = match &*self.snapshot.borrow() {
            // SAFETY: both are contexts.
            Some(snapshot) => unsafe {
                layout.has_references(&shared, 1)
                    && layout.variables(&shared) == layout.variables(snapshot)
            },
            None => false,
        };
        if is_as_it_was {
            self.shared.replace(Some(shared));
        }
    }

    /// Leaves the entered context, which is no longer shared then.
    fn take_out(&self, py: Python<'_>) -> Option<Object> {
        self.inside.set(std::ptr::null());
        let shared = self.shared.take()?;
        match exit(py, &shared) {
            Ok(()) => Some(shared),
            Err(error) => {
                error.write_unraisable(py, None);
                None
            }
        }
    }

    /// Drops the copies if nothing else has their variables any more, and says whether it did: the
    /// loop is about to wait, and must not keep alive what ended. Destructors run then, which may
    /// give the loop something to do.
    #[inline]
    pub fn forget_what_ended(&self, py: Python<'_>) -> bool {
        let is_last = match (&*self.snapshot.borrow(), layout(py)) {
            (Some(snapshot), Some(layout)) => {
                let shared = isize::from(self.shared.borrow().is_some());
                // SAFETY: a context.
                unsafe { layout.holders_of_variables(snapshot) <= 1 + shared }
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
        drop((self.snapshot.take(), self.take_unless_inside()));
    }

    fn take_unless_inside(&self) -> Option<Object> {
        if self.inside.get().is_null() {
            self.shared.take()
        } else {
            None
        }
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        for place in [&self.snapshot, &self.shared] {
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
