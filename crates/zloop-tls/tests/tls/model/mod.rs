//! Two connections over an engine without cryptography, and random things that happen to them.
//! The property test and the fuzz target of the state machine both run this.

mod engine;
mod side;
mod wire;

use std::time::Duration;

use self::side::Side;
use self::wire::Wire;

/// Something that happens to one side.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Start,
    Write(u16),
    WriteEof,
    Close,
    Abort,
    PauseReading,
    ResumeReading,
    /// Reads so many bytes at a time from now on; with 0, what comes.
    ReadSize(u8),
    /// Takes so many bytes from the wire.
    Receive(u16),
    /// Loses what is under way to this side, and all that would follow.
    Cut,
    /// Changes the next byte on its way to this side.
    Corrupt(u8),
    FailTransport,
    /// Lets so many milliseconds pass.
    Pass(u16),
}

struct World {
    sides: [Side; 2],
    /// The wire to each side.
    wires: [Wire; 2],
    now: Duration,
    /// Whether something changed or lost what was on its way.
    is_disturbed: bool,
}

/// Runs a conversation, and panics if anything is not as it should be.
pub fn run(operations: impl IntoIterator<Item = (bool, Operation)>) {
    let mut world = World {
        sides: [Side::new(false), Side::new(true)],
        wires: [Wire::default(), Wire::default()],
        now: Duration::from_secs(1000),
        is_disturbed: false,
    };
    world.start(0);
    world.start(1);
    for (side, operation) in operations {
        world.apply(usize::from(side), operation);
    }
    world.end();
}

impl World {
    fn start(&mut self, which: usize) {
        self.sides[which].connection.start(self.now);
        self.drive(which);
    }

    fn apply(&mut self, which: usize, operation: Operation) {
        let now = self.now;
        let side = &mut self.sides[which];
        let wire = &mut self.wires[which];
        match operation {
            Operation::Start => side.connection.start(now),
            Operation::Write(len) => side.write(usize::from(len)),
            Operation::WriteEof => side.connection.write_eof(),
            Operation::Close => {
                // Before the handshake is done there is no good order to close in.
                self.is_disturbed |= side.connection.is_handshaking();
                side.connection.close(now);
            }
            Operation::Abort => {
                side.connection.abort();
                self.is_disturbed = true;
            }
            Operation::PauseReading => side.connection.pause_reading(),
            Operation::ResumeReading => side.connection.resume_reading(),
            Operation::ReadSize(size) => {
                side.read_size = Some(usize::from(size)).filter(|&size| size > 0);
            }
            Operation::Receive(limit) => side.receive(wire, usize::from(limit)),
            Operation::Cut => {
                wire.cut();
                self.is_disturbed = true;
            }
            Operation::Corrupt(mask) => self.is_disturbed |= wire.corrupt(mask),
            Operation::FailTransport => {
                side.fail_transport();
                self.is_disturbed = true;
            }
            Operation::Pass(millis) => self.pass(Duration::from_millis(millis.into())),
        }
        self.drive(0);
        self.drive(1);
        self.is_disturbed |= self.sides.iter().any(Side::gave_up);
        self.check();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for side in &mut self.sides {
            let was_closed = side.connection.is_closed();
            side.expire(self.now);
            self.is_disturbed |= side.connection.is_closed() && !was_closed;
        }
    }

    fn drive(&mut self, which: usize) {
        let outward = &mut self.wires[1 - which];
        self.sides[which].drive(outward);
    }

    fn check(&self) {
        if self.is_disturbed {
            return;
        }
        for (receiver, sender) in [(0, 1), (1, 0)] {
            let (receiver, sender) = (&self.sides[receiver], &self.sides[sender]);
            assert!(sender.written.starts_with(&receiver.received));
            if receiver.heard_the_end() {
                assert_eq!(sender.written, receiver.received, "all of it came first");
            }
        }
    }

    /// Both sides close, and everything that is under way arrives: both come to an end, and to a
    /// good one if nothing went wrong. If something did, time brings the end.
    fn end(&mut self) {
        for which in [0, 1] {
            self.apply(which, Operation::ResumeReading);
        }
        self.settle();
        for which in [0, 1] {
            self.apply(which, Operation::Close);
        }
        self.settle();
        if !self.is_disturbed {
            for side in &self.sides {
                assert!(side.closed_well());
            }
        }
        self.pass(Duration::from_secs(3600));
        for which in [0, 1] {
            self.drive(which);
            assert!(self.sides[which].connection.is_closed());
        }
    }

    fn settle(&mut self) {
        loop {
            let before = self.progress();
            for which in [0, 1] {
                self.apply(which, Operation::Receive(u16::MAX));
            }
            if self.progress() == before {
                break;
            }
        }
    }

    fn progress(&mut self) -> [(usize, bool, bool); 2] {
        let [to_first, to_second] = &self.wires;
        let waiting = [to_first.len(), to_second.len()];
        let [first, second] = &mut self.sides;
        [(first, waiting[0]), (second, waiting[1])].map(|(side, waiting)| {
            let connection = &mut side.connection;
            let wants = connection.wants_ciphertext();
            (
                waiting + connection.buffered(),
                connection.is_closed(),
                wants,
            )
        })
    }
}
