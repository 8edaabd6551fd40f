//! The monotonic clock.

/// Nanoseconds of `CLOCK_MONOTONIC`, which is what Python's `time.monotonic()` reads.
#[cfg(all(unix, not(target_vendor = "apple")))]
#[inline]
pub(crate) fn monotonic_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds since the first call.
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
pub(crate) fn monotonic_nanos() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let elapsed = EPOCH.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}
