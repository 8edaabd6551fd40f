//! Ciphertext on its way out, and the memory that it is made in.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

/// From this size on, memory is kept for the next ciphertext.
const LARGE: usize = 8 * 1024;
/// Memory is used again for what is at least this part of it. Less would hold all of it while it waits to
/// be sent.
const MOST_UNUSED: usize = 4;
/// The most memory that a thread keeps for the next ciphertext; `Options::encrypt_ahead` asks for
/// about half of it, unless it is changed.
const MOST_KEPT: usize = 512 * 1024;

thread_local! {
    /// Memory to make the next ciphertext in. Fresh memory would have to be zeroed each time, which
    /// costs a fifth of what encrypting it costs.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes for the peer that a [`RustlsSession`](super::RustlsSession) made.
///
/// Once it is dropped, the next ciphertext that this thread makes can have its memory.
///
/// Invariant: `len <= memory.len()`; behind `len` lies what older ciphertext left.
#[derive(Default)]
pub struct Ciphertext {
    memory: Vec<u8>,
    len: usize,
}

impl Ciphertext {
    /// Adds what `write` puts at the start of `room` bytes, of which it says how many count. What is
    /// in them before has no meaning.
    ///
    /// # Panics
    ///
    /// If it says more than there is room for.
    pub(super) fn append<E>(
        &mut self,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        if self.memory.is_empty() && room >= LARGE {
            self.memory = spare_for(room);
        }
        let end = self.len + room;
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
        let count = write(&mut self.memory[self.len..end])?;
        assert!(count <= room, "{count} bytes written into a room of {room}");
        self.len += count;
        Ok(())
    }
}

/// The memory that is kept, if it suits what needs so much.
fn spare_for(room: usize) -> Vec<u8> {
    let taken = SPARE.try_with(|spare| {
        let memory = spare.take();
        if memory.len() <= room.saturating_mul(MOST_UNUSED) {
            return memory;
        }
        spare.set(memory);
        Vec::new()
    });
    // A thread that is ending has none any more.
    taken.unwrap_or_default()
}

impl Deref for Ciphertext {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl AsRef<[u8]> for Ciphertext {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Ciphertext {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        if (LARGE..=MOST_KEPT).contains(&memory.capacity()) {
            // As above.
            let _ = SPARE.try_with(|spare| {
                let other = spare.take();
                spare.set(if memory.len() < other.len() {
                    other
                } else {
                    memory
                });
            });
        }
    }
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ciphertext({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ciphertext(bytes: &[u8]) -> Ciphertext {
        let mut ciphertext = Ciphertext::default();
        add(&mut ciphertext, bytes);
        ciphertext
    }

    fn add(ciphertext: &mut Ciphertext, bytes: &[u8]) {
        let added = ciphertext.append(bytes.len(), |room| -> Result<_, ()> {
            room.copy_from_slice(bytes);
            Ok(bytes.len())
        });
        added.unwrap();
    }

    fn spare() -> usize {
        let memory = SPARE.take();
        let len = memory.len();
        SPARE.set(memory);
        len
    }

    #[test]
    fn bytes_are_added_behind_those_that_there_are() {
        let mut both = ciphertext(b"one");
        add(&mut both, b"two");
        assert_eq!(both.append(100, |_| Err("full")), Err("full"));
        assert_eq!(both.append(100, |_| Ok::<_, ()>(0)), Ok(()));
        assert_eq!(&*both, b"onetwo");
        assert_eq!(format!("{both:?}"), "Ciphertext(6 bytes)");
    }

    #[test]
    fn memory_is_used_again_and_shows_nothing_of_what_was_there() {
        drop(SPARE.take());
        drop(ciphertext(&[7; 2 * LARGE]));
        assert_eq!(spare(), 2 * LARGE);
        let next = ciphertext(&[8; LARGE]);
        assert_eq!(spare(), 0, "it is in use");
        assert_eq!(&*next, [8; LARGE]);
        let other = ciphertext(&[9; LARGE]);
        drop(next);
        drop(other);
        assert_eq!(spare(), 2 * LARGE, "the larger one is kept");
    }

    #[test]
    fn much_memory_is_not_held_by_little_that_waits() {
        drop(SPARE.take());
        drop(ciphertext(&[7; 5 * LARGE]));
        let waiting = ciphertext(&[8; LARGE]);
        assert_eq!(waiting.memory.capacity(), LARGE);
        assert_eq!(spare(), 5 * LARGE);
        let larger = ciphertext(&[9; 2 * LARGE]);
        assert_eq!(larger.memory.len(), 5 * LARGE);
        assert_eq!(spare(), 0);
    }

    #[test]
    fn little_ciphertext_holds_little_memory() {
        drop(SPARE.take());
        drop(ciphertext(&[7; LARGE]));
        let little = ciphertext(&[8; 100]);
        assert_eq!(little.memory.capacity(), 100);
        assert_eq!(spare(), LARGE);
        drop(little);
        assert_eq!(spare(), LARGE);
    }

    #[test]
    #[cfg_attr(miri, ignore = "interpreting so many bytes takes minutes")]
    fn little_memory_is_kept() {
        drop(SPARE.take());
        drop(ciphertext(&[7; MOST_KEPT + 1]));
        assert_eq!(spare(), 0);
    }

    #[test]
    #[should_panic(expected = "11 bytes written into a room of 10")]
    fn more_than_the_room_cannot_be_counted_in() {
        let _ = Ciphertext::default().append(10, |_| Ok::<_, ()>(11));
    }
}
