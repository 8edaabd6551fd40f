//! Many timers, and a waker from another thread.
//!
//! `cargo run --example timers -p zloop-core -- --count 100000`

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use zloop_core::EventLoop;

/// Timers are spread over this.
const SPAN: Duration = Duration::from_millis(200);

fn count_from_arguments() -> Result<u32, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(100_000),
        (Some("--count"), Some(count)) => Ok(count.parse()?),
        _ => Err("usage: timers [--count NUMBER]".into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = count_from_arguments()?;
    let mut event_loop = EventLoop::new()?;
    let started = Instant::now();
    let fired = Rc::new(Cell::new(0));

    for index in 0..count {
        let fired = Rc::clone(&fired);
        // A timeout that everything beats: nearly all timers of a server end like this one.
        let timeout = event_loop.call_later(SPAN * 100, |_| unreachable!("it was cancelled"));
        event_loop.call_later(SPAN * index / count, move |event_loop| {
            event_loop.cancel(timeout);
            fired.set(fired.get() + 1);
        });
    }

    // The loop ends when another thread says so, after the last timer is due.
    let remote = event_loop.remote();
    let other = thread::spawn(move || {
        thread::sleep(SPAN);
        remote.call_soon(|event_loop| {
            // Behind the timers that are due by now.
            event_loop.call_later(Duration::ZERO, EventLoop::stop);
        });
    });

    event_loop.run()?;
    other.join().map_err(|_| "the other thread panicked")?;
    println!(
        "{} timers fired, {count} cancelled, in {:?}",
        fired.get(),
        started.elapsed()
    );
    Ok(())
}
