//! What `call_soon`, `call_later` and their like answer, and what they keep until it runs.

mod handle;
mod scheduled;
mod spare;
mod timer_handle;

pub use handle::Handle;
pub use scheduled::Scheduled;
pub use spare::Spare;
pub use timer_handle::{TimerHandle, When};
