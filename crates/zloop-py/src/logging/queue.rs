//! Events between the engine and `logging`.

use std::collections::VecDeque;
use std::ffi::c_ulong;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::TARGET;
use crate::raw::threads::current_ident;

/// How many events may wait; later ones are counted and lost.
const CAPACITY: usize = 10_000;

/// One event.
pub struct Record {
    pub target: &'static str,
    pub verbosity: u8,
    pub message: String,
    pub file: &'static str,
    pub line: u32,
    /// In seconds since the epoch, as `logging` has it.
    pub time: f64,
    /// The thread's ident, as Python has it.
    pub thread: c_ulong,
}

impl Record {
    /// An event of this thread, and of now.
    pub fn new(
        target: &'static str,
        verbosity: u8,
        message: String,
        file: &'static str,
        line: u32,
    ) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            target,
            verbosity,
            message,
            file,
            line,
            time: since_epoch.map_or(0.0, |duration| duration.as_secs_f64()),
            thread: current_ident(),
        }
    }

    /// A warning of this queue's own.
    pub fn warning(message: String) -> Self {
        Self::new(TARGET, 2, message, file!(), line!())
    }
}

#[derive(Default)]
struct Queue {
    records: VecDeque<Record>,
    lost: u64,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    records: VecDeque::new(),
    lost: 0,
});
static WAITING: AtomicBool = AtomicBool::new(false);

fn lock() -> MutexGuard<'static, Queue> {
    // A panic under the lock can only come from the allocator, and leaves a whole queue behind.
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether events wait. All that a turn pays when tracing is off.
#[inline]
pub fn is_waiting() -> bool {
    WAITING.load(Ordering::Relaxed)
}

/// Adds an event.
pub fn push(record: Record) {
    let mut queue = lock();
    if queue.records.len() < CAPACITY {
        queue.records.push_back(record);
    } else {
        queue.lost += 1;
    }
    WAITING.store(true, Ordering::Relaxed);
}

/// Takes all events, and how many were lost.
pub fn take() -> (VecDeque<Record>, u64) {
    let mut queue = lock();
    WAITING.store(false, Ordering::Relaxed);
    let Queue { records, lost } = std::mem::take(&mut *queue);
    (records, lost)
}

/// Puts events that were taken back before the others.
pub fn put_back(records: impl Iterator<Item = Record>) {
    let mut queue = lock();
    let later = std::mem::take(&mut queue.records);
    queue.records = records.chain(later).collect();
    WAITING.store(!queue.records.is_empty(), Ordering::Relaxed);
}
