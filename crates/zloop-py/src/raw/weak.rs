//! Weak references to native instances.

use pyo3::ffi;

/// How many bytes the head of an instance's list of weak references takes.
pub(super) const LIST_SIZE: usize = size_of::<*mut ffi::PyObject>();

/// Describes to CPython where, counted from an instance's begin, its list of weak references is.
///
/// The table is leaked on purpose: the class refers to it for as long as the process runs.
pub(super) fn members(offset: usize) -> *mut ffi::PyMemberDef {
    let place = ffi::PyMemberDef {
        name: c"__weaklistoffset__".as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset as ffi::Py_ssize_t,
        flags: ffi::Py_READONLY,
        doc: std::ptr::null(),
    };
    Box::leak(Box::new([place, ffi::PyMemberDef::default()])).as_mut_ptr()
}

/// Makes the list of a new instance empty.
///
/// # Safety
/// `list` is where the instance's list is, as [`members`] told CPython.
#[inline]
pub(super) unsafe fn start_list(list: *mut *mut ffi::PyObject) {
    // SAFETY: inside the new instance, which nobody else has seen.
    unsafe { list.write(std::ptr::null_mut()) }
}

/// Whether there are weak references to an instance.
///
/// # Safety
/// `object` is a live instance, on an attached thread.
#[inline]
pub(super) unsafe fn are_there(object: *mut ffi::PyObject) -> bool {
    // SAFETY: a class with an offset has its list there, before or behind an instance's begin.
    unsafe {
        let offset = (*ffi::Py_TYPE(object)).tp_weaklistoffset;
        offset != 0
            && !object
                .byte_offset(offset)
                .cast::<*mut ffi::PyObject>()
                .read()
                .is_null()
    }
}

/// Ends the weak references to an instance, whichever class of its line has the list.
///
/// # Safety
/// `object` is an instance that is being deallocated, on an attached thread.
#[inline]
pub(super) unsafe fn clear(object: *mut ffi::PyObject) {
    // SAFETY: a class with an offset has its list there, before or behind an instance's begin.
    unsafe {
        let offset = (*ffi::Py_TYPE(object)).tp_weaklistoffset;
        if offset == 0 {
            return;
        }
        let list = object.byte_offset(offset).cast::<*mut ffi::PyObject>();
        if !list.read().is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
    }
}
