//! A stream's states, over a real connection.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/zloop-net/tests/stream_model/model.rs"]
mod model;

use self::model::{Operation, run};

fn operation(bytes: &[u8]) -> (bool, Operation) {
    let size = u16::from_le_bytes([bytes[1], bytes[2]]);
    let operation = match bytes[0] >> 1 {
        0..20 => Operation::Write(size),
        20..40 => Operation::WriteNow(size),
        40..70 => Operation::Flush,
        70..110 => Operation::Read(size),
        110..120 => Operation::PauseOrResume,
        120..123 => Operation::WriteEof,
        123..126 => Operation::Close,
        126.. => Operation::Abort,
    };
    (bytes[0] & 1 == 1, operation)
}

fuzz_target!(|data: &[u8]| run(data.chunks_exact(3).take(300).map(operation)));
