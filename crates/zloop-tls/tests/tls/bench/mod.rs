//! Two nodes, the network between them, and the time that passes.

mod link;
mod node;
mod reference;

use std::time::Duration;

pub use self::link::Link;
pub use self::node::{Node, Note};
pub use self::reference::Reference;

/// Something that sits at one end of the network.
pub trait Endpoint {
    /// Does all it can with at most `segment` bytes from the network. Says whether it did anything.
    fn advance(
        &mut self,
        now: Duration,
        segment: usize,
        inward: &mut Link,
        outward: &mut Link,
    ) -> bool;

    /// What has to be done by now.
    fn expire(&mut self, _now: Duration) {}
}

/// A client and a server, with the bytes under way between them.
pub struct Pair<C, S> {
    pub client: C,
    pub server: S,
    pub to_client: Link,
    pub to_server: Link,
    pub now: Duration,
    /// How many bytes arrive at a time. The last size stays.
    pub segments: Vec<usize>,
}

impl<C: Endpoint, S: Endpoint> Pair<C, S> {
    pub fn new(client: C, server: S) -> Self {
        Self {
            client,
            server,
            to_client: Link::new(),
            to_server: Link::new(),
            now: Duration::from_secs(1000),
            segments: Vec::new(),
        }
    }

    /// Lets the network deliver until nothing moves any more.
    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Gives each side a turn. Says whether anything moved.
    pub fn step(&mut self) -> bool {
        let segment = self.next_segment();
        let moved =
            self.client
                .advance(self.now, segment, &mut self.to_client, &mut self.to_server);
        let segment = self.next_segment();
        self.server
            .advance(self.now, segment, &mut self.to_server, &mut self.to_client)
            || moved
    }

    /// Lets time pass, and what follows from it happen.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.client.expire(self.now);
        self.server.expire(self.now);
        self.run();
    }

    fn next_segment(&mut self) -> usize {
        match self.segments.as_slice() {
            [] => usize::MAX,
            [last] => *last,
            _ => self.segments.remove(0),
        }
    }
}
