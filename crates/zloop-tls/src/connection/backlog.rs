//! Plaintext that waits to be encrypted.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Chunks in the order of writing, the first perhaps used in part.
///
/// Invariant: no chunk is empty, `used` is less than the first one's length, and `len` is the sum
/// of what is left.
#[derive(Debug)]
pub(super) struct Backlog<C> {
    chunks: VecDeque<C>,
    used: usize,
    len: usize,
}

impl<C: AsRef<[u8]>> Backlog<C> {
    pub(super) const fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            used: 0,
            len: 0,
        }
    }

    pub(super) fn push(&mut self, chunk: C) {
        let len = chunk.as_ref().len();
        if len > 0 {
            self.len += len;
            self.chunks.push_back(chunk);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `parts` from the front with at most `limit` bytes, and says how many it filled.
    pub(super) fn gather<'a>(&'a self, parts: &mut [IoSlice<'a>], limit: usize) -> usize {
        let mut left = limit;
        let mut skip = self.used;
        let mut count = 0;
        for (part, chunk) in parts.iter_mut().zip(&self.chunks) {
            if left == 0 {
                break;
            }
            let bytes = &chunk.as_ref()[skip..];
            skip = 0;
            let bytes = &bytes[..bytes.len().min(left)];
            left -= bytes.len();
            *part = IoSlice::new(bytes);
            count += 1;
        }
        count
    }

    /// Forgets the first `count` bytes.
    ///
    /// # Panics
    ///
    /// If there are not as many.
    pub(super) fn advance(&mut self, count: usize) {
        assert!(
            count <= self.len,
            "an engine used {count} bytes of {}",
            self.len
        );
        self.len -= count;
        self.used += count;
        while let Some(chunk) = self.chunks.front() {
            let len = chunk.as_ref().len();
            if self.used < len {
                break;
            }
            self.used -= len;
            self.chunks.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.chunks.clear();
        self.used = 0;
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(backlog: &Backlog<&str>, limit: usize) -> String {
        let mut parts = [IoSlice::new(&[]); 3];
        let count = backlog.gather(&mut parts, limit);
        parts[..count]
            .iter()
            .map(|part| str::from_utf8(part).unwrap())
            .collect()
    }

    #[test]
    fn gathers_what_is_left_within_the_limit() {
        let mut backlog = Backlog::new();
        for chunk in ["one", "", "two", "three", "four"] {
            backlog.push(chunk);
        }
        assert_eq!(backlog.len(), 15);
        assert_eq!(
            text(&backlog, 100),
            "onetwothree",
            "as many parts as there is room for"
        );
        assert_eq!(text(&backlog, 4), "onet");
        backlog.advance(4);
        assert_eq!(text(&backlog, 100), "wothreefour");
        backlog.advance(2);
        assert_eq!(text(&backlog, 5), "three");
        backlog.advance(9);
        assert!(backlog.is_empty());
        assert_eq!(text(&backlog, 5), "");
    }

    #[test]
    #[should_panic(expected = "used 4 bytes of 3")]
    fn refuses_to_forget_more_than_there_is() {
        let mut backlog = Backlog::new();
        backlog.push("one");
        backlog.advance(4);
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

    fn gathered(backlog: &Backlog<Vec<u8>>, parts: usize, limit: usize) -> Vec<u8> {
        let mut parts = vec![IoSlice::new(&[]); parts];
        let count = backlog.gather(&mut parts, limit);
        assert!(
            parts[..count].iter().all(|part| !part.is_empty()),
            "no part is empty"
        );
        parts[..count]
            .iter()
            .flat_map(|part| part.iter().copied())
            .collect()
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "interpreting random operations takes minutes")]
        fn it_behaves_as_bytes_in_a_row(
            operations in prop::collection::vec((operation(), 0..40_usize), 0..80),
        ) {
            let mut backlog = Backlog::new();
            let mut model: Vec<u8> = Vec::new();
            for (operation, limit) in operations {
                match operation {
                    Operation::Push(chunk) => {
                        model.extend(&chunk);
                        backlog.push(chunk);
                    }
                    Operation::Advance(index) => {
                        let count = index.index(model.len() + 1);
                        model.drain(..count);
                        backlog.advance(count);
                    }
                    Operation::Clear => {
                        model.clear();
                        backlog.clear();
                    }
                }
                prop_assert_eq!(backlog.len(), model.len());
                prop_assert_eq!(backlog.is_empty(), model.is_empty());
                let within = &model[..limit.min(model.len())];
                prop_assert_eq!(&gathered(&backlog, model.len(), limit), within);
                prop_assert!(within.starts_with(&gathered(&backlog, 2, limit)));
            }
        }
    }
}
