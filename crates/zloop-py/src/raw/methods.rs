//! Methods that a Python class has from a native one.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMappingProxy, PyType};

/// Gives `class` methods of its own for those that it inherits from `native` as they are.
///
/// CPython compares the class that a native method names with that of `self`, and unless they are the same
/// looks through all that `self`'s class derives from. For a class of many parts that takes longer than many a
/// method.
///
/// # Errors
/// `TypeError` if `class` is not derived from `native`, or cannot be changed.
#[pyfunction]
#[pyo3(signature = (class, native, /))]
pub fn adopt_methods(class: &Bound<'_, PyType>, native: &Bound<'_, PyType>) -> PyResult<()> {
    if !class.is_subclass(native)? {
        return Err(PyTypeError::new_err("not a subclass of the native class"));
    }
    let overridden = PyDict::new(class.py());
    for base in class.mro() {
        let members = base.getattr("__dict__")?.cast_into::<PyMappingProxy>()?;
        if !base.is(native) {
            overridden.update(members.as_mapping())?;
            continue;
        }
        for member in members.items()? {
            let (name, inherited) = member.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            if !overridden.contains(&name)?
                && let Some(own) = rebound(class, &inherited)
            {
                class.setattr(name.cast_into()?, own?)?;
            }
        }
        break;
    }
    Ok(())
}

/// The same method as one of `class`; nothing for what is no native method. `class` derives from the method's.
fn rebound<'py>(
    class: &Bound<'py, PyType>,
    inherited: &Bound<'py, PyAny>,
) -> Option<PyResult<Bound<'py, PyAny>>> {
    // SAFETY: only an object of exactly this type is read as such a descriptor. Its definition lives as long as
    // the class that it was made for, which `class` derives from and so keeps alive; for the same reason an
    // instance of `class` is one that the method can be called on.
    unsafe {
        if ffi::Py_TYPE(inherited.as_ptr()) != &raw mut ffi::PyMethodDescr_Type {
            return None;
        }
        let definition = (*inherited.as_ptr().cast::<ffi::PyMethodDescrObject>()).d_method;
        let own = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
        Some(Bound::from_owned_ptr_or_err(class.py(), own))
    }
}
