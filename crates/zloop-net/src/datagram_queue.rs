//! Datagrams on their way out.

use std::collections::VecDeque;
use std::fmt;

use crate::flow::{FlowControl, FlowEvent, WriteLimits};

/// Datagrams that wait to be sent, in order, counted for flow control. What a datagram counts for
/// is up to the caller: its bytes, or its bytes and a header.
///
/// ```
/// use zloop_net::{DatagramQueue, FlowEvent, WriteLimits};
///
/// let mut queue = DatagramQueue::new();
/// queue.set_write_limits(WriteLimits { high: 10, low: 4 });
/// queue.push("a long datagram", 15);
/// assert_eq!(queue.flow(), Some(FlowEvent::PauseWriting));
/// assert_eq!(queue.pop(), Some("a long datagram"));
/// assert_eq!(queue.flow(), Some(FlowEvent::ResumeWriting));
/// ```
pub struct DatagramQueue<D> {
    datagrams: VecDeque<(D, usize)>,
    buffered: usize,
    flow: FlowControl,
}

impl<D> Default for DatagramQueue<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> DatagramQueue<D> {
    /// An empty queue; nothing is allocated yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            datagrams: VecDeque::new(),
            buffered: 0,
            flow: FlowControl::default(),
        }
    }

    /// Adds a datagram that counts for `size`.
    pub fn push(&mut self, datagram: D, size: usize) {
        self.buffered += size;
        self.datagrams.push_back((datagram, size));
    }

    /// Takes the first datagram out.
    pub fn pop(&mut self) -> Option<D> {
        let (datagram, size) = self.datagrams.pop_front()?;
        self.buffered -= size;
        Some(datagram)
    }

    /// Takes out all that are left, without a word to the producer, who is not told to go on.
    pub fn take_all(&mut self) -> impl Iterator<Item = D> + use<D> {
        self.buffered = 0;
        self.flow.forget();
        std::mem::take(&mut self.datagrams)
            .into_iter()
            .map(|(datagram, _)| datagram)
    }

    /// The datagrams, in order.
    pub fn iter(&self) -> impl Iterator<Item = &D> {
        self.datagrams.iter().map(|(datagram, _)| datagram)
    }

    /// How many datagrams there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// What all of them together count for.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.buffered
    }

    /// The limits of flow control.
    #[must_use]
    pub const fn write_limits(&self) -> WriteLimits {
        self.flow.limits
    }

    /// Sets the limits of flow control; [`flow`](Self::flow) tells what follows from that. A low
    /// limit above the high one counts as equal to it.
    pub fn set_write_limits(&mut self, limits: WriteLimits) {
        self.flow.limits = WriteLimits {
            low: limits.low.min(limits.high),
            ..limits
        };
    }

    /// What the producer should do now; each crossing of a limit is told once.
    pub fn flow(&mut self) -> Option<FlowEvent> {
        self.flow.update(self.buffered)
    }
}

impl<D> fmt::Debug for DatagramQueue<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DatagramQueue")
            .field("len", &self.len())
            .field("buffered", &self.buffered)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Operation {
        Push(usize),
        Pop,
        TakeAll,
        SetLimits(WriteLimits),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let limits = (0..200_usize, 0..250_usize);
        prop_oneof![
            8 => (0..60_usize).prop_map(Operation::Push),
            7 => Just(Operation::Pop),
            1 => Just(Operation::TakeAll),
            1 => limits.prop_map(|(high, low)| Operation::SetLimits(WriteLimits { high, low })),
        ]
    }

    /// What should be in the queue, and what its producer was told last.
    #[derive(Default)]
    struct Model {
        datagrams: Vec<(u32, usize)>,
        is_paused: bool,
    }

    impl Model {
        fn buffered(&self) -> usize {
            self.datagrams.iter().map(|(_, size)| size).sum()
        }

        fn numbers(&self) -> impl Iterator<Item = &u32> {
            self.datagrams.iter().map(|(number, _)| number)
        }

        fn flow(&mut self, limits: WriteLimits) -> Option<FlowEvent> {
            let buffered = self.buffered();
            if !self.is_paused && buffered > limits.high {
                self.is_paused = true;
                Some(FlowEvent::PauseWriting)
            } else if self.is_paused && buffered <= limits.low {
                self.is_paused = false;
                Some(FlowEvent::ResumeWriting)
            } else {
                None
            }
        }
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "interpreting random operations takes minutes")]
        fn it_keeps_order_counts_and_tells_each_crossing_once(
            operations in prop::collection::vec(operation(), 0..100),
        ) {
            let mut queue = DatagramQueue::new();
            let mut model = Model::default();
            for (number, operation) in (0_u32..).zip(operations) {
                match operation {
                    Operation::Push(size) => {
                        queue.push(number, size);
                        model.datagrams.push((number, size));
                    }
                    Operation::Pop => {
                        let expected =
                            (!model.datagrams.is_empty()).then(|| model.datagrams.remove(0).0);
                        prop_assert_eq!(queue.pop(), expected);
                    }
                    Operation::TakeAll => {
                        prop_assert!(queue.take_all().eq(model.numbers().copied()));
                        model = Model::default();
                    }
                    Operation::SetLimits(limits) => {
                        queue.set_write_limits(limits);
                        prop_assert_eq!(queue.write_limits().high, limits.high);
                        prop_assert_eq!(queue.write_limits().low, limits.low.min(limits.high));
                    }
                }
                prop_assert_eq!(queue.len(), model.datagrams.len());
                prop_assert_eq!(queue.is_empty(), model.datagrams.is_empty());
                prop_assert_eq!(queue.buffered(), model.buffered());
                prop_assert!(queue.iter().eq(model.numbers()));
                prop_assert_eq!(queue.flow(), model.flow(queue.write_limits()));
                prop_assert_eq!(queue.flow(), None);
            }
        }
    }
}
