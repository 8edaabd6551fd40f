//! The reactor of the zloop event loop: it waits for descriptors and deadlines, and says what is
//! ready. It knows nothing of sockets' bytes, of protocols, or of Python.
//!
//! # A turn
//!
//! An event loop goes round in *turns*. One turn polls, puts what became ready behind what already
//! was, then adds the timers that are due, and then runs as many callbacks as are ready now, never
//! the ones that these add:
//!
//! ```text
//!            +-------------------------------------------------------------+
//!            |                                                             |
//!            v                                                             |
//!    +---------------+   Poll::Skip                                        |
//!    |  Pacer::plan  |---------------------------------+                   |
//!    +---------------+                                 |                   |
//!      | Poll::Now, Poll::Wait(timeout)                |                   |
//!      v                                               v                   |
//!    +----------------+  Events  +---------+     +-------------+     +-----------+
//!    | Selector::wait |--------->| Reactor |---->| ready queue |---->| run batch |
//!    +----------------+          +---------+     +-------------+     +-----------+
//!      ^                          drops stale      ^         ^
//!      | wakes                    tokens           |         |
//!    +-------+                             +-----------+ +-----------+
//!    | Waker |<----------------------------|   Inbox   | | TimerHeap |
//!    +-------+   push from any thread      +-----------+ +-----------+
//! ```
//!
//! # The parts
//!
//! - [`Selector`] waits, with one system call on Linux. It is the only part that knows how.
//! - [`Reactor`] maps descriptors to sources of the caller's own type. A [`Token`] carries a
//!   generation, so an event for a descriptor that was closed and reused is dropped.
//! - [`TimerHeap`] orders deadlines; a removed timer is gone at once.
//! - [`Waker`] ends a wait from any thread; [`Inbox`] is a queue with a waker.
//! - [`Pacer`] decides at which turns to poll while there is work.
//! - [`Clock`] tells the time: [`MonotonicClock`], or a [`ManualClock`] that a test drives.
//! - [`Schedule`] puts them together into turns, for tasks of any type; [`EventLoop`] is one for
//!   programs that want callbacks and nothing else.
//!
//! # Errors
//!
//! What a program asks of a [`Reactor`] and cannot have is an [`Error`], whose [`fault`](Error::fault)
//! says whether the program or the system is to blame. An [`io::Error`](std::io::Error) of a wait or of
//! making a reactor is always the system's.
//!
//! # Systems
//!
//! Linux is what it is built for and tested on. Elsewhere `polling` waits; so it does on Linux with
//! `--cfg zloop_polling_wait`, by which the tests run that code. It is compiled for macOS and Windows
//! in the tests, and run nowhere but on Linux.
//!
//! # Example
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use std::os::fd::AsRawFd;
//! use std::io::Write;
//! use zloop_core::{Events, Interest, Reactor};
//!
//! # fn main() -> std::io::Result<()> {
//! let (mut near, far) = UnixStream::pair()?;
//! let mut reactor = Reactor::new()?;
//! let token = reactor.register(far.as_raw_fd(), Interest::READABLE, "the far end")?;
//!
//! near.write_all(b"hello")?;
//! let mut events = Events::new();
//! reactor.poll(&mut events, None)?;
//! let (ready, readiness) = events.iter().next().expect("one event");
//! assert_eq!(ready, token);
//! assert!(readiness.is_readable());
//! assert_eq!(reactor.source(ready), Some(&"the far end"));
//! reactor.deregister(token);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod clock;
mod error;
mod inbox;
mod interest;
#[cfg(all(test, loom))]
mod loom_tests;
mod queue;
mod reactor;
mod run;
mod schedule;
mod selector;
mod sync;
mod sys;
mod timer_lane;
mod timer_lanes;
mod timers;
mod token;
mod turn;
mod wake_state;
mod waker;

pub use clock::{Clock, ManualClock, MonotonicClock, Timestamp};
pub use error::{Error, Fault};
pub use inbox::Inbox;
pub use interest::{Interest, Readiness};
pub use reactor::Reactor;
pub use run::{EventLoop, Remote};
pub use schedule::{Ready, Run, Schedule};
pub use selector::{Events, Selector};
pub use sys::RawFd;
pub use timers::{TimerHeap, TimerKey};
pub use token::Token;
pub use turn::{Pacer, Poll};
pub use waker::Waker;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
