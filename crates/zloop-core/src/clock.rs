//! Time as the loop sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sys;

/// A moment, in nanoseconds since its clock's epoch.
///
/// Sums and differences saturate, so a deadline of "never" is [`Timestamp::MAX`].
///
/// ```
/// use std::time::Duration;
/// use zloop_core::Timestamp;
///
/// let start = Timestamp::from_nanos(1_000);
/// let later = start.saturating_add(Duration::from_nanos(500));
/// assert_eq!(later.as_nanos(), 1_500);
/// assert_eq!(later.saturating_duration_since(start), Duration::from_nanos(500));
/// assert_eq!(start.saturating_duration_since(later), Duration::ZERO);
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The clock's epoch.
    pub const ZERO: Self = Self(0);
    /// A moment that no clock reaches.
    pub const MAX: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the epoch.
    #[inline]
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[inline]
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, or [`Timestamp::MAX`] if that is out of range.
    #[inline]
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long `earlier` is before this moment; zero if it is not.
    #[inline]
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Something that tells the time and never goes back.
pub trait Clock {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for Box<C> {
    #[inline]
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The system's monotonic clock, with the epoch of Python's `time.monotonic()`.
#[derive(Copy, Clone, Debug, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    #[inline]
    fn now(&self) -> Timestamp {
        Timestamp(sys::monotonic_nanos())
    }
}

/// A clock that moves only when it is told to. Clones share one time.
///
/// ```
/// use std::time::Duration;
/// use zloop_core::{Clock, ManualClock, Timestamp};
///
/// let clock = ManualClock::new();
/// let driver = clock.clone();
/// driver.advance(Duration::from_nanos(7));
/// assert_eq!(clock.now(), Timestamp::from_nanos(7));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that stands at [`Timestamp::ZERO`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().saturating_add(duration));
    }

    /// Puts the clock at `moment`.
    pub fn set(&self, moment: Timestamp) {
        self.nanos.store(moment.as_nanos(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    #[inline]
    fn now(&self) -> Timestamp {
        Timestamp(self.nanos.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(
            Timestamp::MAX.saturating_add(Duration::from_secs(1)),
            Timestamp::MAX
        );
        assert_eq!(
            Timestamp::from_nanos(1).saturating_add(Duration::MAX),
            Timestamp::MAX
        );
        let all = Duration::from_nanos(u64::MAX);
        assert_eq!(
            Timestamp::MAX.saturating_duration_since(Timestamp::ZERO),
            all
        );
    }

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let times: Vec<_> = (0..1000).map(|_| MonotonicClock.now()).collect();
        assert!(times.is_sorted());
        assert!(times[0] > Timestamp::ZERO);
    }

    #[test]
    fn clones_of_a_manual_clock_share_its_time() {
        let clock = ManualClock::new();
        clock.clone().set(Timestamp::from_nanos(40));
        clock.advance(Duration::from_nanos(2));
        assert_eq!(clock.clone().now(), Timestamp::from_nanos(42));
    }
}
