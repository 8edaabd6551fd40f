//! The rows of `make bench` that are mostly system calls, without a loop and without Python: what is left of
//! a row when nothing but those calls is made. No loop that makes them can be much faster.
//!
//! `bare ROW` serves on a socket whose port, or name, it prints; or it prints `ready`, and answers each line of
//! its input, so many seconds, with what was done in a second of them.

mod messages;
mod processes;
mod selector;
mod streams;

use std::error::Error;
use std::io::{self, Write};

use crate::streams::{Greet, Receive, Return, Send};

const USAGE: &str =
    "usage: bare echo | echo-unix | receive | send | greet | datagrams | spawn | pipe";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let row = std::env::args().nth(1).unwrap_or_default();
    match row.as_str() {
        "echo" => streams::serve_tcp::<Return>(),
        "echo-unix" => streams::serve_unix::<Return>(),
        "receive" => streams::serve_tcp::<Receive>(),
        "send" => streams::serve_tcp::<Send>(),
        "greet" => streams::serve_tcp::<Greet>(),
        "datagrams" => messages::serve(),
        "spawn" => processes::take_turns(processes::spawn),
        "pipe" => processes::take_turns(processes::pipe),
        _ => Err(USAGE.into()),
    }
}

fn announce(address: impl std::fmt::Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{address}")?;
    stdout.flush()
}
