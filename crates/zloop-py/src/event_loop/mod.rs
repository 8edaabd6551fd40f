//! `_zloop.EventLoop`, the native part of `zloop.Loop`.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `schedule` | `call_soon`, `call_later`, `call_at`, `call_soon_threadsafe`, `time` |
//! | `turn` | `_run`: polling, and running what is ready |
//! | `ready` | what waits in the ready queue, and how each kind is run |
//! | `descriptors` | `add_reader` and its like |
//! | `watchers` | the registry's sources, and who is told of a descriptor's readiness |
//! | `metrics` | what the loop counts and times |
//! | `observe` | running a callback in debug mode, or timed |
//! | `tasks` | `create_future`, `create_task`, the task factory |
//! | `state` | `stop`, closing, debug mode, checks |

mod descriptors;
mod metrics;
mod observe;
mod ready;
mod schedule;
mod state;
mod tasks;
mod turn;
mod watchers;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::{CStr, c_ulong};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::prelude::*;
use pyo3::types::PyModule;
use zloop_core::{
    Events, Interest, MonotonicClock, Pacer, RawFd, Reactor, TimerHeap, TimerKey, Token, Waker,
};
use zloop_net::udp::{MAX_BATCH, ReceiveBatch};
use zloop_net::{FlushBatch, ReadBuffer};

use metrics::{Counters, Timing};

pub use ready::{Ready, is_fatal};
pub use watchers::Source;

use crate::errors::os_error;
use crate::handles::{Handle, Spare, TimerHandle};
use crate::raw::arguments::Arguments;
use crate::raw::class::{Class, ClassBuilder, NativeClass, Placement, Visit};
use crate::raw::context::CallContext;
use crate::raw::context_copies::ContextCopies;
use crate::raw::object::Instance;
use crate::raw::processor::copies_slowly_behind_pages;
use crate::raw::slot::Slot;
use crate::transport::StreamTransport;

/// How many bytes one read asks for. Of bulk, so much stays in the processor's caches until it is
/// copied, and the sender is told of the room that soon: with 256 KiB it is slower by a fifth.
pub const READ_SIZE: usize = 64 * 1024;

/// How many bytes one read of a plain stream asks for until bulk comes, as in asyncio: a message that
/// is longer than a read takes two of everything.
pub const STREAM_READ_SIZE: usize = 256 * 1024;

const IO_URING: &str = "ZLOOP_IO_URING";

/// The state of one loop.
///
/// Invariant: no cell is borrowed while Python code may run, dropping an object included; what is
/// taken out of a cell is dropped after the borrow has ended.
pub struct EventLoop {
    ready: RefCell<VecDeque<Ready>>,
    spare_handles: Spare<Handle>,
    spare_timers: Spare<TimerHandle>,
    /// The contexts that callbacks run in.
    contexts: ContextCopies,
    timers: RefCell<TimerHeap<Instance<TimerHandle>>>,
    /// `None` once the loop is closed.
    reactor: RefCell<Option<Reactor<Source>>>,
    events: RefCell<Events>,
    /// `None` once the loop is closed.
    waker: RefCell<Option<Waker>>,
    clock: MonotonicClock,
    pacer: RefCell<Pacer>,
    /// Set by `call_soon_threadsafe`, so that a wait that is about to begin does not.
    called_from_thread: Arc<AtomicBool>,
    /// Transports whose writes are gathered until the batch of callbacks was run.
    unsent: RefCell<VecDeque<Instance<StreamTransport>>>,
    /// Sends to many of them at once; away while it does, and once the loop is closed.
    flush_batch: RefCell<Option<FlushBatch>>,
    /// What batches of datagrams are received into; away while one is handed on.
    datagram_batch: RefCell<Option<Box<ReceiveBatch>>>,
    /// What reads are made into, shared by all transports.
    read_buffer: RefCell<ReadBuffer>,
    /// Whether bulk is read in small pieces and copied.
    copies_bulk: Cell<bool>,
    /// Whether a callback is being run, so that its writes may be gathered.
    in_callback: Cell<bool>,
    stopping: Cell<bool>,
    debug: Cell<bool>,
    /// Whether debug mode or timing wants to see each callback.
    observed: Cell<bool>,
    counters: Counters,
    timing: Timing,
    /// In seconds.
    slow_callback_duration: Cell<f64>,
    /// The thread that runs the loop; 0 while none does.
    thread: Cell<c_ulong>,
    task_factory: Slot,
}

impl EventLoop {
    fn create(py: Python<'_>) -> PyResult<Self> {
        let reactor = Reactor::new().map_err(|error| os_error(py, &error))?;
        Ok(Self {
            ready: RefCell::new(VecDeque::new()),
            spare_handles: Spare::default(),
            spare_timers: Spare::default(),
            contexts: ContextCopies::default(),
            timers: RefCell::new(TimerHeap::new()),
            waker: RefCell::new(Some(reactor.waker())),
            reactor: RefCell::new(Some(reactor)),
            events: RefCell::new(Events::new()),
            clock: MonotonicClock,
            pacer: RefCell::new(Pacer::default()),
            called_from_thread: Arc::new(AtomicBool::new(false)),
            unsent: RefCell::new(VecDeque::new()),
            flush_batch: RefCell::new(Some(new_flush_batch())),
            datagram_batch: RefCell::new(None),
            read_buffer: RefCell::new(ReadBuffer::new(STREAM_READ_SIZE)),
            copies_bulk: Cell::new(copies_slowly_behind_pages()),
            in_callback: Cell::new(false),
            stopping: Cell::new(false),
            debug: Cell::new(false),
            observed: Cell::new(false),
            counters: Counters::default(),
            timing: Timing::default(),
            slow_callback_duration: Cell::new(0.1),
            thread: Cell::new(0),
            task_factory: Slot::default(),
        })
    }

    /// Builds the Python class.
    ///
    /// # Errors
    /// What CPython raises when the class cannot be made.
    pub fn class(module: &Bound<'_, PyModule>) -> PyResult<NativeClass<Self>> {
        let base = module.py().get_type::<PyAny>();
        let builder = ClassBuilder::<Self>::new().constructor(Self::create);
        let builder = schedule::add_methods(builder);
        let builder = turn::add_methods(builder);
        let builder = descriptors::add_methods(builder);
        let builder = tasks::add_methods(builder);
        let builder = state::add_methods(builder);
        let builder = metrics::add_methods(builder);
        crate::transport::add_loop_methods(builder).build(module, &base, true)
    }

    /// Whether debug mode is on.
    #[inline]
    pub fn is_debug(&self) -> bool {
        self.debug.get()
    }

    /// Whether writes may be gathered, because a callback is being run.
    #[inline]
    pub fn is_in_callback(&self) -> bool {
        self.in_callback.get()
    }

    /// Makes a handle of `callback` with the arguments from `index` on, which is not queued yet.
    ///
    /// # Errors
    /// As [`Handle::create`].
    #[inline(always)]
    pub(super) fn create_handle(
        &self,
        callback: Borrowed<'_, '_, PyAny>,
        arguments: &Arguments<'_>,
        index: usize,
        context: CallContext,
    ) -> PyResult<Instance<Handle>> {
        let handle = Handle::create(callback.py(), &self.spare_handles, self.is_debug())?;
        handle
            .scheduled()
            .begin(callback, arguments, index, context)?;
        Ok(handle)
    }

    /// Queues something behind what is ready.
    #[inline]
    pub fn push_ready(&self, item: Ready) {
        self.ready.borrow_mut().push_back(item);
    }

    /// Has `transport` send what it gathered once the batch of callbacks was run.
    #[inline]
    pub fn push_unsent(&self, transport: Instance<StreamTransport>) {
        self.unsent.borrow_mut().push_back(transport);
    }

    /// Takes a cancelled timer out.
    pub fn forget_timer(&self, key: TimerKey) {
        let removed = self.timers.borrow_mut().remove(key);
        drop(removed);
    }

    /// Lends the buffer that reads are made into, `size` bytes of it. `body` runs no Python code.
    #[inline]
    pub fn with_read_buffer<R>(&self, size: usize, body: impl FnOnce(&mut [u8]) -> R) -> R {
        body(&mut self.read_buffer.borrow_mut()[..size])
    }

    /// Lends what sends to many streams at once.
    pub fn with_flush_batch(&self, body: impl FnOnce(&mut FlushBatch)) {
        let mut batch = self
            .flush_batch
            .take()
            .unwrap_or_else(FlushBatch::one_by_one);
        body(&mut batch);
        self.flush_batch.replace(Some(batch));
    }

    /// Whether bulk is read in small pieces into the shared buffer, and copied from there: where the system's
    /// copy into large objects is slow.
    #[inline]
    pub fn copies_bulk(&self) -> bool {
        self.copies_bulk.get()
    }

    /// Lends what batches of datagrams are received into.
    pub fn take_datagram_batch(&self) -> Box<ReceiveBatch> {
        let batch = self.datagram_batch.take();
        batch.unwrap_or_else(|| Box::new(ReceiveBatch::new(MAX_BATCH, READ_SIZE)))
    }

    /// Takes it back.
    pub fn return_datagram_batch(&self, batch: Box<ReceiveBatch>) {
        *self.datagram_batch.borrow_mut() = Some(batch);
    }

    /// Registers a descriptor, unless the loop is closed.
    ///
    /// What watched a closed descriptor of the same number is dropped while nothing is borrowed: its
    /// destructor may be Python's, and use the loop.
    pub fn register(
        &self,
        fd: RawFd,
        interest: Interest,
        source: Source,
    ) -> Option<Result<Token, zloop_core::Error>> {
        let left_behind = self.with_reactor(|reactor| reactor.take_closed(fd));
        drop(left_behind);
        self.with_reactor(|reactor| reactor.register(fd, interest, source))
    }

    /// Registers another descriptor in place of a registration, which is ended and its source dropped;
    /// not if the loop is closed.
    pub fn reregister(
        &self,
        replaced: Token,
        fd: RawFd,
        interest: Interest,
        source: Source,
    ) -> Option<Result<Token, zloop_core::Error>> {
        let registered = self.register(fd, interest, source)?;
        if registered.is_ok() {
            drop(self.with_reactor(|reactor| reactor.deregister(replaced)));
        }
        Some(registered)
    }

    /// Lends the reactor, unless the loop is closed. `body` runs no Python code.
    #[inline]
    pub fn with_reactor<R>(&self, body: impl FnOnce(&mut Reactor<Source>) -> R) -> Option<R> {
        self.reactor.borrow_mut().as_mut().map(body)
    }
}

/// Sends are made at once only if the environment's `ZLOOP_IO_URING` is not 0: some systems end a process that makes
/// a system call that their filter does not know.
fn new_flush_batch() -> FlushBatch {
    if std::env::var_os(IO_URING).is_some_and(|value| value == "0") {
        FlushBatch::one_by_one()
    } else {
        FlushBatch::new()
    }
}

impl Class for EventLoop {
    const NAME: &'static CStr = c"zloop._zloop.EventLoop";
    const DOC: &'static CStr =
        c"The native part of an event loop: scheduling, turns, descriptors, transports.";

    #[inline(always)]
    fn placement() -> &'static Placement {
        &Placement::BehindObject
    }

    fn traverse(&self, visit: &mut Visit) {
        if let Ok(ready) = self.ready.try_borrow() {
            ready.iter().for_each(|item| item.traverse(visit));
        }
        if let Ok(timers) = self.timers.try_borrow() {
            timers
                .iter()
                .for_each(|(_, handle)| visit.object(handle.as_object()));
        }
        if let Ok(reactor) = self.reactor.try_borrow()
            && let Some(reactor) = &*reactor
        {
            reactor
                .iter()
                .for_each(|(_, source)| source.traverse(visit));
        }
        if let Ok(unsent) = self.unsent.try_borrow() {
            unsent
                .iter()
                .for_each(|transport| visit.object(transport.as_object()));
        }
        self.task_factory.traverse(visit);
        self.contexts.traverse(visit);
    }

    fn clear(&self) {
        self.release();
    }
}
