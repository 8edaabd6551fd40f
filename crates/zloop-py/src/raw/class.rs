//! Native classes: Rust values inside instances of heap types, derived from any Python class.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyType};

use super::arguments::Arguments;
use super::object::{Instance, Object};
use super::weak;

/// Where in an instance the Rust value stands: behind what the base class needs.
pub enum Placement {
    /// The base class is `object`: known to the compiler.
    BehindObject,
    /// It is written once, when the class is built, and is the same in each interpreter of a process,
    /// because it follows from the base class's size alone.
    BehindBase(AtomicUsize),
}

impl Placement {
    /// A placement that is settled when the class is built.
    pub const fn behind_base() -> Self {
        Self::BehindBase(AtomicUsize::new(0))
    }

    #[inline(always)]
    fn get(&self) -> usize {
        match self {
            Self::BehindObject => const { size_of::<ffi::PyObject>().next_multiple_of(ALIGNMENT) },
            Self::BehindBase(offset) => offset.load(Ordering::Relaxed),
        }
    }

    /// Notes where the value stands.
    ///
    /// # Errors
    /// `RuntimeError` if the base class has another size than was said.
    fn settle(&self, offset: usize) -> PyResult<()> {
        if let Self::BehindBase(place) = self {
            place.store(offset, Ordering::Relaxed);
        }
        if self.get() == offset {
            return Ok(());
        }
        Err(PyRuntimeError::new_err(
            "the base class has an unexpected size",
        ))
    }
}

/// That of instances: what CPython's allocator gives.
const ALIGNMENT: usize = 16;

/// A Rust type whose values are the native part of a Python class's instances.
pub trait Class: Sized + 'static {
    /// The qualified name, such as `zloop.Handle`.
    const NAME: &'static CStr;
    /// The class's docstring.
    const DOC: &'static CStr;
    /// Whether instances carry the collector's header. A class without it is cheaper to make and
    /// does not count as an allocation, but whoever owns its instances must visit what they hold.
    const COLLECTED: bool = true;
    /// Whether weak references can be made to instances, where the base class does not see to it.
    const WEAKLY_REFERENCED: bool = false;

    /// The class's one placement, a `static`.
    fn placement() -> &'static Placement;

    /// Shows the collector every reference that the value owns.
    fn traverse(&self, _visit: &mut Visit) {}

    /// Drops the references that may be part of a cycle.
    fn clear(&self) {}
}

/// The collector's visitor.
pub struct Visit {
    function: ffi::visitproc,
    argument: *mut c_void,
    result: c_int,
}

impl Visit {
    /// Shows one reference to the collector.
    #[inline]
    pub fn object(&mut self, object: &Object) {
        if self.result == 0 {
            // SAFETY: the collector handed in the function with its argument, and runs no code in it.
            self.result = unsafe { (self.function)(object.as_ptr(), self.argument) };
        }
    }

    /// Shows a reference, if there is one.
    #[inline]
    pub fn optional(&mut self, object: Option<&Object>) {
        if let Some(object) = object {
            self.object(object);
        }
    }
}

/// The Rust value of an instance.
///
/// # Safety
/// `object` is a live instance of the class built for `T`, or of a subclass.
#[inline]
pub unsafe fn data<'a, T: Class>(object: *mut ffi::PyObject) -> &'a T {
    // SAFETY: the value stands there from creation until `tp_dealloc`.
    unsafe { &*object.cast::<u8>().add(T::placement().get()).cast::<T>() }
}

/// The type object that was built for `T`, or a Python subclass of it.
pub struct NativeClass<T: Class> {
    class: Py<PyType>,
    native: PhantomData<fn() -> T>,
}

impl<T: Class> NativeClass<T> {
    /// The type object.
    #[inline]
    pub fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyType> {
        self.class.bind(py)
    }

    /// The same native part in instances of a Python subclass.
    ///
    /// # Errors
    /// `TypeError` if `class` is not derived from this one.
    pub fn subclass(&self, class: &Bound<'_, PyType>) -> PyResult<Self> {
        if !class.is_subclass(self.bind(class.py()))? {
            return Err(PyTypeError::new_err("not a subclass of the native class"));
        }
        Ok(Self {
            class: class.clone().unbind(),
            native: PhantomData,
        })
    }

    /// The native part of `object`, if it has it.
    pub fn cast(&self, object: &Bound<'_, PyAny>) -> PyResult<Option<Instance<T>>> {
        let is_instance = object.is_instance(self.bind(object.py()))?;
        // SAFETY: an instance of the class that was built for `T`, or of a subclass.
        Ok(is_instance.then(|| unsafe { Instance::from_object(Object::from(object)) }))
    }

    /// Makes an instance that holds `value`.
    ///
    /// # Errors
    /// `MemoryError`.
    #[inline]
    pub fn instantiate(&self, py: Python<'_>, value: T) -> PyResult<Instance<T>> {
        // SAFETY: the class was built for `T` or derives from one that was.
        unsafe { instantiate(py, self.class.as_ptr().cast(), value) }
    }
}

/// Makes an instance of `class`, which is `T`'s class or a subclass of it, holding `value`.
///
/// # Safety
/// `class` is the type object built for `T`, or a Python subclass of it.
#[inline]
unsafe fn instantiate<T: Class>(
    py: Python<'_>,
    class: *mut ffi::PyTypeObject,
    value: T,
) -> PyResult<Instance<T>> {
    // SAFETY: a ready heap type has `tp_alloc`. The value is written before any Python code or
    // collection can see the instance.
    unsafe {
        let object = if T::COLLECTED {
            match (*class).tp_alloc {
                Some(allocate) => allocate(class, 0),
                None => ffi::PyType_GenericAlloc(class, 0),
            }
        } else {
            ffi::PyObject_New::<ffi::PyObject>(class)
        };
        if object.is_null() {
            return Err(PyErr::fetch(py));
        }
        let place = object.cast::<u8>().add(T::placement().get()).cast::<T>();
        place.write(value);
        if T::WEAKLY_REFERENCED {
            weak::start_list(place.add(1).cast());
        }
        Ok(Instance::from_object(Object::from_owned_unchecked(object)))
    }
}

/// Runs an entry point's body; an error or a panic becomes the Python exception that is set.
#[inline]
fn guarded<R>(py: Python<'_>, failure: R, body: impl FnOnce() -> PyResult<R>) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            error.restore(py);
            failure
        }
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_else(|| "panic in zloop".to_owned());
            PanicException::new_err(text).restore(py);
            failure
        }
    }
}

/// Conjures the one value of a function item's type.
///
/// # Safety
/// A value of `F` was given when the entry point was made, which proves that the type has one.
#[inline]
unsafe fn function_item<F: Copy>() -> F {
    const {
        assert!(
            size_of::<F>() == 0,
            "an entry point is a plain function, not a closure"
        )
    };
    // SAFETY: a zero-sized type that is inhabited has exactly this value.
    unsafe { std::mem::transmute_copy::<(), F>(&()) }
}

/// Wraps the borrowed `self` of an entry point without touching its reference count.
///
/// # Safety
/// `object` is a live instance of `T`'s class for as long as the result is used.
#[inline]
unsafe fn borrowed<T: Class>(object: &*mut ffi::PyObject) -> &Instance<T> {
    // SAFETY: `Instance` is a transparent wrapper of the pointer.
    unsafe { &*(std::ptr::from_ref(object).cast::<Instance<T>>()) }
}

unsafe extern "C" fn call_method<T, F>(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject
where
    T: Class,
    F: Fn(&Instance<T>, Python<'_>, Arguments<'_>) -> PyResult<Object> + Copy,
{
    // SAFETY: CPython calls a method with an instance of its class, `count` positional arguments
    // and the names of the keyword ones, on an attached thread.
    unsafe {
        let py = Python::assume_attached();
        let arguments = Arguments::from_vectorcall(arguments, count, names);
        guarded(py, std::ptr::null_mut(), || {
            function_item::<F>()(borrowed(&object), py, arguments).map(Object::into_ptr)
        })
    }
}

unsafe extern "C" fn call_bare_method<T, F>(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject
where
    T: Class,
    F: Fn(&Instance<T>, Python<'_>, Arguments<'_>) -> PyResult<Object> + Copy,
{
    // SAFETY: CPython calls it as it calls `call_method`, with no arguments.
    unsafe { call_method::<T, F>(object, std::ptr::null(), 0, std::ptr::null_mut()) }
}

unsafe extern "C" fn get_attribute<T, F>(
    object: *mut ffi::PyObject,
    _: *mut c_void,
) -> *mut ffi::PyObject
where
    T: Class,
    F: Fn(&Instance<T>, Python<'_>) -> PyResult<Object> + Copy,
{
    // SAFETY: CPython calls a getter with an instance of its class on an attached thread.
    unsafe {
        let py = Python::assume_attached();
        guarded(py, std::ptr::null_mut(), || {
            function_item::<F>()(borrowed(&object), py).map(Object::into_ptr)
        })
    }
}

unsafe extern "C" fn set_attribute<T, F>(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    _: *mut c_void,
) -> c_int
where
    T: Class,
    F: Fn(&Instance<T>, Python<'_>, &Bound<'_, PyAny>) -> PyResult<()> + Copy,
{
    // SAFETY: CPython calls a setter with an instance of its class and a value, or null for `del`.
    unsafe {
        let py = Python::assume_attached();
        guarded(py, -1, || {
            let Some(value) = Bound::from_borrowed_ptr_or_opt(py, value) else {
                return Err(pyo3::exceptions::PyAttributeError::new_err(
                    "cannot delete attribute",
                ));
            };
            function_item::<F>()(borrowed(&object), py, &value).map(|()| 0)
        })
    }
}

unsafe extern "C" fn represent<T, F>(object: *mut ffi::PyObject) -> *mut ffi::PyObject
where
    T: Class,
    F: Fn(&Instance<T>, Python<'_>) -> PyResult<Object> + Copy,
{
    // SAFETY: as for a getter.
    unsafe { get_attribute::<T, F>(object, std::ptr::null_mut()) }
}

unsafe extern "C" fn construct<T, F>(
    class: *mut ffi::PyTypeObject,
    _: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject
where
    T: Class,
    F: Fn(Python<'_>) -> PyResult<T> + Copy,
{
    // SAFETY: CPython calls `tp_new` with the class or a subclass of it, on an attached thread.
    unsafe {
        let py = Python::assume_attached();
        guarded(py, std::ptr::null_mut(), || {
            let value = function_item::<F>()(py)?;
            Ok(instantiate(py, class, value)?.into_object().into_ptr())
        })
    }
}

unsafe extern "C" fn traverse<T: Class>(
    object: *mut ffi::PyObject,
    function: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the collector calls this with a live instance; a heap type's instances own their type.
    unsafe {
        let result = function(ffi::Py_TYPE(object).cast(), argument);
        if result != 0 {
            return result;
        }
        let mut visit = Visit {
            function,
            argument,
            result: 0,
        };
        data::<T>(object).traverse(&mut visit);
        visit.result
    }
}

unsafe extern "C" fn clear<T: Class>(object: *mut ffi::PyObject) -> c_int {
    // SAFETY: the collector calls this with a live instance on an attached thread.
    unsafe {
        let py = Python::assume_attached();
        guarded(py, 0, || {
            data::<T>(object).clear();
            Ok(0)
        })
    }
}

unsafe extern "C" fn deallocate<T: Class>(object: *mut ffi::PyObject) {
    // SAFETY: CPython calls this once, when no reference is left, or from `subtype_dealloc` of a
    // Python subclass, which leaves the freeing and the reference to the type to a heap type's own.
    unsafe {
        let class = ffi::Py_TYPE(object);
        if T::COLLECTED {
            ffi::PyObject_GC_UnTrack(object.cast());
        }
        weak::clear(object);
        let py = Python::assume_attached();
        guarded(py, (), || {
            object
                .cast::<u8>()
                .add(T::placement().get())
                .cast::<T>()
                .drop_in_place();
            Ok(())
        });
        match (*class).tp_free {
            Some(free) => free(object.cast()),
            None => ffi::PyObject_Free(object.cast()),
        }
        ffi::Py_DECREF(class.cast());
    }
}

/// Builds the Python class for `T`.
pub struct ClassBuilder<T: Class> {
    methods: Vec<ffi::PyMethodDef>,
    attributes: Vec<ffi::PyGetSetDef>,
    slots: Vec<ffi::PyType_Slot>,
    constructible: bool,
    class: PhantomData<T>,
}

impl<T: Class> ClassBuilder<T> {
    /// A class without methods.
    pub fn new() -> Self {
        Self {
            methods: Vec::new(),
            attributes: Vec::new(),
            slots: Vec::new(),
            constructible: false,
            class: PhantomData,
        }
    }

    /// Adds a method, called by vectorcall.
    pub fn method<F>(self, name: &'static CStr, _function: F, doc: &'static CStr) -> Self
    where
        F: Fn(&Instance<T>, Python<'_>, Arguments<'_>) -> PyResult<Object> + Copy,
    {
        let entry = ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: call_method::<T, F>,
        };
        self.entry_point(name, entry, ffi::METH_FASTCALL | ffi::METH_KEYWORDS, doc)
    }

    /// Adds a method that takes no arguments.
    pub fn bare_method<F>(self, name: &'static CStr, _function: F, doc: &'static CStr) -> Self
    where
        F: Fn(&Instance<T>, Python<'_>, Arguments<'_>) -> PyResult<Object> + Copy,
    {
        let entry = ffi::PyMethodDefPointer {
            PyCFunction: call_bare_method::<T, F>,
        };
        self.entry_point(name, entry, ffi::METH_NOARGS, doc)
    }

    fn entry_point(
        mut self,
        name: &'static CStr,
        entry: ffi::PyMethodDefPointer,
        flags: c_int,
        doc: &'static CStr,
    ) -> Self {
        self.methods.push(ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: entry,
            ml_flags: flags,
            ml_doc: doc.as_ptr(),
        });
        self
    }

    /// Adds a read-only attribute.
    pub fn getter<F>(mut self, name: &'static CStr, _get: F) -> Self
    where
        F: Fn(&Instance<T>, Python<'_>) -> PyResult<Object> + Copy,
    {
        self.attributes.push(ffi::PyGetSetDef {
            name: name.as_ptr(),
            get: Some(get_attribute::<T, F>),
            set: None,
            doc: std::ptr::null(),
            closure: std::ptr::null_mut(),
        });
        self
    }

    /// Adds an attribute that can be assigned.
    pub fn property<F, G>(mut self, name: &'static CStr, _get: F, _set: G) -> Self
    where
        F: Fn(&Instance<T>, Python<'_>) -> PyResult<Object> + Copy,
        G: Fn(&Instance<T>, Python<'_>, &Bound<'_, PyAny>) -> PyResult<()> + Copy,
    {
        self.attributes.push(ffi::PyGetSetDef {
            name: name.as_ptr(),
            get: Some(get_attribute::<T, F>),
            set: Some(set_attribute::<T, G>),
            doc: std::ptr::null(),
            closure: std::ptr::null_mut(),
        });
        self
    }

    /// Sets `__repr__`.
    pub fn repr<F>(mut self, _function: F) -> Self
    where
        F: Fn(&Instance<T>, Python<'_>) -> PyResult<Object> + Copy,
    {
        self.slot(ffi::Py_tp_repr, represent::<T, F> as *mut c_void);
        self
    }

    /// Lets Python make instances, from no arguments that the native part looks at.
    pub fn constructor<F>(mut self, _function: F) -> Self
    where
        F: Fn(Python<'_>) -> PyResult<T> + Copy,
    {
        self.constructible = true;
        self.slot(ffi::Py_tp_new, construct::<T, F> as *mut c_void);
        self
    }

    fn slot(&mut self, slot: c_int, pointer: *mut c_void) {
        self.slots.push(ffi::PyType_Slot {
            slot,
            pfunc: pointer,
        });
    }

    /// Makes the class, derived from `base`.
    ///
    /// # Errors
    /// What CPython raises when the class cannot be made.
    pub fn build(
        mut self,
        module: &Bound<'_, PyModule>,
        base: &Bound<'_, PyType>,
        subclassable: bool,
    ) -> PyResult<NativeClass<T>> {
        // SAFETY: every table is null-terminated and leaked on purpose, because the type refers to
        // them for as long as the process runs; each function pointer has its slot's signature.
        unsafe {
            self.methods.push(ffi::PyMethodDef::zeroed());
            self.attributes.push(std::mem::zeroed());
            let methods = Box::leak(std::mem::take(&mut self.methods).into_boxed_slice());
            let attributes = Box::leak(std::mem::take(&mut self.attributes).into_boxed_slice());
            self.slot(ffi::Py_tp_methods, methods.as_mut_ptr().cast());
            self.slot(ffi::Py_tp_getset, attributes.as_mut_ptr().cast());
            self.slot(ffi::Py_tp_doc, T::DOC.as_ptr().cast_mut().cast());
            self.slot(ffi::Py_tp_dealloc, deallocate::<T> as *mut c_void);
            let mut flags = ffi::Py_TPFLAGS_DEFAULT;
            if T::COLLECTED {
                flags |= ffi::Py_TPFLAGS_HAVE_GC;
                self.slot(ffi::Py_tp_traverse, traverse::<T> as *mut c_void);
                self.slot(ffi::Py_tp_clear, clear::<T> as *mut c_void);
            }
            if subclassable {
                flags |= ffi::Py_TPFLAGS_BASETYPE;
            }
            if !self.constructible {
                flags |= ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
            }
            let alignment = align_of::<T>().max(ALIGNMENT);
            let base_size = usize::try_from((*base.as_type_ptr()).tp_basicsize)
                .map_err(|_| PyRuntimeError::new_err("the base class has no size"))?;
            let offset = base_size.next_multiple_of(alignment);
            let mut size = offset + size_of::<T>();
            if T::WEAKLY_REFERENCED {
                self.slot(ffi::Py_tp_members, weak::members(size).cast());
                size += weak::LIST_SIZE;
            }
            self.slots.push(ffi::PyType_Slot {
                slot: 0,
                pfunc: std::ptr::null_mut(),
            });
            let mut spec = ffi::PyType_Spec {
                name: T::NAME.as_ptr(),
                basicsize: size as c_int,
                itemsize: 0,
                flags: flags as c_uint,
                slots: self.slots.as_mut_ptr(),
            };
            let class = ffi::PyType_FromModuleAndSpec(module.as_ptr(), &mut spec, base.as_ptr());
            let class = Bound::from_owned_ptr_or_err(module.py(), class)?.cast_into::<PyType>()?;
            T::placement().settle(offset)?;
            Ok(NativeClass {
                class: class.unbind(),
                native: PhantomData,
            })
        }
    }
}
