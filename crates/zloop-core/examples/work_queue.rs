//! A loop that does what other threads ask it to do, and sleeps in between.
//!
//! `cargo run --example work_queue -p zloop-core -- --threads 4 --jobs 10000`

use std::error::Error;
use std::sync::mpsc;
use std::thread;

use zloop_core::{Events, Inbox, Reactor};

/// A number to square, and where to send the answer; or the end.
enum Job {
    Square(u64, mpsc::Sender<u64>),
    Stop,
}

fn arguments() -> Result<(u64, u64), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => Ok((4, 10_000)),
        ["--threads", threads, "--jobs", jobs] => Ok((threads.parse()?, jobs.parse()?)),
        _ => Err("usage: work_queue [--threads NUMBER --jobs NUMBER]".into()),
    }
}

/// Does jobs until it is told to stop; says how many, and how often it slept.
fn work(reactor: &mut Reactor<()>, inbox: &Inbox<Job>) -> std::io::Result<(u64, u64)> {
    let mut events = Events::new();
    let mut jobs = Vec::new();
    let (mut done, mut waits) = (0, 0);
    loop {
        // It does not sleep if a job came since it last woke up.
        reactor.poll(&mut events, None)?;
        waits += 1;
        inbox.drain_into(&mut jobs);
        for job in jobs.drain(..) {
            match job {
                Job::Square(number, answers) => {
                    // Who asked may have left.
                    let _ = answers.send(number * number);
                    done += 1;
                }
                Job::Stop => return Ok((done, waits)),
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (thread_count, job_count) = arguments()?;
    let mut reactor = Reactor::new()?;
    let inbox = Inbox::new(reactor.waker());

    let askers: Vec<_> = (0..thread_count)
        .map(|_| {
            let inbox = inbox.clone();
            thread::spawn(move || {
                let (sender, answers) = mpsc::channel();
                for number in 0..job_count {
                    inbox.push(Job::Square(number, sender.clone()));
                }
                drop(sender);
                answers.iter().sum::<u64>()
            })
        })
        .collect();
    let remote = inbox.clone();
    let overseer = thread::spawn(move || {
        let sums: Result<Vec<u64>, _> = askers.into_iter().map(|asker| asker.join()).collect();
        remote.push(Job::Stop);
        sums
    });

    let (done, waits) = work(&mut reactor, &inbox)?;
    let sums = overseer.join().and_then(|sums| sums);
    let sums = sums.map_err(|_| "a thread panicked")?;
    println!("{done} jobs done in {waits} waits, the sums are {sums:?}");
    Ok(())
}
