//! Whatever the two sides, the network and the time do, the rules of a connection hold.

use proptest::prelude::*;

use crate::model::{Operation, run};

/// What an application and a network do all the time.
fn usual() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (0..3000_u16).prop_map(Operation::Write),
        12 => (1..1500_u16).prop_map(Operation::Receive),
        4 => Just(Operation::Receive(u16::MAX)),
        2 => Just(Operation::PauseReading),
        2 => Just(Operation::ResumeReading),
        1 => any::<u8>().prop_map(Operation::ReadSize),
        1 => Just(Operation::WriteEof),
        1 => Just(Operation::Close),
    ]
}

/// What goes wrong.
fn unusual() -> impl Strategy<Value = Operation> {
    prop_oneof![
        1 => Just(Operation::Start),
        1 => Just(Operation::Abort),
        1 => Just(Operation::Cut),
        1 => Just(Operation::FailTransport),
        2 => any::<u8>().prop_map(Operation::Corrupt),
        4 => any::<u16>().prop_map(Operation::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn all_data_arrives_whole_and_every_connection_ends(
        operations in prop::collection::vec((any::<bool>(), usual()), 0..120),
    ) {
        run(operations);
    }

    #[test]
    fn no_accident_breaks_the_rules(
        operations in prop::collection::vec(
            (any::<bool>(), prop_oneof![9 => usual(), 1 => unusual()]),
            0..120,
        ),
    ) {
        run(operations);
    }
}
