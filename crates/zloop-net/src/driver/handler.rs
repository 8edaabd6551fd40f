//! What a program does about its connections.

use zloop_core::Token;

use super::{Driver, Error};
use crate::flow::FlowEvent;

/// What a program does when something happens to its connections.
///
/// A [`Driver`] owns the connections and calls these methods, one at a time, from
/// [`run`](Driver::run) and [`run_pending`](Driver::run_pending) and from nowhere else: no other
/// method of the driver calls a handler. A handler may call any of them, and is told of other things
/// meanwhile if it runs the driver. What it writes is sent when it returns, if not before.
///
/// A panic goes through the run to its caller. The driver can be run again: the connection that was being served is
/// served again.
///
/// Each connection is named by a [`Token`], which never comes again from the same driver. For those that were
/// [announced](Self::connected), and those that the program [began](Driver::connect) itself,
/// [`closed`](Self::closed) comes once, and last.
pub trait Handler: Sized {
    /// A connection is made: accepted or begun, and with TLS, through its handshake. One that the
    /// program closed before is not announced. Nothing is done by default.
    fn connected(&mut self, driver: &mut Driver<Self>, connection: Token) {
        let _ = (driver, connection);
    }

    /// Bytes came: at least one, as many as one read found.
    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]);

    /// The peer sends no more, and still reads. By default the connection is
    /// [closed](Driver::close), once what was written is sent.
    fn ended(&mut self, driver: &mut Driver<Self>, connection: Token) {
        driver.close(connection);
    }

    /// More is written than the peer reads, or no longer. Nothing is done by default: a handler
    /// that makes more than it got should [stop reading](Driver::pause_reading) what it makes it
    /// from. Limits are looked at after sending what the system takes: who is not told to pause goes
    /// on by itself.
    fn flow(&mut self, driver: &mut Driver<Self>, connection: Token, event: FlowEvent) {
        let _ = (driver, connection, event);
    }

    /// The connection is gone: closed in good order, or by an error. Nothing is done by default.
    fn closed(&mut self, driver: &mut Driver<Self>, connection: Token, error: Option<Error>) {
        let _ = (driver, connection, error);
    }

    /// A connection could not be accepted, or did not get through its handshake: nobody was told of
    /// it. Nothing is done by default; a server that keeps a log notes it.
    fn accept_failed(&mut self, driver: &mut Driver<Self>, listener: Token, error: Error) {
        let _ = (driver, listener, error);
    }
}
