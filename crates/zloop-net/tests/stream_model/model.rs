//! Both ends of a real connection, and what should have arrived. The property test and the fuzz
//! target of the stream both run this.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};

use zloop_core::Interest;
use zloop_net::{Descriptor, FlowEvent, FlushOutcome, ReadOutcome, Stream, WriteLimits, unix};

/// Something that is done with one end.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Write(u16),
    WriteNow(u16),
    Flush,
    Read(u16),
    PauseOrResume,
    WriteEof,
    Close,
    Abort,
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

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Write(count) => self.write(count.into()),
            Operation::WriteNow(count) => self.write_now(count.into()),
            Operation::Flush => self.flush(),
            Operation::Read(count) => {
                self.read(usize::from(count).max(1));
            }
            Operation::PauseOrResume if self.stream.is_reading() => self.stream.pause_reading(),
            Operation::PauseOrResume => self.stream.resume_reading(),
            Operation::WriteEof => self.stream.write_eof(),
            Operation::Close => self.stream.close(),
            Operation::Abort => self.stream.abort(),
        }
        self.check_flow();
        self.check_states();
    }

    /// Each byte tells where it belongs, so that a lost or doubled one shows.
    fn write(&mut self, count: usize) {
        let chunk = self.next_bytes(count);
        if self.stream.write(chunk.clone()).is_ok() {
            self.written.extend(chunk);
        }
    }

    fn write_now(&mut self, count: usize) {
        let chunk = self.next_bytes(count);
        let before = self.stream.buffered();
        match self.stream.write_now(&chunk, <[u8]>::to_vec) {
            Ok(()) => self.written.extend(chunk),
            Err(error) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        }
        let added = self.stream.buffered() - before;
        assert!(added <= count && (before == 0 || added == count || added == 0));
    }

    fn next_bytes(&self, count: usize) -> Vec<u8> {
        let start = self.written.len();
        (start..start + count)
            .map(|place| (place % 251) as u8)
            .collect()
    }

    fn flush(&mut self) {
        let before = self.stream.buffered();
        match self.stream.flush().expect("a flush") {
            FlushOutcome::Flushed => assert_eq!(self.stream.buffered(), 0),
            FlushOutcome::Blocked => assert!(self.stream.is_blocked()),
        }
        assert!(self.stream.buffered() <= before);
    }

    fn read(&mut self, count: usize) -> ReadOutcome {
        let mut buffer = vec![0; count];
        let outcome = self.stream.read(&mut buffer).expect("a read");
        match outcome {
            ReadOutcome::Data(count) => self.received.extend(&buffer[..count]),
            ReadOutcome::End => self.saw_end = true,
            ReadOutcome::Blocked => {}
        }
        outcome
    }

    /// Reads behind the back of a stream that does not read any more.
    fn take(&mut self) -> ReadOutcome {
        let Descriptor::Owned(fd) = self.stream.descriptor() else {
            unreachable!("the end owns its descriptor");
        };
        let fd = fd.as_fd().try_clone_to_owned().expect("a duplicate");
        let mut stream = Stream::<Vec<u8>>::new(Descriptor::Owned(fd));
        let mut buffer = vec![0; 100_000];
        let outcome = stream.read(&mut buffer).expect("a read");
        if let ReadOutcome::Data(count) = outcome {
            self.received.extend(&buffer[..count]);
        }
        outcome
    }

    fn is_over(&self) -> bool {
        self.stream.is_closing() && self.stream.is_drained()
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
        let interest = stream.interest();
        assert_eq!(interest.contains(Interest::READABLE), stream.is_reading());
        assert_eq!(interest.contains(Interest::WRITABLE), stream.is_blocked());
        assert!(!stream.is_blocked() || stream.buffered() > 0);
        assert!(!stream.is_drained() || stream.buffered() == 0);
        assert!(!(stream.is_closing() && stream.is_reading()));
    }
}

/// Does it all, then lets both ends send what they have, and panics if what arrived is not what
/// was written.
pub fn run(operations: impl IntoIterator<Item = (bool, Operation)>) {
    let (near, far) = unix::pair().expect("a pair");
    let mut ends = [End::new(near), End::new(far)];
    let mut broken = false;
    for (which, operation) in operations {
        let end = &mut ends[usize::from(which)];
        end.apply(operation);
        broken |= matches!(operation, Operation::Abort);
        if end.is_over() {
            break;
        }
    }
    for (from, to) in [(0, 1), (1, 0)] {
        deliver(&mut ends, from, to);
        let (sender, receiver) = (&ends[from], &ends[to]);
        if broken {
            assert!(sender.written.starts_with(&receiver.received));
        } else {
            assert_eq!(sender.written, receiver.received);
            if sender.stream.is_eof_requested() && !receiver.stream.is_closing() {
                assert!(receiver.saw_end);
            }
        }
    }
}

/// Sends all that one end still has, while the other one reads. A closing stream reads no more;
/// its peer's bytes are taken for it.
fn deliver(ends: &mut [End; 2], from: usize, to: usize) {
    loop {
        let flushed = ends[from].stream.flush().expect("a flush");
        let read = if ends[to].stream.is_closing() {
            ends[to].take()
        } else {
            ends[to].read(100_000)
        };
        if flushed == FlushOutcome::Flushed && !matches!(read, ReadOutcome::Data(_)) {
            break;
        }
    }
}
