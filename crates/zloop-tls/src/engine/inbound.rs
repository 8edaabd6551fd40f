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
/// Invariant: `HEAD <= start <= end`, and `end <= bytes.len()` once there is room; what lies between
/// `start` and `end` arrived and was not used yet.
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "interpreting so many bytes takes minutes")]
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
    #[cfg_attr(miri, ignore = "interpreting so many bytes takes minutes")]
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
    #[cfg_attr(miri, ignore = "interpreting so many bytes takes minutes")]
    fn offers_room_behind_an_unfinished_record_of_any_size() {
        let mut inbound = Inbound::new();
        inbound.push(&[7; 100_000]);
        inbound.push(&[7; 1]);
        for _ in 0..20 {
            inbound.push(&[7; 1]);
            assert!(inbound.room().len() >= LEAST);
        }
    }

    #[derive(Clone, Debug)]
    enum Operation {
        /// So much of the room is filled, in 256th parts.
        Receive(usize),
        Push(usize),
        /// So much is used up, in 256th parts; sometimes what is not there, too.
        Discard(usize),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            3 => (0..=256_usize).prop_map(Operation::Receive),
            2 => (0..20_000_usize).prop_map(Operation::Push),
            5 => (0..300_usize).prop_map(Operation::Discard),
        ]
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "interpreting random operations takes minutes")]
        fn it_behaves_as_bytes_in_a_row(operations in prop::collection::vec(operation(), 0..40)) {
            let mut inbound = Inbound::new();
            let mut model: Vec<u8> = Vec::new();
            let mut numbers = (0..251_u8).cycle();
            for operation in operations {
                match operation {
                    Operation::Receive(part) => {
                        let room = inbound.room();
                        let count = room.len() * part / 256;
                        let bytes: Vec<u8> = numbers.by_ref().take(count).collect();
                        room[..count].copy_from_slice(&bytes);
                        inbound.fill(count);
                        model.extend(bytes);
                    }
                    Operation::Push(count) => {
                        let bytes: Vec<u8> = numbers.by_ref().take(count).collect();
                        inbound.push(&bytes);
                        model.extend(bytes);
                    }
                    Operation::Discard(part) => {
                        let count = model.len() * part / 256;
                        inbound.discard(count);
                        model.drain(..count.min(model.len()));
                        if model.is_empty() {
                            let held = inbound.bytes.capacity();
                            prop_assert!(held <= HEAD + MOST, "{} bytes are held", held);
                        }
                    }
                }
                prop_assert_eq!(inbound.len(), model.len());
                prop_assert!(inbound.unused() == model);
                let room = inbound.room().len();
                prop_assert!(room >= LEAST, "a room of {room}");
                prop_assert!(inbound.unused() == model, "offering room changes nothing");
            }
        }
    }
}
