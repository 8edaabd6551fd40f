//! epoll, with a descriptor's number as its name.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::retry_on_intr;

/// As long as there is something to read.
pub const READABLE: EventFlags = EventFlags::IN;
/// When there is something new to read, or nothing will come any more.
pub const NEWLY_READABLE: EventFlags = READABLE.union(EventFlags::RDHUP).union(EventFlags::ET);
/// When there is room again to write.
pub const NEWLY_WRITABLE: EventFlags = EventFlags::OUT.union(EventFlags::ET);

pub struct Selector {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Selector {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(256),
        })
    }

    /// Has waits tell of a descriptor until it is closed.
    pub fn add(&self, descriptor: impl AsFd, interest: EventFlags) -> io::Result<()> {
        let name = EventData::new_u64(descriptor.as_fd().as_raw_fd() as u64);
        Ok(epoll::add(&self.epoll, descriptor, name, interest)?)
    }

    /// Waits until a descriptor is ready.
    pub fn wait(&mut self) -> io::Result<()> {
        self.events.clear();
        // A process that was stopped and goes on is interrupted.
        retry_on_intr(|| epoll::wait(&self.epoll, spare_capacity(&mut self.events), None))?;
        Ok(())
    }

    /// The descriptors that the last wait found ready.
    pub fn ready(&self) -> impl Iterator<Item = RawFd> {
        let names = self.events.iter().map(|event| event.data);
        names.map(|name| name.u64() as RawFd)
    }
}
