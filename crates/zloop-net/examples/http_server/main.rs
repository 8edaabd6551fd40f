//! An HTTP/1.1 server that says hello: pipelining, keep-alive, and nothing that a load generator
//! does not need.
//!
//! `cargo run --release --example http_server -p zloop-net -- --port 8080`, then
//! `wrk http://127.0.0.1:8080/`.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

use zloop_core::Token;
use zloop_net::{Driver, FlowEvent, Handler, tcp};

const LONGEST_HEAD: usize = 16 * 1024;

/// What a request asks for, as far as this server cares.
struct Request<'a> {
    method: &'a str,
    target: &'a str,
    keeps_alive: bool,
    body_length: usize,
}

#[derive(Default)]
struct Http {
    /// What came of a request that is not complete. Most requests come whole and leave nothing.
    incomplete: HashMap<Token, Vec<u8>>,
}

impl Http {
    /// Answers the requests that are complete, and says how many bytes they took; `None` if there
    /// will be no more.
    fn answer_all(driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) -> Option<usize> {
        let mut used = 0;
        let mut answers = Vec::new();
        let mut keeps_alive = true;
        while keeps_alive {
            let rest = &bytes[used..];
            let Some(end) = find(rest, b"\r\n\r\n") else {
                if rest.len() > LONGEST_HEAD {
                    respond(
                        &mut answers,
                        "431 Request Header Fields Too Large",
                        "",
                        false,
                    );
                    keeps_alive = false;
                }
                break;
            };
            let Some(request) = std::str::from_utf8(&rest[..end]).ok().and_then(parse) else {
                respond(&mut answers, "400 Bad Request", "", false);
                keeps_alive = false;
                break;
            };
            let whole = (end + 4).saturating_add(request.body_length);
            if rest.len() < whole {
                break;
            }
            used += whole;
            keeps_alive = request.keeps_alive;
            match (request.method, request.target) {
                ("GET", "/") => respond(&mut answers, "200 OK", "hello\n", keeps_alive),
                ("POST", "/") => {
                    let body = format!("{} bytes\n", request.body_length);
                    respond(&mut answers, "200 OK", &body, keeps_alive);
                }
                _ => respond(&mut answers, "404 Not Found", "", keeps_alive),
            }
        }
        if !answers.is_empty() {
            // It fails only for a connection that is closing.
            let _ = driver.write(connection, answers);
        }
        keeps_alive.then_some(used)
    }
}

impl Handler for Http {
    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        let held = self.incomplete.remove(&connection);
        let joined = held.map(|mut held| {
            held.extend_from_slice(bytes);
            held
        });
        let bytes = joined.as_deref().unwrap_or(bytes);
        match Self::answer_all(driver, connection, bytes) {
            None => {
                driver.close(connection);
            }
            Some(used) if used < bytes.len() => {
                self.incomplete.insert(connection, bytes[used..].to_vec());
            }
            Some(_) => {}
        }
    }

    /// Who does not read the answers is asked for no more requests.
    fn flow(&mut self, driver: &mut Driver<Self>, connection: Token, event: FlowEvent) {
        match event {
            FlowEvent::PauseWriting => driver.pause_reading(connection),
            FlowEvent::ResumeWriting => driver.resume_reading(connection),
        };
    }

    fn closed(&mut self, _: &mut Driver<Self>, connection: Token, _: Option<zloop_net::Error>) {
        self.incomplete.remove(&connection);
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn parse(head: &str) -> Option<Request<'_>> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let mut request = Request {
        method,
        target,
        keeps_alive: version == "HTTP/1.1",
        body_length: 0,
    };
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            request.body_length = value.parse().ok()?;
        } else if name.eq_ignore_ascii_case("connection") {
            request.keeps_alive &= !value.eq_ignore_ascii_case("close");
            request.keeps_alive |= value.eq_ignore_ascii_case("keep-alive");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
    }
    Some(request)
}

fn respond(answers: &mut Vec<u8>, status: &str, body: &str, keeps_alive: bool) {
    let connection = if keeps_alive { "keep-alive" } else { "close" };
    answers.extend_from_slice(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
             connection: {connection}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
}

fn port_from_arguments() -> Result<u16, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(0),
        (Some("--port"), Some(port)) => Ok(port.parse()?),
        _ => Err("usage: http_server [--port NUMBER]".into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port_from_arguments()?));
    let options = tcp::ListenOptions {
        backlog: 1024,
        ..tcp::ListenOptions::default()
    };
    let listener = tcp::listen(address, &options)?;
    println!("listening on {}", tcp::local_address(&listener)?);
    io::stdout().flush()?;
    let mut driver = Driver::new()?;
    driver.listen(listener)?;
    Ok(driver.run(&mut Http::default())?)
}
