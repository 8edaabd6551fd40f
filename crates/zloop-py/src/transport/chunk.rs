//! What waits in a write buffer.

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};
use zloop_tls::Ciphertext;

use crate::raw::bytes::{Buffer, SharedBytes};
use crate::raw::object::Object;

/// Bytes to send: lent by an immutable `bytes` object, or copied from anything that may change.
pub enum Chunk {
    /// A `bytes` object, kept alive until it is sent.
    Shared(SharedBytes),
    /// A copy.
    Copied(Vec<u8>),
    /// What rustls made.
    Encrypted(Ciphertext),
}

impl AsRef<[u8]> for Chunk {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes.as_ref(),
            Self::Copied(bytes) => bytes,
            Self::Encrypted(bytes) => bytes,
        }
    }
}

impl Chunk {
    /// The bytes as a Python object.
    pub fn to_python(&self, py: Python<'_>) -> Object {
        match self {
            Self::Shared(bytes) => bytes.object().clone(),
            Self::Copied(_) | Self::Encrypted(_) => Object::from(PyBytes::new(py, self.as_ref())),
        }
    }

    /// Takes the bytes of whatever `memoryview` takes, as asyncio does with each of `writelines`.
    ///
    /// # Errors
    /// `TypeError` for any other object.
    pub fn of_any(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        match Self::of(data)? {
            Some(chunk) => Ok(chunk),
            None => {
                let view = PyMemoryView::from(data)?;
                Ok(Self::Copied(Buffer::readable(&view)?.to_vec()))
            }
        }
    }

    /// Takes the bytes of a bytes-like object: shared if they cannot change, else copied. `None`
    /// for an object of another kind.
    ///
    /// # Errors
    /// `BufferError` for a view that has no bytes to give.
    pub fn of(data: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if let Some(bytes) = SharedBytes::new(data) {
            return Ok(Some(Self::Shared(bytes)));
        }
        let is_bytes_like = data.is_instance_of::<PyByteArray>()
            || data.is_instance_of::<PyMemoryView>()
            || data.is_instance_of::<PyBytes>();
        if !is_bytes_like {
            return Ok(None);
        }
        // A view that is not contiguous has no simple buffer; `bytes` knows how to gather it.
        match Buffer::readable(data) {
            Ok(buffer) => Ok(Some(Self::Copied(buffer.to_vec()))),
            Err(_) => {
                let bytes = data.py().get_type::<PyBytes>().call1((data,))?;
                Ok(SharedBytes::new(&bytes).map(Self::Shared))
            }
        }
    }
}
