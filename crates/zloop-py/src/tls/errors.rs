//! rustls's failures as `ssl`'s exceptions.

use pyo3::prelude::*;
use zloop_tls::RustlsError;

/// The exception that Python's `ssl` raises for such a failure.
pub fn exception(error: &RustlsError) -> PyErr {
    Python::attach(|py| match make(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    })
}

/// The exception for a peer that does not end, though it was told that we do.
pub fn late_data(py: Python<'_>) -> PyErr {
    let reason = "APPLICATION_DATA_AFTER_CLOSE_NOTIFY";
    match make_instance(
        py,
        "SSLError",
        reason,
        "application data after close notify",
    ) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

fn make<'py>(py: Python<'py>, error: &RustlsError) -> PyResult<Bound<'py, PyAny>> {
    let RustlsError::Certificate(verify) = error else {
        return make_instance(py, "SSLError", error.reason(), &error.to_string());
    };
    let class = "SSLCertVerificationError";
    let exception = make_instance(py, class, error.reason(), &error.to_string())?;
    exception.setattr("verify_code", verify.code())?;
    exception.setattr("verify_message", verify.message())?;
    Ok(exception)
}

fn make_instance<'py>(
    py: Python<'py>,
    class: &str,
    reason: &str,
    text: &str,
) -> PyResult<Bound<'py, PyAny>> {
    const SSL_ERROR_SSL: i32 = 1;
    let text = format!("[SSL: {reason}] {text}");
    let exception = py
        .import("ssl")?
        .getattr(class)?
        .call1((SSL_ERROR_SSL, text))?;
    exception.setattr("library", "SSL")?;
    exception.setattr("reason", reason)?;
    Ok(exception)
}
