//! What a source wants to hear of, and what was heard.

use std::fmt;
use std::ops::{BitOr, Sub};

const READ: u8 = 1;
const WRITE: u8 = 2;
/// Of an interest: at edges.
const EDGE: u8 = 4;
/// Of a readiness: there was an end.
const END: u8 = 4;

fn write_set(name: &str, bits: u8, third: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let names = [(READ, "readable"), (WRITE, "writable"), (EDGE, third)];
    let set: Vec<&str> = names
        .into_iter()
        .filter_map(|(bit, name)| (bits & bit != 0).then_some(name))
        .collect();
    let set = if set.is_empty() {
        "none".to_owned()
    } else {
        set.join(" | ")
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
    /// With one or both: once for each time that there is more, where the system can tell; elsewhere it adds
    /// nothing. Who is told, and does not read or write until that would block, hears of the rest when it
    /// changes its interest, or has the system [look again](crate::Reactor::look_again).
    pub const EDGE: Self = Self(EDGE);

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

    /// Whether neither of both is in the set.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 & Self::BOTH.0 == 0
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
        write_set("Interest", self.0, "edge", formatter)
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

    /// The same, of what has ended or not.
    #[inline]
    pub(crate) const fn with_end(self, has_ended: bool) -> Self {
        Self(self.0 | if has_ended { END } else { 0 })
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

    /// Whether the system told that the peer sends no more, or that the connection is gone: behind what is
    /// left to read there is the end. It tells of the former only of an interest at
    /// [edges](Interest::EDGE).
    #[inline]
    #[must_use]
    pub const fn has_ended(self) -> bool {
        self.0 & END != 0
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
        write_set("Readiness", self.0, "ended", formatter)
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
            format!("{:?}", Interest::READABLE | Interest::EDGE),
            "Interest(readable | edge)"
        );
        assert_eq!(format!("{:?}", Interest::NONE), "Interest(none)");
        assert_eq!(
            format!("{:?}", Readiness::new(false, true)),
            "Readiness(writable)"
        );
        assert_eq!(
            format!("{:?}", Readiness::new(true, false).with_end(true)),
            "Readiness(readable | ended)"
        );
    }
}
