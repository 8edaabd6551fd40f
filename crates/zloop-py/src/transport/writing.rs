//! `write` and its like, gathering, and flow control.

use std::cell::RefMut;
use std::io;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use zloop_net::{FlowEvent, FlushOutcome, Stream, WriteLimits};

use super::chunk::Chunk;
use super::flow;
use super::stream_transport::not_bytes;
use super::{LOG_THRESHOLD, StreamTransport};
use crate::errors::os_error;
use crate::event_loop::{EventLoop, is_fatal};
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::context;
use crate::raw::object::{Instance, Object};
use crate::tls::TlsTransport;

/// Writes are gathered up to this many bytes; more goes out at once.
const GATHER_LIMIT: usize = 64 * 1024;
/// Bulk is gathered up to this many bytes: sent by 512 KiB, each byte takes a quarter more of the processor, and
/// by 256 KiB half as much again.
const BULK_LIMIT: usize = 1024 * 1024;
/// What is at least this large need not be joined with anything, and is sent at once.
const LARGE_WRITE: usize = 512 * 1024;
/// Ciphertext is gathered until it is more than this, which what is encrypted at a time is: sent by 64 KiB, each
/// byte takes 70 % more of the processor than by 256 KiB, and by 512 KiB twice as much.
const CIPHERTEXT_LIMIT: usize = 224 * 1024;

pub(super) fn add_methods(builder: ClassBuilder<StreamTransport>) -> ClassBuilder<StreamTransport> {
    builder
        .method(c"write", write, c"write($self, data)\n--\n\nSend bytes; what cannot be sent yet is buffered.")
        .method(c"writelines", writelines, c"writelines($self, list_of_data)\n--\n\nSend several pieces of bytes.")
        .bare_method(c"write_eof", write_eof, c"write_eof($self)\n--\n\nEnd the writing direction once what is buffered was sent.")
        .bare_method(c"can_write_eof", |_, py, _| Ok(Object::boolean(py, true)), c"can_write_eof($self)\n--\n\nTrue: a stream socket has two directions.")
        .bare_method(c"get_write_buffer_size", get_write_buffer_size, c"get_write_buffer_size($self)\n--\n\nHow many bytes wait to be sent.")
        .bare_method(c"get_write_buffer_limits", get_write_buffer_limits, c"get_write_buffer_limits($self)\n--\n\nThe low and the high limit of flow control.")
        .method(c"set_write_buffer_limits", set_write_buffer_limits, c"set_write_buffer_limits($self, high=None, low=None)\n--\n\nSet the limits of flow control.")
        .bare_method(c"_send_gathered", send_gathered, c"_send_gathered($self)\n--\n\nSend what was written, so far as it waits for the callbacks to end.")
        .bare_method(c"_make_empty_waiter", make_empty_waiter, c"_make_empty_waiter($self)\n--\n\nA future that is set when nothing waits to be sent.")
        .bare_method(c"_reset_empty_waiter", reset_empty_waiter, c"_reset_empty_waiter($self)\n--\n\nAllow writing again.")
        .getter(c"_protocol_paused", |transport, py| Ok(Object::boolean(py, transport.protocol_paused.get())))
}

impl Instance<StreamTransport> {
    /// Refuses a write after `write_eof` or during `sendfile`.
    fn check_writable(&self, method: &str) -> PyResult<()> {
        if self.stream.borrow().is_eof_requested() {
            return Err(PyRuntimeError::new_err(format!(
                "Cannot call {method}() after write_eof()"
            )));
        }
        if !self.empty_waiter.is_empty() {
            return Err(PyRuntimeError::new_err(format!(
                "unable to {method}; sendfile is in progress"
            )));
        }
        Ok(())
    }

    /// Sends a chunk, or keeps it until it can be sent.
    pub fn write_chunk(&self, py: Python<'_>, chunk: Chunk) -> PyResult<()> {
        if chunk.as_ref().is_empty() {
            return Ok(());
        }
        if self.lost_count.get() > 0 {
            return self.write_lost(py);
        }
        let size = chunk.as_ref().len();
        // A closed stream loses it, as asyncio's does.
        let _ = self.stream.borrow_mut().write(chunk);
        self.after_write(py, size)
    }

    /// Sends what was or will be written, TLS's too, once the batch of callbacks was run.
    pub fn gather(&self) {
        if !self.gathered.replace(true) {
            self.event_loop.push_unsent(self.clone());
        }
    }

    /// Counts a write to a lost connection, and says so after a few.
    fn write_lost(&self, py: Python<'_>) -> PyResult<()> {
        if self.lost_count.get() >= LOG_THRESHOLD {
            imports(py)?
                .logger
                .bind(py)
                .call_method1("warning", ("socket.send() raised exception.",))?;
        }
        self.lost_count.set(self.lost_count.get() + 1);
        Ok(())
    }

    /// Sends what was written, so many bytes of it by this call, now or when the batch of callbacks was run.
    fn after_write(&self, py: Python<'_>, size: usize) -> PyResult<()> {
        if self.stream.borrow().is_blocked() {
            return self.update_flow(py);
        }
        if !self.may_wait(size) {
            return self.flush(py);
        }
        if self.gathered.get() {
            return Ok(());
        }
        if self.event_loop.is_in_callback() && !self.shares_socket() {
            self.gather();
            return Ok(());
        }
        self.flush(py)
    }

    /// Whether what was written need not be sent before the callbacks were run. A program that set
    /// limits of its own is told at once when one is crossed.
    fn may_wait(&self, size: usize) -> bool {
        let stream = self.stream.borrow();
        let (buffered, limits) = (stream.buffered(), stream.write_limits());
        if buffered < GATHER_LIMIT {
            return buffered <= limits.high;
        }
        let most = if self.tls_layer().is_some() {
            CIPHERTEXT_LIMIT
        } else {
            BULK_LIMIT
        };
        buffered < most && size < LARGE_WRITE && limits == WriteLimits::default()
    }

    /// TLS, if it is above.
    fn tls_layer(&self) -> Option<Instance<TlsTransport>> {
        self.protocol.borrow().as_ref()?.tls().cloned()
    }

    /// Sends what the callbacks that were run wrote.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub fn send_gathered(&self, py: Python<'_>) -> PyResult<()> {
        let encrypted = self.encrypt_gathered(py);
        encrypted.and(self.flush_if_possible(py))?;
        self.end_if_done(py)
    }

    /// Has TLS, if it is above, encrypt what the callbacks that were run wrote.
    #[inline]
    fn encrypt_gathered(&self, py: Python<'_>) -> PyResult<()> {
        let encrypted = match self.tls_layer() {
            Some(layer) => layer.send_gathered(py),
            None => Ok(()),
        };
        self.gathered.set(false);
        encrypted
    }

    #[inline]
    fn end_if_done(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_closing_done() {
            self.schedule_loss(py, None)
        } else {
            Ok(())
        }
    }

    /// Sends what is gathered before something could tell that it was not sent at once.
    pub fn flush_if_possible(&self, py: Python<'_>) -> PyResult<()> {
        if self.can_flush() {
            self.flush(py)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn can_flush(&self) -> bool {
        let stream = self.stream.borrow();
        !stream.is_blocked() && !stream.is_drained()
    }

    /// Sends what is gathered, if it is more than is gathered of small writes.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt` from the protocol.
    pub fn flush_bulk(&self, py: Python<'_>) -> PyResult<()> {
        if self.stream.borrow().buffered() < GATHER_LIMIT {
            return Ok(());
        }
        self.flush_if_possible(py)
    }

    /// Sends as much as the system takes and does what follows from that.
    pub(super) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let (outcome, sent) = {
            let mut stream = self.stream.borrow_mut();
            let waiting = stream.buffered();
            let outcome = stream.flush();
            (outcome, waiting - stream.buffered())
        };
        self.event_loop.count_sent(sent);
        self.after_flush(py, outcome)
    }

    /// Does what follows from a flush.
    #[inline]
    fn after_flush(&self, py: Python<'_>, outcome: io::Result<FlushOutcome>) -> PyResult<()> {
        match outcome {
            Ok(outcome) => {
                if self.stream.borrow().interest() != self.interest.get() {
                    if self.shared_context.is_none() && outcome == FlushOutcome::Blocked {
                        let write_context = context::copy_current(py)?;
                        let replaced = self.contexts.borrow_mut().write.replace(write_context);
                        drop(replaced);
                    }
                    self.update_interest(py)?;
                }
                self.update_flow(py)?;
                // Not if the protocol, being told to go on, or another one wrote meanwhile.
                if self.stream.borrow().buffered() == 0 {
                    self.tell_empty_waiter(py)?;
                }
                Ok(())
            }
            Err(error) => self.fatal_error(
                py,
                os_error(py, &error),
                "Fatal write error on socket transport",
            ),
        }
    }

    /// The descriptor is writable: goes on sending.
    pub(super) fn write_ready(&self, py: Python<'_>) -> PyResult<()> {
        // The second flush sends what resume_writing() wrote, as asyncio's write() would have.
        let go_on = || self.flush(py).and_then(|()| self.flush_if_possible(py));
        match self.write_context() {
            Some(write_context) => context::run(py, &write_context, go_on)?,
            None => go_on()?,
        }
        if self.is_closing_done() {
            self.connection_lost(py)
        } else {
            Ok(())
        }
    }

    /// Tells the protocol to pause or to go on, at each crossing of a limit.
    pub(super) fn update_flow(&self, py: Python<'_>) -> PyResult<()> {
        let event = self.stream.borrow_mut().flow();
        let Some(event) = event else { return Ok(()) };
        let method = match event {
            FlowEvent::PauseWriting => "pause_writing",
            FlowEvent::ResumeWriting => "resume_writing",
        };
        self.protocol_paused.set(event == FlowEvent::PauseWriting);
        let Some(protocol) = self.protocol.borrow().clone() else {
            return Ok(());
        };
        let result = protocol.notify(py, method);
        match result {
            Ok(_) => Ok(()),
            Err(error) if is_fatal(py, &error) => Err(error),
            Err(error) => self.report(py, &format!("protocol.{method}() failed"), error),
        }
    }

    /// Whether a closing transport has sent all that it had.
    fn is_closing_done(&self) -> bool {
        self.closing.get() && !self.loss_scheduled.get() && self.stream.borrow().is_drained()
    }

    fn write_context(&self) -> Option<Object> {
        self.shared_context
            .clone()
            .or_else(|| self.contexts.borrow().write.clone())
    }

    fn tell_empty_waiter(&self, py: Python<'_>) -> PyResult<()> {
        let waiter = self.empty_waiter.get();
        if let Some(waiter) = waiter {
            let waiter = waiter.bind(py);
            if !waiter.call_method0("done")?.is_truthy()? {
                waiter.call_method1("set_result", (py.None(),))?;
            }
        }
        Ok(())
    }
}

/// Sends what the callbacks that were run wrote to many transports, with one system call where the system can, and
/// all of it whatever a protocol raises.
///
/// # Errors
/// `SystemExit` and `KeyboardInterrupt` from a protocol.
pub fn send_gathered_together(
    event_loop: &EventLoop,
    py: Python<'_>,
    transports: &[Instance<StreamTransport>],
) -> PyResult<()> {
    let mut result = Ok(());
    for transport in transports {
        result = result.and(transport.encrypt_gathered(py));
    }
    let (flushable, others): (Vec<_>, Vec<_>) = transports
        .iter()
        .partition(|transport| transport.can_flush());
    // Streams are all flushed before Python code may run, which may write to any of them.
    let outcomes = flush_together(event_loop, &flushable);
    let (flushed, failed): (Vec<_>, Vec<_>) = flushable
        .into_iter()
        .zip(outcomes)
        .partition(|(_, outcome)| outcome.is_ok());
    // Those that failed end before a protocol may write to them, and find another error.
    for (transport, outcome) in failed.into_iter().chain(flushed) {
        let done = transport.after_flush(py, outcome);
        result = result.and(done.and_then(|()| transport.end_if_done(py)));
    }
    for transport in others {
        result = result.and(transport.end_if_done(py));
    }
    result
}

fn flush_together(
    event_loop: &EventLoop,
    transports: &[&Instance<StreamTransport>],
) -> Vec<io::Result<FlushOutcome>> {
    let mut streams: Vec<_> = transports
        .iter()
        .map(|transport| transport.stream.borrow_mut())
        .collect();
    let buffered = |streams: &[RefMut<'_, Stream<Chunk>>]| -> usize {
        streams.iter().map(|stream| stream.buffered()).sum()
    };
    let waiting = buffered(&streams);
    let mut outcomes = Vec::with_capacity(streams.len());
    event_loop.with_flush_batch(|batch| batch.flush(&mut streams, &mut outcomes));
    event_loop.count_sent(waiting - buffered(&streams));
    outcomes
}

fn write(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let data = match arguments.get(py, 0) {
        Some(data) if arguments.len() == 1 && !arguments.has_names() => data,
        _ => match arguments.bind(py, "write", ["data"], 1)? {
            [Some(data)] => data,
            [None] => {
                return Err(PyTypeError::new_err(
                    "write() missing 1 required positional argument: 'data'",
                ));
            }
        },
    };
    let Some(chunk) = Chunk::of(&data)? else {
        return Err(not_bytes(&data));
    };
    transport.check_writable("write")?;
    transport.write_chunk(py, chunk)?;
    Ok(Object::none(py))
}

fn writelines(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [list] = arguments.bind(py, "writelines", ["list_of_data"], 1)?;
    transport.check_writable("writelines")?;
    let Some(list) = list.filter(|list| !list.is_none()) else {
        return Ok(Object::none(py));
    };
    let mut chunks = Vec::new();
    for data in list.try_iter()? {
        chunks.push(Chunk::of_any(&data?)?);
    }
    if chunks.is_empty() {
        return Ok(Object::none(py));
    }
    if transport.lost_count.get() > 0 {
        transport.write_lost(py)?;
        return Ok(Object::none(py));
    }
    let size = chunks.iter().map(|chunk| chunk.as_ref().len()).sum();
    {
        let mut stream = transport.stream.borrow_mut();
        for chunk in chunks {
            // As above.
            let _ = stream.write(chunk);
        }
    }
    transport.after_write(py, size)?;
    Ok(Object::none(py))
}

fn send_gathered(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    if transport.gathered.get() {
        transport.send_gathered(py)?;
    }
    Ok(Object::none(py))
}

fn write_eof(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    if transport.closing.get() || transport.stream.borrow().is_eof_requested() {
        return Ok(Object::none(py));
    }
    transport.flush_if_possible(py)?;
    if transport.lost_count.get() > 0 {
        return Ok(Object::none(py));
    }
    let ended = transport.stream.borrow_mut().write_eof_now();
    ended.map_err(|error| os_error(py, &error))?;
    Ok(Object::none(py))
}

fn get_write_buffer_size(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    transport.flush_if_possible(py)?;
    let buffered = transport.stream.borrow().buffered();
    Ok(Object::from(buffered.into_pyobject(py)?))
}

fn get_write_buffer_limits(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let limits = transport.stream.borrow().write_limits();
    flow::to_python(py, limits)
}

fn set_write_buffer_limits(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let limits = flow::limits_of(py, &arguments)?;
    transport.flush_if_possible(py)?;
    transport.stream.borrow_mut().set_write_limits(limits);
    // As in asyncio, a paused protocol goes on only when something was sent.
    if transport.stream.borrow().buffered() > limits.high {
        transport.update_flow(py)?;
    }
    Ok(Object::none(py))
}

fn make_empty_waiter(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    if !transport.empty_waiter.is_empty() {
        return Err(PyRuntimeError::new_err("Empty waiter is already set"));
    }
    transport.flush_if_possible(py)?;
    let waiter = Object::from(
        transport
            .event_loop
            .bind(py)
            .call_method0("create_future")?,
    );
    transport.empty_waiter.set(waiter.clone());
    if transport.stream.borrow().buffered() == 0 {
        transport.tell_empty_waiter(py)?;
    }
    Ok(waiter)
}

fn reset_empty_waiter(
    transport: &Instance<StreamTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    drop(transport.empty_waiter.take());
    Ok(Object::none(py))
}
