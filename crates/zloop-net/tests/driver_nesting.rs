//! Handlers and watchers that run the driver, and what is left when one panics.

#[path = "support/adopted.rs"]
mod adopted;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use zloop_core::{Interest, Token};
use zloop_net::{Driver, Error, Handler};

use crate::adopted::adopted;

/// What to do with what comes.
enum Answering {
    Nothing,
    Panicking,
    PanickingAtOnce,
    Stopping,
    StoppingWithin,
}

struct Program {
    answering: Answering,
    is_closed: bool,
}

impl Handler for Program {
    fn connected(&mut self, _: &mut Driver<Self>, _: Token) {
        if matches!(self.answering, Answering::PanickingAtOnce) {
            panic!("as the test wants");
        }
    }

    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        match self.answering {
            Answering::Nothing | Answering::PanickingAtOnce => {}
            Answering::Panicking => {
                driver.write(connection, bytes).expect("a write");
                panic!("as the test wants");
            }
            Answering::Stopping => {
                driver.stop();
                driver.run_pending(self).expect("a run within");
            }
            Answering::StoppingWithin => {
                driver.call_soon(|_, driver| driver.stop());
                driver.run(self).expect("a run within");
            }
        }
    }

    fn closed(&mut self, _: &mut Driver<Self>, _: Token, _: Option<Error>) {
        self.is_closed = true;
    }
}

fn program(answering: Answering) -> (Driver<Program>, Program) {
    let program = Program {
        answering,
        is_closed: false,
    };
    (Driver::new().expect("a driver"), program)
}

/// A run that the handler's panic ends, and the program goes on.
fn run_to_a_panic(driver: &mut Driver<Program>, program: &mut Program) {
    let run = catch_unwind(AssertUnwindSafe(|| driver.run_pending(program)));
    run.expect_err("a panic");
}

#[test]
fn what_a_handler_wrote_before_it_panicked_is_sent_by_the_next_run() {
    let (mut driver, mut program) = program(Answering::Panicking);
    let (token, mut far) = adopted(&mut driver);
    far.write_all(b"one").expect("a write");
    run_to_a_panic(&mut driver, &mut program);
    program.answering = Answering::Nothing;
    driver.write(token, ", two").expect("a write");
    driver.run_pending(&mut program).expect("a run");
    assert_eq!(driver.buffered(token), 0);
    let mut answer = [0; 8];
    far.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"one, two");
}

#[test]
fn what_was_written_before_a_handler_panicked_is_sent_by_the_next_run() {
    let (mut driver, mut program) = program(Answering::PanickingAtOnce);
    let (token, mut far) = adopted(&mut driver);
    driver.write(token, "one").expect("a write");
    run_to_a_panic(&mut driver, &mut program);
    program.answering = Answering::Nothing;
    driver.run_pending(&mut program).expect("a run");
    assert_eq!(driver.buffered(token), 0);
    let mut sent = [0; 3];
    far.read_exact(&mut sent).expect("what was written");
    assert_eq!(&sent, b"one");
}

#[test]
fn a_panic_in_a_run_within_leaves_the_connection_to_the_run_around() {
    let (mut driver, mut program) = program(Answering::Panicking);
    let (token, mut far) = adopted(&mut driver);
    let mut sender = far.try_clone().expect("another handle");
    driver.call_soon(move |program: &mut Program, driver| {
        // Only the run within is told of it.
        sender.write_all(b"one").expect("a write");
        run_to_a_panic(driver, program);
        driver.write(token, ", two").expect("a write");
    });
    driver.run_pending(&mut program).expect("a run");
    assert_eq!(driver.buffered(token), 0);
    let mut answer = [0; 8];
    far.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"one, two");
}

#[test]
fn a_stop_reaches_the_run_around_a_run() {
    let (mut driver, mut program) = program(Answering::Stopping);
    let (_, mut far) = adopted(&mut driver);
    far.write_all(b"?").expect("a write");
    driver.run(&mut program).expect("a run that stops");
}

#[test]
fn a_stop_within_a_run_within_ends_both() {
    let (mut driver, mut program) = program(Answering::StoppingWithin);
    let (_, mut far) = adopted(&mut driver);
    far.write_all(b"?").expect("a write");
    driver.run(&mut program).expect("a run that stops");
    // Neither stop is left over.
    let ran = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let counted = Rc::clone(&ran);
        driver.call_soon(move |_, driver| {
            driver.call_soon(move |_, driver| {
                counted.set(counted.get() + 1);
                driver.stop();
            });
        });
        driver.run(&mut program).expect("a run that stops");
    }
    assert_eq!(ran.get(), 2);
}

#[test]
fn a_watcher_that_panics_is_called_again() {
    for interest in [Interest::READABLE, Interest::READABLE | Interest::EDGE] {
        let (mut driver, mut program) = program(Answering::Nothing);
        let (near, mut far) = UnixStream::pair().expect("a pair");
        far.write_all(b"?").expect("a write");
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let fd = near.as_raw_fd();
        let watcher = move |_: &mut Program, _: &mut Driver<Program>, _, _| {
            counted.set(counted.get() + 1);
            assert!(counted.get() > 1, "as the test wants");
            (&near).read_exact(&mut [0]).expect("a byte");
        };
        driver.watch(fd, interest, watcher).expect("a watch");
        run_to_a_panic(&mut driver, &mut program);
        driver.run_pending(&mut program).expect("a run");
        assert_eq!(calls.get(), 2);
    }
}

#[test]
fn what_others_hold_of_a_driver_that_is_gone_keeps_no_task() {
    let (driver, _) = program(Answering::Nothing);
    let remote = driver.remote();
    let owned = Arc::new(());
    let hold = |owned: &Arc<()>| {
        let (owned, itself) = (Arc::clone(owned), remote.clone());
        move |_: &mut Program, _: &mut Driver<Program>| drop((owned, itself))
    };
    remote.call_soon(hold(&owned));
    assert_eq!(Arc::strong_count(&owned), 2);
    drop(driver);
    remote.call_soon(hold(&owned));
    assert_eq!(Arc::strong_count(&owned), 1);
}

#[test]
fn a_watcher_that_runs_the_driver_is_not_called_again_meanwhile() {
    let (mut driver, mut program) = program(Answering::Nothing);
    let (near, mut far) = UnixStream::pair().expect("a pair");
    far.write_all(b"?").expect("a write");
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let fd = near.as_raw_fd();
    let watcher = move |program: &mut Program, driver: &mut Driver<Program>, _, _| {
        counted.set(counted.get() + 1);
        driver.run_pending(program).expect("a run within");
        (&near).read_exact(&mut [0]).expect("a byte");
    };
    driver
        .watch(fd, Interest::READABLE, watcher)
        .expect("a watch");
    driver.run_pending(&mut program).expect("a run");
    assert_eq!(calls.get(), 1);
}

#[test]
fn a_watch_can_change_what_it_is_for_and_a_connection_cannot() {
    let (mut driver, mut program) = program(Answering::Nothing);
    let (near, _far) = UnixStream::pair().expect("a pair");
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let watcher = move |_: &mut Program, driver: &mut Driver<Program>, token, _| {
        counted.set(counted.get() + 1);
        driver
            .set_interest(token, Interest::READABLE)
            .expect("a watch");
    };
    let watch = driver
        .watch(near.as_raw_fd(), Interest::READABLE, watcher)
        .expect("a watch");
    driver.run_pending(&mut program).expect("a run");
    assert_eq!(calls.get(), 0);
    driver.set_interest(watch, Interest::BOTH).expect("a watch");
    driver.run_pending(&mut program).expect("a run");
    assert_eq!(calls.get(), 1);
    let (connection, _far) = adopted(&mut driver);
    assert!(driver.set_interest(connection, Interest::NONE).is_err());
}

#[test]
fn what_cannot_be_waited_for_is_refused_at_once() {
    let (mut driver, mut program) = program(Answering::Nothing);
    let file = std::fs::File::open("/proc/self/exe").expect("a file");
    let refused = driver.adopt(OwnedFd::from(file)).expect_err("a refusal");
    let zloop_core::Error::System { source, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
    driver.run_pending(&mut program).expect("a run");
    assert!(!program.is_closed);
}
