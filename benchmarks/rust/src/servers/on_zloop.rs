//! On zloop-net's driver, plain and with TLS.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustls::ServerConfig;
use zloop_core::Token;
use zloop_net::{Driver, FlowEvent, Handler, tcp};
use zloop_tls::{Acceptor, Options};

use super::{ANY_PORT, BACKLOG, announce};
use crate::Outcome;
use crate::service::handler::Http;

struct Echo;

impl Handler for Echo {
    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        // It fails only for a connection that is closing.
        let _ = driver.write(connection, bytes);
    }

    fn flow(&mut self, driver: &mut Driver<Self>, connection: Token, event: FlowEvent) {
        match event {
            FlowEvent::PauseWriting => driver.pause_reading(connection),
            FlowEvent::ResumeWriting => driver.resume_reading(connection),
        };
    }
}

pub fn serve_echo() -> Outcome {
    serve(&mut Echo)
}

/// By zloop-net's own example.
pub fn serve_http() -> Outcome {
    serve(&mut Http::default())
}

fn serve<H: Handler>(handler: &mut H) -> Outcome {
    let mut driver = Driver::new()?;
    driver.listen(listener()?)?;
    driver.run(handler)?;
    Ok(())
}

pub fn serve_tls(config: Arc<ServerConfig>) -> Outcome {
    let mut driver = Driver::new()?;
    driver.listen_tls(listener()?, Acceptor::from(config), Options::default())?;
    driver.run(&mut Echo)?;
    Ok(())
}

fn listener() -> Outcome<OwnedFd> {
    let options = tcp::ListenOptions {
        backlog: BACKLOG,
        ..tcp::ListenOptions::default()
    };
    let listener = tcp::listen(ANY_PORT, &options)?;
    announce(tcp::local_address(&listener)?)?;
    Ok(listener)
}
