//! When a turn of the loop polls.

use std::time::Duration;

use crate::clock::Timestamp;

/// What a turn does about the selector.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Poll {
    /// Runs what is ready without looking.
    Skip,
    /// Looks, and does not block.
    Now,
    /// Blocks until something happens or the time has passed; `None` has no limit.
    Wait(Option<Duration>),
}

/// Decides which turns poll while there is work, so that a chain of callbacks does not pay a
/// system call for each, and descriptors never starve.
///
/// A turn with nothing ready always polls. One with work polls when `max_turns` turns or
/// `max_span` went by since the last poll, when the loop just began to run, and when it is stopping.
///
/// ```
/// use std::time::Duration;
/// use zloop_core::{Pacer, Poll, Timestamp};
///
/// let mut pacer = Pacer::new(2, Duration::from_micros(50));
/// let now = Timestamp::ZERO;
/// assert_eq!(pacer.plan(true, false, None, now), Poll::Now);
/// assert_eq!(pacer.plan(true, false, None, now), Poll::Skip);
/// assert_eq!(pacer.plan(true, false, None, now), Poll::Now);
/// assert_eq!(pacer.plan(false, false, None, now), Poll::Wait(None));
/// ```
#[derive(Clone, Debug)]
pub struct Pacer {
    max_turns: u32,
    max_span: Duration,
    turns: u32,
    /// When the first turn after the last poll was planned. Not the time of the poll itself, which
    /// may have blocked for long.
    span_start: Option<Timestamp>,
}

impl Default for Pacer {
    /// 61 turns or 50 microseconds.
    fn default() -> Self {
        Self::new(61, Duration::from_micros(50))
    }
}

impl Pacer {
    /// A pacer whose first turn polls.
    #[must_use]
    pub const fn new(max_turns: u32, max_span: Duration) -> Self {
        Self {
            max_turns,
            max_span,
            turns: max_turns,
            span_start: None,
        }
    }

    /// Makes the next turn poll.
    #[inline]
    pub fn restart(&mut self) {
        self.turns = self.max_turns;
    }

    /// Plans one turn: `ready` says whether callbacks are waiting to run, `stopping` whether this is
    /// the last turn, and `next_deadline` is that of the earliest timer.
    #[inline]
    pub fn plan(
        &mut self,
        ready: bool,
        stopping: bool,
        next_deadline: Option<Timestamp>,
        now: Timestamp,
    ) -> Poll {
        let due = next_deadline.is_some_and(|deadline| deadline <= now);
        if !(ready || stopping || due) {
            self.polled();
            return Poll::Wait(
                next_deadline.map(|deadline| deadline.saturating_duration_since(now)),
            );
        }
        self.turns = self.turns.saturating_add(1);
        let start = *self.span_start.get_or_insert(now);
        if stopping
            || self.turns >= self.max_turns
            || now.saturating_duration_since(start) >= self.max_span
        {
            self.polled();
            return Poll::Now;
        }
        Poll::Skip
    }

    #[inline]
    fn polled(&mut self) {
        self.turns = 0;
        self.span_start = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Timestamp {
        Timestamp::from_nanos(micros * 1_000)
    }

    fn started() -> Pacer {
        let mut pacer = Pacer::default();
        assert_eq!(pacer.plan(true, false, None, micros(0)), Poll::Now);
        pacer
    }

    #[test]
    fn a_chain_of_callbacks_polls_every_so_many_turns() {
        let mut pacer = started();
        let plans: Vec<_> = (0..122)
            .map(|_| pacer.plan(true, false, None, micros(0)))
            .collect();
        let polls: Vec<_> = (0..122).filter(|&turn| plans[turn] == Poll::Now).collect();
        assert_eq!(polls, [60, 121]);
    }

    #[test]
    fn slow_callbacks_poll_by_time() {
        let mut pacer = started();
        assert_eq!(pacer.plan(true, false, None, micros(10)), Poll::Skip);
        assert_eq!(pacer.plan(true, false, None, micros(59)), Poll::Skip);
        assert_eq!(pacer.plan(true, false, None, micros(60)), Poll::Now);
        assert_eq!(pacer.plan(true, false, None, micros(61)), Poll::Skip);
    }

    #[test]
    fn a_long_wait_is_not_followed_by_another_poll() {
        let mut pacer = started();
        assert_eq!(pacer.plan(false, false, None, micros(1)), Poll::Wait(None));
        assert_eq!(pacer.plan(true, false, None, micros(1_000_000)), Poll::Skip);
    }

    #[test]
    fn the_first_and_the_last_turn_poll() {
        let mut pacer = started();
        assert_eq!(pacer.plan(true, true, None, micros(0)), Poll::Now);
        assert_eq!(pacer.plan(true, false, None, micros(0)), Poll::Skip);
        pacer.restart();
        assert_eq!(pacer.plan(true, false, None, micros(0)), Poll::Now);
        assert_eq!(pacer.plan(false, true, None, micros(0)), Poll::Now);
    }

    #[test]
    fn an_idle_turn_waits_until_the_next_deadline() {
        let mut pacer = started();
        let wait = Poll::Wait(Some(Duration::from_micros(7)));
        assert_eq!(pacer.plan(false, false, Some(micros(17)), micros(10)), wait);
    }

    #[test]
    fn a_due_timer_is_work() {
        let mut pacer = started();
        assert_eq!(
            pacer.plan(false, false, Some(micros(5)), micros(5)),
            Poll::Skip
        );
        pacer.restart();
        assert_eq!(
            pacer.plan(false, false, Some(micros(5)), micros(6)),
            Poll::Now
        );
    }
}
