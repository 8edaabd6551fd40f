//! Many timers that are due at once.

use super::{ARITY, Node, TimerHeap, TimerKey};
use crate::clock::Timestamp;

/// So many are taken from the top of the heap before it is asked how many more are due.
const FEW: usize = 32;
/// The heap is sorted out where at least one of so many nodes is due: then that is faster than to take one after
/// the other from its top, each at the cost of a way down.
const DUE_OF: usize = 8;

impl<T> TimerHeap<T> {
    /// Takes out all timers whose deadline is `now` or before it, and hands them to `take` in their order,
    /// each with the key that it had.
    ///
    /// Faster than [`pop_due`](Self::pop_due) again and again where many are due.
    ///
    /// ```
    /// use zloop_core::{TimerHeap, Timestamp};
    ///
    /// let mut timers = TimerHeap::new();
    /// let at = Timestamp::from_nanos;
    /// for deadline in [20, 30, 10] {
    ///     timers.insert(at(deadline), deadline);
    /// }
    /// let mut due = Vec::new();
    /// timers.pop_all_due(at(20), |_, deadline| due.push(deadline));
    /// assert_eq!(due, [10, 20]);
    /// assert_eq!(timers.next_deadline(), Some(at(30)));
    /// ```
    #[inline]
    pub fn pop_all_due(&mut self, now: Timestamp, mut take: impl FnMut(TimerKey, T)) {
        for _ in 0..FEW {
            match self.pop_due_with_key(now) {
                Some((key, value)) => take(key, value),
                None => return,
            }
        }
        if self.how_many_are_due(now) * DUE_OF >= self.nodes.len() {
            let due = self.sort_out(now).into_iter();
            due.for_each(|(key, value)| take(key, value));
        }
        while let Some((key, value)) = self.pop_due_with_key(now) {
            take(key, value);
        }
    }

    /// How many nodes of the heap are due. Below one that is not, none is.
    fn how_many_are_due(&self, now: Timestamp) -> usize {
        let mut count = 0;
        let mut open = vec![0];
        while let Some(position) = open.pop() {
            if self
                .nodes
                .get(position)
                .is_some_and(|node| node.deadline <= now)
            {
                count += 1;
                open.extend((1..=ARITY).map(|child| position * ARITY + child));
            }
        }
        count
    }

    /// Takes out all that is due in the heap, and what is due before it in the lanes.
    #[cold]
    fn sort_out(&mut self, now: Timestamp) -> Vec<(TimerKey, T)> {
        let mut due: Vec<Node> = self
            .nodes
            .extract_if(.., |node| node.deadline <= now)
            .collect();
        self.restore_order();
        due.sort_unstable_by_key(Node::order);
        let mut values = Vec::with_capacity(due.len());
        for node in due {
            while let Some(earlier) = self.lanes.first().filter(|first| first.is_before(&node)) {
                let slot = earlier.slot;
                self.lanes.pop();
                values.extend(self.free_slot(slot));
            }
            values.extend(self.free_slot(node.slot));
        }
        values
    }

    /// Makes a heap of nodes in any order.
    fn restore_order(&mut self) {
        for (position, node) in self.nodes.iter().enumerate() {
            self.slots[node.slot as usize].position = position as u32;
        }
        for position in (0..self.nodes.len().div_ceil(ARITY)).rev() {
            self.sift_down(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    proptest! {
        /// Against timers that are taken one by one.
        #[test]
        #[cfg_attr(miri, ignore = "interpreting random operations takes minutes")]
        fn all_come_in_the_order_of_one_by_one(
            deadlines in prop::collection::vec(0..1_000u64, 0..400),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            moments in prop::collection::vec(0..1_000u64, 1..4),
        ) {
            let mut at_once = TimerHeap::new();
            let mut one_by_one = TimerHeap::new();
            let keys: Vec<_> = (0..)
                .zip(&deadlines)
                .map(|(value, &deadline)| {
                    let keys = (at_once.insert(at(deadline), value), one_by_one.insert(at(deadline), value));
                    (keys, value)
                })
                .collect();
            for &moment in &moments {
                let mut due = Vec::new();
                at_once.pop_all_due(at(moment), |key, value: usize| {
                    assert_eq!(key, keys[value].0.0);
                    due.push(value);
                });
                let expected: Vec<_> =
                    std::iter::from_fn(|| one_by_one.pop_due(at(moment))).collect();
                prop_assert_eq!(due, expected);
                prop_assert_eq!(at_once.next_deadline(), one_by_one.next_deadline());
                prop_assert_eq!(at_once.len(), one_by_one.len());
                for ((key, other), _) in removed.iter().filter(|_| !keys.is_empty()).map(|index| *index.get(&keys)) {
                    prop_assert_eq!(at_once.remove(key), one_by_one.remove(other));
                }
            }
        }
    }

    #[test]
    fn what_is_not_due_stays_where_it_can_be_removed() {
        let mut timers = TimerHeap::new();
        let keys: Vec<_> = (0..500u64)
            .map(|value| (value, timers.insert(at(value * 7919 % 500), value)))
            .collect();
        let mut due = 0;
        timers.pop_all_due(at(249), |_, _| due += 1);
        assert_eq!(due, 250);
        for (value, key) in keys {
            let expected = (value * 7919 % 500 > 249).then_some(value);
            assert_eq!(timers.remove(key), expected);
        }
        assert!(timers.is_empty());
    }
}
