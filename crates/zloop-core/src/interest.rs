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
    /// With one or both: to be told once for each time that more is ready, and not again and again while
    /// something is. It saves the system a look at what was dealt with. Alone it asks for nothing.
    ///
    /// Who is told has to deal with all of it, or has the system [look again](crate::Reactor::look_again):
    ///
    /// - after a read that filled its buffer, since there may be more;
    /// - after a read of a readiness that [has ended](Readiness::has_ended), since the end is behind it;
    /// - of what is not a TCP socket, after every read: a Unix socket that is sent descriptors, packets and a
    ///   terminal's lines end a read early.
    ///
    /// Any other read from a TCP socket that came short found all there was, and so did one that would block. A
    /// write that came short is told of when there is room. To change the interest has the system look again, too.
    /// Where there are no edges (all but Linux), this adds nothing, and the same program works.
    ///
    /// ```
    /// use std::io::{ErrorKind, Read, Write};
    /// use std::os::fd::AsRawFd;
    /// use std::net::{TcpListener, TcpStream};
    /// use zloop_core::{Events, Interest, Reactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut near = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut far, _) = listener.accept()?;
    /// near.write_all(b"more than fits")?;
    /// drop(near);
    /// far.set_nonblocking(true)?;
    /// let mut reactor = Reactor::new()?;
    /// let interest = Interest::READABLE | Interest::EDGE;
    /// let token = reactor.register(far.as_raw_fd(), interest, ())?;
    ///
    /// let (mut events, mut buffer, mut received) = (Events::new(), [0; 4], Vec::new());
    /// 'open: loop {
    ///     reactor.poll(&mut events, None)?;
    ///     for (_, readiness) in events.iter() {
    ///         let count = match far.read(&mut buffer) {
    ///             Ok(0) => break 'open,
    ///             Ok(count) => count,
    ///             Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
    ///             Err(error) => return Err(error.into()),
    ///         };
    ///         received.extend_from_slice(&buffer[..count]);
    ///         if count == buffer.len() || readiness.has_ended() {
    ///             reactor.look_again(token)?;
    ///         }
    ///     }
    /// }
    /// assert_eq!(received, b"more than fits");
    /// # Ok(())
    /// # }
    /// ```
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

    /// Whether the system told of an end, or of urgent data, which stands behind what is left to read.
    ///
    /// | | interest at levels | at [edges](Interest::EDGE) |
    /// | --- | --- | --- |
    /// | the peer sends no more | not told: the read of no bytes shows it | told |
    /// | the connection is gone, both ways or by an error | told | told |
    /// | urgent data | told | told |
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
