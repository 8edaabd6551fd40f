//! A vectorcall's arguments, as they lie on the caller's stack.

use std::marker::PhantomData;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::object::Object;

/// Borrowed arguments of one call: positional ones, then the values of the named ones.
#[derive(Clone, Copy)]
pub struct Arguments<'a> {
    values: *const *mut ffi::PyObject,
    positional: usize,
    names: *mut ffi::PyObject,
    lifetime: PhantomData<&'a ()>,
}

impl<'a> Arguments<'a> {
    /// # Safety
    /// As CPython calls a `METH_FASTCALL | METH_KEYWORDS` function; the result is used only during
    /// that call.
    #[inline]
    pub(super) unsafe fn from_vectorcall(
        values: *const *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
    ) -> Self {
        Self {
            values,
            positional: count as usize,
            names,
            lifetime: PhantomData,
        }
    }

    /// How many positional arguments there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.positional
    }

    /// Whether any argument was passed by name.
    #[inline]
    pub fn has_names(&self) -> bool {
        !self.names.is_null()
    }

    /// The positional argument at `index`.
    #[inline]
    pub fn get<'py>(&'a self, py: Python<'py>, index: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        // SAFETY: within the arguments of a call that is under way.
        (index < self.positional)
            .then(|| unsafe { Borrowed::from_ptr(py, *self.values.add(index)) })
    }

    /// The raw positional arguments from `index` on.
    #[inline]
    pub(super) fn pointers_from(&self, index: usize) -> &'a [*mut ffi::PyObject] {
        if index >= self.positional {
            return &[];
        }
        // SAFETY: within the arguments of a call that is under way.
        unsafe { std::slice::from_raw_parts(self.values.add(index), self.positional - index) }
    }

    /// All values, positional and named, as vectorcall takes them, with the names.
    pub(super) fn all(&self) -> (&'a [*mut ffi::PyObject], *mut ffi::PyObject) {
        let named = if self.names.is_null() {
            0
        } else {
            // SAFETY: CPython passes a tuple of names.
            unsafe { ffi::PyTuple_GET_SIZE(self.names) as usize }
        };
        if self.positional + named == 0 {
            return (&[], self.names);
        }
        // SAFETY: the values of the named arguments follow the positional ones.
        (
            unsafe { std::slice::from_raw_parts(self.values, self.positional + named) },
            self.names,
        )
    }

    /// The named arguments, in the order of the call.
    pub fn named<'py>(
        &'a self,
        py: Python<'py>,
    ) -> impl Iterator<Item = (Borrowed<'a, 'py, PyAny>, Borrowed<'a, 'py, PyAny>)> {
        let count = if self.names.is_null() {
            0
        } else {
            // SAFETY: CPython passes a tuple of names.
            unsafe { ffi::PyTuple_GET_SIZE(self.names) }
        };
        let values = self.values;
        let positional = self.positional;
        let names = self.names;
        // SAFETY: the tuple has `count` names, whose values follow the positional arguments.
        (0..count).map(move |index| unsafe {
            (
                Borrowed::from_ptr(py, ffi::PyTuple_GET_ITEM(names, index)),
                Borrowed::from_ptr(py, *values.add(positional + index as usize)),
            )
        })
    }

    /// The value of the one keyword that the function takes, `None` standing for its absence.
    ///
    /// # Errors
    /// `TypeError` for any other keyword.
    #[inline]
    pub fn only_keyword<'py>(
        &'a self,
        py: Python<'py>,
        function: &str,
        keyword: &Object,
    ) -> PyResult<Option<Borrowed<'a, 'py, PyAny>>> {
        if self.names.is_null() {
            return Ok(None);
        }
        // SAFETY: a tuple of names, and the values behind the positional arguments; the common
        // case, one interned name, is told by identity.
        unsafe {
            if ffi::PyTuple_GET_SIZE(self.names) == 1
                && keyword.is(ffi::PyTuple_GET_ITEM(self.names, 0))
            {
                let value = Borrowed::from_ptr(py, *self.values.add(self.positional));
                return Ok((!value.is_none()).then_some(value));
            }
        }
        let mut found = None;
        for (name, value) in self.named(py) {
            if !name.eq(keyword.bind(py))? {
                return Err(PyTypeError::new_err(format!(
                    "{function}() got an unexpected keyword argument {}",
                    name.repr()?
                )));
            }
            found = (!value.is_none()).then_some(value);
        }
        Ok(found)
    }

    /// The truth of the one argument that the function takes.
    ///
    /// # Errors
    /// `TypeError` as [`bind`](Self::bind), and what the argument raises when it is asked.
    pub fn flag(&self, py: Python<'_>, function: &str, parameter: &str) -> PyResult<bool> {
        match self.bind(py, function, [parameter], 1)? {
            [Some(value)] => value.is_truthy(),
            [None] => Ok(false),
        }
    }

    /// Binds the arguments to parameters, the first `positional` of which may be passed by place.
    ///
    /// # Errors
    /// `TypeError` as Python raises it for a missing, surplus, doubled or unknown argument.
    pub fn bind<'py, const N: usize>(
        &'a self,
        py: Python<'py>,
        function: &str,
        parameters: [&str; N],
        required: usize,
    ) -> PyResult<[Option<Borrowed<'a, 'py, PyAny>>; N]> {
        if self.positional > N {
            return Err(PyTypeError::new_err(format!(
                "{function}() takes {N} positional arguments but {} were given",
                self.positional
            )));
        }
        let mut bound = [const { None }; N];
        for (index, place) in bound.iter_mut().enumerate() {
            *place = self.get(py, index);
        }
        for (name, value) in self.named(py) {
            let text = name.str()?;
            let text = text.to_str()?;
            let Some(index) = parameters.iter().position(|parameter| *parameter == text) else {
                return Err(PyTypeError::new_err(format!(
                    "{function}() got an unexpected keyword argument '{text}'"
                )));
            };
            if bound[index].replace(value).is_some() {
                return Err(PyTypeError::new_err(format!(
                    "{function}() got multiple values for argument '{text}'"
                )));
            }
        }
        if let Some(index) = bound[..required].iter().position(Option::is_none) {
            return Err(PyTypeError::new_err(format!(
                "{function}() missing 1 required positional argument: '{}'",
                parameters[index]
            )));
        }
        Ok(bound)
    }
}
