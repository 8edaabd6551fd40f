//! The connections: what came of a request that is not complete is kept, and all others are answered.

use std::collections::HashMap;

use zloop_core::Token;
use zloop_net::{Driver, FlowEvent, Handler};

use super::answer::answer_all;

#[derive(Default)]
pub struct Http {
    /// What came of a request that is not complete. Most requests come whole and leave nothing.
    incomplete: HashMap<Token, Vec<u8>>,
}

impl Handler for Http {
    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        let held = self.incomplete.remove(&connection);
        let joined = held.map(|mut held| {
            held.extend_from_slice(bytes);
            held
        });
        let bytes = joined.as_deref().unwrap_or(bytes);
        let answered = answer_all(bytes);
        if !answered.answers.is_empty() {
            // It fails only for a connection that is closing.
            let _ = driver.write(connection, answered.answers);
        }
        if !answered.keeps_alive {
            driver.close(connection);
        } else if answered.used < bytes.len() {
            let rest = bytes[answered.used..].to_vec();
            self.incomplete.insert(connection, rest);
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
