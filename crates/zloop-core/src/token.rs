//! Names of registrations that are never mistaken for a later one.

use std::fmt;

const HALF: u32 = usize::BITS / 2;
const LOW: usize = (1 << HALF) - 1;

/// Names one registration with a [`Reactor`](crate::Reactor).
///
/// A token holds a slot and the slot's generation. When a registration ends, its slot gets the next
/// generation, so that the token of an ended registration names nothing, even when the descriptor's
/// number is in use again.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Token(usize);

impl Token {
    /// Slots are below this, so that no token's key is one of the last two numbers: `polling` keeps
    /// one for itself, and the selector the other.
    pub(crate) const MAX_SLOTS: usize = LOW - 1;

    #[inline]
    pub(crate) const fn new(slot: usize, generation: usize) -> Self {
        debug_assert!(slot < Self::MAX_SLOTS);
        Self((generation & LOW) << HALF | slot)
    }

    #[inline]
    pub(crate) const fn slot(self) -> usize {
        self.0 & LOW
    }

    #[inline]
    pub(crate) const fn generation(self) -> usize {
        self.0 >> HALF
    }

    #[inline]
    pub(crate) const fn next_generation(generation: usize) -> usize {
        (generation + 1) & LOW
    }

    #[inline]
    pub(crate) const fn from_key(key: usize) -> Self {
        Self(key)
    }

    #[inline]
    pub(crate) const fn into_key(self) -> usize {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({}@{})", self.slot(), self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_survive_packing() {
        let token = Token::new(12, LOW);
        assert_eq!((token.slot(), token.generation()), (12, LOW));
        assert_eq!(Token::from_key(token.into_key()), token);
    }

    #[test]
    fn generations_wrap() {
        assert_eq!(Token::next_generation(LOW), 0);
        assert_eq!(Token::next_generation(3), 4);
    }

    #[test]
    fn no_token_is_a_reserved_key() {
        let last = Token::new(Token::MAX_SLOTS - 1, LOW);
        assert!(last.into_key() < usize::MAX - 1);
    }
}
