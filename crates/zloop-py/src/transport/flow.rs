//! The limits of flow control, as asyncio takes and gives them.

use pyo3::prelude::*;
use zloop_net::WriteLimits;

use crate::raw::arguments::Arguments;
use crate::raw::object::Object;

/// What `set_write_buffer_limits` was called with, asyncio's defaults filled in.
///
/// # Errors
/// `ValueError` for limits that make no sense, `TypeError` for what is no number.
pub fn limits_of(py: Python<'_>, arguments: &Arguments<'_>) -> PyResult<WriteLimits> {
    limits_with_default(py, arguments, 64 * 1024)
}

/// As [`limits_of`], with `default` for a high limit that was not given.
///
/// # Errors
/// As [`limits_of`].
pub fn limits_with_default(
    py: Python<'_>,
    arguments: &Arguments<'_>,
    default: i64,
) -> PyResult<WriteLimits> {
    let [high, low] = arguments.bind(py, "set_write_buffer_limits", ["high", "low"], 0)?;
    let limits = py.import("zloop._validation")?.getattr("flow_limits")?;
    let (high, low) = limits.call1((high, low, default))?.extract()?;
    Ok(WriteLimits { high, low })
}

/// What `get_write_buffer_limits` answers.
///
/// # Errors
/// `MemoryError`.
pub fn to_python(py: Python<'_>, limits: WriteLimits) -> PyResult<Object> {
    Ok(Object::from((limits.low, limits.high).into_pyobject(py)?))
}
