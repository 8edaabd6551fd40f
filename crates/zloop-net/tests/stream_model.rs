//! Random operations on both ends of a real connection, against what should have arrived.

use std::os::fd::{AsFd, OwnedFd};

use proptest::prelude::*;
use zloop_core::Interest;
use zloop_net::{Descriptor, FlowEvent, FlushOutcome, ReadOutcome, Stream, WriteLimits, unix};

#[derive(Clone, Debug)]
enum Operation {
    Write(usize),
    Flush,
    Read(usize),
    PauseOrResume,
    WriteEof,
    Close,
    Abort,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        30 => (0..20_000usize).prop_map(Operation::Write),
        30 => Just(Operation::Flush),
        40 => (1..30_000usize).prop_map(Operation::Read),
        10 => Just(Operation::PauseOrResume),
        1 => Just(Operation::WriteEof),
        1 => Just(Operation::Close),
        1 => Just(Operation::Abort),
    ]
}

/// One end, with what was written to it and what came out of it.
struct End {
    stream: Stream<Vec<u8>>,
    written: Vec<u8>,
    received: Vec<u8>,
    saw_end: bool,
    paused_writing: bool,
}

impl End {
    fn new(fd: OwnedFd) -> Self {
        // Small, so that writes come up short.
        let socket = socket2::SockRef::from(&fd);
        socket.set_send_buffer_size(4096).expect("a buffer size");
        let mut stream = Stream::new(Descriptor::Owned(fd));
        stream.set_write_limits(WriteLimits {
            high: 10_000,
            low: 2_000,
        });
        Self {
            stream,
            written: Vec::new(),
            received: Vec::new(),
            saw_end: false,
            paused_writing: false,
        }
    }

    /// Each byte tells where it belongs, so that a lost or doubled one shows.
    fn write(&mut self, count: usize) {
        let start = self.written.len();
        let chunk: Vec<u8> = (start..start + count)
            .map(|place| (place % 251) as u8)
            .collect();
        if self.stream.write(chunk.clone()).is_ok() {
            self.written.extend(chunk);
        }
    }

    fn check_flow(&mut self) {
        let limits = self.stream.write_limits();
        match self.stream.flow() {
            Some(FlowEvent::PauseWriting) => {
                assert!(!self.paused_writing && self.stream.buffered() > limits.high);
                self.paused_writing = true;
            }
            Some(FlowEvent::ResumeWriting) => {
                assert!(self.paused_writing && self.stream.buffered() <= limits.low);
                self.paused_writing = false;
            }
            None => {}
        }
        assert_eq!(self.stream.flow(), None, "each event comes once");
    }

    fn check_states(&self) {
        let stream = &self.stream;
        assert_eq!(
            stream.interest().contains(Interest::READABLE),
            stream.is_reading()
        );
        assert_eq!(
            stream.interest().contains(Interest::WRITABLE),
            stream.is_blocked()
        );
        assert!(!stream.is_blocked() || stream.buffered() > 0);
        assert!(!stream.is_drained() || stream.buffered() == 0);
        assert!(!(stream.is_closing() && stream.is_reading()));
    }

    fn read(&mut self, count: usize) -> Option<ReadOutcome> {
        let mut buffer = vec![0; count];
        let outcome = self.stream.read(&mut buffer).ok()?;
        match outcome {
            ReadOutcome::Data(count) => self.received.extend(&buffer[..count]),
            ReadOutcome::End => self.saw_end = true,
            ReadOutcome::Blocked => {}
        }
        Some(outcome)
    }
}

proptest! {
    #[test]
    fn what_is_written_arrives_whole_and_in_order(
        operations in prop::collection::vec((any::<bool>(), operation()), 0..200),
    ) {
        let (near, far) = unix::pair().expect("a pair");
        let mut ends = [End::new(near), End::new(far)];
        let mut broken = false;
        for (which, operation) in operations {
            let end = &mut ends[usize::from(which)];
            match operation {
                Operation::Write(count) => end.write(count),
                Operation::Flush => {
                    let before = end.stream.buffered();
                    match end.stream.flush() {
                        Ok(FlushOutcome::Flushed) => prop_assert_eq!(end.stream.buffered(), 0),
                        Ok(FlushOutcome::Blocked) => prop_assert!(end.stream.is_blocked()),
                        Err(error) => prop_assert!(false, "{error}"),
                    }
                    prop_assert!(end.stream.buffered() <= before);
                }
                Operation::Read(count) => {
                    prop_assert!(end.read(count).is_some());
                }
                Operation::PauseOrResume if end.stream.is_reading() => end.stream.pause_reading(),
                Operation::PauseOrResume => end.stream.resume_reading(),
                Operation::WriteEof => end.stream.write_eof(),
                Operation::Close => end.stream.close(),
                Operation::Abort => {
                    end.stream.abort();
                    broken = true;
                }
            }
            end.check_flow();
            end.check_states();
            if end.stream.is_closing() && end.stream.is_drained() {
                break;
            }
        }
        // Whatever is still open sends all it has, while the other end reads.
        for (from, to) in [(0, 1), (1, 0)] {
            loop {
                let flushed = ends[from].stream.flush().expect("a flush");
                let read = if ends[to].stream.is_closing() {
                    // A closing stream reads no more; its peer's bytes are taken for it.
                    take(&mut ends[to])
                } else {
                    ends[to].read(100_000)
                };
                let read = read.expect("a read");
                if flushed == FlushOutcome::Flushed && !matches!(read, ReadOutcome::Data(_)) {
                    break;
                }
            }
            let [sender, receiver] = if from == 0 { [0, 1] } else { [1, 0] };
            if broken {
                prop_assert!(ends[sender].written.starts_with(&ends[receiver].received));
            } else {
                prop_assert_eq!(&ends[sender].written, &ends[receiver].received);
                if ends[sender].stream.is_eof_requested() && !ends[receiver].stream.is_closing() {
                    prop_assert!(ends[receiver].saw_end);
                }
            }
        }
    }
}

/// Reads behind the back of a stream that does not read any more.
fn take(end: &mut End) -> Option<ReadOutcome> {
    let Descriptor::Owned(fd) = end.stream.descriptor() else {
        return None;
    };
    let fd = fd.as_fd().try_clone_to_owned().ok()?;
    let mut stream = Stream::<Vec<u8>>::new(Descriptor::Owned(fd));
    let mut buffer = vec![0; 100_000];
    let outcome = stream.read(&mut buffer).ok()?;
    if let ReadOutcome::Data(count) = outcome {
        end.received.extend(&buffer[..count]);
    }
    Some(outcome)
}
