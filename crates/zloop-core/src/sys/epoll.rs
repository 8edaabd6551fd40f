//! One `epoll_pwait2` on the poller's own descriptor.
//!
//! `Poller::wait` would cost five system calls with a timeout (it arms a timer descriptor and reads
//! and re-arms its own notifier) and would hide an interruption.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use polling::{Event, PollMode, Poller};
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;

use super::registration::{RawFd, borrow};
use super::{INITIAL_EVENTS, MAX_EVENTS};
use crate::interest::{Interest, Readiness};

/// Below `polling`'s own key, and above every token's.
const WAKER_KEY: usize = usize::MAX - 1;

/// Whether the kernel, or a filter of system calls before it, lacks `epoll_pwait2`.
static NO_PWAIT2: AtomicBool = AtomicBool::new(false);

/// Ends a wait by an eventfd. It is registered edge-triggered, so every write is one event and
/// nobody has to read it.
pub(crate) struct Notifier {
    eventfd: OwnedFd,
    // The registration is the poller's, which therefore has to live as long.
    poller: Arc<Poller>,
}

impl Notifier {
    pub(crate) fn new(poller: &Arc<Poller>) -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // SAFETY: the eventfd is deleted from the poller when it is dropped, before it is closed.
        unsafe {
            let event = Event::readable(WAKER_KEY);
            poller.add_with_mode(eventfd.as_raw_fd(), event, PollMode::Edge)?;
        }
        Ok(Self {
            eventfd,
            poller: Arc::clone(poller),
        })
    }

    pub(crate) fn notify(&self) {
        // It fails only when the counter is full, and then the descriptor is readable already.
        let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let _ = self.poller.delete(self.eventfd.as_fd());
    }
}

/// It allocates when it is first waited with, so that one can be taken from its place for a wait.
#[derive(Default)]
pub(crate) struct EventBuffer {
    list: Vec<epoll::Event>,
}

// SAFETY: an event's data is a union of an integer and a pointer. Only the integer is ever used, and
// an integer may go to any thread.
unsafe impl Send for EventBuffer {}
// SAFETY: as above; a shared buffer is only read.
unsafe impl Sync for EventBuffer {}

impl EventBuffer {
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Readiness)> + '_ {
        self.list
            .iter()
            .map(|event| (key_of(event), readiness_of(event.flags)))
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<(usize, Readiness)> {
        let event = self.list.get(index)?;
        Some((key_of(event), readiness_of(event.flags)))
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        self.list.retain(|event| keep(key_of(event)));
    }

    #[inline]
    fn prepare(&mut self) {
        let filled = self.list.len();
        self.list.clear();
        if filled == self.list.capacity() && filled < MAX_EVENTS {
            self.list
                .reserve_exact((filled * 2).clamp(INITIAL_EVENTS, MAX_EVENTS));
        }
    }
}

#[inline]
fn key_of(event: &epoll::Event) -> usize {
    let data = event.data;
    data.u64() as usize
}

#[inline]
fn readiness_of(flags: epoll::EventFlags) -> Readiness {
    const FAILED: epoll::EventFlags = epoll::EventFlags::HUP.union(epoll::EventFlags::ERR);
    const READ: epoll::EventFlags = FAILED
        .union(epoll::EventFlags::IN)
        .union(epoll::EventFlags::PRI);
    const WRITE: epoll::EventFlags = FAILED.union(epoll::EventFlags::OUT);
    // A read ends short before what is urgent, too: what is behind it is not told of again.
    const END: epoll::EventFlags = FAILED
        .union(epoll::EventFlags::RDHUP)
        .union(epoll::EventFlags::PRI);
    Readiness::new(flags.intersects(READ), flags.intersects(WRITE)).with_end(flags.intersects(END))
}

// `polling` knows edges too, but not how to ask for the peer's end. One that comes with the last data would have
// no edge of its own, and who reads no further than the data would never hear of it.

pub(crate) fn add_at_edges(
    poller: &Poller,
    fd: RawFd,
    key: usize,
    interest: Interest,
) -> io::Result<()> {
    let data = epoll::EventData::new_u64(key as u64);
    Ok(epoll::add(poller, borrow(fd), data, edges_of(interest))?)
}

pub(crate) fn modify_at_edges(
    poller: &Poller,
    fd: RawFd,
    key: usize,
    interest: Interest,
) -> io::Result<()> {
    let data = epoll::EventData::new_u64(key as u64);
    Ok(epoll::modify(poller, borrow(fd), data, edges_of(interest))?)
}

fn edges_of(interest: Interest) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::ET;
    if interest.contains(Interest::READABLE) {
        flags |= epoll::EventFlags::IN | epoll::EventFlags::PRI | epoll::EventFlags::RDHUP;
    }
    if interest.contains(Interest::WRITABLE) {
        flags |= epoll::EventFlags::OUT;
    }
    flags
}

/// Waits, and replaces what is in `events` by what is ready.
#[inline]
pub(crate) fn wait(
    poller: &Poller,
    events: &mut EventBuffer,
    timeout: Option<Duration>,
) -> io::Result<()> {
    events.prepare();
    if NO_PWAIT2.load(Ordering::Relaxed) {
        wait_milliseconds(poller, &mut events.list, timeout)?;
    } else {
        // More seconds than a timespec holds are as good as for ever.
        let timespec = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match epoll::wait(poller, spare_capacity(&mut events.list), timespec.as_ref()) {
            Ok(_) => {}
            // Filters of system calls that do not know this one answer with EPERM.
            Err(Errno::NOSYS | Errno::PERM) => {
                tracing::debug!("no epoll_pwait2: timeouts are rounded up to milliseconds");
                NO_PWAIT2.store(true, Ordering::Relaxed);
                wait_milliseconds(poller, &mut events.list, timeout)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(index) = events
        .list
        .iter()
        .position(|event| key_of(event) == WAKER_KEY)
    {
        events.list.remove(index);
    }
    Ok(())
}

fn wait_milliseconds(
    poller: &Poller,
    list: &mut Vec<epoll::Event>,
    timeout: Option<Duration>,
) -> io::Result<()> {
    const { assert!(size_of::<epoll::Event>() == size_of::<libc::epoll_event>()) };
    let spare = list.spare_capacity_mut();
    let capacity = i32::try_from(spare.len()).unwrap_or(i32::MAX);
    // SAFETY: the pointer is to `capacity` entries that are ours to write, and
    // `rustix`'s event has the layout of the kernel's, as libc's has.
    let count = unsafe {
        libc::epoll_wait(
            poller.as_raw_fd(),
            spare.as_mut_ptr().cast(),
            capacity,
            ceil_milliseconds(timeout),
        )
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel wrote the first `count` entries of the spare capacity.
    unsafe { list.set_len(list.len() + count) };
    Ok(())
}

/// Never early: what is between two milliseconds waits until the later one.
fn ceil_milliseconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |timeout| {
        i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_rounded_up() {
        assert_eq!(ceil_milliseconds(None), -1);
        assert_eq!(ceil_milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(ceil_milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(ceil_milliseconds(Some(Duration::from_millis(7))), 7);
        assert_eq!(ceil_milliseconds(Some(Duration::MAX)), i32::MAX);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no timerfd, and so no poller")]
    fn the_millisecond_wait_sees_what_the_nanosecond_wait_sees() {
        let poller = Arc::new(Poller::new().expect("a poller"));
        let notifier = Notifier::new(&poller).expect("an eventfd");
        let mut list = Vec::with_capacity(4);
        wait_milliseconds(&poller, &mut list, Some(Duration::ZERO)).expect("a wait");
        assert!(list.is_empty());
        notifier.notify();
        wait_milliseconds(&poller, &mut list, None).expect("a wait");
        assert_eq!(list.len(), 1);
        assert_eq!(key_of(&list[0]), WAKER_KEY);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no timerfd, and so no poller")]
    fn a_notification_is_one_event_without_a_read() {
        let poller = Arc::new(Poller::new().expect("a poller"));
        let notifier = Notifier::new(&poller).expect("an eventfd");
        for _ in 0..3 {
            notifier.notify();
            let mut list = Vec::with_capacity(4);
            wait_milliseconds(&poller, &mut list, Some(Duration::ZERO)).expect("a wait");
            assert_eq!(list.len(), 1);
            list.clear();
            wait_milliseconds(&poller, &mut list, Some(Duration::ZERO)).expect("a wait");
            assert!(list.is_empty());
        }
    }

    #[test]
    fn a_buffer_that_was_filled_grows_to_its_limit() {
        let mut buffer = EventBuffer::default();
        let event = epoll::Event {
            flags: epoll::EventFlags::IN,
            data: epoll::EventData::new_u64(0),
        };
        let mut capacities = Vec::new();
        for _ in 0..8 {
            buffer.prepare();
            buffer.list.resize(buffer.list.capacity(), event);
            capacities.push(buffer.list.capacity());
        }
        assert_eq!(capacities, [256, 512, 1024, 2048, 4096, 4096, 4096, 4096]);
    }

    extern "C" fn ignore(_signal: libc::c_int) {}

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no timerfd, and so no poller")]
    fn an_interruption_is_reported() {
        use std::sync::atomic::AtomicBool;
        use std::{mem, ptr, thread};

        // SAFETY: the handler does nothing, and a zeroed action has no flags and an empty mask.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = ignore as extern "C" fn(libc::c_int) as libc::sighandler_t;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()), 0);
        }
        let poller = Arc::new(Poller::new().expect("a poller"));
        let mut events = EventBuffer::default();
        // SAFETY: it has no preconditions.
        let waiting_thread = unsafe { libc::pthread_self() };
        let interrupted = AtomicBool::new(false);
        thread::scope(|scope| {
            // A signal before the wait interrupts nothing, so they come until one does.
            scope.spawn(|| {
                while !interrupted.load(Ordering::Relaxed) {
                    // SAFETY: the scope keeps the waiting thread alive.
                    unsafe { libc::pthread_kill(waiting_thread, libc::SIGUSR1) };
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let result = wait(&poller, &mut events, Some(Duration::from_secs(60)));
            interrupted.store(true, Ordering::Relaxed);
            let error = result.expect_err("an interruption");
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        });
        assert_eq!(events.len(), 0);
    }
}
