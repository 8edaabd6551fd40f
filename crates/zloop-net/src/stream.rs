//! A connected stream and its states.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use zloop_core::Interest;

use crate::buffer::WriteBuffer;
use crate::descriptor::Descriptor;
use crate::flow::{FlowControl, FlowEvent, WriteLimits};
use crate::sys::{self, Calls, Sent};

/// The most chunks that one system call sends.
const MAX_SLICES: usize = 64;

/// What a read found.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ReadOutcome {
    /// So many bytes, at the start of the buffer.
    Data(usize),
    /// The peer sends no more.
    End,
    /// Nothing for now.
    Blocked,
}

/// How far a flush came.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum FlushOutcome {
    /// Nothing is left to send.
    Flushed,
    /// The system takes no more for now.
    Blocked,
}

/// What was written is lost: the stream is closed, or its end was written already.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the stream takes no more data")]
pub struct NotWritable;

impl From<NotWritable> for io::Error {
    fn from(error: NotWritable) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, error)
    }
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Reading {
    Active,
    Paused,
    Ended,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Writing {
    Open,
    EofRequested,
    EofSent,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Life {
    Open,
    Closing,
    Closed,
}

/// A connected, non-blocking stream socket, or an end of a pipe.
///
/// It makes no decision of when: the caller reads when the descriptor is readable, writes when it
/// likes, flushes, and tells its reactor of [`interest`](Self::interest) afterwards. The
/// [crate's documentation](crate) draws the states.
///
/// The descriptor must be non-blocking. On a pipe, the process must ignore `SIGPIPE`, as Rust
/// programs and Python do.
pub struct Stream<C: AsRef<[u8]>> {
    buffer: WriteBuffer<C>,
    descriptor: Descriptor,
    flow: FlowControl,
    calls: Calls,
    reading: Reading,
    writing: Writing,
    life: Life,
    blocked: bool,
}

impl<C: AsRef<[u8]>> Stream<C> {
    /// A stream over a connected descriptor, which is reading.
    #[must_use]
    pub fn new(descriptor: Descriptor) -> Self {
        Self {
            buffer: WriteBuffer::new(),
            descriptor,
            flow: FlowControl::default(),
            calls: Calls::Socket,
            reading: Reading::Active,
            writing: Writing::Open,
            life: Life::Open,
            blocked: false,
        }
    }

    /// The descriptor.
    #[inline]
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Gives the descriptor back. What is not flushed is dropped.
    #[must_use]
    pub fn into_descriptor(self) -> Descriptor {
        self.descriptor
    }

    /// Gives the ownership of the descriptor away, if the stream has it; the stream goes on using
    /// the number, which the new owner keeps open for as long as the stream lives.
    pub fn release_descriptor(&mut self) -> Option<OwnedFd> {
        let borrowed = Descriptor::Borrowed(self.descriptor.as_raw_fd());
        match std::mem::replace(&mut self.descriptor, borrowed) {
            Descriptor::Owned(fd) => Some(fd),
            Descriptor::Borrowed(_) => None,
        }
    }

    /// Reads once into `buffer`, with one system call. A short read is all there was.
    ///
    /// An end of file is remembered: the stream is no longer [reading](Self::is_reading), since the
    /// end would stay readable for ever.
    ///
    /// # Errors
    ///
    /// What the system says; an interruption is retried.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<ReadOutcome> {
        let fd = self.descriptor.as_raw_fd();
        if self.reading == Reading::Ended {
            return Ok(ReadOutcome::End);
        }
        let received = sys::receive(fd, &mut self.calls, buffer);
        self.judge_read(received, buffer.is_empty())
    }

    /// Reads once into memory that need not be initialized. [`ReadOutcome::Data`] says how much of
    /// it is, afterwards.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    #[inline]
    pub fn read_uninit(&mut self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<ReadOutcome> {
        let fd = self.descriptor.as_raw_fd();
        if self.reading == Reading::Ended {
            return Ok(ReadOutcome::End);
        }
        let received = sys::receive_uninit(fd, &mut self.calls, buffer);
        self.judge_read(received, buffer.is_empty())
    }

    /// Goes on reading after a pause; nothing after the end, or after [`close`](Self::close).
    #[inline]
    pub fn resume_reading(&mut self) {
        if self.reading == Reading::Paused {
            self.reading = Reading::Active;
        }
    }

    /// Stops asking for what is readable.
    #[inline]
    pub fn pause_reading(&mut self) {
        if self.reading == Reading::Active {
            self.reading = Reading::Paused;
        }
    }

    /// Whether the stream asks for what is readable.
    #[inline]
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.reading == Reading::Active
    }

    /// Puts a chunk into the buffer and sends nothing. An empty chunk is dropped.
    ///
    /// # Errors
    ///
    /// [`NotWritable`] after [`write_eof`](Self::write_eof) and when the stream is closed: the
    /// chunk is lost.
    #[inline]
    pub fn write(&mut self, chunk: C) -> Result<(), NotWritable> {
        if self.writing != Writing::Open || self.life == Life::Closed {
            return Err(NotWritable);
        }
        self.buffer.push(chunk);
        Ok(())
    }

    /// Sends `bytes` with one system call from where they are, if nothing is buffered, and
    /// buffers the chunk that `keep` makes of those the system did not take, or of all.
    ///
    /// # Errors
    ///
    /// [`NotWritable`] as [`write`](Self::write) has it, as [`io::ErrorKind::BrokenPipe`]; else what
    /// the system says, after which only [`abort`](Self::abort) makes sense.
    #[inline]
    pub fn write_now(&mut self, bytes: &[u8], keep: impl FnOnce(&[u8]) -> C) -> io::Result<()> {
        if self.writing != Writing::Open || self.life == Life::Closed {
            return Err(NotWritable.into());
        }
        let mut sent = 0;
        if self.buffer.is_empty() && !bytes.is_empty() {
            let fd = self.descriptor.as_raw_fd();
            sent = match sys::send(fd, &mut self.calls, bytes) {
                Ok(sent) => sent,
                Err(error) => return Err(self.failed(error, "sending failed")),
            };
        }
        let rest = bytes.get(sent..).unwrap_or_default();
        if !rest.is_empty() {
            let was_empty = self.buffer.is_empty();
            self.buffer.push(keep(rest));
            if was_empty {
                self.tell_blocked();
                self.blocked = true;
            }
        }
        Ok(())
    }

    /// Sends what is buffered: up to 64 chunks with each system call, until nothing is left or the
    /// system takes less than it was given. Does what [`write_eof`](Self::write_eof) and
    /// [`close`](Self::close) left to do, once nothing is left.
    /// That the peer is gone, to whom only the end was to be told, is left to reading to find out.
    ///
    /// # Errors
    ///
    /// What the system says, after which only [`abort`](Self::abort) makes sense; an interruption
    /// is retried.
    #[inline]
    pub fn flush(&mut self) -> io::Result<FlushOutcome> {
        while !self.buffer.is_empty() {
            let taken = self.send_some();
            if self.take(taken)? == FlushOutcome::Blocked {
                return Ok(FlushOutcome::Blocked);
            }
        }
        self.blocked = false;
        if self.writing == Writing::EofRequested {
            match self.shutdown_write() {
                Err(error) if error.kind() != io::ErrorKind::NotConnected => return Err(error),
                _ => {}
            }
        }
        if self.life == Life::Closing {
            self.life = Life::Closed;
        }
        Ok(FlushOutcome::Flushed)
    }

    /// Goes on as [`flush`](Self::flush) after a [batch](crate::FlushBatch) made its first system call, with all that
    /// was [offered](Self::can_offer), if it did.
    pub(crate) fn flush_after(&mut self, sent: Sent) -> io::Result<FlushOutcome> {
        if let Some(sent) = sent {
            let offered = self.buffer.len();
            if self.take(sent.map(|sent| (sent, offered)))? == FlushOutcome::Blocked {
                return Ok(FlushOutcome::Blocked);
            }
        }
        self.flush()
    }

    /// Whether it has something that may be sent to a socket.
    pub(crate) fn can_offer(&self) -> bool {
        !self.buffer.is_empty() && !self.blocked && self.calls == Calls::Socket
    }

    /// What waits to be sent.
    pub(crate) const fn unsent(&self) -> &WriteBuffer<C> {
        &self.buffer
    }

    /// How many bytes wait to be sent.
    #[inline]
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the system took less than it was given, so that a flush makes sense only when the
    /// descriptor is writable.
    #[inline]
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The limits of flow control.
    #[inline]
    #[must_use]
    pub const fn write_limits(&self) -> WriteLimits {
        self.flow.limits
    }

    /// Sets the limits of flow control; [`flow`](Self::flow) tells what follows from that. A low
    /// limit above the high one counts as equal to it.
    pub fn set_write_limits(&mut self, limits: WriteLimits) {
        self.flow.limits = WriteLimits {
            low: limits.low.min(limits.high),
            ..limits
        };
    }

    /// What the producer should do now; each crossing of a limit is told once. An aborted stream
    /// tells nothing.
    #[inline]
    pub fn flow(&mut self) -> Option<FlowEvent> {
        let event = self.flow.update(self.buffer.len());
        if let Some(event) = event {
            self.tell_flow(event);
        }
        event
    }

    /// Ends the writing direction once everything buffered is sent, by the next
    /// [`flush`](Self::flush) that gets so far.
    pub fn write_eof(&mut self) {
        if self.writing == Writing::Open {
            self.writing = Writing::EofRequested;
        }
    }

    /// Ends the writing direction as [`write_eof`](Self::write_eof) does, and right now if nothing is
    /// buffered.
    ///
    /// # Errors
    ///
    /// What the system says: [`io::ErrorKind::NotConnected`] of a connection that is gone.
    pub fn write_eof_now(&mut self) -> io::Result<()> {
        self.write_eof();
        if self.buffer.is_empty() && self.writing == Writing::EofRequested {
            self.shutdown_write()?;
        }
        Ok(())
    }

    /// Whether [`write_eof`](Self::write_eof) was called.
    #[inline]
    #[must_use]
    pub fn is_eof_requested(&self) -> bool {
        self.writing != Writing::Open
    }

    /// Stops reading and closes once everything buffered is sent; at once, if nothing is.
    pub fn close(&mut self) {
        self.reading = Reading::Ended;
        if self.life == Life::Open {
            self.life = if self.is_drained() {
                Life::Closed
            } else {
                Life::Closing
            };
        }
    }

    /// Closes and drops what is not sent.
    pub fn abort(&mut self) {
        if !self.buffer.is_empty() {
            tracing::debug!(
                fd = self.as_raw_fd(),
                bytes = self.buffered(),
                "dropped unsent"
            );
        }
        self.reading = Reading::Ended;
        if self.writing == Writing::EofRequested {
            self.writing = Writing::EofSent;
        }
        self.life = Life::Closed;
        self.blocked = false;
        self.flow.forget();
        self.buffer.clear();
    }

    /// Whether [`close`](Self::close) or [`abort`](Self::abort) was called.
    #[inline]
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.life != Life::Open
    }

    /// Whether nothing is left to do for [`flush`](Self::flush): a closing stream that is drained
    /// can be dropped.
    #[inline]
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.buffer.is_empty() && self.writing != Writing::EofRequested
    }

    /// What to wait for: readable while reading, writable while blocked.
    #[inline]
    #[must_use]
    pub fn interest(&self) -> Interest {
        let read = if self.is_reading() {
            Interest::READABLE
        } else {
            Interest::NONE
        };
        let write = if self.blocked {
            Interest::WRITABLE
        } else {
            Interest::NONE
        };
        read | write
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        tracing::debug!(fd = self.as_raw_fd(), "ending the writing direction");
        self.writing = Writing::EofSent;
        sys::shutdown_write(self.descriptor.as_raw_fd())
    }

    // Apart and cold, so that what tells of rare things does not weigh on what is not rare.

    #[cold]
    fn end_reading(&mut self) {
        tracing::debug!(fd = self.as_raw_fd(), "the peer ended its direction");
        self.reading = Reading::Ended;
    }

    #[cold]
    fn failed(&self, error: io::Error, what: &str) -> io::Error {
        tracing::debug!(fd = self.as_raw_fd(), %error, "{what}");
        error
    }

    #[cold]
    fn tell_blocked(&self) {
        if !self.blocked {
            tracing::trace!(fd = self.as_raw_fd(), left = self.buffered(), "blocked");
        }
    }

    #[cold]
    fn tell_flow(&self, event: FlowEvent) {
        tracing::debug!(
            fd = self.as_raw_fd(),
            buffered = self.buffered(),
            ?event,
            "flow"
        );
    }

    #[inline]
    fn judge_read(
        &mut self,
        received: io::Result<Option<usize>>,
        had_no_room: bool,
    ) -> io::Result<ReadOutcome> {
        match received {
            Ok(None) => Ok(ReadOutcome::Blocked),
            Ok(Some(0)) if !had_no_room => {
                self.end_reading();
                Ok(ReadOutcome::End)
            }
            Ok(Some(count)) => Ok(ReadOutcome::Data(count)),
            Err(error) => Err(self.failed(error, "receiving failed")),
        }
    }

    /// Drops what the system took of what it was offered, and says whether it takes more.
    #[inline(always)]
    fn take(&mut self, taken: io::Result<(usize, usize)>) -> io::Result<FlushOutcome> {
        let (sent, offered) = match taken {
            Ok(taken) => taken,
            Err(error) => return Err(self.failed(error, "sending failed")),
        };
        self.buffer.advance(sent);
        if sent < offered {
            self.tell_blocked();
            self.blocked = true;
            return Ok(FlushOutcome::Blocked);
        }
        Ok(FlushOutcome::Flushed)
    }

    /// One system call; returns how much it took, and of how much.
    #[inline]
    fn send_some(&mut self) -> io::Result<(usize, usize)> {
        let fd = self.descriptor.as_raw_fd();
        if self.buffer.chunk_count() == 1 {
            let bytes = self.buffer.first();
            return Ok((sys::send(fd, &mut self.calls, bytes)?, bytes.len()));
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = self.buffer.gather(&mut slices);
        let slices = &slices[..count];
        let offered = slices.iter().map(|slice| slice.len()).sum();
        Ok((sys::send_vectored(fd, &mut self.calls, slices)?, offered))
    }
}

impl<C: AsRef<[u8]>> AsRawFd for Stream<C> {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

impl<C: AsRef<[u8]>> fmt::Debug for Stream<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stream")
            .field("descriptor", &self.descriptor)
            .field("reading", &self.reading)
            .field("writing", &self.writing)
            .field("life", &self.life)
            .field("buffered", &self.buffer.len())
            .field("blocked", &self.blocked)
            .finish_non_exhaustive()
    }
}
