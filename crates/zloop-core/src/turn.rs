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
/// To ask for the time costs as much as a short callback. So turn 2 after a poll looks whether
/// `max_span` went by, and then turns 4, 8, 16 and so on: slow callbacks are noticed by the next turn,
/// and those that become slow before as many turns have gone by again.
///
/// ```
/// use std::time::Duration;
/// use zloop_core::{Pacer, Poll, Timestamp};
///
/// let mut pacer = Pacer::new(2, Duration::from_micros(50));
/// let now = || Timestamp::ZERO;
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
    /// The turn that compares the time with `span_start`.
    next_look: u32,
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
            next_look: 0,
        }
    }

    /// Makes the next turn poll.
    #[inline]
    pub fn restart(&mut self) {
        self.turns = self.max_turns;
    }

    /// Plans one turn: `ready` says whether callbacks are waiting to run, `stopping` whether this is
    /// the last turn, and `next_deadline` is that of the earliest timer. `now` is asked for the time
    /// where it matters, of an idle turn without timers never.
    #[inline]
    pub fn plan(
        &mut self,
        ready: bool,
        stopping: bool,
        next_deadline: Option<Timestamp>,
        now: impl Fn() -> Timestamp,
    ) -> Poll {
        if !(ready || stopping) {
            let left = next_deadline.map(|deadline| deadline.saturating_duration_since(now()));
            if left != Some(Duration::ZERO) {
                self.polled();
                return Poll::Wait(left);
            }
        }
        self.turns = self.turns.saturating_add(1);
        if stopping || self.turns >= self.max_turns || self.is_span_over(now) {
            self.polled();
            return Poll::Now;
        }
        Poll::Skip
    }

    #[inline]
    fn is_span_over(&mut self, now: impl Fn() -> Timestamp) -> bool {
        let Some(start) = self.span_start else {
            self.span_start = Some(now());
            self.next_look = self.turns.saturating_mul(2);
            return false;
        };
        if self.turns < self.next_look {
            return false;
        }
        self.next_look = self.turns.saturating_mul(2);
        now().saturating_duration_since(start) >= self.max_span
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
        assert_eq!(pacer.plan(true, false, None, || micros(0)), Poll::Now);
        pacer
    }

    #[test]
    fn a_chain_of_callbacks_polls_every_so_many_turns() {
        let mut pacer = started();
        let plans: Vec<_> = (0..122)
            .map(|_| pacer.plan(true, false, None, || micros(0)))
            .collect();
        let polls: Vec<_> = (0..122).filter(|&turn| plans[turn] == Poll::Now).collect();
        assert_eq!(polls, [60, 121]);
    }

    #[test]
    fn slow_callbacks_poll_by_time() {
        let mut pacer = started();
        assert_eq!(pacer.plan(true, false, None, || micros(10)), Poll::Skip);
        assert_eq!(pacer.plan(true, false, None, || micros(60)), Poll::Now);
        assert_eq!(pacer.plan(true, false, None, || micros(61)), Poll::Skip);
        assert_eq!(pacer.plan(true, false, None, || micros(110)), Poll::Skip);
    }

    #[test]
    fn the_time_is_asked_for_after_twice_as_many_turns_each() {
        let mut pacer = started();
        let asked = std::cell::Cell::new(0);
        let mut asking = Vec::new();
        for turn in 1..=60 {
            let before = asked.get();
            let plan = pacer.plan(true, false, None, || {
                asked.set(asked.get() + 1);
                micros(0)
            });
            assert_eq!(plan, Poll::Skip);
            if asked.get() > before {
                asking.push(turn);
            }
        }
        assert_eq!(asking, [1, 2, 4, 8, 16, 32]);
        let mut pacer = started();
        let plans = (1..=60).map(|turn| {
            let time = if turn <= 8 { 0 } else { 1_000 };
            pacer.plan(true, false, None, || micros(time))
        });
        assert_eq!(plans.take_while(|plan| *plan == Poll::Skip).count(), 15);
    }

    #[test]
    fn a_long_wait_is_not_followed_by_another_poll() {
        let mut pacer = started();
        assert_eq!(
            pacer.plan(false, false, None, || micros(1)),
            Poll::Wait(None)
        );
        assert_eq!(
            pacer.plan(true, false, None, || micros(1_000_000)),
            Poll::Skip
        );
    }

    #[test]
    fn the_first_and_the_last_turn_poll() {
        let mut pacer = started();
        assert_eq!(pacer.plan(true, true, None, || micros(0)), Poll::Now);
        assert_eq!(pacer.plan(true, false, None, || micros(0)), Poll::Skip);
        pacer.restart();
        assert_eq!(pacer.plan(true, false, None, || micros(0)), Poll::Now);
        assert_eq!(pacer.plan(false, true, None, || micros(0)), Poll::Now);
    }

    #[test]
    fn an_idle_turn_waits_until_the_next_deadline() {
        let mut pacer = started();
        let wait = Poll::Wait(Some(Duration::from_micros(7)));
        assert_eq!(
            pacer.plan(false, false, Some(micros(17)), || micros(10)),
            wait
        );
    }

    #[test]
    fn a_due_timer_is_work() {
        let mut pacer = started();
        assert_eq!(
            pacer.plan(false, false, Some(micros(5)), || micros(5)),
            Poll::Skip
        );
        pacer.restart();
        assert_eq!(
            pacer.plan(false, false, Some(micros(5)), || micros(6)),
            Poll::Now
        );
    }
}
