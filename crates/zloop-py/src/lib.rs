//! asyncio's event loop over zloop-core, zloop-net and zloop-tls: the extension module
//! `zloop._zloop`, on which the Python package `zloop` builds.
//!
//! | folder | what is in it |
//! | --- | --- |
//! | `event_loop` | the loop: scheduling, turns, descriptors |
//! | `handles` | what `call_soon` and `call_later` answer |
//! | `transport` | stream transports, and the accepting of connections |
//! | `logging` | what the engine tells, on its way to Python's `logging` |
//! | `tls` | TLS transports over zloop-tls, by rustls or by Python's `ssl` |
//! | `raw` | all use of CPython's raw C API; everything else denies unsafe code |
//!
//! One rule says what is native: what runs once a callback or once a packet. What runs once a
//! connection or once a loop is Python, in `python/zloop`.

mod errors;
mod event_loop;
mod handles;
mod imports;
mod logging;
mod raw;
mod tls;
mod transport;

use pyo3::prelude::*;

/// The native part of zloop.
#[pymodule(gil_used = true)]
fn _zloop(module: &Bound<'_, PyModule>) -> PyResult<()> {
    raw::context_copies::prepare(module.py());
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<tls::RustlsContext>()?;
    module.add_class::<transport::PendingConnection>()?;
    module.add_function(wrap_pyfunction!(
        tls::certificate::decode_certificate,
        module
    )?)?;
    module.add_function(wrap_pyfunction!(logging::set_tracing, module)?)?;
    module.add_function(wrap_pyfunction!(raw::methods::adopt_methods, module)?)?;
    imports::Classes::add_to(module)
}
