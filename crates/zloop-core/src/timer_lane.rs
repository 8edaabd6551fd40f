//! Timers that came in the order of their deadlines.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::timers::{NO_SLOT, Node};

/// A lane is compacted when fewer than half of its places hold a timer, and it has this many.
const SPARSE_FROM: usize = 64;

/// How many bits a position has.
pub(crate) const POSITION_WIDTH: u32 = 29;
/// Positions count on as timers fire, within these bits.
pub(crate) const POSITION_BITS: u32 = (1 << POSITION_WIDTH) - 1;

/// A queue of nodes, each due no earlier than the one before it.
///
/// Invariant: the first and the last place hold timers; a removed one in between leaves an empty
/// place, until the queue gets sparse.
pub(crate) struct Lane {
    places: VecDeque<Node>,
    /// The position of the first place.
    first_position: u32,
    empty: usize,
}

impl Lane {
    pub(crate) const fn new() -> Self {
        Self {
            places: VecDeque::new(),
            first_position: 0,
            empty: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.empty
    }

    /// Whether a timer of this deadline may go behind the last one.
    #[inline]
    pub(crate) fn accepts(&self, deadline: Timestamp) -> bool {
        match self.places.back() {
            None => true,
            Some(last) => last.deadline <= deadline && self.places.len() <= POSITION_BITS as usize,
        }
    }

    /// Where the next timer will stand.
    #[inline]
    pub(crate) fn next_position(&self) -> u32 {
        self.first_position.wrapping_add(self.places.len() as u32) & POSITION_BITS
    }

    #[inline]
    pub(crate) fn push(&mut self, node: Node) {
        self.places.push_back(node);
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<&Node> {
        self.places.front()
    }

    /// Takes out the first timer.
    #[inline]
    pub(crate) fn pop(&mut self) {
        self.pop_front();
        self.trim_front();
    }

    /// Empties a place; says whether it was the first.
    #[inline]
    pub(crate) fn remove(&mut self, position: u32) -> bool {
        let index = (position.wrapping_sub(self.first_position) & POSITION_BITS) as usize;
        if index + 1 == self.places.len() {
            self.places.pop_back();
            while self.places.back().is_some_and(is_empty) {
                self.places.pop_back();
                self.empty -= 1;
            }
        } else if let Some(node) = self.places.get_mut(index) {
            node.slot = NO_SLOT;
            self.empty += 1;
            self.trim_front();
        }
        index == 0
    }

    #[inline]
    pub(crate) fn is_sparse(&self) -> bool {
        self.places.len() >= SPARSE_FROM && self.empty > self.places.len() / 2
    }

    /// Closes the gaps; `moved` is told each timer's slot and new position.
    #[cold]
    pub(crate) fn compact(&mut self, mut moved: impl FnMut(u32, u32)) {
        self.places.retain(|node| !is_empty(node));
        self.empty = 0;
        for (index, node) in self.places.iter().enumerate() {
            moved(
                node.slot,
                self.first_position.wrapping_add(index as u32) & POSITION_BITS,
            );
        }
    }

    /// The timers, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.places.iter().filter(|node| !is_empty(node))
    }

    #[inline]
    fn pop_front(&mut self) {
        self.places.pop_front();
        self.first_position = self.first_position.wrapping_add(1) & POSITION_BITS;
    }

    #[inline]
    fn trim_front(&mut self) {
        while self.places.front().is_some_and(is_empty) {
            self.pop_front();
            self.empty -= 1;
        }
    }
}

#[inline]
fn is_empty(node: &Node) -> bool {
    node.slot == NO_SLOT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_begin_anew_behind_the_last() {
        let mut lane = Lane::new();
        lane.first_position = POSITION_BITS - 1;
        let positions: Vec<u32> = (0..5)
            .map(|number| {
                let position = lane.next_position();
                lane.push(Node {
                    deadline: Timestamp::from_nanos(number),
                    sequence: number,
                    slot: number as u32,
                });
                position
            })
            .collect();
        assert_eq!(positions, [POSITION_BITS - 1, POSITION_BITS, 0, 1, 2]);
        lane.remove(positions[2]);
        let left: Vec<u32> = lane.iter().map(|node| node.slot).collect();
        assert_eq!(left, [0, 1, 3, 4]);
        lane.pop();
        lane.pop();
        assert_eq!(lane.first().map(|node| node.slot), Some(3));
        assert_eq!(lane.next_position(), 3);
    }
}
