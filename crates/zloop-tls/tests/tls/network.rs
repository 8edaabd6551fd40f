//! A network in which things take time and go wrong, and the time that passes in it. Nothing here
//! depends on a real clock: the same fates give the same conversation.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::bench::{Endpoint, Link, Node, Note};
use crate::certificates::{HOST, acceptor, connector};

/// What becomes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    None,
    /// It may arrive before what was sent before it.
    Overtakes,
    Lost,
    Repeated,
}

/// How much is sent in one piece, how long it takes, and what becomes of it.
#[derive(Clone, Copy, Debug)]
struct Fate {
    size: usize,
    delay: Duration,
    mishap: Mishap,
}

/// One direction.
struct Path {
    /// Taken in turn, again and again.
    fates: Vec<Fate>,
    pieces: usize,
    under_way: BTreeMap<(Duration, usize), Vec<u8>>,
    last_arrival: Duration,
    end_at: Option<Duration>,
    arrived: Link,
}

impl Path {
    fn new(fates: Vec<Fate>) -> Self {
        Self {
            fates,
            pieces: 0,
            under_way: BTreeMap::new(),
            last_arrival: Duration::ZERO,
            end_at: None,
            arrived: Link::new(),
        }
    }

    fn send(&mut self, now: Duration, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let fate = self.fates[self.pieces % self.fates.len()];
            let (piece, rest) = bytes.split_at(fate.size.min(bytes.len()));
            bytes = rest;
            let mut arrival = now + fate.delay;
            if fate.mishap != Mishap::Overtakes {
                arrival = arrival.max(self.last_arrival);
                self.last_arrival = arrival;
            }
            let times = match fate.mishap {
                Mishap::None | Mishap::Overtakes => 1,
                Mishap::Lost => 0,
                Mishap::Repeated => 2,
            };
            for _ in 0..times {
                self.pieces += 1;
                self.under_way
                    .insert((arrival, self.pieces), piece.to_vec());
            }
            self.pieces += 1;
        }
    }

    fn end(&mut self, now: Duration) {
        self.end_at.get_or_insert(now.max(self.last_arrival));
    }

    fn deliver(&mut self, now: Duration) {
        let due = (now, usize::MAX);
        while let Some(entry) = self.under_way.first_entry().filter(|it| *it.key() <= due) {
            self.arrived.send(&entry.remove());
        }
        if self.end_at.is_some_and(|at| at <= now) {
            self.arrived.end();
        }
    }

    fn next_arrival(&self, now: Duration) -> Option<Duration> {
        let piece = self.under_way.first_key_value().map(|((at, _), _)| *at);
        let end = self.end_at.filter(|at| *at > now);
        piece.into_iter().chain(end).min()
    }
}

/// A client and a server at the two ends.
struct Network {
    nodes: [Node; 2],
    /// The way to each node.
    paths: [Path; 2],
    now: Duration,
}

impl Network {
    fn new(fates: [Vec<Fate>; 2]) -> Self {
        let client = Node::new(connector().connect(HOST).unwrap());
        let server = Node::new(acceptor().accept().unwrap());
        Self {
            nodes: [client, server],
            paths: fates.map(Path::new),
            now: Duration::from_secs(1000),
        }
    }

    /// Lets time go from one thing that happens to the next, until nothing will happen any more.
    fn run(&mut self) {
        loop {
            self.settle();
            let arrivals = self.paths.iter().map(|path| path.next_arrival(self.now));
            let deadlines = self
                .nodes
                .iter()
                .map(|node| node.connection.next_deadline());
            let Some(next) = arrivals.chain(deadlines).flatten().min() else {
                break;
            };
            assert!(next >= self.now);
            self.now = next;
            for node in &mut self.nodes {
                node.expire(self.now);
            }
        }
    }

    /// What happens at one moment.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for which in [0, 1] {
                self.paths[which].deliver(self.now);
                let mut outward = Link::new();
                let inward = &mut self.paths[which].arrived;
                moved |= self.nodes[which].advance(self.now, usize::MAX, inward, &mut outward);
                let sent = outward.take(usize::MAX);
                self.paths[1 - which].send(self.now, &sent);
                if outward.at_end() {
                    self.paths[1 - which].end(self.now);
                }
            }
            if !moved {
                break;
            }
        }
    }

    fn close_both(&mut self) {
        let now = self.now;
        for node in &mut self.nodes {
            node.connection.close(now);
        }
    }
}

fn fates(mishaps: &'static [Mishap]) -> impl Strategy<Value = Vec<Fate>> {
    let fate = (1..2000_usize, 0..3000_u64, prop::sample::select(mishaps));
    let fate = fate.prop_map(|(size, millis, mishap)| Fate {
        size,
        delay: Duration::from_millis(millis),
        mishap,
    });
    prop::collection::vec(fate, 1..20)
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place % 251) as u8).collect()
}

const NONE: &[Mishap] = &[Mishap::None];
const ANY: &[Mishap] = &[
    Mishap::None,
    Mishap::None,
    Mishap::None,
    Mishap::None,
    Mishap::Overtakes,
    Mishap::Lost,
    Mishap::Repeated,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_slow_network_changes_nothing_but_the_time(
        to_client in fates(NONE),
        to_server in fates(NONE),
        sizes in (0..50_000_usize, 0..50_000_usize),
    ) {
        let mut network = Network::new([to_client, to_server]);
        let data = [data(sizes.0), data(sizes.1)];
        network.nodes[0].write(&data[0]);
        network.nodes[1].write(&data[1]);
        network.run();
        prop_assert!(network.nodes[1].received == data[0]);
        prop_assert!(network.nodes[0].received == data[1]);
        let now = network.now;
        network.nodes[0].connection.close(now);
        network.run();
        for node in &network.nodes {
            prop_assert_eq!(node.outcome(), Some(&Note::Closed));
        }
        prop_assert!(network.now < Duration::from_secs(1060), "no timeout was waited for");
    }

    #[test]
    fn a_broken_network_never_changes_data_and_holds_nobody_for_ever(
        to_client in fates(ANY),
        to_server in fates(ANY),
        sizes in (0..20_000_usize, 0..20_000_usize),
    ) {
        let mut network = Network::new([to_client, to_server]);
        let data = [data(sizes.0), data(sizes.1)];
        network.nodes[0].write(&data[0]);
        network.nodes[1].write(&data[1]);
        network.run();
        network.close_both();
        network.run();
        prop_assert!(data[0].starts_with(&network.nodes[1].received));
        prop_assert!(data[1].starts_with(&network.nodes[0].received));
        for node in &network.nodes {
            prop_assert!(node.connection.is_closed(), "{:?}", node.notes);
        }
    }
}
