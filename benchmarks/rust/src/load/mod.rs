//! The client: as many connections as asked for, each with one message on its way.

mod peer;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustls::ClientConfig;

use self::peer::Peer;
use crate::Outcome;

/// How many answers pass between two looks at the clock.
const ANSWERS_A_LOOK: u64 = 256;

pub struct Load {
    pub address: SocketAddr,
    pub connections: usize,
    pub message: Vec<u8>,
    pub tls: Option<Arc<ClientConfig>>,
}

impl Load {
    /// Sends messages to and fro for so long, and prints how many came back in which time.
    pub fn run(&self, time: Duration) -> Outcome {
        let mut peers = self.connect()?;
        let selector = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, peer) in peers.iter_mut().enumerate() {
            peer.set_nonblocking()?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&selector, &peer.socket, data, epoll::EventFlags::IN)?;
        }
        // The first answers are not counted: they bring the server's buffers to their size.
        self.exchange(&mut peers, &selector, time / 10)?;
        println!("started");
        let started = Instant::now();
        let answers = self.exchange(&mut peers, &selector, time)?;
        println!("{answers} {}", started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Opens connections, one message on each, and keeps them until standard input ends.
    pub fn idle(&self) -> Outcome {
        let mut peers = self.connect()?;
        for peer in &mut peers {
            peer.send(&self.message)?;
            while !peer.receive(self.message.len())? {}
        }
        println!("started");
        io::stdin().read_to_end(&mut Vec::new())?;
        Ok(())
    }

    fn connect(&self) -> Outcome<Vec<Peer>> {
        let mut peers = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let socket = TcpStream::connect(self.address)?;
            socket.set_nodelay(true)?;
            peers.push(Peer::new(socket, self.tls.as_ref())?);
        }
        io::stdout().flush()?;
        Ok(peers)
    }

    fn exchange(
        &self,
        peers: &mut [Peer],
        selector: &rustix::fd::OwnedFd,
        time: Duration,
    ) -> Outcome<u64> {
        let end = Instant::now() + time;
        for peer in peers.iter_mut() {
            peer.send(&self.message)?;
        }
        let mut answers = 0;
        let mut next_look = ANSWERS_A_LOOK;
        let mut events = Vec::with_capacity(256);
        loop {
            events.clear();
            epoll::wait(selector, rustix::buffer::spare_capacity(&mut events), None)?;
            for event in &events {
                let data = event.data;
                let peer = &mut peers[data.u64() as usize];
                if peer.receive(self.message.len())? {
                    answers += 1;
                    peer.send(&self.message)?;
                }
            }
            if answers >= next_look {
                next_look = answers + ANSWERS_A_LOOK;
                if Instant::now() >= end {
                    break;
                }
            }
        }
        // What is on its way comes back before the next exchange, and counts for none.
        for peer in peers {
            while !peer.receive(self.message.len())? {}
        }
        Ok(answers)
    }
}
