//! Sets `Py_3_13` and its like, for the few places where CPython's versions differ.
fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
