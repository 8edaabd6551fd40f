//! On zloop-core's reactor, at edges, and zloop-net's streams.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use zloop_core::{Events, Interest, Reactor, Readiness, Token};
use zloop_net::{Descriptor, FlowEvent, ReadOutcome, Stream, accept, tcp};

use super::{ANY_PORT, BACKLOG, READ_SIZE, announce};
use crate::Outcome;
use crate::service::Service;

enum Source<S> {
    Listener(OwnedFd),
    Connection(Stream<Vec<u8>>, S),
}

pub fn serve<S: Service>() -> Outcome {
    let options = tcp::ListenOptions {
        backlog: BACKLOG,
        ..tcp::ListenOptions::default()
    };
    let listener = tcp::listen(ANY_PORT, &options)?;
    announce(tcp::local_address(&listener)?)?;
    let mut reactor = Reactor::new()?;
    let number = listener.as_raw_fd();
    reactor.register(number, Interest::READABLE, Source::<S>::Listener(listener))?;
    let mut events = Events::new();
    let mut buffer = vec![0; READ_SIZE];
    loop {
        reactor.poll(&mut events, None)?;
        for (token, readiness) in events.iter() {
            advance(&mut reactor, token, readiness, &mut buffer)?;
        }
    }
}

fn advance<S: Service>(
    reactor: &mut Reactor<Source<S>>,
    token: Token,
    readiness: Readiness,
    buffer: &mut [u8],
) -> io::Result<()> {
    match reactor.source_mut(token) {
        None => Ok(()),
        Some(Source::Listener(listener)) => match accept(listener) {
            Ok(accepted) => {
                tcp::set_nodelay(&accepted.fd, true)?;
                let number = accepted.fd.as_raw_fd();
                let stream = Stream::new(Descriptor::Owned(accepted.fd));
                reactor.register(
                    number,
                    Interest::READABLE | Interest::EDGE,
                    Source::Connection(stream, S::default()),
                )?;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        },
        Some(Source::Connection(stream, service)) => {
            let result = exchange(stream, service, readiness, buffer);
            let is_over = stream.is_closing() && stream.is_drained();
            let interest = stream.interest() | Interest::EDGE;
            let (Ok(is_more_left), false) = (result, is_over) else {
                reactor.deregister(token);
                return Ok(());
            };
            reactor.set_interest(token, interest)?;
            if is_more_left {
                reactor.look_again(token)?;
            }
            Ok(())
        }
    }
}

/// Says whether the read may have left something.
fn exchange(
    stream: &mut Stream<Vec<u8>>,
    service: &mut impl Service,
    readiness: Readiness,
    buffer: &mut [u8],
) -> io::Result<bool> {
    let mut is_more_left = false;
    if readiness.is_readable() && stream.is_reading() {
        match stream.read(buffer)? {
            ReadOutcome::Data(count) => {
                is_more_left = count == buffer.len() || readiness.has_ended();
                stream.write_now(service.answer(&buffer[..count]), <[u8]>::to_vec)?;
            }
            ReadOutcome::End => stream.close(),
            ReadOutcome::Blocked => {}
        }
    }
    if readiness.is_writable() || !stream.is_blocked() {
        stream.flush()?;
    }
    match stream.flow() {
        Some(FlowEvent::PauseWriting) => stream.pause_reading(),
        Some(FlowEvent::ResumeWriting) => stream.resume_reading(),
        None => {}
    }
    Ok(is_more_left)
}
