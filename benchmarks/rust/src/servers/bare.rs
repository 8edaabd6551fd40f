//! On epoll itself, as little as can be: what the others are measured by.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use rustix::event::epoll;
use rustix::fd::OwnedFd;

use super::{ANY_PORT, BACKLOG, READ_SIZE, announce};
use crate::Outcome;
use crate::service::Service;

struct Connection<S> {
    socket: TcpStream,
    service: S,
    unsent: Vec<u8>,
}

const LISTENER: u64 = 0;

pub fn serve<S: Service>() -> Outcome {
    let listener = TcpListener::bind(ANY_PORT)?;
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?)?;
    let selector = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let data = epoll::EventData::new_u64(LISTENER);
    epoll::add(&selector, &listener, data, epoll::EventFlags::IN)?;
    let mut slots: Vec<Option<Connection<S>>> = Vec::new();
    let mut events = Vec::with_capacity(256);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        events.clear();
        epoll::wait(&selector, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let data = event.data;
            if data.u64() == LISTENER {
                accept(&listener, &selector, &mut slots)?;
                continue;
            }
            let Some(slot) = slots.get_mut(data.u64() as usize) else {
                continue;
            };
            if let Some(connection) = slot
                && !connection
                    .advance(&selector, data, &mut buffer)
                    .unwrap_or(false)
            {
                *slot = None;
            }
        }
    }
}

fn accept<S: Service>(
    listener: &TcpListener,
    selector: &OwnedFd,
    slots: &mut Vec<Option<Connection<S>>>,
) -> io::Result<()> {
    let socket = match listener.accept() {
        Ok((socket, _)) => socket,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(error),
    };
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    let index = socket.as_raw_fd() as usize;
    let data = epoll::EventData::new_u64(index as u64);
    epoll::add(selector, &socket, data, epoll::EventFlags::IN)?;
    if slots.len() <= index {
        slots.resize_with(index + 1, || None);
    }
    slots[index] = Some(Connection {
        socket,
        service: S::default(),
        unsent: Vec::new(),
    });
    Ok(())
}

impl<S: Service> Connection<S> {
    /// Says whether the connection goes on.
    fn advance(
        &mut self,
        selector: &OwnedFd,
        data: epoll::EventData,
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        if self.unsent.is_empty() {
            let count = self.socket.read(buffer)?;
            if count == 0 {
                return Ok(false);
            }
            let answer = self.service.answer(&buffer[..count]);
            let sent = send(&mut self.socket, answer)?;
            if sent < answer.len() {
                self.unsent.extend_from_slice(&answer[sent..]);
                epoll::modify(selector, &self.socket, data, epoll::EventFlags::OUT)?;
            }
        } else {
            let sent = send(&mut self.socket, &self.unsent)?;
            self.unsent.drain(..sent);
            if self.unsent.is_empty() {
                epoll::modify(selector, &self.socket, data, epoll::EventFlags::IN)?;
            }
        }
        Ok(true)
    }
}

fn send(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match socket.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
