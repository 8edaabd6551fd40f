//! Random operations on both ends of a real connection, against what should have arrived.

mod model;

use proptest::prelude::*;

use crate::model::{Operation, run};

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        20 => (0..20_000_u16).prop_map(Operation::Write),
        10 => (0..20_000_u16).prop_map(Operation::WriteNow),
        30 => Just(Operation::Flush),
        40 => (1..30_000_u16).prop_map(Operation::Read),
        10 => Just(Operation::PauseOrResume),
        1 => Just(Operation::WriteEof),
        1 => Just(Operation::Close),
        1 => Just(Operation::Abort),
    ]
}

proptest! {
    #[test]
    fn what_is_written_arrives_whole_and_in_order(
        operations in prop::collection::vec((any::<bool>(), operation()), 0..200),
    ) {
        run(operations);
    }
}
