//! The driver's turns, and what it does for each connection.

use std::io;
use std::time::Duration;

use zloop_core::{Readiness, Ready, Run, Timestamp, Token};

use super::link::Happening;
use super::{Driver, Error, Handler, READ_SIZE, Source, Watcher, link_of, since_epoch};
use crate::read_buffer::ReadBuffer;

impl<H: Handler> Driver<H> {
    /// Runs turns until [`stop`](Self::stop) is called.
    ///
    /// # Errors
    ///
    /// What the system says of a wait. What happens to connections is told to the handler.
    pub fn run(&mut self, handler: &mut H) -> io::Result<()> {
        let run = self.begin_run(handler);
        loop {
            self.turn(handler, None)?;
            if self.stopping {
                // The run around this one is to end as well.
                self.stopping = !run.is_outermost();
                return Ok(());
            }
        }
    }

    /// Runs turns without waiting, until nothing is ready and no timer is due: with a
    /// [`ManualClock`](zloop_core::ManualClock), time stands still in between. A handler may call it too: it
    /// is then told of what comes meanwhile, also on the connection that it is just told of. A watcher
    /// that does so is not called again before it returns.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_pending(&mut self, handler: &mut H) -> io::Result<()> {
        let run = self.begin_run(handler);
        loop {
            let ran = self.turn(handler, Some(Duration::ZERO))?;
            if self.stopping || ran == 0 {
                // As above.
                self.stopping &= !run.is_outermost();
                return Ok(());
            }
        }
    }

    fn begin_run(&mut self, handler: &mut H) -> Run {
        let run = self.schedule.begin_run();
        self.turn_time = None;
        self.serve_queued(handler);
        run
    }

    fn turn(&mut self, handler: &mut H, longest: Option<Duration>) -> io::Result<usize> {
        self.schedule.start_turn(longest, self.stopping)?;
        self.turn_time = None;
        let mut ran = 0;
        while let Some(ready) = self.schedule.pop() {
            match ready {
                Ready::Task(task) => task(handler, self),
                Ready::Remote(task) => task(handler, self),
                Ready::Event(token, readiness) => {
                    if !self.dispatch(handler, token, readiness) {
                        continue;
                    }
                }
            }
            ran += 1;
            self.serve_queued(handler);
        }
        Ok(ran)
    }

    /// Says whether somebody was told of it.
    fn dispatch(&mut self, handler: &mut H, token: Token, readiness: Readiness) -> bool {
        if self.serve(handler, token, readiness) {
            return true;
        }
        match self.schedule.reactor_mut().source_mut(token) {
            Some(Source::Listener(_)) => self.accept(handler, token),
            Some(Source::Watcher(watcher)) => {
                // One that runs the driver is not entered again.
                let Some(watcher) = watcher.take() else {
                    return false;
                };
                let mut calling = Calling {
                    driver: self,
                    token,
                    watcher,
                    has_returned: false,
                };
                (calling.watcher)(handler, calling.driver, token, readiness);
                calling.has_returned = true;
            }
            // It ended earlier in this turn. (Connections were served above.)
            Some(Source::Link(_)) | None => return false,
        }
        true
    }

    pub(super) fn serve_queued(&mut self, handler: &mut H) {
        while let Some(token) = self.queued.pop() {
            if let Some(link) = self.link_mut(token) {
                link.is_queued = false;
                self.serve(handler, token, Readiness::default());
            }
        }
    }

    /// One time for a whole turn: TLS counts in seconds.
    fn turn_time(&mut self) -> Timestamp {
        let schedule = &self.schedule;
        *self.turn_time.get_or_insert_with(|| schedule.time())
    }

    /// Lets a connection do what it can, tells its handler, and waits for what it waits for next.
    /// Says whether the token is that of a connection.
    #[inline]
    fn serve(&mut self, handler: &mut H, token: Token, readiness: Readiness) -> bool {
        let Some(link) = self.link_mut(token) else {
            return false;
        };
        let has_tls = link.has_tls();
        if link.takes_answer() {
            self.answer.open(token);
        } else if readiness.is_writable() {
            // Whoever has to be told of room again is, by `settle`.
            link.use_room();
        }
        let serving = Serving {
            driver: self,
            token,
        };
        let driver = &mut *serving.driver;
        driver.tell(handler, token, readiness, has_tls);
        if !driver.settle_answer(token, readiness) {
            // Without TLS, what room there was is used already.
            driver.settle(handler, token, has_tls && readiness.is_writable());
        }
        serving.done();
        true
    }

    /// Sends what the handler wrote, if an event was served and nothing but that was done to the connection;
    /// says whether there is nothing more to do for it.
    #[inline]
    fn settle_answer(&mut self, token: Token, readiness: Readiness) -> bool {
        // Without an event it is served for a change, whose interest is yet to be set.
        if !readiness.is_readable() || self.answer.connection() != Some(token) {
            return false;
        }
        let Some(link) = link_of(&mut self.schedule, token) else {
            return false;
        };
        link.send_answer(self.answer.close(token));
        link.is_quiet()
    }

    /// Tells the handler what happened to a connection, and what came.
    #[inline]
    fn tell(&mut self, handler: &mut H, token: Token, readiness: Readiness, has_tls: bool) {
        let mut readable = readiness.is_readable();
        let now = if has_tls {
            since_epoch(self.turn_time())
        } else {
            Duration::ZERO
        };
        // A handler borrows the driver while it looks at what was read, and may run it meanwhile.
        let mut buffer = self
            .buffer
            .take()
            .unwrap_or_else(|| Box::new(ReadBuffer::new(READ_SIZE)));
        let bytes: &mut [u8] = &mut buffer;
        while let Some(link) = self.link_mut(token) {
            match link.next(bytes, &mut readable, now) {
                Some(Happening::Connected) => handler.connected(self, token),
                Some(Happening::Received(count)) => {
                    if count == bytes.len() || readiness.has_ended() {
                        self.ask_for_rest(token);
                    }
                    handler.received(self, token, &bytes[..count]);
                    // Without TLS, more comes by another read, in another turn.
                    if !has_tls {
                        break;
                    }
                }
                Some(Happening::Ended) => handler.ended(self, token),
                None => break,
            }
        }
        self.buffer = Some(buffer);
    }

    /// Has the system tell of what a read has left: it was told of once, and a read that came short has left
    /// nothing but an end.
    fn ask_for_rest(&mut self, token: Token) {
        if let Err(error) = self.schedule.reactor_mut().look_again(token) {
            tracing::debug!(?token, %error, "what is left to read is not told of");
        }
    }

    /// Sends what the handler wrote, and waits for what the connection waits for next.
    #[inline]
    fn settle(&mut self, handler: &mut H, token: Token, writable: bool) {
        // What the handler just wrote needs no second look.
        let is_next = self.queued.pop_if(|next| *next == token).is_some();
        let answer = self.answer.close(token);
        let Some(link) = link_of(&mut self.schedule, token) else {
            return;
        };
        link.is_queued &= !is_next;
        if answer.is_empty() {
            link.send(writable);
        } else {
            link.send_answer(answer);
        }
        let flow = link.flow();
        let has_news = link.has_news();
        #[cfg(feature = "tls")]
        let has_tls = link.has_tls();
        if link.is_over() {
            self.finish(handler, token, None);
            return;
        }
        let interest = link.interest();
        if let Err(error) = self.schedule.reactor_mut().set_interest(token, interest) {
            self.finish(handler, token, Some(error));
            return;
        }
        #[cfg(feature = "tls")]
        if has_tls {
            self.set_timer(token);
        }
        if let Some(event) = flow {
            handler.flow(self, token, event);
        }
        if has_news {
            self.change(token, |_| ());
        }
    }

    /// Ends a connection's registration, and with it the connection.
    fn finish(&mut self, handler: &mut H, token: Token, refused: Option<zloop_core::Error>) {
        let Some(Source::Link(mut link)) = self.schedule.reactor_mut().deregister(token) else {
            return;
        };
        #[cfg(feature = "tls")]
        if let Some((_, timer)) = link.tls.as_mut().and_then(|tls| tls.timer.take()) {
            self.schedule.remove(timer);
        }
        let refused = refused.map(|error| Error::Transport(error.into()));
        let failure = link.failure.take().or(refused);
        let is_known = link.is_known();
        let listener = link.listener;
        drop(link);
        match (listener, failure) {
            (Some(listener), Some(error)) if !is_known => {
                handler.accept_failed(self, listener, error);
            }
            (_, failure) if is_known => handler.closed(self, token, failure),
            _ => {}
        }
    }

    /// Wakes the connection when its TLS has waited long enough.
    #[cfg(feature = "tls")]
    fn set_timer(&mut self, token: Token) {
        let Some(tls) = self.link_mut(token).and_then(|link| link.tls.as_mut()) else {
            return;
        };
        let deadline = tls.connection.next_deadline();
        if tls.timer.as_ref().map(|(deadline, _)| *deadline) == deadline {
            return;
        }
        let outdated = tls.timer.take();
        if let Some((_, timer)) = outdated {
            self.schedule.remove(timer);
        }
        let timer = deadline.map(|deadline| {
            let at = zloop_core::Timestamp::ZERO.saturating_add(deadline);
            let key = self.call_at(at, move |handler, driver| {
                driver.serve(handler, token, Readiness::default());
            });
            (deadline, key)
        });
        if let Some(tls) = self.link_mut(token).and_then(|link| link.tls.as_mut()) {
            tls.timer = timer;
        }
    }
}

/// A watcher that is out of its place while it runs, and comes back even if it panics.
struct Calling<'a, H: Handler> {
    driver: &'a mut Driver<H>,
    token: Token,
    watcher: Watcher<H>,
    has_returned: bool,
}

impl<H: Handler> Drop for Calling<'_, H> {
    fn drop(&mut self) {
        let reactor = self.driver.schedule.reactor_mut();
        let Some(Source::Watcher(place)) = reactor.source_mut(self.token) else {
            return;
        };
        let watcher = &mut self.watcher;
        *place = Some(std::mem::replace(watcher, Box::new(|_, _, _, _| ())));
        if !self.has_returned {
            // At edges, what it did not get to would not be told of again.
            let _ = reactor.look_again(self.token);
        }
    }
}

/// A connection that is being served. If its handler panics, and the program goes on, the connection has to be
/// served again, for what was written and read until then.
struct Serving<'a, H: Handler> {
    driver: &'a mut Driver<H>,
    token: Token,
}

impl<H: Handler> Serving<'_, H> {
    #[inline]
    fn done(self) {
        std::mem::forget(self);
    }
}

impl<H: Handler> Drop for Serving<'_, H> {
    fn drop(&mut self) {
        self.driver.change(self.token, |_| ());
    }
}
