//! The order in which a turn gives out what is ready.

#![cfg(unix)]

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use zloop_core::{Interest, ManualClock, Ready, Schedule, Token};

type Tasks = Schedule<(), &'static str, &'static str, ManualClock>;

/// A schedule, and the ends of two sockets that are readable.
fn with_two_readable() -> (Tasks, [Token; 2], Vec<UnixStream>) {
    let mut schedule = Tasks::new(ManualClock::new()).expect("a schedule");
    let mut kept = Vec::new();
    let tokens = [(); 2].map(|()| {
        let (ours, mut peer) = UnixStream::pair().expect("a pair");
        peer.write_all(b"x").expect("a byte");
        let reactor = schedule.reactor_mut();
        let token = reactor.register(ours.as_raw_fd(), Interest::READABLE, ());
        kept.extend([ours, peer]);
        token.expect("a registration")
    });
    (schedule, tokens, kept)
}

fn set_interest(schedule: &mut Tasks, tokens: [Token; 2], interest: Interest) {
    for token in tokens {
        let changed = schedule.reactor_mut().set_interest(token, interest);
        changed.expect("a change");
    }
}

/// What the rest of the turn gives out.
fn rest(schedule: &mut Tasks, tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(ready) = schedule.pop() {
        found.push(named(ready, tokens));
    }
    found
}

fn named(ready: Ready<&'static str, &'static str>, tokens: &[Token]) -> String {
    match ready {
        Ready::Task(task) | Ready::Remote(task) => task.to_owned(),
        Ready::Event(token, readiness) => {
            assert!(readiness.is_readable());
            assert!(tokens.contains(&token));
            "event".to_owned()
        }
    }
}

#[test]
fn events_come_after_what_was_ready_and_before_what_the_turn_adds() {
    let (mut schedule, tokens, _kept) = with_two_readable();
    schedule.push("queued");
    schedule.inbox().push("from elsewhere");
    schedule.insert(schedule.time(), "due");
    let _run = schedule.begin_run();
    schedule.start_turn(None, false).expect("a turn");
    assert_eq!(schedule.ready_count(), 5);
    let expected = ["queued", "event", "event", "from elsewhere", "due"];
    assert_eq!(rest(&mut schedule, &tokens), expected);
    assert_eq!(schedule.ready_count(), 0);
}

#[test]
fn a_turn_within_a_turn_keeps_the_order_of_what_was_left() {
    let (mut schedule, tokens, kept) = with_two_readable();
    schedule.push("first");
    schedule.push("second");
    schedule.insert(schedule.time(), "due");
    let _run = schedule.begin_run();
    schedule.start_turn(None, false).expect("a turn");
    let first = schedule.pop().map(|ready| named(ready, &tokens));
    assert_eq!(first.as_deref(), Some("first"));
    schedule.push("added");
    // Their events are in the turn already; they are not to be found again.
    set_interest(&mut schedule, tokens, Interest::NONE);
    let _inner = schedule.begin_run();
    let longest = Some(Duration::ZERO);
    schedule.start_turn(longest, false).expect("an inner turn");
    let expected = ["second", "event", "event", "due", "added"];
    assert_eq!(rest(&mut schedule, &tokens), expected);
    drop(kept);
}

#[test]
fn what_is_taken_back_does_not_let_others_pass_the_events() {
    let (mut schedule, tokens, _kept) = with_two_readable();
    let timer = schedule.insert(schedule.time(), "due");
    set_interest(&mut schedule, tokens, Interest::NONE);
    let _run = schedule.begin_run();
    let longest = Some(Duration::ZERO);
    schedule.start_turn(longest, false).expect("a turn");
    // The timer waits in the queue while an inner turn polls.
    set_interest(&mut schedule, tokens, Interest::READABLE);
    schedule.inbox().push("from elsewhere");
    let _inner = schedule.begin_run();
    schedule.start_turn(longest, false).expect("an inner turn");
    assert_eq!(schedule.remove(timer), Some("due"));
    let expected = ["event", "event", "from elsewhere"];
    assert_eq!(rest(&mut schedule, &tokens), expected);
}

#[test]
fn a_turn_that_was_left_gives_its_events_to_the_next() {
    let (mut schedule, tokens, _kept) = with_two_readable();
    let run = schedule.begin_run();
    schedule.start_turn(None, false).expect("a turn");
    let first = schedule.pop().map(|ready| named(ready, &tokens));
    assert_eq!(first.as_deref(), Some("event"));
    drop(run);
    set_interest(&mut schedule, tokens, Interest::NONE);
    let _run = schedule.begin_run();
    let longest = Some(Duration::ZERO);
    schedule.start_turn(longest, false).expect("another turn");
    assert_eq!(rest(&mut schedule, &tokens), ["event"]);
}
