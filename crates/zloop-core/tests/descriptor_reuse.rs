//! Descriptors that are closed before they are deregistered, and numbers that come again. One test
//! at a time: any other that opened a descriptor would take the number.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;
use zloop_core::{Error, Interest, Reactor, Token};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn socket() -> UnixDatagram {
    UnixDatagram::unbound().expect("a socket")
}

#[test]
fn a_number_that_comes_again_replaces_the_stale_registration() {
    let _alone = alone();
    let mut reactor = Reactor::new().expect("a reactor");
    let first = socket();
    let fd = first.as_raw_fd();
    let old = reactor
        .register(fd, Interest::READABLE, "old")
        .expect("a token");
    drop(first);
    let second = socket();
    assert_eq!(second.as_raw_fd(), fd, "the lowest free number is taken");
    let new = reactor
        .register(fd, Interest::READABLE, "new")
        .expect("a token");
    assert_eq!(reactor.source(old), None);
    assert_eq!(reactor.source(new), Some(&"new"));
    assert_eq!(reactor.len(), 1);
}

#[test]
fn the_registration_of_a_closed_descriptor_can_be_taken() {
    let _alone = alone();
    let mut reactor = Reactor::new().expect("a reactor");
    let watched = socket();
    let fd = watched.as_raw_fd();
    assert_eq!(reactor.take_closed(fd), None);
    reactor
        .register(fd, Interest::READABLE, "old")
        .expect("a token");
    assert_eq!(reactor.take_closed(fd), None, "it is open");
    drop(watched);
    assert_eq!(reactor.take_closed(fd), Some("old"));
    assert!(reactor.is_empty());
}

#[test]
fn deregistering_a_closed_descriptor_is_no_error() {
    let _alone = alone();
    let mut reactor = Reactor::new().expect("a reactor");
    let closed = socket();
    let token = reactor
        .register(closed.as_raw_fd(), Interest::BOTH, "closed")
        .expect("a token");
    drop(closed);
    assert_eq!(reactor.deregister(token), Some("closed"));
    assert!(reactor.is_empty());
}

#[derive(Clone, Debug)]
enum Operation {
    Open(Interest),
    SetInterest(prop::sample::Index, Interest),
    Deregister(prop::sample::Index),
    CloseWithoutDeregistering(prop::sample::Index),
}

fn interest() -> impl Strategy<Value = Interest> {
    prop::sample::select(vec![
        Interest::NONE,
        Interest::READABLE,
        Interest::WRITABLE,
        Interest::BOTH,
    ])
}

fn operation() -> impl Strategy<Value = Operation> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => interest().prop_map(Operation::Open),
        2 => (index(), interest()).prop_map(|(index, set)| Operation::SetInterest(index, set)),
        2 => index().prop_map(Operation::Deregister),
        2 => index().prop_map(Operation::CloseWithoutDeregistering),
    ]
}

/// What a registration should be.
struct Registered {
    fd: RawFd,
    interest: Interest,
    source: usize,
    socket: Option<UnixDatagram>,
}

proptest! {
    #[test]
    fn tokens_name_one_registration_for_ever(
        operations in prop::collection::vec(operation(), 0..60),
    ) {
        let _alone = alone();
        let mut reactor = Reactor::new().expect("a reactor");
        let mut model: HashMap<Token, Registered> = HashMap::new();
        let mut issued: Vec<Token> = Vec::new();
        for (source, operation) in operations.into_iter().enumerate() {
            match operation {
                Operation::Open(interest) => {
                    let socket = socket();
                    let fd = socket.as_raw_fd();
                    let stale = model.iter().find(|(_, entry)| entry.fd == fd);
                    let stale = stale.map(|(token, entry)| (*token, entry.interest));
                    match reactor.register(fd, interest, source) {
                        Ok(token) => {
                            if let Some((stale, _)) = stale {
                                model.remove(&stale);
                            }
                            prop_assert!(!issued.contains(&token));
                            issued.push(token);
                            let socket = Some(socket);
                            model.insert(token, Registered { fd, interest, source, socket });
                        }
                        Err(error) => {
                            prop_assert!(matches!(error, Error::AlreadyRegistered(_)));
                            prop_assert_eq!(stale.map(|(_, interest)| interest), Some(Interest::NONE));
                        }
                    }
                }
                Operation::SetInterest(index, interest) if !issued.is_empty() => {
                    let token = *index.get(&issued);
                    let result = reactor.set_interest(token, interest);
                    match model.get_mut(&token) {
                        None => prop_assert!(matches!(result, Err(Error::Ended))),
                        Some(entry) if entry.socket.is_some() => {
                            prop_assert!(result.is_ok());
                            entry.interest = interest;
                        }
                        Some(entry) => prop_assert_eq!(result.is_ok(), entry.interest == interest),
                    }
                }
                Operation::Deregister(index) if !issued.is_empty() => {
                    let token = *index.get(&issued);
                    let expected = model.remove(&token).map(|entry| entry.source);
                    prop_assert_eq!(reactor.deregister(token), expected);
                }
                Operation::CloseWithoutDeregistering(index) if !issued.is_empty() => {
                    if let Some(entry) = model.get_mut(index.get(&issued)) {
                        entry.socket = None;
                    }
                }
                _ => {}
            }
            prop_assert_eq!(reactor.len(), model.len());
            for token in &issued {
                let expected = model.get(token);
                prop_assert_eq!(reactor.source(*token), expected.map(|entry| &entry.source));
                prop_assert_eq!(reactor.interest(*token), expected.map(|entry| entry.interest));
                if let Some(entry) = expected {
                    prop_assert_eq!(reactor.token_of(entry.fd), Some(*token));
                }
            }
        }
    }
}
