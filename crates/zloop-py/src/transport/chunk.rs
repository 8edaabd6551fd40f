//! What waits in a write buffer.

use crate::raw::bytes::SharedBytes;

/// Bytes to send: lent by an immutable `bytes` object, or copied from anything that may change.
pub enum Chunk {
    /// A `bytes` object, kept alive until it is sent.
    Shared(SharedBytes),
    /// A copy.
    Copied(Vec<u8>),
}

impl AsRef<[u8]> for Chunk {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes.as_ref(),
            Self::Copied(bytes) => bytes,
        }
    }
}
