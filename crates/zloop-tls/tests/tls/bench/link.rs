//! One direction of the network.

use std::collections::VecDeque;

/// Bytes under way.
#[derive(Debug)]
pub struct Link {
    bytes: VecDeque<u8>,
    ended: bool,
    /// How many bytes have been sent in all.
    pub sent: usize,
    /// How many bytes fit, until the far side takes some.
    pub capacity: usize,
    /// Cuts the connection once that many bytes were sent.
    pub cut_at: Option<usize>,
    /// Changes the byte at that place, by exclusive or.
    pub flip: Option<(usize, u8)>,
}

impl Link {
    pub fn new() -> Self {
        Self {
            bytes: VecDeque::new(),
            ended: false,
            sent: 0,
            capacity: usize::MAX,
            cut_at: None,
            flip: None,
        }
    }

    pub fn has_room(&self) -> bool {
        self.bytes.len() < self.capacity
    }

    pub fn send(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.ended || self.cut_at == Some(self.sent) {
                self.ended = true;
                return;
            }
            let mask = match self.flip {
                Some((place, mask)) if place == self.sent => mask,
                _ => 0,
            };
            self.bytes.push_back(byte ^ mask);
            self.sent += 1;
        }
        self.ended |= self.cut_at == Some(self.sent);
    }

    pub fn end(&mut self) {
        self.ended = true;
    }

    /// What arrives next, at most `segment` bytes.
    pub fn take(&mut self, segment: usize) -> Vec<u8> {
        let count = segment.min(self.bytes.len());
        self.bytes.drain(..count).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the end has arrived.
    pub fn at_end(&self) -> bool {
        self.ended && self.bytes.is_empty()
    }
}
