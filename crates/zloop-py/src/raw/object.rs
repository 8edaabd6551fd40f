//! Owned references to Python objects that cost what a pointer costs.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use pyo3::ffi;
use pyo3::prelude::*;

use super::class::Class;

unsafe extern "C" {
    // Not declared by pyo3-ffi; exported by every CPython.
    static mut PyMethod_Type: ffi::PyTypeObject;
    fn PyMethod_Self(method: *mut ffi::PyObject) -> *mut ffi::PyObject;
    fn PyMethod_Function(method: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// An owned reference, released at once when dropped.
///
/// `Py<PyAny>` asks a thread-local counter at each drop whether the thread is attached, and defers
/// the release when PyO3 was not the one to attach it, as in our own entry points. This type
/// relies on the module's rule instead.
#[repr(transparent)]
pub struct Object(ManuallyDrop<Py<PyAny>>);

impl Object {
    /// Takes over a new reference; null means that a Python exception is set.
    ///
    /// # Safety
    /// `pointer` is null or an owned reference that the caller gives away.
    #[inline]
    pub unsafe fn from_owned(py: Python<'_>, pointer: *mut ffi::PyObject) -> PyResult<Self> {
        match NonNull::new(pointer) {
            // SAFETY: not null, and owned by the caller's promise.
            Some(pointer) => Ok(unsafe { Self::from_owned_unchecked(pointer.as_ptr()) }),
            None => Err(PyErr::fetch(py)),
        }
    }

    /// Takes over a new reference that is known not to be null.
    ///
    /// # Safety
    /// `pointer` is an owned reference that the caller gives away.
    #[inline]
    pub unsafe fn from_owned_unchecked(pointer: *mut ffi::PyObject) -> Self {
        // SAFETY: `Py` is a transparent wrapper of a non-null pointer to an object.
        Self(ManuallyDrop::new(unsafe {
            std::mem::transmute::<NonNull<ffi::PyObject>, Py<PyAny>>(NonNull::new_unchecked(
                pointer,
            ))
        }))
    }

    /// Makes a new reference to a borrowed object.
    ///
    /// # Safety
    /// `pointer` is a live object.
    #[inline]
    pub unsafe fn from_borrowed(pointer: *mut ffi::PyObject) -> Self {
        // SAFETY: live by the caller's promise; the thread is attached by the module's rule.
        unsafe {
            ffi::Py_INCREF(pointer);
            Self::from_owned_unchecked(pointer)
        }
    }

    /// A new reference to `None`.
    #[inline]
    pub fn none(py: Python<'_>) -> Self {
        Self::from(py.None())
    }

    /// A new reference to `True` or `False`.
    #[inline]
    pub fn boolean(py: Python<'_>, value: bool) -> Self {
        Self::from(pyo3::types::PyBool::new(py, value).to_owned())
    }

    /// The pointer, still owned by `self`.
    #[inline]
    pub fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0.as_ptr()
    }

    /// Gives the reference away as a raw pointer.
    #[inline]
    pub fn into_ptr(self) -> *mut ffi::PyObject {
        let pointer = self.as_ptr();
        std::mem::forget(self);
        pointer
    }

    /// PyO3's view of the object.
    #[inline]
    pub fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.0.bind(py)
    }

    /// How many references to the object there are, this one among them.
    #[inline]
    pub fn references(&self) -> isize {
        // SAFETY: a live object.
        unsafe { ffi::Py_REFCNT(self.as_ptr()) }
    }

    /// Whether to drop this reference runs no destructor: somebody else keeps the object, or it is one of a few
    /// types that have none. A bound method, which is often made for one call, goes quietly if what it is bound
    /// to is kept.
    #[inline]
    pub fn ends_quietly(&self) -> bool {
        self.references() > 1 || self.has_no_destructor()
    }

    fn has_no_destructor(&self) -> bool {
        // SAFETY: a live object; the type check is exact, so it has the layout of that type, and a method's parts
        // are borrowed from the method that lives.
        unsafe {
            let pointer = self.as_ptr();
            if ffi::Py_IS_TYPE(pointer, &raw mut PyMethod_Type) != 0 {
                return ffi::Py_REFCNT(PyMethod_Self(pointer)) > 1
                    && ffi::Py_REFCNT(PyMethod_Function(pointer)) > 1
                    && !super::weak::are_there(pointer);
            }
            ffi::PyLong_CheckExact(pointer) != 0
                || ffi::PyUnicode_CheckExact(pointer) != 0
                || ffi::PyBytes_CheckExact(pointer) != 0
                || ffi::PyFloat_CheckExact(pointer) != 0
        }
    }

    /// Whether this is the very object `other`.
    #[inline]
    pub fn is(&self, other: *mut ffi::PyObject) -> bool {
        self.as_ptr() == other
    }
}

impl Clone for Object {
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: `self` keeps the object alive.
        unsafe { Self::from_borrowed(self.as_ptr()) }
    }
}

impl Drop for Object {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the reference is owned, is not used again, and the thread is attached by the
        // module's rule.
        unsafe { ffi::Py_DECREF(self.0.as_ptr()) }
    }
}

impl<T> From<Bound<'_, T>> for Object {
    #[inline]
    fn from(value: Bound<'_, T>) -> Self {
        // SAFETY: `into_ptr` gives the reference away.
        unsafe { Self::from_owned_unchecked(value.into_ptr()) }
    }
}

impl<T> From<&Bound<'_, T>> for Object {
    #[inline]
    fn from(value: &Bound<'_, T>) -> Self {
        Self::from(value.clone())
    }
}

impl<T> From<Py<T>> for Object {
    #[inline]
    fn from(value: Py<T>) -> Self {
        // SAFETY: `into_ptr` gives the reference away.
        unsafe { Self::from_owned_unchecked(value.into_ptr()) }
    }
}

/// An owned reference to an instance of the native class `T`.
#[repr(transparent)]
pub struct Instance<T: Class> {
    object: Object,
    class: PhantomData<T>,
}

impl<T: Class> Instance<T> {
    /// Wraps an object that is known to be an instance of `T`'s class.
    ///
    /// # Safety
    /// `object` is an instance of the class that was built for `T`, or of a subclass.
    #[inline]
    pub unsafe fn from_object(object: Object) -> Self {
        Self {
            object,
            class: PhantomData,
        }
    }

    /// The same instance as a plain object.
    #[inline]
    pub fn as_object(&self) -> &Object {
        &self.object
    }

    /// Whether nobody but the owner of this reference can reach the instance.
    #[inline]
    pub fn is_unshared(&self) -> bool {
        // SAFETY: a live instance, and the thread is attached by the module's rule.
        self.object.references() == 1 && !unsafe { super::weak::are_there(self.as_ptr()) }
    }

    /// Gives up what is known of the class.
    #[inline]
    pub fn into_object(self) -> Object {
        self.object
    }

    /// The pointer, still owned by `self`.
    #[inline]
    pub fn as_ptr(&self) -> *mut ffi::PyObject {
        self.object.as_ptr()
    }

    /// PyO3's view of the instance.
    #[inline]
    pub fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.object.bind(py)
    }
}

impl<T: Class> Clone for Instance<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            object: self.object.clone(),
            class: PhantomData,
        }
    }
}

impl<T: Class> std::ops::Deref for Instance<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: an instance of `T`'s class by construction, kept alive by `self`.
        unsafe { super::class::data::<T>(self.as_ptr()) }
    }
}
