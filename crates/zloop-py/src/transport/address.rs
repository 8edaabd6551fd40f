//! Socket addresses as Python has them.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use zloop_net::Address;

use crate::raw::object::Object;

/// The address in the form that `socket.getpeername()` gives.
///
/// # Errors
/// `MemoryError`, or `UnicodeDecodeError` for a path that cannot be decoded.
pub fn to_python(py: Python<'_>, address: &Address) -> PyResult<Object> {
    match address {
        Address::Ip(std::net::SocketAddr::V4(address)) => Ok(Object::from(
            (address.ip().to_string(), address.port()).into_pyobject(py)?,
        )),
        Address::Ip(std::net::SocketAddr::V6(address)) => Ok(Object::from(
            (
                address.ip().to_string(),
                address.port(),
                // Kept in the network's order by the standard library; Python shows the host's.
                u32::from_be(address.flowinfo()),
                address.scope_id(),
            )
                .into_pyobject(py)?,
        )),
        Address::Unknown => Ok(Object::none(py)),
        Address::Unix(path) if path.first() == Some(&0) => Ok(Object::from(PyBytes::new(py, path))),
        Address::Unix(path) => {
            let decode = py.import("os")?.getattr("fsdecode")?;
            if path.is_empty() {
                return Ok(Object::from(PyString::new(py, "")));
            }
            Ok(Object::from(decode.call1((PyBytes::new(py, path),))?))
        }
    }
}
