//! Many sends with one system call: io_uring, of which nothing else is used.

use std::io;
use std::os::fd::RawFd;

use io_uring::squeue::Entry;
use io_uring::{IoUring, opcode, types};

/// What became of a send: how many bytes the system took. `None` if it has to be made by itself.
pub(crate) type Sent = Option<io::Result<usize>>;

const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;

/// Sends that are made within one call, and waited for by nobody.
///
/// Invariant: between calls no entry is queued, and none is being worked on.
pub(crate) struct SendRing {
    /// `None` once the system refused a call.
    ring: Option<Box<IoUring>>,
}

impl SendRing {
    /// The most sends of one call.
    pub(crate) const CAPACITY: usize = 128;

    /// # Errors
    ///
    /// What the system says where there is no io_uring, or where it is not allowed.
    pub(crate) fn open() -> io::Result<Self> {
        let ring = IoUring::new(Self::CAPACITY as u32)?;
        Ok(Self {
            ring: Some(Box::new(ring)),
        })
    }

    /// Makes up to [`CAPACITY`](Self::CAPACITY) sends, each known by its place in `sent`, where what became of it
    /// is put. Says whether more calls make sense.
    pub(crate) fn send<'a>(
        &mut self,
        sends: impl Iterator<Item = (usize, RawFd, &'a [u8])>,
        sent: &mut [Sent],
    ) -> bool {
        let Some(ring) = &mut self.ring else {
            return false;
        };
        let mut left = 0;
        let mut queue = ring.submission();
        for (place, fd, bytes) in sends.take(Self::CAPACITY) {
            // SAFETY: the bytes outlive this call, which goes on until the system is done with the entry, or else
            // drops the ring: the system reads entries while it is called, since no thread of its own does, and
            // never waits for room.
            if unsafe { queue.push(&entry(place, fd, bytes)) }.is_err() {
                break;
            }
            left += 1;
        }
        drop(queue);
        while left > 0 {
            let submitted = ring.submit_and_wait(left);
            for completion in ring.completion() {
                left -= 1;
                if let Some(place) = sent.get_mut(completion.user_data() as usize) {
                    *place = sent_by(completion.result());
                }
            }
            match submitted {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::debug!(%error, "sends are made one by one from now on");
                    self.ring = None;
                    return false;
                }
                _ => {}
            }
        }
        true
    }
}

fn entry(place: usize, fd: RawFd, bytes: &[u8]) -> Entry {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    opcode::Send::new(types::Fd(fd), bytes.as_ptr(), length)
        .flags(FLAGS)
        .build()
        .user_data(place as u64)
}

fn sent_by(result: i32) -> Sent {
    if let Ok(count) = usize::try_from(result) {
        return Some(Ok(count));
    }
    match -result {
        libc::EAGAIN => Some(Ok(0)),
        // What is no socket, or was interrupted, is known how to be dealt with where there is one send.
        libc::EINTR | libc::ENOTSOCK | libc::EINVAL | libc::EOPNOTSUPP => None,
        error => Some(Err(io::Error::from_raw_os_error(error))),
    }
}
