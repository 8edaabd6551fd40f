//! Processes started, one after the other, and read from.

#[path = "../../../../crates/zloop-net/examples/load/rate.rs"]
mod rate;

use std::io::{self, Read};
use std::process::{Command, Stdio};

use zloop_net::ReadBuffer;

use self::rate::warm_rate;
use super::{Outcome, announce};

const MEGABYTES: usize = 64;

/// One process that does nothing.
pub fn spawn() -> io::Result<usize> {
    Command::new("true").status()?;
    Ok(1)
}

/// One that writes so many megabytes.
pub fn pipe() -> io::Result<usize> {
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
pub fn take_turns(step: fn() -> io::Result<usize>) -> Outcome {
    announce("ready")?;
    for line in io::stdin().lines() {
        announce(warm_rate(line?.trim().parse()?, step)?)?;
    }
    Ok(())
}
