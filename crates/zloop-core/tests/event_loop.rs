//! The small event loop, on a clock that the tests drive wherever time matters.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use zloop_core::{Error, EventLoop, Interest, ManualClock};

type Log = Rc<RefCell<Vec<&'static str>>>;

fn driven() -> (ManualClock, EventLoop<ManualClock>, Log) {
    let clock = ManualClock::new();
    let event_loop = EventLoop::with_clock(clock.clone()).expect("a loop");
    (clock, event_loop, Log::default())
}

fn note(log: &Log, entry: &'static str) -> impl FnOnce(&mut EventLoop<ManualClock>) + use<> {
    let log = Rc::clone(log);
    move |_| log.borrow_mut().push(entry)
}

#[test]
fn callbacks_run_in_order_and_what_they_add_runs_in_the_next_turn() {
    let (_clock, mut event_loop, log) = driven();
    let nested = note(&log, "nested");
    let first = note(&log, "first");
    event_loop.call_soon(move |event_loop| {
        first(event_loop);
        event_loop.call_soon(nested);
    });
    event_loop.call_soon(note(&log, "second"));
    event_loop.run_pending().expect("a run");
    assert_eq!(*log.borrow(), ["first", "second", "nested"]);
}

#[test]
fn timers_run_in_the_order_of_deadlines_and_never_early() {
    let (clock, mut event_loop, log) = driven();
    let second = Duration::from_secs(1);
    event_loop.call_later(second * 2, note(&log, "later"));
    event_loop.call_later(second, note(&log, "soon"));
    event_loop.call_later(second, note(&log, "soon as well"));
    let cancelled = event_loop.call_later(second, note(&log, "never"));
    assert!(event_loop.cancel(cancelled));
    assert!(!event_loop.cancel(cancelled));
    clock.advance(second - Duration::from_nanos(1));
    event_loop.run_pending().expect("a run");
    assert!(log.borrow().is_empty());
    clock.advance(Duration::from_nanos(1));
    event_loop.run_pending().expect("a run");
    assert_eq!(*log.borrow(), ["soon", "soon as well"]);
    clock.advance(second);
    event_loop.run_pending().expect("a run");
    assert_eq!(*log.borrow(), ["soon", "soon as well", "later"]);
}

#[test]
fn stopping_ends_the_run_after_the_turn_and_keeps_the_rest() {
    let (_clock, mut event_loop, log) = driven();
    event_loop.call_soon(|event_loop| event_loop.stop());
    let added = note(&log, "added");
    event_loop.call_soon(move |event_loop| event_loop.call_soon(added));
    event_loop.call_soon(note(&log, "same turn"));
    event_loop.run().expect("a run");
    assert_eq!(*log.borrow(), ["same turn"]);
    event_loop.run_pending().expect("a run");
    assert_eq!(*log.borrow(), ["same turn", "added"]);
}

#[test]
fn a_chain_of_callbacks_does_not_starve_descriptors() {
    fn again(event_loop: &mut EventLoop, turns: Rc<Cell<u32>>) {
        turns.set(turns.get() + 1);
        assert!(turns.get() < 10_000, "the descriptor was never looked at");
        event_loop.call_soon(move |event_loop| again(event_loop, turns));
    }

    let mut event_loop = EventLoop::new().expect("a loop");
    let (near, far) = UnixStream::pair().expect("a pair");
    let mut writer = near.try_clone().expect("a duplicate");
    event_loop
        .watch(far.as_raw_fd(), Interest::READABLE, |event_loop, _, _| {
            event_loop.stop()
        })
        .expect("a watch");
    event_loop.call_soon(move |event_loop| {
        writer.write_all(b"x").expect("a write");
        again(event_loop, Rc::default());
    });
    event_loop.run().expect("a run");
}

#[test]
fn a_watcher_may_end_its_own_watch() {
    let (_clock, mut event_loop, log) = driven();
    let (mut near, mut far) = UnixStream::pair().expect("a pair");
    let fd = far.as_raw_fd();
    let watched = Rc::clone(&log);
    let token = event_loop
        .watch(
            fd,
            Interest::READABLE,
            move |event_loop, token, readiness| {
                assert!(readiness.is_readable());
                far.read_exact(&mut [0]).expect("a read");
                watched.borrow_mut().push("read");
                assert!(event_loop.unwatch(token));
            },
        )
        .expect("a watch");
    near.write_all(b"xx").expect("a write");
    event_loop.run_pending().expect("a run");
    event_loop.run_pending().expect("a run");
    assert_eq!(*log.borrow(), ["read"]);
    assert!(!event_loop.unwatch(token));
}

#[test]
fn a_watch_that_ends_in_the_same_turn_is_not_called() {
    let (_clock, mut event_loop, log) = driven();
    let (mut near, far) = UnixStream::pair().expect("a pair");
    near.write_all(b"x").expect("a write");
    let watched = Rc::clone(&log);
    let token = event_loop
        .watch(far.as_raw_fd(), Interest::READABLE, move |_, _, _| {
            watched.borrow_mut().push("watched");
        })
        .expect("a watch");
    event_loop.call_soon(move |event_loop| assert!(event_loop.unwatch(token)));
    event_loop.run_pending().expect("a run");
    assert!(log.borrow().is_empty());
}

#[test]
fn other_threads_wake_a_waiting_loop() {
    let mut event_loop = EventLoop::new().expect("a loop");
    let remote = event_loop.remote();
    let other = thread::spawn(move || {
        for _ in 0..100 {
            remote.call_soon(|_| {});
        }
        remote.call_soon(|event_loop| event_loop.stop());
    });
    event_loop.run().expect("a run");
    other.join().expect("the other thread");
}

#[test]
fn a_timer_can_be_cancelled_in_the_turn_in_which_it_is_due() {
    let (clock, mut event_loop, log) = driven();
    let second = Duration::from_secs(1);
    let other = Rc::new(Cell::new(None));
    let to_cancel = Rc::clone(&other);
    event_loop.call_later(second, move |event_loop| {
        let timer = to_cancel.get().expect("the other timer");
        assert!(event_loop.cancel(timer));
        assert!(!event_loop.cancel(timer));
    });
    other.set(Some(event_loop.call_later(second, note(&log, "never"))));
    let last = event_loop.call_later(second, note(&log, "last"));
    clock.advance(second);
    event_loop.run_pending().expect("a run");
    assert_eq!(*log.borrow(), ["last"]);
    assert!(!event_loop.cancel(last));
}

#[test]
fn a_watcher_that_runs_the_loop_is_not_called_again_meanwhile() {
    let (_clock, mut event_loop, log) = driven();
    let (near, mut far) = UnixStream::pair().expect("a pair");
    far.write_all(b"x").expect("a write");
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let queued = note(&log, "queued");
    event_loop.call_soon(queued);
    let fd = near.as_raw_fd();
    let watcher = move |event_loop: &mut EventLoop<ManualClock>, token, _| {
        counted.set(counted.get() + 1);
        event_loop.run_pending().expect("a run within");
        (&near).read_exact(&mut [0]).expect("a byte");
        assert!(event_loop.unwatch(token));
    };
    event_loop
        .watch(fd, Interest::READABLE, watcher)
        .expect("a watch");
    event_loop.run_pending().expect("a run");
    assert_eq!(calls.get(), 1);
    assert_eq!(*log.borrow(), ["queued"]);
}

#[test]
fn a_run_within_does_not_keep_the_outer_one_from_stopping() {
    let (_clock, mut event_loop, log) = driven();
    let within = note(&log, "within");
    event_loop.call_soon(move |event_loop| {
        event_loop.call_soon(|event_loop| event_loop.stop());
        event_loop.run_pending().expect("a run within");
        within(event_loop);
    });
    event_loop.run().expect("a run that stops");
    assert_eq!(*log.borrow(), ["within"]);
    event_loop.call_soon(|event_loop| event_loop.stop());
    event_loop.call_soon(note(&log, "pending"));
    event_loop.run_pending().expect("a run");
    let stop = event_loop.call_later(Duration::ZERO, |event_loop| event_loop.stop());
    event_loop.run().expect("a run that is stopped anew");
    assert!(!event_loop.cancel(stop), "it ran");
    assert_eq!(*log.borrow(), ["within", "pending"]);
}

#[test]
fn a_watcher_at_edges_can_leave_something_for_later() {
    let mut event_loop = EventLoop::new().expect("a loop");
    let (mut near, far) = UnixStream::pair().expect("a pair");
    near.write_all(b"abc").expect("a write");
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let fd = far.as_raw_fd();
    let interest = Interest::READABLE | Interest::EDGE;
    let token = event_loop
        .watch(fd, interest, move |event_loop, token, _| {
            (&far).read_exact(&mut [0]).expect("a byte");
            counted.set(counted.get() + 1);
            if counted.get() < 3 {
                event_loop.look_again(token).expect("another look");
            } else {
                event_loop.unwatch(token);
                event_loop.stop();
            }
        })
        .expect("a watch");
    event_loop.run().expect("a run");
    assert_eq!(count.get(), 3);
    assert!(matches!(event_loop.look_again(token), Err(Error::Ended)));
}

#[test]
fn a_watcher_that_panics_is_called_again() {
    for interest in [Interest::READABLE, Interest::READABLE | Interest::EDGE] {
        let mut event_loop = EventLoop::new().expect("a loop");
        let (near, mut far) = UnixStream::pair().expect("a pair");
        far.write_all(b"?").expect("a write");
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let fd = near.as_raw_fd();
        let watcher = move |_: &mut EventLoop, _, _| {
            counted.set(counted.get() + 1);
            assert!(counted.get() > 1, "as the test wants");
            (&near).read_exact(&mut [0]).expect("a byte");
        };
        event_loop.watch(fd, interest, watcher).expect("a watch");
        let run = catch_unwind(AssertUnwindSafe(|| event_loop.run_pending()));
        run.expect_err("a panic");
        event_loop.run_pending().expect("a run");
        assert_eq!(calls.get(), 2);
    }
}

#[test]
fn what_others_hold_of_a_loop_that_is_gone_keeps_no_callback() {
    let event_loop = EventLoop::new().expect("a loop");
    let remote = event_loop.remote();
    let owned = Arc::new(());
    let hold = |owned: &Arc<()>| {
        let (owned, itself) = (Arc::clone(owned), remote.clone());
        move |_: &mut EventLoop| drop((owned, itself))
    };
    remote.call_soon(hold(&owned));
    assert_eq!(Arc::strong_count(&owned), 2);
    drop(event_loop);
    remote.call_soon(hold(&owned));
    assert_eq!(Arc::strong_count(&owned), 1);
}

#[test]
fn a_stop_within_a_run_within_ends_both() {
    let mut event_loop = EventLoop::new().expect("a loop");
    event_loop.call_soon(|event_loop| {
        event_loop.call_soon(EventLoop::stop);
        event_loop.run().expect("a run within");
    });
    event_loop.run().expect("a run that stops");
    let ran = Rc::new(Cell::new(false));
    let noted = Rc::clone(&ran);
    event_loop.call_soon(move |event_loop| {
        event_loop.call_soon(move |event_loop| {
            noted.set(true);
            event_loop.stop();
        });
    });
    event_loop.run().expect("a run that stops");
    assert!(ran.get(), "no stop was left over");
}
