//! When a producer pauses.

/// How much may be buffered for writing.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct WriteLimits {
    /// A producer is paused when more than this is buffered.
    pub high: usize,
    /// A paused producer goes on when no more than this is.
    pub low: usize,
}

impl Default for WriteLimits {
    /// 64 KiB and 16 KiB.
    fn default() -> Self {
        Self {
            high: 64 * 1024,
            low: 16 * 1024,
        }
    }
}

/// What a producer should do now.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum FlowEvent {
    /// More than the high limit is buffered.
    PauseWriting,
    /// No more than the low limit is left.
    ResumeWriting,
}

/// Tells crossings of the limits, each once.
#[derive(Debug, Default)]
pub(crate) struct FlowControl {
    pub(crate) limits: WriteLimits,
    paused: bool,
}

impl FlowControl {
    #[inline]
    pub(crate) fn update(&mut self, buffered: usize) -> Option<FlowEvent> {
        if self.paused {
            if buffered <= self.limits.low {
                self.paused = false;
                return Some(FlowEvent::ResumeWriting);
            }
        } else if buffered > self.limits.high {
            self.paused = true;
            return Some(FlowEvent::PauseWriting);
        }
        None
    }

    /// Forgets a pause that nobody will be told the end of.
    pub(crate) fn forget(&mut self) {
        self.paused = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crossing_is_told_once() {
        let mut flow = FlowControl {
            limits: WriteLimits { high: 10, low: 4 },
            paused: false,
        };
        let told: Vec<_> = [10, 11, 20, 10, 5, 4, 0, 11]
            .into_iter()
            .map(|len| flow.update(len))
            .collect();
        let (pause, resume) = (
            Some(FlowEvent::PauseWriting),
            Some(FlowEvent::ResumeWriting),
        );
        assert_eq!(told, [None, pause, None, None, None, resume, None, pause]);
    }

    #[test]
    fn limits_of_zero_pause_at_the_first_byte_and_resume_at_none() {
        let mut flow = FlowControl {
            limits: WriteLimits { high: 0, low: 0 },
            paused: false,
        };
        assert_eq!(flow.update(0), None);
        assert_eq!(flow.update(1), Some(FlowEvent::PauseWriting));
        assert_eq!(flow.update(1), None);
        assert_eq!(flow.update(0), Some(FlowEvent::ResumeWriting));
    }
}
