//! The timers against a map that is sorted by deadline and insertion.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use zloop_core::{TimerHeap, Timestamp};

fuzz_target!(|data: &[u8]| {
    let mut timers = TimerHeap::new();
    let mut model = BTreeMap::new();
    let mut keys = Vec::new();
    for (number, operation) in data.chunks_exact(2).enumerate() {
        let [kind, value] = [operation[0], operation[1]];
        match kind % 4 {
            // Half of the deadlines come in order, as those of equal delays do.
            0 | 1 => {
                let deadline = u64::from(value) + if kind % 4 == 0 { number as u64 } else { 0 };
                let key = timers.insert(Timestamp::from_nanos(deadline), number);
                keys.push((key, (deadline, number)));
                model.insert((deadline, number), number);
            }
            2 if !keys.is_empty() => {
                let index = (usize::from(kind) * 256 + usize::from(value)) % keys.len();
                let (key, order) = keys.swap_remove(index);
                assert_eq!(timers.get(key), model.get(&order));
                assert_eq!(timers.remove(key), model.remove(&order));
                assert_eq!(timers.remove(key), None);
            }
            2 => {}
            _ => {
                let now = u64::from(value);
                let due = model.first_entry().filter(|entry| entry.key().0 <= now);
                let expected = due.map(|entry| entry.remove());
                assert_eq!(timers.pop_due(Timestamp::from_nanos(now)), expected);
            }
        }
        assert_eq!(timers.len(), model.len());
        let next = model.first_key_value().map(|(order, _)| order.0);
        assert_eq!(timers.next_deadline(), next.map(Timestamp::from_nanos));
    }
    while let Some(value) = timers.pop_due(Timestamp::MAX) {
        assert_eq!(model.pop_first().map(|(_, value)| value), Some(value));
    }
    assert!(model.is_empty());
});
