//! What the engine tells, on its way to Python's `logging`.
//!
//! An event may come while cells are borrowed or the interpreter is detached, where no Python code
//! may run. So the subscriber only queues it, and the loop delivers at the end of its turn: on its
//! thread, attached, with nothing borrowed.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `subscriber` | takes the events that are asked for |
//! | `queue` | keeps them until a loop delivers |

mod queue;
mod subscriber;

use std::cell::Cell;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::event_loop::is_fatal;
use queue::Record;
pub use queue::is_waiting;

/// The target of events of asyncio's side: loops, transports, listeners.
pub const TARGET: &str = "zloop_loop";

/// `zloop._tracing.log_event`; not every program has events told.
static LOG_EVENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

thread_local! {
    /// Whether this thread delivers: what a logging handler makes the engine tell is not told.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

/// Has events of up to `verbosity` delivered: 0 for none, 1 for errors, up to 5 for all.
///
/// # Errors
/// What a logging handler lets through, if it is `SystemExit` or `KeyboardInterrupt`.
#[pyfunction]
pub fn set_tracing(py: Python<'_>, verbosity: u8) -> PyResult<()> {
    subscriber::set_verbosity(verbosity);
    deliver(py)
}

/// Hands all that waits to Python's `logging`. What that raises goes to `sys.unraisablehook`.
///
/// # Errors
/// `SystemExit` and `KeyboardInterrupt`; what was not delivered waits for the next time.
pub fn deliver(py: Python<'_>) -> PyResult<()> {
    if !is_waiting() || DELIVERING.replace(true) {
        return Ok(());
    }
    let result = deliver_all(py);
    DELIVERING.set(false);
    result
}

fn deliver_all(py: Python<'_>) -> PyResult<()> {
    let (records, lost) = queue::take();
    let mut records = records.into_iter();
    while let Some(record) = records.next() {
        if let Err(error) = log(py, &record) {
            if is_fatal(py, &error) {
                queue::put_back(records);
                return Err(error);
            }
            error.write_unraisable(py, None);
        }
    }
    if lost > 0 {
        let message = format!("{lost} events were lost: no loop delivered them in time");
        if let Err(error) = log(py, &Record::warning(message)) {
            if is_fatal(py, &error) {
                return Err(error);
            }
            error.write_unraisable(py, None);
        }
    }
    Ok(())
}

fn log(py: Python<'_>, record: &Record) -> PyResult<()> {
    let log_event = LOG_EVENT.import(py, "zloop._tracing", "log_event")?;
    log_event.call1((
        record.target,
        record.verbosity,
        &record.message,
        record.file,
        record.line,
        record.time,
        record.thread,
    ))?;
    Ok(())
}
