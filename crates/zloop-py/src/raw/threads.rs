//! Threads as CPython names them.

use pyo3::ffi;
use pyo3::prelude::*;

use super::object::Object;

/// The proof that this thread is attached to the interpreter, which having an object is.
#[inline]
pub fn attached(_: &Object) -> Python<'_> {
    // SAFETY: by the module's rule, objects exist only on attached threads.
    unsafe { Python::assume_attached() }
}

/// What `threading.get_ident()` answers on this thread.
#[inline]
pub fn current_ident() -> std::ffi::c_ulong {
    // SAFETY: has no precondition.
    unsafe { ffi::PyThread_get_thread_ident() }
}
