//! `bytes` made and lent without copies, and the buffer protocol.

use std::mem::MaybeUninit;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::object::Object;

unsafe extern "C" {
    /// Not declared by pyo3-ffi; exported by every CPython.
    fn _PyBytes_Resize(bytes: *mut *mut ffi::PyObject, length: ffi::Py_ssize_t) -> std::ffi::c_int;
}

/// A `bytes` object lent as a slice: the object is exact and immutable, so the slice stays valid.
pub struct SharedBytes {
    object: Object,
}

impl SharedBytes {
    /// Shares `object` if it is exactly `bytes`.
    #[inline]
    pub fn new(object: &Bound<'_, PyAny>) -> Option<Self> {
        object.is_exact_instance_of::<PyBytes>().then(|| Self {
            object: Object::from(object),
        })
    }
}

impl SharedBytes {
    /// A new object that holds a copy of `bytes`.
    #[inline]
    pub fn copy(py: Python<'_>, bytes: &[u8]) -> Self {
        Self {
            object: Object::from(PyBytes::new(py, bytes)),
        }
    }

    /// The object itself, given away.
    pub fn into_object(self) -> Object {
        self.object
    }

    /// The object itself.
    pub fn object(&self) -> &Object {
        &self.object
    }
}

impl AsRef<[u8]> for SharedBytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: exactly `bytes` by construction, immutable, and kept alive by `self`.
        unsafe {
            let pointer = self.object.as_ptr();
            std::slice::from_raw_parts(
                ffi::PyBytes_AS_STRING(pointer).cast::<u8>(),
                ffi::Py_SIZE(pointer) as usize,
            )
        }
    }
}

/// A `bytes` object that is being filled and that nobody else has seen.
pub struct BytesBuilder {
    object: Object,
    capacity: usize,
}

impl BytesBuilder {
    /// Makes an object of `capacity` bytes, not yet written.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn new(py: Python<'_>, capacity: usize) -> PyResult<Self> {
        // SAFETY: a null source leaves the bytes unwritten, to be filled through `spare`.
        let object = unsafe {
            Object::from_owned(
                py,
                ffi::PyBytes_FromStringAndSize(std::ptr::null(), capacity as ffi::Py_ssize_t),
            )?
        };
        Ok(Self { object, capacity })
    }

    /// The bytes to fill.
    pub fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the object is ours alone and has `capacity` bytes.
        unsafe {
            std::slice::from_raw_parts_mut(
                ffi::PyBytes_AS_STRING(self.object.as_ptr())
                    .cast::<MaybeUninit<u8>>()
                    .cast_mut(),
                self.capacity,
            )
        }
    }

    /// Copies what fits of `bytes` behind the first `start` bytes, and says how much that is.
    pub fn put(&mut self, start: usize, bytes: &[u8]) -> usize {
        let room = self.spare().get_mut(start..).unwrap_or_default();
        let fits = bytes.len().min(room.len());
        // SAFETY: both have that many bytes, and nobody else has seen those of the object.
        unsafe {
            let place = room.as_mut_ptr().cast::<u8>();
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, fits);
        }
        fits
    }

    /// The finished object, of the first `length` bytes, which were written.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn finish(self, py: Python<'_>, length: usize) -> PyResult<Object> {
        debug_assert!(length <= self.capacity);
        let mut pointer = self.object.into_ptr();
        if length < self.capacity {
            // SAFETY: the one reference is ours; on failure it is released and null comes back.
            unsafe { _PyBytes_Resize(&mut pointer, length as ffi::Py_ssize_t) };
        }
        // SAFETY: an owned reference, or null with `MemoryError` set.
        unsafe { Object::from_owned(py, pointer) }
    }
}

/// Any object's bytes through the buffer protocol, held until dropped.
pub struct Buffer {
    view: Box<ffi::Py_buffer>,
}

impl Buffer {
    /// A view for reading.
    ///
    /// # Errors
    /// `TypeError` or `BufferError`, as `memoryview` would raise.
    pub fn readable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::with_flags(object, ffi::PyBUF_SIMPLE)
    }

    /// A view for writing.
    ///
    /// # Errors
    /// `TypeError` or `BufferError`, as `memoryview` would raise.
    pub fn writable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::with_flags(object, ffi::PyBUF_WRITABLE)
    }

    fn with_flags(object: &Bound<'_, PyAny>, flags: std::ffi::c_int) -> PyResult<Self> {
        // SAFETY: `view` is zeroed as CPython wants it; on success it is filled and later released.
        unsafe {
            let mut view: Box<ffi::Py_buffer> = Box::new(std::mem::zeroed());
            if ffi::PyObject_GetBuffer(object.as_ptr(), &mut *view, flags) != 0 {
                return Err(PyErr::fetch(object.py()));
            }
            Ok(Self { view })
        }
    }

    /// How many bytes the view has.
    pub fn len(&self) -> usize {
        self.view.len as usize
    }

    /// Copies the bytes out.
    pub fn to_vec(&self) -> Vec<u8> {
        if self.len() == 0 {
            return Vec::new();
        }
        // SAFETY: a simple view is contiguous; the interpreter's lock keeps others from writing.
        unsafe { std::slice::from_raw_parts(self.view.buf.cast::<u8>(), self.len()) }.to_vec()
    }

    /// The bytes to write into.
    ///
    /// # Errors
    /// `BufferError` if the view cannot be written.
    pub fn as_mut_slice(&mut self) -> PyResult<&mut [u8]> {
        if self.view.readonly != 0 {
            return Err(PyBufferError::new_err("Object is not writable."));
        }
        if self.len() == 0 {
            return Ok(&mut []);
        }
        // SAFETY: a writable contiguous view that stays exported while `self` lives.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.view.buf.cast::<u8>(), self.len()) })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the view was filled by `PyObject_GetBuffer` and is released once.
        unsafe { ffi::PyBuffer_Release(&mut *self.view) }
    }
}

/// Up to this many bytes, copying is cheaper than lending.
const COPY_LIMIT: usize = 4096;

/// Calls `body` with an object that has `bytes` by the buffer protocol, for a function that takes
/// what it needs of them before it returns.
///
/// # Errors
/// The body's, or `BufferError` if somebody kept a view of lent bytes.
pub fn lend<R>(
    py: Python<'_>,
    bytes: &[u8],
    body: impl FnOnce(&Object) -> PyResult<R>,
) -> PyResult<R> {
    if bytes.len() <= COPY_LIMIT {
        return body(&Object::from(PyBytes::new(py, bytes)));
    }
    // SAFETY: the view is for reading only, and is released before the borrow of `bytes` ends.
    let view = unsafe {
        let start = bytes.as_ptr().cast_mut().cast();
        Object::from_owned(
            py,
            ffi::PyMemoryView_FromMemory(start, bytes.len() as ffi::Py_ssize_t, ffi::PyBUF_READ),
        )?
    };
    call_and_release(py, view, body)
}

/// As [`lend`], for a function that writes into the bytes.
///
/// # Errors
/// The body's, or `BufferError` if somebody kept a view of lent bytes.
pub fn lend_mut<R>(
    py: Python<'_>,
    bytes: &mut [u8],
    body: impl FnOnce(&Object) -> PyResult<R>,
) -> PyResult<R> {
    // SAFETY: the view is the bytes' only user, and is released before the borrow of them ends.
    let view = unsafe {
        let start = bytes.as_mut_ptr().cast();
        Object::from_owned(
            py,
            ffi::PyMemoryView_FromMemory(start, bytes.len() as ffi::Py_ssize_t, ffi::PyBUF_WRITE),
        )?
    };
    call_and_release(py, view, body)
}

fn call_and_release<R>(
    py: Python<'_>,
    view: Object,
    body: impl FnOnce(&Object) -> PyResult<R>,
) -> PyResult<R> {
    let result = body(&view);
    view.bind(py).call_method0(pyo3::intern!(py, "release"))?;
    result
}
