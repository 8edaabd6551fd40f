//! How fast something is done, for the programs that load servers.

use std::time::Instant;

/// Repeats `step`, which answers with how much it did, and divides by the time; a fifth of the time
/// goes before it, to warm up.
pub fn warm_rate<E>(seconds: f64, mut step: impl FnMut() -> Result<usize, E>) -> Result<f64, E> {
    rate(seconds / 5.0, &mut step)?;
    rate(seconds, step)
}

fn rate<E>(seconds: f64, mut step: impl FnMut() -> Result<usize, E>) -> Result<f64, E> {
    let started = Instant::now();
    let mut done = 0;
    loop {
        let spent = started.elapsed().as_secs_f64();
        if spent >= seconds {
            return Ok(done as f64 / spent);
        }
        done += step()?;
    }
}
