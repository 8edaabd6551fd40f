//! Flushing many streams at once.

use std::fmt;
use std::io;
use std::ops::{DerefMut, Range};
use std::os::fd::AsRawFd;

use crate::stream::{FlushOutcome, Stream};
use crate::sys::{SendRing, Sent};

/// Flushes many streams with one system call, where the system can: on Linux by io_uring, which only makes the
/// sends that [`Stream::flush`] would make, each once and without waiting.
///
/// A server that answers many clients in a turn spends several percent less of the processor so. Where there is no
/// io_uring, or where it is not allowed, as in most containers, each stream is flushed by itself.
///
/// It opens a descriptor when it is first of use, and if that fails, never again. The child of a fork has to drop it,
/// and take a new one.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use zloop_net::{Descriptor, FlushBatch, FlushOutcome, Stream};
///
/// # fn main() -> std::io::Result<()> {
/// let (mut streams, mut peers) = (Vec::new(), Vec::new());
/// for number in 0..10_u8 {
///     let (near, far) = UnixStream::pair()?;
///     near.set_nonblocking(true)?;
///     let mut stream = Stream::new(Descriptor::Owned(near.into()));
///     stream.write(vec![number; 1000])?;
///     streams.push(stream);
///     peers.push(far);
/// }
/// let mut outcomes = Vec::new();
/// let mut borrowed: Vec<_> = streams.iter_mut().collect();
/// FlushBatch::new().flush(&mut borrowed, &mut outcomes);
/// for outcome in outcomes {
///     assert_eq!(outcome?, FlushOutcome::Flushed);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct FlushBatch {
    ring: Ring,
    /// The chunks of streams that have more than one, and where each stream's are.
    joined: Vec<u8>,
    places: Vec<Option<Range<usize>>>,
    sent: Vec<Sent>,
}

#[derive(Default)]
enum Ring {
    #[default]
    Unopened,
    Open(Box<SendRing>),
    Refused,
}

/// What is longer is sent by itself: the call is the least of it then.
const MAX_OFFER: usize = 64 * 1024;
/// What is to be joined is copied, and longer chunks are better sent from where they are.
const MAX_JOINED: usize = 16 * 1024;

impl FlushBatch {
    /// How many streams are worth the call: fewer are flushed one by one.
    pub const LEAST: usize = 4;

    /// One that has not asked the system yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that never asks the system, and flushes one stream after the other.
    #[must_use]
    pub fn one_by_one() -> Self {
        Self {
            ring: Ring::Refused,
            ..Self::default()
        }
    }

    /// Does for each stream what [`Stream::flush`] does, in order, and adds what came of it to `outcomes`, which is to be
    /// cleared where it is used again.
    pub fn flush<C: AsRef<[u8]>>(
        &mut self,
        streams: &mut [impl DerefMut<Target = Stream<C>>],
        outcomes: &mut Vec<io::Result<FlushOutcome>>,
    ) {
        let mut left = streams;
        while !left.is_empty() {
            let offering = left.iter().take(SendRing::CAPACITY);
            let count = offering.take_while(|stream| may_offer(stream)).count();
            let (next, others) = left.split_at_mut(count.max(1));
            self.sent.clear();
            self.sent.resize_with(next.len(), || None);
            if count >= Self::LEAST {
                self.send_together(next);
            }
            let sent = self.sent.drain(..);
            let flushed = next.iter_mut().zip(sent);
            outcomes.extend(flushed.map(|(stream, sent)| stream.flush_after(sent)));
            left = others;
        }
    }

    fn send_together<C: AsRef<[u8]>>(&mut self, streams: &[impl DerefMut<Target = Stream<C>>]) {
        if matches!(self.ring, Ring::Unopened) {
            self.ring = match SendRing::open() {
                Ok(ring) => Ring::Open(Box::new(ring)),
                Err(error) => {
                    tracing::debug!(%error, "no io_uring: streams are flushed one by one");
                    Ring::Refused
                }
            };
        }
        let Ring::Open(ring) = &mut self.ring else {
            return;
        };
        self.joined.clear();
        self.places.clear();
        for stream in streams {
            self.places.push(join(stream, &mut self.joined));
        }
        let sends = streams.iter().zip(&self.places).map(|(stream, place)| {
            let bytes = match place {
                Some(range) => &self.joined[range.clone()],
                None => stream.unsent().first(),
            };
            (stream.as_raw_fd(), bytes)
        });
        if ring.send(sends, &mut self.sent).is_err() {
            self.ring = Ring::Refused;
        }
    }
}

/// Whether all that a stream has may be sent together with others.
fn may_offer<C: AsRef<[u8]>>(stream: &Stream<C>) -> bool {
    let most = match stream.unsent().chunk_count() {
        1 => MAX_OFFER,
        _ => MAX_JOINED,
    };
    stream.can_offer() && stream.buffered() <= most
}

/// Where a stream's chunks were joined, if it has more than one.
fn join<C: AsRef<[u8]>>(stream: &Stream<C>, joined: &mut Vec<u8>) -> Option<Range<usize>> {
    if stream.unsent().chunk_count() == 1 {
        return None;
    }
    let start = joined.len();
    stream.unsent().join_into(joined);
    Some(start..joined.len())
}

impl fmt::Debug for FlushBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = match self.ring {
            Ring::Unopened => "unopened",
            Ring::Open(_) => "open",
            Ring::Refused => "refused",
        };
        formatter
            .debug_struct("FlushBatch")
            .field("ring", &ring)
            .finish_non_exhaustive()
    }
}
