//! What the engine tells a subscriber.

use std::fmt;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use zloop_core::{Events, Interest, Reactor};

/// Keeps the messages of this crate's events.
#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<String>>>);

struct MessageVisitor<'a>(&'a mut Vec<String>);

impl Visit for MessageVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Messages {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("zloop_core")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut MessageVisitor(
            &mut self.0.lock().expect("the messages"),
        ));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn registrations_and_polls_are_told() {
    let messages = Messages::default();
    tracing::subscriber::with_default(messages.clone(), || {
        let (mut near, far) = UnixStream::pair().expect("a pair");
        let mut reactor = Reactor::new().expect("a reactor");
        let token = reactor
            .register(far.as_raw_fd(), Interest::READABLE, ())
            .expect("a token");
        near.write_all(b"x").expect("a write");
        let timeout = Some(Duration::from_secs(60));
        reactor.poll(&mut Events::new(), timeout).expect("a poll");
        reactor
            .set_interest(token, Interest::BOTH)
            .expect("a change");
        reactor
            .set_interest(token, Interest::BOTH)
            .expect("no change");
        reactor.deregister(token);
    });
    let messages = messages.0.lock().expect("the messages");
    assert_eq!(*messages, ["add", "polled", "modify", "delete"]);
}
