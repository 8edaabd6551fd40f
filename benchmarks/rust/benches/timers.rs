//! The timers beside the two queues that the standard library has. A heap of the standard library
//! cannot take an entry out of its middle, so only the map stands beside cancelling.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use zloop_core::{TimerHeap, Timestamp};

const COUNT: u64 = 10_000;

/// Deadlines as equal delays make them.
fn in_order() -> Vec<u64> {
    (0..COUNT).collect()
}

/// Deadlines as three delays by turns make them.
fn of_three_delays() -> Vec<u64> {
    let delays = [30_000, 100, 5_000];
    (0..COUNT)
        .zip(delays.iter().cycle())
        .map(|(now, delay)| now + delay)
        .collect()
}

/// Deadlines in no order, the same each time.
fn shuffled() -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % 1_000_000
    };
    (0..COUNT).map(|_| next()).collect()
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(COUNT));
    group
}

/// All are added, then all fire.
fn fire(criterion: &mut Criterion, name: &str, deadlines: &[u64]) {
    let mut group = group(criterion, name);
    group.bench_function("TimerHeap", |bench| {
        let mut timers = TimerHeap::new();
        bench.iter(|| {
            for &deadline in deadlines {
                timers.insert(Timestamp::from_nanos(deadline), deadline);
            }
            while let Some(value) = timers.pop_due(Timestamp::MAX) {
                black_box(value);
            }
        });
    });
    group.bench_function("BinaryHeap", |bench| {
        let mut timers = BinaryHeap::new();
        bench.iter(|| {
            for (sequence, &deadline) in deadlines.iter().enumerate() {
                timers.push(Reverse((deadline, sequence)));
            }
            while let Some(value) = timers.pop() {
                black_box(value);
            }
        });
    });
    group.bench_function("BTreeMap", |bench| {
        let mut timers = BTreeMap::new();
        bench.iter(|| {
            for (sequence, &deadline) in deadlines.iter().enumerate() {
                timers.insert((deadline, sequence), deadline);
            }
            while let Some(value) = timers.pop_first() {
                black_box(value);
            }
        });
    });
    group.finish();
}

/// All are added, then all are cancelled in the order in which they came, as timeouts are.
fn cancel(criterion: &mut Criterion, name: &str, deadlines: &[u64]) {
    let mut group = group(criterion, name);
    group.bench_function("TimerHeap", |bench| {
        let mut timers = TimerHeap::new();
        let mut keys = Vec::with_capacity(deadlines.len());
        bench.iter(|| {
            for &deadline in deadlines {
                keys.push(timers.insert(Timestamp::from_nanos(deadline), deadline));
            }
            for key in keys.drain(..) {
                black_box(timers.remove(key));
            }
        });
    });
    group.bench_function("BTreeMap", |bench| {
        let mut timers = BTreeMap::new();
        bench.iter(|| {
            for (sequence, &deadline) in deadlines.iter().enumerate() {
                timers.insert((deadline, sequence), deadline);
            }
            for (sequence, &deadline) in deadlines.iter().enumerate() {
                black_box(timers.remove(&(deadline, sequence)));
            }
        });
    });
    group.finish();
}

fn timers(criterion: &mut Criterion) {
    fire(criterion, "timers in order, fired", &in_order());
    fire(
        criterion,
        "timers of three delays, fired",
        &of_three_delays(),
    );
    fire(criterion, "timers in any order, fired", &shuffled());
    cancel(criterion, "timers in order, cancelled", &in_order());
    cancel(
        criterion,
        "timers of three delays, cancelled",
        &of_three_delays(),
    );
    cancel(criterion, "timers in any order, cancelled", &shuffled());
}

criterion_group!(benches, timers);
criterion_main!(benches);
