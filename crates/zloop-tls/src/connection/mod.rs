//! The connection's state machine, over any [`Session`].

mod backlog;
mod options;
mod reading;
mod state;
mod writing;

use std::io;
use std::time::Duration;

use tracing::{Level, debug, enabled};

pub use self::options::{Limits, Options};
pub use self::state::{Ending, Event, FlowEvent};
pub use self::writing::NotWritable;

use self::backlog::Backlog;
use self::state::{Receiving, Sending, State, Unseen};
use crate::{Error, Handshake, Negotiated, Session};

/// A TLS connection: when to shake hands, what to send, when to stop, how it ended.
///
/// It owns no socket and no clock. The driver, which has both, tells it what happens:
/// [`start`](Self::start) once, then [`receive`](Self::receive) (or
/// [`receive_buffer`](Self::receive_buffer) and [`received`](Self::received)),
/// [`receive_end`](Self::receive_end), [`expire`](Self::expire) and what the application wants.
/// After each of these it does what there is to do:
///
/// ```text
/// loop {
///     while let Some(event) = connection.next_event() { tell the application }
///     while let Some(data) = connection.read(..) { give it to the application }
///     if !connection.has_event() { break }
/// }
/// while the transport takes bytes and let Some(bytes) = connection.take_ciphertext() { send them }
/// if let Some(flow) = connection.flow(what the transport holds) { tell the application }
/// if connection.has_event() { once more }
/// let the transport receive if connection.wants_ciphertext(), set the timer to next_deadline()
/// ```
///
/// Nothing of the connection is borrowed while the application is told things, so that it may
/// write, pause or close from there.
///
/// `C` is what the application writes: chunks that the connection keeps by value until they are
/// encrypted. Times are durations since any fixed moment, always the same one.
///
/// Invariant: `Closed` and `Failed` are announced at the moment the state becomes
/// `State::Closed`, and never twice; the backlog is empty from then on.
///
/// Invariant: once our close_notify was made (`Sending::Ended`), nothing more is encrypted.
///
/// Invariant: once the peer's data ended (`Receiving::Ended`), nothing more is decrypted.
///
/// ```
/// use std::time::Duration;
/// use zloop_tls::{ClientSettings, Connection, Event, Options, RustlsSession};
///
/// let settings = ClientSettings::default().build()?;
/// let session: RustlsSession = settings.connect("example.org")?;
/// let mut connection: Connection<_, Vec<u8>> = Connection::new(session, Options::default());
///
/// let started = Duration::ZERO;
/// connection.start(started);
/// let client_hello = connection.take_ciphertext().expect("a client speaks first");
/// assert_eq!(client_hello[0], 22, "a handshake record");
/// assert_eq!(connection.next_deadline(), Some(Duration::from_secs(60)));
///
/// connection.expire(Duration::from_secs(60));
/// let Some(Event::Failed(error)) = connection.next_event() else { panic!("still waiting") };
/// assert_eq!(error.to_string(), "the TLS handshake was not done within 60s");
/// # Ok::<(), zloop_tls::SettingsError>(())
/// ```
#[derive(Debug)]
pub struct Connection<S: Session, C = Vec<u8>> {
    session: S,
    options: Options,
    state: State,
    sending: Sending,
    receiving: Receiving,
    transport_ended: bool,
    backlog: Backlog<C>,
    unseen: Unseen<S::Error>,
    writing_paused: bool,
    reading_paused: bool,
    /// Whether receiving stopped because too much ciphertext waits for a paused application.
    intake_paused: bool,
    late_data: usize,
}

impl<S: Session, C: AsRef<[u8]>> Connection<S, C> {
    /// Makes a connection that waits to be started.
    pub fn new(session: S, options: Options) -> Self {
        Self {
            session,
            options,
            state: State::ExpectStart,
            sending: Sending::Open,
            receiving: Receiving::Open,
            transport_ended: false,
            backlog: Backlog::new(),
            unseen: Unseen::new(),
            writing_paused: false,
            reading_paused: false,
            intake_paused: false,
            late_data: 0,
        }
    }

    /// Starts the handshake and its timeout. Does nothing the second time.
    pub fn start(&mut self, now: Duration) {
        if self.state == State::ExpectStart {
            let deadline = now.saturating_add(self.options.handshake_timeout);
            self.enter(State::ExpectHandshake { deadline });
            self.advance_handshake();
        }
    }

    /// Closes in good order: sends what was written, then close_notify, and awaits the peer's for
    /// as long as the shutdown timeout allows. Data that has not been read is thrown away.
    ///
    /// Before the handshake is done this is [`abort`](Self::abort). Does nothing on a connection
    /// that is closing or closed.
    pub fn close(&mut self, now: Duration) {
        match self.state {
            State::ExpectStart | State::ExpectHandshake { .. } => self.abort(),
            State::ExpectTraffic => {
                if self.sending == Sending::Open {
                    self.sending = Sending::Ending;
                }
                let deadline = now.saturating_add(self.options.shutdown_timeout);
                self.enter(State::ExpectFlush { deadline });
                self.discard_incoming();
                self.advance_shutdown();
            }
            State::ExpectFlush { .. } | State::ExpectCloseNotify { .. } | State::Closed => {}
        }
    }

    /// Ends our direction once what was written is sent; the peer's stays open. The connection is
    /// closed once the peer ends its direction too. Does nothing the second time.
    pub fn write_eof(&mut self) {
        if self.sending == Sending::Open && self.state != State::Closed {
            self.sending = Sending::Ending;
        }
    }

    /// Ends at once: what was not sent is lost, and so is what was not read. The driver aborts its
    /// transport and need not take any more ciphertext. A writer that pauses is not told to go on.
    pub fn abort(&mut self) {
        self.finish(Ok(()));
        self.writing_paused = false;
    }

    /// Says that the transport failed, or was closed under the connection.
    pub fn transport_failed(&mut self, error: io::Error) {
        self.fail(Error::Transport(error));
    }

    /// When [`expire`](Self::expire) has to be called, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.state.deadline()
    }

    /// Gives up what was to be done by now. Does nothing before
    /// [`next_deadline`](Self::next_deadline).
    pub fn expire(&mut self, now: Duration) {
        match self.state {
            State::ExpectHandshake { deadline } if deadline <= now => {
                self.fail(Error::HandshakeTimeout(self.options.handshake_timeout));
            }
            State::ExpectFlush { deadline } | State::ExpectCloseNotify { deadline }
                if deadline <= now =>
            {
                self.fail(Error::ShutdownTimeout);
            }
            _ => {}
        }
    }

    /// What happened since the last call, one event at a time.
    pub fn next_event(&mut self) -> Option<Event<S::Error>> {
        self.unseen.next()
    }

    /// Whether [`next_event`](Self::next_event) has something.
    pub fn has_event(&self) -> bool {
        !self.unseen.is_empty()
    }

    /// Whether the handshake is still to be done.
    pub fn is_handshaking(&self) -> bool {
        matches!(
            self.state,
            State::ExpectStart | State::ExpectHandshake { .. }
        )
    }

    /// Whether [`close`](Self::close) was called, or the connection is closed.
    pub fn is_closing(&self) -> bool {
        self.state.is_closing() || self.state == State::Closed
    }

    /// Whether the connection is closed, in good order or not.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// The timeouts and sizes in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What the handshake settled; `None` before it is done.
    ///
    /// # Errors
    ///
    /// If the engine cannot be asked.
    pub fn negotiated(&self) -> Result<Option<Negotiated>, S::Error> {
        if self.is_handshaking() {
            return Ok(None);
        }
        self.session.negotiated().map(Some)
    }

    /// The engine, to ask it things.
    pub fn session(&self) -> &S {
        &self.session
    }

    fn enter(&mut self, state: State) {
        debug!(target: "zloop_tls", from = ?self.state, to = ?state, "state");
        self.state = state;
    }

    fn fail(&mut self, error: Error<S::Error>) {
        self.finish(Err(error));
    }

    fn finish(&mut self, outcome: Result<(), Error<S::Error>>) {
        if self.state == State::Closed {
            return;
        }
        if let Err(error) = &outcome {
            debug!(target: "zloop_tls", %error, "failed");
        }
        self.enter(State::Closed);
        self.backlog.clear();
        self.unseen.outcome = Some(outcome);
    }

    fn advance_handshake(&mut self) {
        match self.session.handshake() {
            Ok(Handshake::WantsMore) => {}
            Ok(Handshake::Done) => {
                self.enter(State::ExpectTraffic);
                self.tell_what_was_negotiated();
                self.unseen.handshake_done = true;
            }
            Err(error) => self.fail(Error::Handshake(error)),
        }
    }

    fn tell_what_was_negotiated(&self) {
        if enabled!(target: "zloop_tls", Level::DEBUG)
            && let Ok(negotiated) = self.session.negotiated()
        {
            debug!(
                target: "zloop_tls",
                version = negotiated.version,
                cipher = negotiated.cipher.map(|cipher| cipher.name),
                alpn = ?negotiated.alpn_protocol.as_deref().map(String::from_utf8_lossy),
                resumed = negotiated.resumed,
                "handshake done"
            );
        }
    }

    /// Goes on to whatever closing waits for next.
    fn advance_shutdown(&mut self) {
        if let State::ExpectFlush { deadline } = self.state
            && self.sending == Sending::Ended
        {
            self.enter(State::ExpectCloseNotify { deadline });
        }
        let both_ended =
            self.sending == Sending::Ended && matches!(self.receiving, Receiving::Ended(_));
        if both_ended && self.state != State::Closed {
            self.finish(Ok(()));
        }
    }
}
