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
}
