//! Deadlines in order.

mod due;

use crate::clock::Timestamp;
use crate::timer_lanes::{Lanes, Place};

const ARITY: usize = 4;
pub(crate) const NO_SLOT: u32 = u32::MAX;
/// Set in the position of a slot whose node is in a lane.
const IN_LANE: u32 = Place::UNUSED_BIT;

/// Names one timer of a [`TimerHeap`]; once the timer fired or was removed, it names nothing.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct TimerKey(u64);

impl TimerKey {
    #[inline]
    const fn new(slot: u32, generation: u32) -> Self {
        Self((generation as u64) << 32 | slot as u64)
    }

    #[inline]
    const fn slot(self) -> usize {
        self.0 as u32 as usize
    }

    #[inline]
    const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A node orders by deadline, then by insertion.
#[derive(Copy, Clone)]
pub(crate) struct Node {
    pub(crate) deadline: Timestamp,
    pub(crate) sequence: u64,
    pub(crate) slot: u32,
}

impl Node {
    #[inline]
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.order() < other.order()
    }

    /// One number, because comparing it takes no branch that could be mispredicted.
    #[inline]
    fn order(&self) -> u128 {
        u128::from(self.deadline.as_nanos()) << 64 | u128::from(self.sequence)
    }
}

struct Slot<T> {
    generation: u32,
    /// Where the slot's node is, in the heap or, with [`IN_LANE`], in a lane; for a free slot, the
    /// next free one.
    position: u32,
    value: Option<T>,
}

/// A priority queue of values by deadline, and by insertion where deadlines are equal.
///
/// Timers whose deadlines come in order, as those of equal delays do, stand in a queue where adding
/// and firing take constant time; there are four of these, for as many different delays. The others
/// are in an indexed heap, four children to a node.
/// Removing a timer takes its value out at once, wherever it is.
///
/// ```
/// use zloop_core::{TimerHeap, Timestamp};
///
/// let mut timers = TimerHeap::new();
/// let at = Timestamp::from_nanos;
/// timers.insert(at(20), "second");
/// let removed = timers.insert(at(15), "never");
/// timers.insert(at(10), "first");
/// assert_eq!(timers.remove(removed), Some("never"));
/// assert_eq!(timers.remove(removed), None);
/// assert_eq!(timers.next_deadline(), Some(at(10)));
/// assert_eq!(timers.pop_due(at(20)), Some("first"));
/// assert_eq!(timers.pop_due(at(20)), Some("second"));
/// assert_eq!(timers.pop_due(at(20)), None);
/// ```
pub struct TimerHeap<T> {
    lanes: Lanes,
    nodes: Vec<Node>,
    slots: Vec<Slot<T>>,
    first_free: u32,
    next_sequence: u64,
}

impl<T> Default for TimerHeap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> TimerHeap<T> {
    /// An empty heap; nothing is allocated yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lanes: Lanes::new(),
            nodes: Vec::new(),
            slots: Vec::new(),
            first_free: NO_SLOT,
            next_sequence: 0,
        }
    }

    /// Adds `value`, due at `deadline`.
    ///
    /// # Panics
    ///
    /// With more than 2³² − 1 timers at once.
    #[inline]
    pub fn insert(&mut self, deadline: Timestamp, value: T) -> TimerKey {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let node = |slot| Node {
            deadline,
            sequence,
            slot,
        };
        if let Some(place) = self.lanes.place_for(deadline) {
            let (slot, generation) = self.take_slot(IN_LANE | place.bits(), value);
            self.lanes.push(place, node(slot));
            return TimerKey::new(slot, generation);
        }
        let position = self.nodes.len();
        let (slot, generation) = self.take_slot(position as u32, value);
        self.nodes.push(node(slot));
        self.sift_up(position);
        TimerKey::new(slot, generation)
    }

    /// Takes a timer out; `None` if it fired or was removed before.
    #[inline]
    pub fn remove(&mut self, key: TimerKey) -> Option<T> {
        let slot = self.slots.get(key.slot())?;
        if slot.generation != key.generation() || slot.value.is_none() {
            return None;
        }
        let position = slot.position;
        if position & IN_LANE == 0 {
            return self.remove_at(position as usize);
        }
        let slots = &mut self.slots;
        self.lanes
            .remove(Place::from_bits(position), |slot, place| {
                slots[slot as usize].position = IN_LANE | place.bits();
            });
        self.free_slot(key.slot() as u32).map(|(_, value)| value)
    }

    /// A timer's value; `None` if it fired or was removed.
    #[inline]
    #[must_use]
    pub fn get(&self, key: TimerKey) -> Option<&T> {
        let slot = self.slots.get(key.slot())?;
        if slot.generation == key.generation() {
            slot.value.as_ref()
        } else {
            None
        }
    }

    /// The earliest deadline.
    #[inline]
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match (self.lanes.first(), self.nodes.first()) {
            (Some(lane), Some(heap)) => Some(lane.deadline.min(heap.deadline)),
            (Some(only), None) | (None, Some(only)) => Some(only.deadline),
            (None, None) => None,
        }
    }

    /// Takes out the first timer whose deadline is `now` or before it.
    #[inline]
    pub fn pop_due(&mut self, now: Timestamp) -> Option<T> {
        self.pop_due_with_key(now).map(|(_, value)| value)
    }

    #[inline]
    fn pop_due_with_key(&mut self, now: Timestamp) -> Option<(TimerKey, T)> {
        let first = self.nodes.first();
        let in_lane = self
            .lanes
            .first()
            .filter(|node| first.is_none_or(|first| node.is_before(first)));
        let Some(node) = in_lane else {
            let is_due = first?.deadline <= now;
            return if is_due { self.take_node(0) } else { None };
        };
        if node.deadline > now {
            return None;
        }
        let slot = node.slot;
        self.lanes.pop();
        self.free_slot(slot)
    }

    /// How many timers there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len() + self.lanes.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next_deadline().is_none()
    }

    /// All timers with their deadlines, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, &T)> {
        self.nodes
            .iter()
            .chain(self.lanes.iter())
            .filter_map(|node| {
                let value = self.slots.get(node.slot as usize)?.value.as_ref()?;
                Some((node.deadline, value))
            })
    }

    /// Takes out all timers, in no particular order. Their keys name nothing afterwards.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.extend(self.lanes.iter());
        self.lanes = Lanes::new();
        let values: Vec<T> = nodes
            .iter()
            .filter_map(|node| self.free_slot(node.slot).map(|(_, value)| value))
            .collect();
        values.into_iter()
    }

    #[inline]
    fn take_slot(&mut self, position: u32, value: T) -> (u32, u32) {
        let index = self.first_free;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            self.first_free = slot.position;
            slot.position = position;
            slot.value = Some(value);
            return (index, slot.generation);
        }
        let index = u32::try_from(self.slots.len())
            .ok()
            .filter(|&index| index != NO_SLOT);
        let index = index.expect("fewer than 2^32 timers");
        self.slots.push(Slot {
            generation: 0,
            position,
            value: Some(value),
        });
        (index, 0)
    }

    #[inline]
    fn free_slot(&mut self, index: u32) -> Option<(TimerKey, T)> {
        let slot = self.slots.get_mut(index as usize)?;
        let key = TimerKey::new(index, slot.generation);
        slot.generation = slot.generation.wrapping_add(1);
        slot.position = self.first_free;
        self.first_free = index;
        slot.value.take().map(|value| (key, value))
    }

    #[inline]
    fn remove_at(&mut self, position: usize) -> Option<T> {
        self.take_node(position).map(|(_, value)| value)
    }

    #[inline]
    fn take_node(&mut self, position: usize) -> Option<(TimerKey, T)> {
        let last = self.nodes.pop()?;
        let removed = match self.nodes.get_mut(position) {
            None => last,
            Some(node) => {
                let removed = std::mem::replace(node, last);
                self.place(position, last);
                if last.is_before(&removed) {
                    self.sift_up(position);
                } else {
                    self.sift_down(position);
                }
                removed
            }
        };
        self.free_slot(removed.slot)
    }

    #[inline]
    fn place(&mut self, position: usize, node: Node) {
        self.nodes[position] = node;
        self.slots[node.slot as usize].position = position as u32;
    }

    #[inline]
    fn sift_up(&mut self, mut position: usize) {
        let node = self.nodes[position];
        let start = position;
        while position > 0 {
            let parent = (position - 1) / ARITY;
            let above = self.nodes[parent];
            if !node.is_before(&above) {
                break;
            }
            self.place(position, above);
            position = parent;
        }
        if position != start {
            self.place(position, node);
        }
    }

    fn sift_down(&mut self, mut position: usize) {
        let node = self.nodes[position];
        let start = position;
        loop {
            let first = position * ARITY + 1;
            let end = (first + ARITY).min(self.nodes.len());
            let Some((least, child)) = self.nodes.get(first..end).and_then(least_of) else {
                break;
            };
            if !child.is_before(&node) {
                break;
            }
            self.place(position, child);
            position = first + least;
        }
        if position != start {
            self.place(position, node);
        }
    }
}

/// The first node of `nodes` in order, and where it is.
#[inline]
fn least_of(nodes: &[Node]) -> Option<(usize, Node)> {
    let (first, rest) = nodes.split_first()?;
    let mut least = 0;
    let mut order = first.order();
    for (index, node) in rest.iter().enumerate() {
        let is_less = node.order() < order;
        order = if is_less { node.order() } else { order };
        least = if is_less { index + 1 } else { least };
    }
    Some((least, nodes[least]))
}

impl<T> std::fmt::Debug for TimerHeap<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TimerHeap")
            .field("len", &self.len())
            .field("next_deadline", &self.next_deadline())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn equal_deadlines_keep_the_order_of_insertion() {
        let mut timers = TimerHeap::new();
        for value in 0..100 {
            timers.insert(at(5), value);
        }
        let popped: Vec<_> = std::iter::from_fn(|| timers.pop_due(at(5))).collect();
        assert_eq!(popped, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_due_before_its_deadline() {
        let mut timers = TimerHeap::new();
        timers.insert(at(10), ());
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.pop_due(at(10)), Some(()));
    }

    #[test]
    fn a_key_does_not_name_the_next_timer_of_its_slot() {
        let mut timers = TimerHeap::new();
        let first = timers.insert(at(1), "first");
        assert_eq!(timers.pop_due(at(1)), Some("first"));
        let second = timers.insert(at(1), "second");
        assert_eq!(first.slot(), second.slot());
        assert_eq!(timers.get(first), None);
        assert_eq!(timers.remove(first), None);
        assert_eq!(timers.remove(second), Some("second"));
    }

    #[test]
    fn draining_empties_and_keeps_slots_usable() {
        let mut timers = TimerHeap::new();
        let keys: Vec<_> = (0..10)
            .map(|value| timers.insert(at(value), value))
            .collect();
        let mut drained: Vec<_> = timers.drain().collect();
        drained.sort_unstable();
        assert_eq!(drained, (0..10).collect::<Vec<_>>());
        assert!(timers.is_empty());
        assert!(keys.into_iter().all(|key| timers.remove(key).is_none()));
        let key = timers.insert(at(3), 30);
        assert_eq!(timers.slots.len(), 10, "a freed slot is used again");
        assert_eq!(timers.remove(key), Some(30));
    }

    #[test]
    fn timers_of_four_delays_need_no_heap() {
        let mut timers = TimerHeap::new();
        let delays = [7, 5_000, 60_000, 300];
        for (now, delay) in (0..1_000).zip(delays.into_iter().cycle()) {
            timers.insert(at(now + delay), now);
        }
        assert!(timers.nodes.is_empty());
        let mut fired = Vec::new();
        while let Some(value) = timers.pop_due(Timestamp::MAX) {
            fired.push(value + delays[value as usize % 4]);
        }
        assert_eq!(fired.len(), 1_000);
        assert!(fired.is_sorted());
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Insert(u64),
        Remove(prop::sample::Index),
        PopDue(u64),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            4 => (0..50u64).prop_map(Operation::Insert),
            3 => any::<prop::sample::Index>().prop_map(Operation::Remove),
            2 => (0..50u64).prop_map(Operation::PopDue),
        ]
    }

    proptest! {
        /// Against a map that is sorted by deadline and insertion.
        #[test]
        #[cfg_attr(miri, ignore = "interpreting random operations takes minutes")]
        fn it_behaves_as_a_sorted_map(operations in prop::collection::vec(operation(), 0..300)) {
            let mut timers = TimerHeap::new();
            let mut model = BTreeMap::new();
            let mut keys = Vec::new();
            for (value, operation) in operations.into_iter().enumerate() {
                match operation {
                    Operation::Insert(deadline) => {
                        keys.push((timers.insert(at(deadline), value), (deadline, value)));
                        model.insert((deadline, value), value);
                    }
                    Operation::Remove(index) if !keys.is_empty() => {
                        let (key, order) = *index.get(&keys);
                        prop_assert_eq!(timers.get(key), model.get(&order));
                        prop_assert_eq!(timers.remove(key), model.remove(&order));
                    }
                    Operation::Remove(_) => {}
                    Operation::PopDue(now) => {
                        let due = model.first_entry().filter(|entry| entry.key().0 <= now);
                        let expected = due.map(|entry| entry.remove());
                        prop_assert_eq!(timers.pop_due(at(now)), expected);
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                let next = model.first_key_value().map(|(order, _)| at(order.0));
                prop_assert_eq!(timers.next_deadline(), next);
            }
            let mut held: Vec<_> = timers.iter().map(|(_, &value)| value).collect();
            held.sort_unstable();
            let mut expected: Vec<_> = model.values().copied().collect();
            expected.sort_unstable();
            prop_assert_eq!(held, expected);
            let popped: Vec<_> = std::iter::from_fn(|| timers.pop_due(Timestamp::MAX)).collect();
            prop_assert_eq!(popped, model.into_values().collect::<Vec<_>>());
        }
    }
}
