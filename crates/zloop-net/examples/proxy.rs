//! A TCP proxy that holds no more than a few buffers, however slow either side is: who does not read
//! stops the other side from being read, and so from sending.
//!
//! `cargo run --example proxy -p zloop-net -- 127.0.0.1:8080`

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

use zloop_core::Token;
use zloop_net::{Driver, FlowEvent, Handler, tcp};

struct Proxy {
    upstream: SocketAddr,
    /// Each connection's other side.
    others: HashMap<Token, Token>,
    most_buffered: usize,
}

impl Handler for Proxy {
    fn connected(&mut self, driver: &mut Driver<Self>, connection: Token) {
        if self.others.contains_key(&connection) {
            // It is the one that was begun below.
            return;
        }
        let upstream = tcp::connect(self.upstream, None)
            .and_then(|connecting| Ok(driver.connect(connecting)?));
        match upstream {
            Ok(upstream) => {
                self.others.insert(connection, upstream);
                self.others.insert(upstream, connection);
            }
            Err(error) => {
                eprintln!("cannot connect to {}: {error}", self.upstream);
                driver.abort(connection);
            }
        }
    }

    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        if let Some(other) = self.others.get(&connection) {
            // It fails for one that is closing, and then nobody wants the bytes.
            let _ = driver.write(*other, bytes);
            self.most_buffered = self.most_buffered.max(driver.buffered(*other));
        }
    }

    /// The end of one direction is the end of that direction on the other side.
    fn ended(&mut self, driver: &mut Driver<Self>, connection: Token) {
        if let Some(other) = self.others.get(&connection) {
            driver.write_eof(*other);
        }
    }

    fn flow(&mut self, driver: &mut Driver<Self>, connection: Token, event: FlowEvent) {
        if let Some(other) = self.others.get(&connection) {
            match event {
                FlowEvent::PauseWriting => driver.pause_reading(*other),
                FlowEvent::ResumeWriting => driver.resume_reading(*other),
            };
        }
    }

    fn closed(
        &mut self,
        driver: &mut Driver<Self>,
        connection: Token,
        error: Option<zloop_net::Error>,
    ) {
        if let Some(other) = self.others.remove(&connection) {
            self.others.remove(&other);
            match error {
                None => driver.close(other),
                Some(error) => {
                    eprintln!("{error}");
                    driver.abort(other)
                }
            };
            println!("at most {} bytes were buffered", self.most_buffered);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [upstream] = arguments.as_slice() else {
        return Err("usage: proxy UPSTREAM_ADDRESS:PORT".into());
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = tcp::listen(address, &tcp::ListenOptions::default())?;
    println!("listening on {}", tcp::local_address(&listener)?);
    io::stdout().flush()?;
    let mut driver = Driver::new()?;
    driver.listen(listener)?;
    Ok(driver.run(&mut Proxy {
        upstream: upstream.parse()?,
        others: HashMap::new(),
        most_buffered: 0,
    })?)
}
