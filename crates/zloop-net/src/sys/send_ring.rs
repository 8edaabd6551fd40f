//! Many sends with one system call: io_uring, of which nothing else is used.

use std::io;
use std::os::fd::RawFd;

use io_uring::squeue::Entry;
use io_uring::{IoUring, opcode, types};

use super::{Refused, Sent};

const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;

/// Sends that are made within one call, and waited for by nobody.
///
/// Invariant: between calls no entry is queued, and none is being worked on. So it may be dropped at any time, in the
/// child of a fork too, which must not go on using it: parent and child would share its queues.
pub(crate) struct SendRing {
    ring: IoUring,
}

impl SendRing {
    /// The most sends of one call.
    pub(crate) const CAPACITY: usize = 64;

    /// # Errors
    ///
    /// What the system says where there is no io_uring, or where it is not allowed.
    pub(crate) fn open() -> io::Result<Self> {
        let ring = IoUring::new(Self::CAPACITY as u32)?;
        Ok(Self { ring })
    }

    /// Makes up to [`CAPACITY`](Self::CAPACITY) sends, each known by its place in `sent`, where what became of it
    /// is put.
    ///
    /// # Errors
    ///
    /// If the system does not make such sends: those without an outcome are to be made one by one.
    pub(crate) fn send<'a>(
        &mut self,
        sends: impl Iterator<Item = (RawFd, &'a [u8])>,
        sent: &mut [Sent],
    ) -> Result<(), Refused> {
        let mut left = 0;
        let mut queue = self.ring.submission();
        for (place, (fd, bytes)) in sends.take(Self::CAPACITY).enumerate() {
            // SAFETY: the bytes outlive this call. The system reads an entry only within an enter, since no thread of
            // its own polls the queue, and has completed each one that it read when that enter returns: a send with
            // MSG_DONTWAIT is neither put off nor waited for, nor is an entry without IOSQE_ASYNC, links and drains
            // in a ring of the plain kind. An entry that is not read keeps its pointer only until the ring is dropped,
            // which is what `Refused` asks for.
            if unsafe { queue.push(&entry(place, fd, bytes)) }.is_err() {
                break;
            }
            left += 1;
        }
        drop(queue);
        let mut knows_sends = true;
        while left > 0 {
            let entered = self.ring.submit_and_wait(left);
            for completion in self.ring.completion() {
                left -= 1;
                // So answer systems before Linux 5.6 to each send.
                knows_sends &= completion.result() != -libc::EINVAL;
                if let Some(place) = sent.get_mut(completion.user_data() as usize) {
                    *place = sent_by(completion.result());
                }
            }
            match entered {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::debug!(%error, "the system refused a call");
                    return Err(Refused);
                }
                _ => {}
            }
        }
        if knows_sends { Ok(()) } else { Err(Refused) }
    }
}

fn entry(place: usize, fd: RawFd, bytes: &[u8]) -> Entry {
    opcode::Send::new(types::Fd(fd), bytes.as_ptr(), bytes.len() as u32)
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
