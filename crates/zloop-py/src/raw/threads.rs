//! Threads as CPython names them.

use pyo3::ffi;

/// What `threading.get_ident()` answers on this thread.
#[inline]
pub fn current_ident() -> std::ffi::c_ulong {
    // SAFETY: has no precondition.
    unsafe { ffi::PyThread_get_thread_ident() }
}
