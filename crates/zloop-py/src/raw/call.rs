//! Calls by vectorcall, with the arguments kept in place.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arguments::Arguments;
use super::class::Visit;
use super::object::Object;

/// How many arguments a [`Call`] holds without an allocation of its own.
const INLINE: usize = 3;

/// A callable with its arguments, ready to be called once or many times.
#[derive(Clone)]
pub struct Call {
    callable: Object,
    places: Places,
}

/// Where the arguments are: behind one place that is vectorcall's to use
/// (`PY_VECTORCALL_ARGUMENTS_OFFSET`).
#[derive(Clone)]
enum Places {
    /// The first `count` places behind vectorcall's own hold arguments.
    Inline {
        count: u32,
        places: [Option<Object>; INLINE + 1],
    },
    /// Boxed twice, to be as small as a pointer in the many calls that do not need it.
    #[allow(clippy::box_collection)]
    Spilled(Box<Vec<Option<Object>>>),
}

impl Call {
    /// Takes the callable and the positional arguments from `index` on.
    #[inline]
    pub fn new(callable: Object, arguments: &Arguments<'_>, index: usize) -> Self {
        let pointers = arguments.pointers_from(index);
        // SAFETY: the arguments of the call that is under way are alive.
        let owned = pointers
            .iter()
            .map(|pointer| Some(unsafe { Object::from_borrowed(*pointer) }));
        let places = if pointers.len() <= INLINE {
            let mut inline = [const { None }; INLINE + 1];
            inline[1..]
                .iter_mut()
                .zip(owned)
                .for_each(|(place, object)| *place = object);
            Places::Inline {
                count: pointers.len() as u32,
                places: inline,
            }
        } else {
            Places::Spilled(Box::new(std::iter::once(None).chain(owned).collect()))
        };
        Self { callable, places }
    }

    /// What is called.
    #[inline]
    pub fn callable(&self) -> &Object {
        &self.callable
    }

    /// The arguments.
    pub fn arguments(&self) -> impl Iterator<Item = &Object> {
        self.places()[1..].iter().flatten()
    }

    /// The arguments as a tuple.
    pub fn arguments_tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(
            py,
            self.arguments()
                .map(|object| object.bind(py))
                .collect::<Vec<_>>(),
        )
    }

    #[inline]
    fn places(&self) -> &[Option<Object>] {
        match &self.places {
            Places::Inline { places, .. } => places,
            Places::Spilled(places) => places,
        }
    }

    /// Calls it and drops the result.
    ///
    /// # Errors
    /// What the callable raises.
    #[inline]
    pub fn invoke(&mut self, py: Python<'_>) -> PyResult<()> {
        let (first_place, count) = match &mut self.places {
            Places::Inline { count, places } => (places.as_mut_ptr(), *count as usize),
            Places::Spilled(places) => (places.as_mut_ptr(), places.len() - 1),
        };
        // SAFETY: `Option<Object>` is a nullable pointer; `count` places behind the scratch slot
        // hold live objects, which `self` keeps alive during the call.
        unsafe {
            let first = first_place.cast::<*mut ffi::PyObject>().add(1);
            let count = count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
            let result = ffi::PyObject_Vectorcall(
                self.callable.as_ptr(),
                first,
                count,
                std::ptr::null_mut(),
            );
            Object::from_owned(py, result).map(drop)
        }
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        visit.object(&self.callable);
        for object in self.arguments() {
            visit.object(object);
        }
    }
}

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

/// Calls `callable` with arguments of which the last are named by the tuple `names`.
///
/// # Errors
/// What the callable raises.
#[inline]
pub fn call_named<const N: usize>(
    py: Python<'_>,
    callable: &Object,
    arguments: [&Object; N],
    positional: usize,
    names: &Object,
) -> PyResult<Object> {
    let pointers = arguments.map(Object::as_ptr);
    // SAFETY: live objects on an attached thread; `names` names those behind the positional ones.
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

/// Passes a call on to `callable` with one more named argument.
///
/// # Errors
/// What the callable raises.
pub fn forward_with(
    py: Python<'_>,
    callable: &Object,
    arguments: &Arguments<'_>,
    name: &Object,
    value: &Object,
) -> PyResult<Object> {
    let (values, names) = arguments.all();
    let mut pointers: Vec<*mut ffi::PyObject> = values.to_vec();
    pointers.push(value.as_ptr());
    let mut all_names: Vec<Bound<'_, PyAny>> = arguments
        .named(py)
        .map(|(name, _)| name.to_owned())
        .collect();
    debug_assert!(names.is_null() || !all_names.is_empty());
    all_names.push(name.bind(py).clone());
    let all_names = PyTuple::new(py, all_names)?;
    // SAFETY: live objects on an attached thread; the tuple names the last values.
    unsafe {
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            pointers.as_ptr(),
            arguments.len(),
            all_names.as_ptr(),
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
