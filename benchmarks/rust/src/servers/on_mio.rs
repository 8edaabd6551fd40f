//! On mio, whose readiness is edge-triggered: a short read or write is what ends it.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::{ANY_PORT, BACKLOG, READ_SIZE, announce};
use crate::Outcome;
use crate::service::Service;

const LISTENER: Token = Token(usize::MAX);

struct Connection<S> {
    socket: TcpStream,
    service: S,
    unsent: Vec<u8>,
}

pub fn serve<S: Service>() -> Outcome {
    let mut listener = TcpListener::bind(ANY_PORT)?;
    rustix::net::listen(&listener, BACKLOG)?;
    announce(listener.local_addr()?)?;
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    let mut connections: Vec<Option<Connection<S>>> = Vec::new();
    let mut free = Vec::new();
    let mut buffer = vec![0; READ_SIZE];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections, &mut free)?;
                continue;
            }
            let index = event.token().0;
            if let Some(connection) = &mut connections[index]
                && !connection.advance(&mut buffer).unwrap_or(false)
            {
                connections[index] = None;
                free.push(index);
            }
        }
    }
}

fn accept<S: Service>(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Vec<Option<Connection<S>>>,
    free: &mut Vec<usize>,
) -> io::Result<()> {
    loop {
        let mut socket = match listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        socket.set_nodelay(true)?;
        let index = free.pop().unwrap_or(connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut socket, Token(index), interest)?;
        let connection = Some(Connection {
            socket,
            service: S::default(),
            unsent: Vec::new(),
        });
        if index == connections.len() {
            connections.push(connection);
        } else {
            connections[index] = connection;
        }
    }
}

impl<S: Service> Connection<S> {
    /// Says whether the connection goes on.
    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            if !self.unsent.is_empty() {
                let sent = send(&mut self.socket, &self.unsent)?;
                self.unsent.drain(..sent);
                if !self.unsent.is_empty() {
                    return Ok(true);
                }
            }
            let count = match self.socket.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            let answer = self.service.answer(&buffer[..count]);
            let sent = send(&mut self.socket, answer)?;
            if sent < answer.len() {
                self.unsent.extend_from_slice(&answer[sent..]);
            } else if count < buffer.len() {
                return Ok(true);
            }
        }
    }
}

fn send(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match socket.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
