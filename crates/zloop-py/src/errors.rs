//! The one place that turns Rust's errors into Python's.

use std::io;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use zloop_core::Error;

/// The same for what a reactor refused.
pub fn reactor_error(py: Python<'_>, error: Error) -> PyErr {
    match error {
        Error::NotADescriptor(_) => os_error(py, &io::Error::from_raw_os_error(EBADF)),
        error => os_error(py, &error.into()),
    }
}

const EBADF: i32 = 9;

/// The `OSError` subclass that Python raises for the same errno, with its `errno` and `strerror`.
pub fn os_error(py: Python<'_>, error: &io::Error) -> PyErr {
    let Some(number) = error.raw_os_error() else {
        return PyOSError::new_err(error.to_string());
    };
    let text = py
        .import("os")
        .and_then(|os| os.call_method1("strerror", (number,)));
    match text {
        Ok(text) => PyOSError::new_err((number, text.unbind())),
        Err(error) => error,
    }
}
