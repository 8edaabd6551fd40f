//! The limits of flow control, as asyncio takes and gives them.

use pyo3::exceptions::{PyOverflowError, PyValueError};
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
    let number = |value: Option<Borrowed<'_, '_, PyAny>>| -> PyResult<Option<i64>> {
        value
            .filter(|value| !value.is_none())
            .map(whole_number)
            .transpose()
    };
    let (high, low) = (number(high)?, number(low)?);
    let high = high.unwrap_or_else(|| low.map_or(default, |low| low.saturating_mul(4)));
    let low = low.unwrap_or(high.div_euclid(4));
    if !(high >= low && low >= 0) {
        return Err(PyValueError::new_err(format!(
            "high ({high}) must be >= low ({low}) must be >= 0"
        )));
    }
    Ok(WriteLimits {
        high: high as usize,
        low: low as usize,
    })
}

/// A limit, which may be larger than any buffer.
fn whole_number(value: Borrowed<'_, '_, PyAny>) -> PyResult<i64> {
    match value.extract() {
        Ok(number) => Ok(number),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            Ok(if value.gt(0)? { i64::MAX } else { i64::MIN })
        }
        Err(error) => Err(error),
    }
}

/// What `get_write_buffer_limits` answers.
///
/// # Errors
/// `MemoryError`.
pub fn to_python(py: Python<'_>, limits: WriteLimits) -> PyResult<Object> {
    Ok(Object::from((limits.low, limits.high).into_pyobject(py)?))
}
