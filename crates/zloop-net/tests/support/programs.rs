//! Examples as programs of their own.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Examples are built beside the tests, one folder up.
pub fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(
        path.exists(),
        "no {}: build the examples first",
        path.display()
    );
    Command::new(path)
}

/// A server that says where it listens.
pub struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    pub place: String,
}

impl Server {
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = example(name)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let place = line.trim().strip_prefix("listening on ");
        let place = place.expect("a place").to_owned();
        Self {
            child,
            output,
            place,
        }
    }

    /// The first number in the next line that it prints.
    pub fn next_number(&mut self) -> usize {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
        numbers.next().expect("a number")
    }

    pub fn type_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("its input");
        writeln!(input, "{line}").expect("a line");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
