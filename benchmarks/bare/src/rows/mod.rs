//! The rows by their names.

mod processes;
mod selector;
mod streams;

use std::error::Error;
use std::io::{self, Write};

use self::streams::{Greet, Receive, Return, Send};

const USAGE: &str = "usage: bare echo | echo-unix | receive | send | greet | spawn | pipe";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Serves, or measures, a row until the process is ended, or has no more input.
pub fn run(row: &str) -> Outcome {
    match row {
        "echo" => streams::serve_tcp::<Return>(),
        "echo-unix" => streams::serve_unix::<Return>(),
        "receive" => streams::serve_tcp::<Receive>(),
        "send" => streams::serve_tcp::<Send>(),
        "greet" => streams::serve_tcp::<Greet>(),
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
