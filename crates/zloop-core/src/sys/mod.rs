//! Everything that the operating system has to be asked for, and the crate's only unsafe code.

#![allow(unsafe_code)]

mod clock;
mod registration;

#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    not(zloop_polling_wait)
))]
#[path = "epoll.rs"]
mod wait;

#[cfg(not(all(
    any(target_os = "linux", target_os = "android"),
    not(zloop_polling_wait)
)))]
#[path = "portable.rs"]
mod wait;

pub(crate) use clock::monotonic_nanos;
pub use registration::RawFd;
pub(crate) use registration::{REPORTS_EXISTING, add, delete, is_not_open, modify, table_index};
pub(crate) use wait::{EventBuffer, Notifier, wait};

/// What an event buffer holds at first.
const INITIAL_EVENTS: usize = 256;
/// What an event buffer grows to.
const MAX_EVENTS: usize = 4096;
