//! The reactor over real descriptors.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use zloop_core::{
    Clock, Error, Events, Fault, Interest, MonotonicClock, Reactor, Readiness, Token,
};

const SOON: Option<Duration> = Some(Duration::ZERO);
const LONG: Option<Duration> = Some(Duration::from_secs(60));

fn poll<S>(reactor: &mut Reactor<S>, timeout: Option<Duration>) -> Vec<(Token, Readiness)> {
    let mut events = Events::new();
    reactor.poll(&mut events, timeout).expect("a poll");
    events.iter().collect()
}

fn reactor() -> Reactor<&'static str> {
    Reactor::new().expect("a reactor")
}

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a pair of sockets")
}

#[test]
fn readiness_lasts_until_it_is_dealt_with() {
    let mut reactor = reactor();
    let (mut near, mut far) = pair();
    let token = reactor
        .register(far.as_raw_fd(), Interest::READABLE, "far")
        .expect("a token");
    assert_eq!(poll(&mut reactor, SOON), []);
    near.write_all(b"x").expect("a write");
    for _ in 0..3 {
        let events = poll(&mut reactor, LONG);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].0, token);
        assert!(events[0].1.is_readable() && !events[0].1.is_writable());
    }
    far.read_exact(&mut [0]).expect("a read");
    assert_eq!(poll(&mut reactor, SOON), []);
}

#[test]
fn interest_says_what_is_reported() {
    let mut reactor = reactor();
    let (mut near, far) = pair();
    near.write_all(b"x").expect("a write");
    let token = reactor
        .register(far.as_raw_fd(), Interest::NONE, "far")
        .expect("a token");
    assert_eq!(poll(&mut reactor, SOON), []);
    let mut reported = |interest| {
        reactor.set_interest(token, interest).expect("a change");
        assert_eq!(reactor.interest(token), Some(interest));
        let events = poll(&mut reactor, SOON);
        events
            .first()
            .map(|(_, readiness)| (readiness.is_readable(), readiness.is_writable()))
    };
    assert_eq!(reported(Interest::READABLE), Some((true, false)));
    assert_eq!(reported(Interest::BOTH), Some((true, true)));
    assert_eq!(reported(Interest::WRITABLE), Some((false, true)));
    assert_eq!(reported(Interest::NONE), None);
    assert_eq!(reported(Interest::WRITABLE), Some((false, true)));
}

#[test]
fn a_hangup_shows_as_ready_for_both() {
    let mut reactor = reactor();
    let (near, far) = pair();
    reactor
        .register(far.as_raw_fd(), Interest::WRITABLE, "far")
        .expect("a token");
    drop(near);
    let events = poll(&mut reactor, LONG);
    assert!(events[0].1.is_readable() && events[0].1.is_writable());
}

#[test]
fn a_reset_connection_without_interest_is_silent() {
    let mut reactor = reactor();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
    let (mut server, _) = listener.accept().expect("a connection");
    let token = reactor
        .register(client.as_raw_fd(), Interest::READABLE, "client")
        .expect("token");
    // Bytes that are never read make closing a reset.
    (&client).write_all(b"unread").expect("a write");
    server.read_exact(&mut [0]).expect("a read");
    drop(server);
    assert_eq!(poll(&mut reactor, LONG).len(), 1);
    reactor
        .set_interest(token, Interest::NONE)
        .expect("a change");
    assert_eq!(poll(&mut reactor, SOON), []);
}

#[test]
fn a_descriptor_is_registered_once() {
    let mut reactor = reactor();
    let (_near, far) = pair();
    let fd = far.as_raw_fd();
    for interest in [Interest::NONE, Interest::READABLE] {
        let token = reactor.register(fd, interest, "first").expect("a token");
        let error = reactor
            .register(fd, Interest::BOTH, "second")
            .expect_err("registered");
        assert!(matches!(error, Error::AlreadyRegistered(registered) if registered == fd));
        assert_eq!(reactor.token_of(fd), Some(token));
        assert_eq!(reactor.interest(token), Some(interest));
        assert_eq!(reactor.deregister(token), Some("first"));
    }
    assert_eq!(reactor.token_of(fd), None);
}

#[test]
fn a_renewed_selector_leaves_the_inherited_one_alone() {
    let mut reactor = reactor();
    let ((mut near, far), (_other, silent)) = (pair(), pair());
    let token = reactor
        .register(far.as_raw_fd(), Interest::READABLE, "far")
        .expect("a token");
    reactor
        .register(silent.as_raw_fd(), Interest::NONE, "silent")
        .expect("a token");
    let inherited = reactor.selector().clone();
    reactor.renew_selector().expect("a selector");
    near.write_all(b"x").expect("a write");
    let events = poll(&mut reactor, LONG);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, token);

    assert_eq!(reactor.deregister(token), Some("far"));
    reactor.waker().wake();
    assert_eq!(poll(&mut reactor, SOON), []);
    let mut found = Events::new();
    inherited.wait(&mut found, LONG).expect("a wait");
    assert_eq!(
        found.iter().map(|(token, _)| token).collect::<Vec<_>>(),
        [token]
    );
}

#[test]
fn what_cannot_be_waited_for_is_refused_and_leaves_nothing() {
    let mut reactor = reactor();
    let file = std::fs::File::open(std::env::current_exe().expect("a path")).expect("a file");
    let error = reactor
        .register(file.as_raw_fd(), Interest::READABLE, "file")
        .expect_err("a refusal");
    assert_eq!(error.fault(), Fault::System);
    assert_eq!(io::Error::from(error).kind(), ErrorKind::PermissionDenied);
    let error = reactor
        .register(-1, Interest::READABLE, "nothing")
        .expect_err("a refusal");
    assert!(matches!(error, Error::NotADescriptor(-1)));
    assert!(reactor.is_empty());
}

#[test]
fn an_ended_registration_is_named_by_nothing() {
    let mut reactor = reactor();
    let (mut near, far) = pair();
    near.write_all(b"x").expect("a write");
    let old = reactor
        .register(far.as_raw_fd(), Interest::READABLE, "old")
        .expect("a token");
    assert_eq!(reactor.deregister(old), Some("old"));
    assert_eq!(poll(&mut reactor, SOON), []);
    let new = reactor
        .register(far.as_raw_fd(), Interest::READABLE, "new")
        .expect("a token");
    assert_ne!(old, new);
    assert_eq!(reactor.source(old), None);
    assert_eq!(reactor.source_mut(old), None);
    assert_eq!(reactor.interest(old), None);
    assert_eq!(reactor.deregister(old), None);
    let error = reactor
        .set_interest(old, Interest::BOTH)
        .expect_err("a stale token");
    assert!(matches!(error, Error::Ended));
    assert_eq!(poll(&mut reactor, LONG)[0].0, new);
}

#[test]
fn events_of_registrations_that_ended_are_dropped() {
    let mut reactor = reactor();
    let (mut near, far) = pair();
    // The duplicate keeps the open file, and with it the system's registration, alive.
    let duplicate = far.try_clone().expect("a duplicate");
    let token = reactor
        .register(far.as_raw_fd(), Interest::READABLE, "far")
        .expect("a token");
    near.write_all(b"x").expect("a write");
    drop(far);
    assert_eq!(poll(&mut reactor, LONG).len(), 1);
    reactor.deregister(token);
    assert_eq!(poll(&mut reactor, SOON), []);
    drop(duplicate);
}

#[test]
fn more_events_than_the_buffer_holds_are_all_found() {
    let mut reactor = Reactor::new().expect("a reactor");
    let pairs: Vec<_> = (0..300).map(|_| pair()).collect();
    for (index, (_, far)) in pairs.iter().enumerate() {
        reactor
            .register(far.as_raw_fd(), Interest::WRITABLE, index)
            .expect("a token");
    }
    let mut events = Events::new();
    let mut counts = Vec::new();
    for _ in 0..2 {
        reactor.poll(&mut events, LONG).expect("a poll");
        counts.push(events.len());
    }
    assert_eq!(counts, [256, 300]);
    assert_eq!(reactor.drain().count(), 300);
    assert!(reactor.is_empty());
    reactor.poll(&mut events, SOON).expect("a poll");
    assert!(events.is_empty());
}

#[test]
fn a_wait_is_never_early() {
    let mut reactor = reactor();
    for micros in [1, 100, 1_500, 20_000] {
        let timeout = Duration::from_micros(micros);
        let before = MonotonicClock.now();
        assert_eq!(poll(&mut reactor, Some(timeout)), []);
        assert!(MonotonicClock.now().saturating_duration_since(before) >= timeout);
    }
}

#[test]
fn a_wake_up_before_the_wait_ends_it() {
    let mut reactor = reactor();
    let waker = reactor.waker();
    waker.wake();
    waker.wake();
    let started = Instant::now();
    assert_eq!(poll(&mut reactor, LONG), []);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_wake_up_that_a_poll_saw_does_not_end_the_next_wait() {
    let mut reactor = reactor();
    reactor.waker().wake();
    poll(&mut reactor, SOON);
    let before = MonotonicClock.now();
    let timeout = Duration::from_millis(5);
    poll(&mut reactor, Some(timeout));
    assert!(MonotonicClock.now().saturating_duration_since(before) >= timeout);
}

#[test]
fn work_that_is_there_keeps_a_wait_from_blocking() {
    let reactor = reactor();
    let mut events = Events::new();
    let started = Instant::now();
    reactor
        .selector()
        .wait_unless(&mut events, None, || true)
        .expect("a wait");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_waker_outlives_its_reactor() {
    let waker = reactor().waker();
    waker.wake();
}

#[test]
fn an_idle_half_open_connection_is_reported_once_there_is_something() {
    let mut reactor = reactor();
    let (near, far) = pair();
    let token = reactor
        .register(far.as_raw_fd(), Interest::READABLE, "far")
        .expect("a token");
    near.shutdown(Shutdown::Write).expect("a shutdown");
    let events = poll(&mut reactor, LONG);
    assert_eq!(events[0].0, token);
    assert!(events[0].1.is_readable());
}

/// Where the crate waits by `polling` alone, edges are told of as levels are.
const HAS_EDGES: bool =
    cfg!(any(target_os = "linux", target_os = "android")) && !cfg!(zloop_polling_wait);

#[test]
fn an_interest_at_edges_hears_of_what_is_ready_once() {
    let mut reactor = reactor();
    let (mut near, far) = pair();
    let interest = Interest::READABLE | Interest::EDGE;
    let token = reactor
        .register(far.as_raw_fd(), interest, "far")
        .expect("a token");
    assert_eq!(reactor.interest(token), Some(interest));
    near.write_all(b"x").expect("a write");
    assert_eq!(poll(&mut reactor, LONG).len(), 1);
    let again = usize::from(!HAS_EDGES);
    assert_eq!(poll(&mut reactor, SOON).len(), again);
    near.write_all(b"x").expect("a write");
    assert_eq!(poll(&mut reactor, LONG).len(), 1, "there is more");
    reactor.look_again(token).expect("another look");
    assert_eq!(poll(&mut reactor, LONG).len(), 1, "as it was asked to");
    reactor
        .set_interest(token, Interest::BOTH | Interest::EDGE)
        .expect("a change");
    let events = poll(&mut reactor, LONG);
    assert_eq!(events.len(), 1, "the interest is another");
    assert!(events[0].1.is_readable() && events[0].1.is_writable());
    assert_eq!(poll(&mut reactor, SOON).len(), again);
    reactor
        .set_interest(token, Interest::READABLE)
        .expect("a change");
    for _ in 0..2 {
        assert_eq!(poll(&mut reactor, LONG).len(), 1, "no edges any more");
    }
    reactor.deregister(token);
    assert!(matches!(reactor.look_again(token), Err(Error::Ended)));
}

#[test]
fn an_interest_at_edges_hears_of_the_end_with_the_last_data() {
    let mut reactor = reactor();
    let (mut near, far) = pair();
    let interest = Interest::READABLE | Interest::EDGE;
    reactor
        .register(far.as_raw_fd(), interest, "far")
        .expect("a token");
    near.write_all(b"x").expect("a write");
    let events = poll(&mut reactor, LONG);
    assert!(events[0].1.is_readable() && !events[0].1.has_ended());
    near.shutdown(Shutdown::Write).expect("an end");
    let events = poll(&mut reactor, LONG);
    assert_eq!(events[0].1.has_ended(), HAS_EDGES);
    assert!(events[0].1.is_readable());
}

#[test]
fn edges_alone_are_no_interest() {
    let mut reactor = reactor();
    let (mut near, far) = pair();
    let token = reactor
        .register(far.as_raw_fd(), Interest::NONE, "far")
        .expect("a token");
    reactor
        .set_interest(token, Interest::EDGE)
        .expect("no change");
    near.write_all(b"x").expect("a write");
    assert_eq!(poll(&mut reactor, SOON), []);
}
