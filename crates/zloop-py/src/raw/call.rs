//! Calls by vectorcall.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arguments::Arguments;
use super::object::Object;

/// Calls `callable` without arguments.
///
/// # Errors
/// What the callable raises.
#[inline]
pub fn call0(py: Python<'_>, callable: &Object) -> PyResult<Object> {
    // SAFETY: a live callable on an attached thread; the result is a new reference or null.
    unsafe { Object::from_owned(py, ffi::PyObject_CallNoArgs(callable.as_ptr())) }
}

/// Calls `callable` with one argument.
///
/// # Errors
/// What the callable raises.
#[inline]
pub fn call1(py: Python<'_>, callable: &Object, argument: &Object) -> PyResult<Object> {
    // SAFETY: live objects on an attached thread; the scratch slot is ours to lend.
    unsafe {
        let mut places = [std::ptr::null_mut(), argument.as_ptr()];
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            places.as_mut_ptr().add(1),
            1 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            std::ptr::null_mut(),
        );
        Object::from_owned(py, result)
    }
}

/// Calls `callable` with two arguments.
///
/// # Errors
/// What the callable raises.
#[inline]
pub fn call2(
    py: Python<'_>,
    callable: &Object,
    first: &Object,
    second: &Object,
) -> PyResult<Object> {
    // SAFETY: live objects on an attached thread; the scratch slot is ours to lend.
    unsafe {
        let mut places = [std::ptr::null_mut(), first.as_ptr(), second.as_ptr()];
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            places.as_mut_ptr().add(1),
            2 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            std::ptr::null_mut(),
        );
        Object::from_owned(py, result)
    }
}

/// Calls `callable` with arguments of which those behind the `positional` ones have `names`.
///
/// # Errors
/// What the callable raises.
#[inline]
pub fn call_named<const N: usize>(
    py: Python<'_>,
    callable: &Object,
    arguments: [&Object; N],
    positional: usize,
    names: &Bound<'_, PyTuple>,
) -> PyResult<Object> {
    vectorcall(
        py,
        callable,
        &arguments.map(Object::as_ptr),
        positional,
        names,
    )
}

/// Passes a call on to `callable` with one more named argument; `names` is its name in a tuple.
///
/// # Errors
/// What the callable raises.
#[inline]
pub fn forward_with(
    py: Python<'_>,
    callable: &Object,
    arguments: &Arguments<'_>,
    names: &Bound<'_, PyTuple>,
    value: &Object,
) -> PyResult<Object> {
    let (values, given_names) = arguments.all();
    if let ([only], true) = (values, given_names.is_null()) {
        return vectorcall(py, callable, &[*only, value.as_ptr()], 1, names);
    }
    let mut pointers = values.to_vec();
    pointers.push(value.as_ptr());
    let given = arguments.named(py).map(|(name, _)| name.to_owned());
    let all_names: Vec<_> = given.chain(names.iter()).collect();
    let all_names = PyTuple::new(py, all_names)?;
    vectorcall(py, callable, &pointers, arguments.len(), &all_names)
}

/// Calls `callable` with live objects, those behind the `positional` ones named by `names`.
#[inline]
fn vectorcall(
    py: Python<'_>,
    callable: &Object,
    pointers: &[*mut ffi::PyObject],
    positional: usize,
    names: &Bound<'_, PyTuple>,
) -> PyResult<Object> {
    debug_assert_eq!(pointers.len(), positional + names.len());
    // SAFETY: the callers in this file pass live objects, as many as are counted and named.
    unsafe {
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            pointers.as_ptr(),
            positional,
            names.as_ptr(),
        );
        Object::from_owned(py, result)
    }
}

/// Passes a call on to `callable`.
///
/// # Errors
/// What the callable raises.
pub fn forward(py: Python<'_>, callable: &Object, arguments: &Arguments<'_>) -> PyResult<Object> {
    let (values, names) = arguments.all();
    // SAFETY: the arguments of the call that is under way, as CPython laid them out.
    unsafe {
        let result =
            ffi::PyObject_Vectorcall(callable.as_ptr(), values.as_ptr(), arguments.len(), names);
        Object::from_owned(py, result)
    }
}
