//! One direction of the transport.

use std::collections::VecDeque;

/// How much is under way before the transport takes no more.
const CAPACITY: usize = 1000;

#[derive(Default)]
pub struct Wire {
    bytes: VecDeque<u8>,
    is_ended: bool,
}

impl Wire {
    pub fn has_room(&self) -> bool {
        self.bytes.len() < CAPACITY
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn put(&mut self, bytes: &[u8]) {
        if !self.is_ended {
            self.bytes.extend(bytes);
        }
    }

    pub fn take(&mut self, limit: usize) -> Vec<u8> {
        let count = limit.min(self.bytes.len());
        self.bytes.drain(..count).collect()
    }

    /// Changes the next byte. Says whether there is one.
    pub fn corrupt(&mut self, mask: u8) -> bool {
        if let Some(byte) = self.bytes.front_mut() {
            *byte ^= mask;
        }
        !self.bytes.is_empty()
    }

    /// Loses what is under way, and all that would follow.
    pub fn cut(&mut self) {
        self.bytes.clear();
        self.is_ended = true;
    }

    pub fn end(&mut self) {
        self.is_ended = true;
    }

    pub fn at_end(&self) -> bool {
        self.is_ended && self.bytes.is_empty()
    }
}
