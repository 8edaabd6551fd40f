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

fn make<'py>(py: Python<'py>, error: &RustlsError) -> PyResult<Bound<'py, PyAny>> {
    const SSL_ERROR_SSL: i32 = 1;
    let ssl = py.import("ssl")?;
    let reason = error.reason();
    let text = format!("[SSL: {reason}] {error}");
    let exception = match error {
        RustlsError::Certificate(verify) => {
            let class = ssl.getattr("SSLCertVerificationError")?;
            let exception = class.call1((SSL_ERROR_SSL, text))?;
            exception.setattr("verify_code", verify.code())?;
            exception.setattr("verify_message", verify.message())?;
            exception
        }
        _ => ssl.getattr("SSLError")?.call1((SSL_ERROR_SSL, text))?,
    };
    exception.setattr("library", "SSL")?;
    exception.setattr("reason", reason)?;
    Ok(exception)
}
