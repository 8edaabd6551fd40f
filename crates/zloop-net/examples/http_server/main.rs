//! An HTTP/1.1 server that says hello: pipelining, keep-alive, and nothing that a load generator
//! does not need.
//!
//! `cargo run --release --example http_server -p zloop-net -- --port 8080`, then
//! `wrk http://127.0.0.1:8080/`.

mod answer;
mod handler;

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

use zloop_net::{Driver, tcp};

use crate::handler::Http;

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
