//! What a source wants to hear of, and what was heard.

use std::fmt;
use std::ops::{BitOr, Sub};

const READ: u8 = 1;
const WRITE: u8 = 2;

fn write_set(name: &str, bits: u8, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let set = match bits {
        0 => "none",
        READ => "readable",
        WRITE => "writable",
        _ => "readable | writable",
    };
    write!(formatter, "{name}({set})")
}

/// The set of what a source wants to be told of.
///
/// ```
/// use zloop_core::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert_eq!(both, Interest::BOTH);
/// assert_eq!(both - Interest::READABLE, Interest::WRITABLE);
/// assert!((both - both).is_empty());
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash, Default)]
pub struct Interest(u8);

impl Interest {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Bytes, a connection, or an end to read.
    pub const READABLE: Self = Self(READ);
    /// Room to write, or a connection made.
    pub const WRITABLE: Self = Self(WRITE);
    /// Both of them.
    pub const BOTH: Self = Self(READ | WRITE);

    /// Whether all of `other` is in this set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in either set; `|` is the same.
    #[inline]
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`; `-` is the same.
    #[inline]
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Interest {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl Sub for Interest {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        self.difference(other)
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_set("Interest", self.0, formatter)
    }
}

/// What a source is ready for. A hangup or an error shows as ready for both, because reading or
/// writing is how one learns of it.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Default)]
pub struct Readiness(u8);

impl Readiness {
    #[inline]
    pub(crate) const fn new(readable: bool, writable: bool) -> Self {
        Self(if readable { READ } else { 0 } | if writable { WRITE } else { 0 })
    }

    /// Whether reading would not block.
    #[inline]
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.0 & READ != 0
    }

    /// Whether writing would not block.
    #[inline]
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0 & WRITE != 0
    }

    /// Whether it is ready for nothing.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_set("Readiness", self.0, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_means_all_of_it() {
        assert!(Interest::BOTH.contains(Interest::READABLE));
        assert!(!Interest::READABLE.contains(Interest::BOTH));
        assert!(Interest::READABLE.contains(Interest::NONE));
    }

    #[test]
    fn readiness_keeps_its_halves_apart() {
        let readable = Readiness::new(true, false);
        assert!(readable.is_readable() && !readable.is_writable());
        let writable = Readiness::new(false, true);
        assert!(!writable.is_readable() && writable.is_writable());
        assert!(Readiness::new(false, false).is_empty());
    }

    #[test]
    fn debug_names_the_members() {
        assert_eq!(
            format!("{:?}", Interest::BOTH),
            "Interest(readable | writable)"
        );
        assert_eq!(
            format!("{:?}", Readiness::new(false, true)),
            "Readiness(writable)"
        );
    }
}
