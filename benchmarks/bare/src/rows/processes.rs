//! Processes started, one after the other, and read from.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::Instant;

use zloop_net::ReadBuffer;

use super::{Outcome, announce};

const MEGABYTES: u64 = 64;

/// One process that does nothing.
pub fn spawn() -> io::Result<u64> {
    Command::new("true").status()?;
    Ok(1)
}

/// One that writes so many megabytes.
pub fn pipe() -> io::Result<u64> {
    let mut child = Command::new("head")
        .arg(format!("--bytes={}", MEGABYTES * 1_000_000))
        .arg("/dev/zero")
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut output) = child.stdout.take() {
        let mut buffer = ReadBuffer::new(256 * 1024);
        while output.read(&mut buffer)? > 0 {}
    }
    child.wait()?;
    Ok(MEGABYTES)
}

/// Answers each line of the input, so many seconds, with how much was done in a second.
pub fn take_turns(step: fn() -> io::Result<u64>) -> Outcome {
    announce("ready")?;
    for line in io::stdin().lines() {
        announce(rate(line?.trim().parse()?, step)?)?;
    }
    Ok(())
}

/// As the other loops are measured: the first step is not counted.
fn rate(seconds: f64, step: fn() -> io::Result<u64>) -> io::Result<f64> {
    step()?;
    let started = Instant::now();
    let mut done = 0;
    loop {
        let spent = started.elapsed().as_secs_f64();
        if spent >= seconds {
            return Ok(done as f64 / spent);
        }
        done += step()?;
    }
}
