//! Ciphertext that came and was not decrypted yet.

/// The room that is offered first, and never less than that.
const LEAST: usize = 4 * 1024;
/// The most room that is offered at a time.
const MOST: usize = 128 * 1024;
/// What is left free in front. Allocators put large blocks some bytes behind the beginning of a
/// page, where the system copies several times more slowly to; this is far enough behind them.
const HEAD: usize = 64;

/// A buffer that is filled at one end and used up at the other, and that grows with the size of
/// what arrives.
///
/// Invariant: `HEAD <= start <= end`, and `end <= bytes.len()` once there is room; what lies between `start` and `end` arrived and was
/// not used yet.
#[derive(Debug)]
pub(super) struct Inbound {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    room: usize,
}

impl Inbound {
    pub(super) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: HEAD,
            end: HEAD,
            room: LEAST,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Where to put what arrives next: never empty.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start > HEAD {
            self.bytes.copy_within(self.start..self.end, HEAD);
            self.end -= self.start - HEAD;
            self.start = HEAD;
        }
        let wanted = (HEAD + self.room).max(self.end + LEAST);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Counts in the first `count` bytes of the room.
    ///
    /// # Panics
    ///
    /// If the room was smaller.
    pub(super) fn fill(&mut self, count: usize) {
        let offered = self.bytes.len() - self.end;
        assert!(
            count <= offered,
            "{count} bytes received into a room of {offered}"
        );
        self.end += count;
        if count == offered {
            self.room = (self.room * 2).min(MOST);
        } else if count < self.room / 4 {
            self.room = (count * 2).next_power_of_two().max(LEAST);
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let count = bytes.len().min(room.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.fill(count);
            bytes = &bytes[count..];
        }
    }

    pub(super) fn unused(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Forgets the first `count` bytes. Once there are none, room that was wanted only for a
    /// while is given back, so that an idle connection holds little.
    pub(super) fn discard(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = HEAD;
            self.end = HEAD;
            if self.bytes.len() > HEAD + self.room {
                self.bytes = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_bytes_in_order_while_it_grows() {
        let mut inbound = Inbound::new();
        let bytes: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
        let mut used = Vec::new();
        for part in bytes.chunks(10_000) {
            inbound.push(part);
            let half = inbound.len() / 2;
            used.extend_from_slice(&inbound.unused()[..half]);
            inbound.discard(half);
        }
        used.extend_from_slice(inbound.unused());
        assert!(used == bytes);
    }

    #[test]
    fn offers_more_to_a_peer_that_fills_it_and_less_to_one_that_does_not() {
        let mut inbound = Inbound::new();
        let receive = |inbound: &mut Inbound, most: usize| {
            let count = inbound.room().len().min(most);
            inbound.fill(count);
            inbound.discard(count);
        };
        for _ in 0..10 {
            receive(&mut inbound, usize::MAX);
        }
        assert_eq!(inbound.room().len(), MOST);
        receive(&mut inbound, 100);
        assert_eq!(
            inbound.bytes.capacity(),
            0,
            "nothing is held for one that has gone quiet"
        );
        assert_eq!(inbound.room().len(), LEAST);
    }

    #[test]
    fn offers_room_behind_an_unfinished_record_of_any_size() {
        let mut inbound = Inbound::new();
        inbound.push(&[7; 100_000]);
        inbound.push(&[7; 1]);
        for _ in 0..20 {
            inbound.push(&[7; 1]);
            assert!(inbound.room().len() >= LEAST);
        }
    }
}
