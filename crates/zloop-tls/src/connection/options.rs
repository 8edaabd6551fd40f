//! What a connection is told at its birth.

use std::time::Duration;

/// Timeouts and sizes of a [`Connection`](crate::Connection). The defaults are asyncio's.
///
/// ```
/// use std::time::Duration;
/// use zloop_tls::Options;
///
/// let options = Options { handshake_timeout: Duration::from_secs(5), ..Options::default() };
/// assert_eq!(options.shutdown_timeout, Duration::from_secs(30));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long the handshake may take.
    pub handshake_timeout: Duration,
    /// How long closing may take: sending what is left, then hearing the peer's close_notify.
    pub shutdown_timeout: Duration,
    /// When the writer should pause and go on, by the plaintext that waits.
    pub write_limits: Limits,
    /// When to stop and go on receiving while the application has paused reading, by the
    /// ciphertext that waits.
    pub read_limits: Limits,
    /// How much plaintext is encrypted ahead of what the transport took: what
    /// [`take_ciphertext`](crate::Connection::take_ciphertext) works on at a time. Less costs the system more
    /// calls and wake-ups for each byte, and much more does not stay in the processor's cache.
    pub encrypt_ahead: usize,
    /// How much application data may still come after our close_notify before the peer is given
    /// up. It is thrown away; taking it in lets a peer that is busy writing get to our end.
    pub late_data_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(30),
            write_limits: Limits {
                high: 512 * 1024,
                low: 128 * 1024,
            },
            read_limits: Limits {
                high: 256 * 1024,
                low: 64 * 1024,
            },
            encrypt_ahead: 256 * 1024,
            late_data_limit: 256 * 1024,
        }
    }
}

/// A high and a low limit, in bytes, for flow control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From this many bytes on, pause.
    pub high: usize,
    /// Down to this many bytes, go on.
    pub low: usize,
}

impl Limits {
    /// The next state of a pause under these limits, with `size` bytes waiting.
    pub(super) fn pauses(self, paused: bool, size: usize) -> bool {
        if paused {
            size > self.low
        } else {
            size > 0 && size >= self.high
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn a_pause_lasts_from_the_high_limit_to_the_low_one() {
        let limits = Limits { high: 10, low: 4 };
        assert!(!limits.pauses(false, 9));
        assert!(limits.pauses(false, 10));
        assert!(limits.pauses(true, 5));
        assert!(!limits.pauses(true, 4));
    }

    #[test]
    fn a_high_limit_of_zero_pauses_while_anything_waits() {
        let limits = Limits { high: 0, low: 0 };
        assert!(!limits.pauses(false, 0));
        assert!(limits.pauses(false, 1));
        assert!(!limits.pauses(true, 0));
    }
}
