//! What a server answers, the same on each library.

#[path = "../../../crates/zloop-net/examples/http_server/answer.rs"]
mod answer;
#[path = "../../../crates/zloop-net/examples/http_server/handler.rs"]
pub mod handler;

use self::answer::answer_all;

/// One connection's, as far as no library is concerned.
pub trait Service: Default + Send + 'static {
    /// What to send after some bytes came.
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> &'a [u8];
}

/// Sends back what comes.
#[derive(Default)]
pub struct Echo;

impl Service for Echo {
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> &'a [u8] {
        received
    }
}

/// Answers requests as zloop-net's example does. It leaves closing to the client.
#[derive(Default)]
pub struct Http {
    incomplete: Vec<u8>,
    answers: Vec<u8>,
}

impl Service for Http {
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> &'a [u8] {
        let mut held = std::mem::take(&mut self.incomplete);
        let bytes = if held.is_empty() {
            received
        } else {
            held.extend_from_slice(received);
            &held
        };
        let answered = answer_all(bytes);
        self.incomplete = bytes[answered.used..].to_vec();
        self.answers = answered.answers;
        &self.answers
    }
}
