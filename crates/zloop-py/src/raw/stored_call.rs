//! A call that waits for its time: a callable with its arguments.

use std::cell::Cell;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arguments::Arguments;
use super::call::call0;
use super::class::Visit;
use super::object::Object;
use super::slot::Slot;

/// How many arguments have a place of their own.
const PLACES: usize = 3;
/// Instead of a count: all arguments are in a tuple, in the first place.
const IN_TUPLE: u8 = u8::MAX;

/// Arguments as vectorcall takes them, behind a place that is its own to use.
type Arranged = [Option<Object>; PLACES + 1];

/// A callable with positional arguments, to be called once or many times.
///
/// Each object is in a cell of its own, so that what is not there is neither written nor moved: most callbacks
/// have few arguments.
///
/// Invariant: as long as the callable is there, so are the arguments that `count` tells of.
#[derive(Default)]
pub struct StoredCall {
    callable: Slot,
    places: [Slot; PLACES],
    count: Cell<u8>,
}

impl StoredCall {
    /// Stores a callable and the positional arguments from `index` on, where nothing is stored.
    ///
    /// # Errors
    /// `MemoryError`.
    #[inline(always)]
    pub fn store(
        &self,
        callable: Borrowed<'_, '_, PyAny>,
        arguments: &Arguments<'_>,
        index: usize,
    ) -> PyResult<()> {
        let pointers = arguments.pointers_from(index);
        if pointers.len() <= PLACES {
            self.count.set(pointers.len() as u8);
            for (place, pointer) in self.places.iter().zip(pointers) {
                // SAFETY: the arguments of the call that is under way are alive.
                place.set(unsafe { Object::from_borrowed(*pointer) });
            }
        } else {
            self.store_tuple(callable.py(), pointers)?;
        }
        self.callable.set(Object::from(callable.to_owned()));
        Ok(())
    }

    #[cold]
    fn store_tuple(&self, py: Python<'_>, pointers: &[*mut ffi::PyObject]) -> PyResult<()> {
        // SAFETY: the arguments of the call that is under way are alive.
        let arguments = pointers
            .iter()
            .map(|pointer| unsafe { Borrowed::from_ptr(py, *pointer) });
        let tuple = PyTuple::new(py, arguments.collect::<Vec<_>>())?;
        self.places[0].set(Object::from(tuple));
        self.count.set(IN_TUPLE);
        Ok(())
    }

    /// Takes out the call, to be made.
    #[inline(always)]
    pub fn take(&self) -> Option<Call> {
        let callable = self.callable.take()?;
        Some(self.with_arguments(callable, Slot::take))
    }

    /// The same call, to be made, while this one is kept for another time.
    #[inline]
    pub fn get(&self) -> Option<Call> {
        let callable = self.callable.get()?;
        Some(self.with_arguments(callable, Slot::get))
    }

    /// Puts back what was taken out.
    #[cold]
    pub fn restore(&self, call: Call) {
        let arguments = call.arguments.into_iter().flatten().skip(1);
        for (place, argument) in self.places.iter().zip(arguments) {
            place.set(argument);
        }
        self.callable.set(call.callable);
    }

    #[inline(always)]
    fn with_arguments(&self, callable: Object, argument: impl Fn(&Slot) -> Option<Object>) -> Call {
        let count = self.count.get();
        Call {
            callable,
            count,
            arguments: (count > 0).then(|| self.each_place(argument)),
        }
    }

    /// The arguments behind a place that is vectorcall's to use (`PY_VECTORCALL_ARGUMENTS_OFFSET`).
    #[inline(always)]
    fn each_place(&self, argument: impl Fn(&Slot) -> Option<Object>) -> Arranged {
        let mut arranged = [const { None }; PLACES + 1];
        let count = match self.count.get() {
            IN_TUPLE => 1,
            count => usize::from(count),
        };
        for (to, from) in arranged[1..].iter_mut().zip(&self.places).take(count) {
            *to = argument(from);
        }
        arranged
    }

    /// What is called, while it is there.
    pub fn callable(&self) -> Option<Object> {
        self.callable.get()
    }

    /// The arguments as a tuple, while they are there.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn arguments(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        if self.callable.is_empty() {
            return Ok(None);
        }
        if self.count.get() == IN_TUPLE {
            return Ok(self.places[0].get());
        }
        let arguments: Vec<Object> = self.each_place(Slot::get).into_iter().flatten().collect();
        let arguments = arguments.iter().map(|argument| argument.bind(py));
        let tuple = PyTuple::new(py, arguments.collect::<Vec<_>>())?;
        Ok(Some(Object::from(tuple)))
    }

    /// Lets go of what it holds.
    pub fn clear(&self) {
        // All taken out before any is dropped: that may run Python code, which finds nothing here.
        let callable = self.callable.take();
        let places = self.places.each_ref().map(Slot::take);
        drop((callable, places));
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        self.callable.traverse(visit);
        self.places.iter().for_each(|place| place.traverse(visit));
    }
}

/// A call on its way: what it needs lives as long as this does, longer than the call itself.
pub struct Call {
    callable: Object,
    count: u8,
    arguments: Option<Arranged>,
}

impl Call {
    /// Whether to drop it ends nothing that has a destructor.
    #[inline(always)]
    pub fn ends_quietly(&self) -> bool {
        self.callable.ends_quietly()
            && (self.arguments.iter().flatten().flatten()).all(Object::ends_quietly)
    }

    /// Makes the call, and drops the result.
    ///
    /// # Errors
    /// What the callable raises.
    #[inline(always)]
    pub fn make(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some(arguments) = &mut self.arguments else {
            return call0(py, &self.callable).map(drop);
        };
        if self.count == IN_TUPLE {
            return match &arguments[1] {
                Some(tuple) => {
                    let tuple = tuple.bind(py).cast::<PyTuple>()?;
                    self.callable.bind(py).call1(tuple).map(drop)
                }
                None => Ok(()),
            };
        }
        // SAFETY: `Option<Object>` is a nullable pointer; `count` places behind vectorcall's own hold live
        // objects, which `self` keeps alive during the call.
        unsafe {
            let first = arguments.as_mut_ptr().cast::<*mut ffi::PyObject>().add(1);
            let count = usize::from(self.count) | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
            let callable = self.callable.as_ptr();
            let result = ffi::PyObject_Vectorcall(callable, first, count, std::ptr::null_mut());
            Object::from_owned(py, result).map(drop)
        }
    }
}
