//! Room for what is read.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// The size of a page; where pages are larger, their parts serve as well.
const PAGE: usize = 4096;

/// Zeroed bytes that begin where a page begins, to read into.
///
/// What comes from a socket lies in the system's pages, as a rule from their beginning. Processors
/// copy several times more slowly to a place that is some bytes further into its page than the
/// source is into its own, and that is exactly where allocators put large blocks: behind their own
/// few bytes of a fresh page.
///
/// ```
/// use zloop_net::ReadBuffer;
///
/// let mut buffer = ReadBuffer::new(64 * 1024);
/// assert_eq!(buffer.len(), 64 * 1024);
/// assert_eq!(buffer.as_ptr().align_offset(4096), 0);
/// buffer[..5].copy_from_slice(b"hello");
/// ```
#[derive(Default)]
pub struct ReadBuffer {
    /// A page more than what is lent.
    bytes: Vec<u8>,
    /// Where the first page begins in it. Invariant: the bytes are never moved.
    start: usize,
    length: usize,
}

impl ReadBuffer {
    /// Room for `length` bytes.
    #[must_use]
    pub fn new(length: usize) -> Self {
        let bytes = vec![0; length + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE);
        Self {
            // An offset that cannot be had costs speed alone.
            start: if start < PAGE { start } else { 0 },
            bytes,
            length,
        }
    }
}

impl Deref for ReadBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }
}

impl DerefMut for ReadBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReadBuffer")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_begins_at_a_page() {
        for length in [0, 1, 4095, 4096, 4097, 256 * 1024, 2 * 1024 * 1024] {
            let buffer = ReadBuffer::new(length);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.as_ptr().align_offset(PAGE), 0);
            assert!(*buffer == *vec![0; length]);
        }
    }

    #[test]
    fn one_that_was_taken_is_empty() {
        let mut buffer = ReadBuffer::new(10);
        let taken = std::mem::take(&mut buffer);
        assert_eq!((buffer.len(), taken.len()), (0, 10));
    }
}
