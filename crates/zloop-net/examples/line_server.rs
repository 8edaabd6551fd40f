//! A server on a Unix socket that answers each line with a line: `add 2 40` with `42`.
//!
//! `cargo run --example line_server -p zloop-net -- /tmp/lines.sock`, then
//! `nc -U /tmp/lines.sock`.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};

use zloop_core::Token;
use zloop_net::{Driver, Handler, unix};

const LONGEST_LINE: usize = 4096;

#[derive(Default)]
struct Lines {
    /// The start of a line of each client, whose end has not come.
    starts: HashMap<Token, Vec<u8>>,
}

impl Handler for Lines {
    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        let start = self.starts.entry(connection).or_default();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            start.extend_from_slice(part);
            if start.len() > LONGEST_LINE {
                let _ = driver.write(connection, "error: the line is too long\n");
                driver.close(connection);
                return;
            }
            if start.ends_with(b"\n") {
                let answer = match answer(&String::from_utf8_lossy(start)) {
                    Ok(answer) => format!("{answer}\n"),
                    Err(reason) => format!("error: {reason}\n"),
                };
                start.clear();
                // It fails for a client that is leaving.
                let _ = driver.write(connection, answer);
            }
        }
    }

    fn closed(&mut self, _: &mut Driver<Self>, connection: Token, _: Option<zloop_net::Error>) {
        self.starts.remove(&connection);
    }
}

fn answer(line: &str) -> Result<i64, String> {
    let mut words = line.split_whitespace();
    let operation = match words.next() {
        Some("add") => i64::checked_add,
        Some("multiply") => i64::checked_mul,
        _ => return Err("say add or multiply, and numbers".to_owned()),
    };
    let mut numbers = words.map(|word| word.parse().map_err(|error| format!("{word}: {error}")));
    let first = numbers.next().ok_or("there is no number")??;
    numbers.try_fold(first, |sum, number| {
        operation(sum, number?).ok_or_else(|| "too large".to_owned())
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path] = arguments.as_slice() else {
        return Err("usage: line_server SOCKET_PATH".into());
    };
    let mut driver = Driver::new()?;
    driver.listen(unix::listen(path, 100)?)?;
    println!("listening on {path}");
    io::stdout().flush()?;
    Ok(driver.run(&mut Lines::default())?)
}
