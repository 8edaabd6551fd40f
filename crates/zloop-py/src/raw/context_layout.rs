//! Where CPython keeps the variables of a context, found out by looking.
//!
//! There is no public way to ask whether the current context still has the variables that a copy
//! of it has, yet it is one comparison: a context points to an immutable mapping, and whoever sets
//! a variable makes it point to another one. The two offsets that this needs differ between
//! releases, so that they are probed for when the module is imported; where a probe is not
//! unambiguous, nothing is assumed and every callback gets a copy of its own.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::object::Object;

/// How far into a thread's state the probe looks: less than any release's state has.
const THREAD_STATE_WORDS: usize = 32;
const WORD: usize = size_of::<usize>();
/// A reference count and a type come first in every object.
const HEADER_WORDS: usize = 2;

/// The offsets, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct ContextLayout {
    /// The current context, in a thread's state.
    current: usize,
    /// The mapping of a context's variables, in the context.
    variables: usize,
    /// The weak references to a context, in the context.
    weak_references: usize,
}

impl ContextLayout {
    /// Probes for the offsets.
    pub fn find(py: Python<'_>) -> Option<Self> {
        if cfg!(Py_GIL_DISABLED) {
            return None;
        }
        let layout = Self::probe(py);
        // A probe that failed half-way left an exception that nobody waits for.
        drop(PyErr::take(py));
        layout
    }

    fn probe(py: Python<'_>) -> Option<Self> {
        // SAFETY: an attached thread; each result is a new reference or null, which is checked.
        let (first, second, variable) = unsafe {
            (
                Object::from_owned(py, ffi::PyContext_New()).ok()?,
                Object::from_owned(py, ffi::PyContext_New()).ok()?,
                Object::from_owned(
                    py,
                    ffi::PyContextVar_New(c"zloop".as_ptr(), std::ptr::null_mut()),
                )
                .ok()?,
            )
        };
        let class = first.bind(py).get_type();
        Some(Self {
            current: find_current(py, &first, &second)?,
            variables: find_variables(py, &first, &variable)?,
            weak_references: weak_references(&class)?,
        })
    }

    /// The mapping of the context that is current on this thread; null where there is none yet.
    #[inline]
    pub fn current_variables(&self, _: Python<'_>) -> *const () {
        // SAFETY: an attached thread has a state, in which the probe found a context or null.
        unsafe {
            let context = word(ffi::PyThreadState_Get().cast(), self.current);
            if context == 0 {
                return std::ptr::null();
            }
            word(context as *const u8, self.variables) as *const ()
        }
    }

    /// The mapping of a context. Two that share it have the same variables.
    ///
    /// # Safety
    /// `context` is a context.
    #[inline]
    pub unsafe fn variables(&self, context: &Object) -> *const () {
        // SAFETY: a live context, in which the probe found the mapping.
        unsafe { word(context.as_ptr().cast(), self.variables) as *const () }
    }

    /// How many contexts have the variables of `context`, itself among them.
    ///
    /// # Safety
    /// `context` is a context.
    #[inline]
    pub unsafe fn holders_of_variables(&self, context: &Object) -> isize {
        // SAFETY: the mapping is an object, which the live context keeps alive.
        unsafe { ffi::Py_REFCNT(self.variables(context).cast_mut().cast()) }
    }

    /// Whether there are `count` references to `context` and no weak ones, so that nobody but their owners can
    /// reach it.
    ///
    /// # Safety
    /// `context` is a context.
    #[inline]
    pub unsafe fn has_references(&self, context: &Object, count: isize) -> bool {
        // SAFETY: a live context; its class told where the weak references are.
        unsafe {
            context.references() == count
                && word(context.as_ptr().cast(), self.weak_references) == 0
        }
    }
}

/// # Safety
/// A word can be read there.
#[inline]
unsafe fn word(object: *const u8, offset: usize) -> usize {
    // SAFETY: by the caller's promise; both are aligned to words.
    unsafe { object.add(offset).cast::<usize>().read() }
}

/// The one offset that holds whichever context is entered.
fn find_current(py: Python<'_>, first: &Object, second: &Object) -> Option<usize> {
    let holds = |context: &Object, offset: usize| {
        // SAFETY: the state of this thread, which is larger than what is read of it.
        let found = unsafe { word(ffi::PyThreadState_Get().cast(), offset) };
        found == context.as_ptr() as usize
    };
    let inside = |context: &Object| {
        super::context::run(py, context, || {
            let offsets = (0..THREAD_STATE_WORDS).map(|index| index * WORD);
            Ok(offsets
                .filter(|offset| holds(context, *offset))
                .collect::<Vec<_>>())
        })
        .ok()
    };
    let (one, other) = (inside(first)?, inside(second)?);
    only(one.into_iter().filter(|offset| other.contains(offset)))
}

/// The one offset that a copy shares, until a variable is set.
fn find_variables(py: Python<'_>, context: &Object, variable: &Object) -> Option<usize> {
    // SAFETY: the class of a live object.
    let size = unsafe { (*ffi::Py_TYPE(context.as_ptr())).tp_basicsize };
    let offsets = (HEADER_WORDS..usize::try_from(size).ok()? / WORD).map(|index| index * WORD);
    let same = |one: &Object, other: &Object, offset: usize| {
        // SAFETY: within the size of a context.
        let (one, other) = unsafe {
            (
                word(one.as_ptr().cast(), offset),
                word(other.as_ptr().cast(), offset),
            )
        };
        one != 0 && one == other
    };
    let before = super::context::copy(py, context).ok()?;
    super::context::run(py, context, || {
        // SAFETY: a live variable on an attached thread.
        let token = unsafe { ffi::PyContextVar_Set(variable.as_ptr(), variable.as_ptr()) };
        // SAFETY: a new reference or null.
        unsafe { Object::from_owned(py, token) }.map(drop)
    })
    .ok()?;
    let after = super::context::copy(py, context).ok()?;
    let unset = super::context::copy(py, &before).ok()?;
    only(offsets.filter(|offset| {
        same(context, &after, *offset)
            && same(&before, &unset, *offset)
            && !same(context, &before, *offset)
    }))
}

fn weak_references(class: &Bound<'_, PyType>) -> Option<usize> {
    // SAFETY: a live type.
    let offset = unsafe { (*class.as_type_ptr()).tp_weaklistoffset };
    usize::try_from(offset).ok().filter(|offset| *offset != 0)
}

fn only<T>(mut candidates: impl Iterator<Item = T>) -> Option<T> {
    let first = candidates.next()?;
    candidates.next().is_none().then_some(first)
}
