//! Deadlines in order.

use crate::clock::Timestamp;

const ARITY: usize = 4;
const NO_SLOT: u32 = u32::MAX;

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
struct Node {
    deadline: Timestamp,
    sequence: u64,
    slot: u32,
}

impl Node {
    #[inline]
    fn is_before(&self, other: &Self) -> bool {
        (self.deadline, self.sequence) < (other.deadline, other.sequence)
    }
}

struct Slot<T> {
    generation: u32,
    /// Where in the heap the slot's node is; for a free slot, the next free one.
    position: u32,
    value: Option<T>,
}

/// A priority queue of values by deadline, and by insertion where deadlines are equal.
///
/// It is an indexed heap, four children to a node: removing a timer takes it out at once, wherever
/// it is. Inserting the latest deadline, and removing it again, takes constant time.
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
        let position = self.nodes.len();
        let (slot, generation) = self.take_slot(position as u32, value);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.nodes.push(Node {
            deadline,
            sequence,
            slot,
        });
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
        let position = slot.position as usize;
        self.remove_at(position)
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
        self.nodes.first().map(|node| node.deadline)
    }

    /// Takes out the first timer whose deadline is `now` or before it.
    #[inline]
    pub fn pop_due(&mut self, now: Timestamp) -> Option<T> {
        if self.next_deadline()? > now {
            return None;
        }
        self.remove_at(0)
    }

    /// How many timers there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All timers with their deadlines, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, &T)> {
        self.nodes.iter().filter_map(|node| {
            let value = self.slots.get(node.slot as usize)?.value.as_ref()?;
            Some((node.deadline, value))
        })
    }

    /// Takes out all timers, in no particular order. Their keys name nothing afterwards.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        let nodes = std::mem::take(&mut self.nodes);
        let values: Vec<T> = nodes
            .iter()
            .filter_map(|node| self.free_slot(node.slot))
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
    fn free_slot(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.position = self.first_free;
        self.first_free = index;
        slot.value.take()
    }

    #[inline]
    fn remove_at(&mut self, position: usize) -> Option<T> {
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
            if first >= end {
                break;
            }
            let mut least = first;
            for child in first + 1..end {
                if self.nodes[child].is_before(&self.nodes[least]) {
                    least = child;
                }
            }
            if !self.nodes[least].is_before(&node) {
                break;
            }
            self.place(position, self.nodes[least]);
            position = least;
        }
        if position != start {
            self.place(position, node);
        }
    }
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
