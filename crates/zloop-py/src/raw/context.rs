//! Context variables' contexts, entered without a Python call.

use pyo3::ffi;
use pyo3::prelude::*;

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
