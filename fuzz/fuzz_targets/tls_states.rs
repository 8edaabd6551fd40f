//! The states of a TLS connection, over an engine without cryptography.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/zloop-tls/tests/tls/model/mod.rs"]
mod model;

use self::model::{Operation, run};

fn operation(bytes: &[u8]) -> (bool, Operation) {
    let size = u16::from_le_bytes([bytes[1], bytes[2]]);
    let operation = match bytes[0] >> 1 {
        0..30 => Operation::Write(size % 4096),
        30..70 => Operation::Receive(size % 4096),
        70..78 => Operation::PauseReading,
        78..86 => Operation::ResumeReading,
        86..92 => Operation::ReadSize(bytes[1]),
        92..96 => Operation::WriteEof,
        96..100 => Operation::Close,
        100..112 => Operation::Pass(size),
        112..118 => Operation::Corrupt(bytes[1]),
        118..121 => Operation::Cut,
        121..124 => Operation::FailTransport,
        124..126 => Operation::Abort,
        126.. => Operation::Start,
    };
    (bytes[0] & 1 == 1, operation)
}

fuzz_target!(|data: &[u8]| run(data.chunks_exact(3).take(300).map(operation)));
