//! Bytes on their way out.

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;

/// A queue of chunks, taken out by bytes. Chunks are held as they came and never copied.
///
/// ```
/// use std::io::IoSlice;
/// use zloop_net::WriteBuffer;
///
/// let mut buffer = WriteBuffer::new();
/// buffer.push("one, ");
/// buffer.push("two");
/// buffer.advance(2);
/// let mut slices = [IoSlice::new(&[]); 8];
/// let count = buffer.gather(&mut slices);
/// assert_eq!(count, 2);
/// assert_eq!(&*slices[0], b"e, ");
/// assert_eq!(&*slices[1], b"two");
/// assert_eq!(buffer.len(), 6);
/// ```
pub struct WriteBuffer<C: AsRef<[u8]>> {
    /// None of them is empty.
    chunks: VecDeque<C>,
    /// How much of the first chunk is gone.
    offset: usize,
    len: usize,
}

impl<C: AsRef<[u8]>> Default for WriteBuffer<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: AsRef<[u8]>> WriteBuffer<C> {
    /// An empty buffer; nothing is allocated yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            offset: 0,
            len: 0,
        }
    }

    /// Adds a chunk; an empty one is dropped.
    #[inline]
    pub fn push(&mut self, chunk: C) {
        let len = chunk.as_ref().len();
        if len > 0 {
            self.len += len;
            self.chunks.push_back(chunk);
        }
    }

    /// How many bytes are left.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no bytes are left.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many chunks are left.
    #[inline]
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// What is left of the first chunk; empty if nothing is.
    #[inline]
    #[must_use]
    pub fn first(&self) -> &[u8] {
        self.chunks
            .front()
            .map_or(&[], |chunk| self.rest_of(chunk.as_ref()))
    }

    /// Fills `slices` with what is left, from the start, and returns how many it filled.
    #[inline]
    pub fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            let bytes = chunk.as_ref();
            *slice = IoSlice::new(if count == 0 {
                self.rest_of(bytes)
            } else {
                bytes
            });
            count += 1;
        }
        count
    }

    /// Appends a copy of what is left.
    pub(crate) fn join_into(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.first());
        for chunk in self.chunks.iter().skip(1) {
            bytes.extend_from_slice(chunk.as_ref());
        }
    }

    /// Takes `count` bytes out at the start, dropping the chunks that this uses up.
    ///
    /// # Panics
    ///
    /// If fewer bytes are left.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        assert!(
            count <= self.len,
            "cannot advance {count} bytes of {}",
            self.len
        );
        self.len -= count;
        let mut count = count;
        while count > 0 {
            let Some(chunk) = self.chunks.front() else {
                break;
            };
            let rest = chunk.as_ref().len().saturating_sub(self.offset);
            if count < rest {
                self.offset += count;
                return;
            }
            count -= rest;
            self.offset = 0;
            self.chunks.pop_front();
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.offset = 0;
        self.len = 0;
    }

    #[inline]
    fn rest_of<'a>(&self, first: &'a [u8]) -> &'a [u8] {
        first.get(self.offset..).unwrap_or_default()
    }
}

impl<C: AsRef<[u8]>> fmt::Debug for WriteBuffer<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WriteBuffer")
            .field("len", &self.len)
            .field("chunks", &self.chunks.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gathered(buffer: &WriteBuffer<Vec<u8>>, slices: usize) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); slices];
        let count = buffer.gather(&mut slices);
        slices[..count]
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect()
    }

    #[test]
    #[should_panic(expected = "cannot advance 3 bytes of 2")]
    fn advancing_past_the_end_panics() {
        let mut buffer = WriteBuffer::new();
        buffer.push("ab");
        buffer.advance(3);
    }

    #[test]
    fn a_chunk_is_dropped_as_soon_as_it_is_used_up() {
        let chunk = std::rc::Rc::<[u8]>::from(*b"abc");
        let mut buffer = WriteBuffer::new();
        buffer.push(std::rc::Rc::clone(&chunk));
        buffer.advance(2);
        assert_eq!(std::rc::Rc::strong_count(&chunk), 2);
        buffer.advance(1);
        assert_eq!(std::rc::Rc::strong_count(&chunk), 1);
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Push(Vec<u8>),
        Advance(prop::sample::Index),
        Clear,
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            6 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Operation::Push),
            5 => any::<prop::sample::Index>().prop_map(Operation::Advance),
            1 => Just(Operation::Clear),
        ]
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "interpreting random operations takes minutes")]
        fn it_behaves_as_bytes_in_a_row(operations in prop::collection::vec(operation(), 0..80)) {
            let mut buffer = WriteBuffer::new();
            let mut model: Vec<u8> = Vec::new();
            for operation in operations {
                match operation {
                    Operation::Push(chunk) => {
                        model.extend(&chunk);
                        buffer.push(chunk);
                    }
                    Operation::Advance(index) => {
                        let count = index.index(model.len() + 1);
                        model.drain(..count);
                        buffer.advance(count);
                    }
                    Operation::Clear => {
                        model.clear();
                        buffer.clear();
                    }
                }
                prop_assert_eq!(buffer.len(), model.len());
                prop_assert_eq!(buffer.is_empty(), model.is_empty());
                prop_assert_eq!(&gathered(&buffer, buffer.chunk_count()), &model);
                prop_assert!(model.starts_with(buffer.first()));
                prop_assert_eq!(buffer.first().is_empty(), model.is_empty());
                prop_assert!(model.starts_with(&gathered(&buffer, 2)));
            }
        }
    }
}
