//! Lanes side by side, so that timers of a few different delays each have one.

use crate::clock::Timestamp;
use crate::timer_lane::{Lane, POSITION_BITS, POSITION_WIDTH};
use crate::timers::Node;

/// How many delays can be interleaved before timers go to the heap.
const LANES: usize = 4;

/// Where a timer stands: the number of the lane, and the position in it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place(u32);

impl Place {
    /// More bits than a place has.
    pub(crate) const UNUSED_BIT: u32 = 1 << 31;

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits & !Self::UNUSED_BIT)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    const fn new(lane: usize, position: u32) -> Self {
        Self((lane as u32) << POSITION_WIDTH | position)
    }

    const fn lane(self) -> usize {
        (self.0 >> POSITION_WIDTH) as usize
    }

    const fn position(self) -> u32 {
        self.0 & POSITION_BITS
    }
}

/// A timer goes into the first lane whose last one is due no later. That gathers equal delays, the
/// longest of them in the first lane, whatever the order in which they come.
///
/// Invariant: the lane `earliest` begins with the first timer of all, or all lanes are empty.
pub(crate) struct Lanes {
    lanes: [Lane; LANES],
    earliest: usize,
}

impl Lanes {
    pub(crate) const fn new() -> Self {
        Self {
            lanes: [const { Lane::new() }; LANES],
            earliest: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }

    /// Where a timer of this deadline would stand; `None` if no lane may have it.
    #[inline]
    pub(crate) fn place_for(&self, deadline: Timestamp) -> Option<Place> {
        let lane = self.lanes.iter().position(|lane| lane.accepts(deadline))?;
        Some(Place::new(lane, self.lanes[lane].next_position()))
    }

    /// Puts a timer where [`place_for`](Self::place_for) said.
    #[inline]
    pub(crate) fn push(&mut self, place: Place, node: Node) {
        let lane = place.lane();
        if self.first().is_none_or(|first| node.is_before(first)) {
            self.earliest = lane;
        }
        self.lanes[lane].push(node);
    }

    /// The first timer of all.
    #[inline]
    pub(crate) fn first(&self) -> Option<&Node> {
        self.lanes[self.earliest].first()
    }

    /// Takes out the first timer of all.
    #[inline]
    pub(crate) fn pop(&mut self) {
        self.lanes[self.earliest].pop();
        self.find_earliest();
    }

    /// Empties a place; `moved` is told each timer's slot and new place, if others move up.
    #[inline]
    pub(crate) fn remove(&mut self, place: Place, mut moved: impl FnMut(u32, Place)) {
        let index = place.lane();
        let lane = &mut self.lanes[index];
        let is_first = lane.remove(place.position());
        if lane.is_sparse() {
            lane.compact(|slot, position| moved(slot, Place::new(index, position)));
        }
        if is_first {
            self.find_earliest();
        }
    }

    /// The timers, lane by lane.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.lanes.iter().flat_map(Lane::iter)
    }

    #[inline]
    fn find_earliest(&mut self) {
        for index in 0..LANES {
            if let Some(node) = self.lanes[index].first()
                && self.first().is_none_or(|first| node.is_before(first))
            {
                self.earliest = index;
            }
        }
    }
}
