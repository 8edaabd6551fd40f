//! What it costs to wake a loop, and to hand it work.

use std::hint::black_box;
use std::sync::mpsc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rustix::event::{EventfdFlags, eventfd};
use zloop_core::{Events, Inbox, Reactor};

fn waking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wake");
    group.bench_function("a running loop", |bench| {
        let reactor = Reactor::<()>::new().expect("a reactor");
        let waker = reactor.waker();
        bench.iter(|| waker.wake());
    });
    group.bench_function("an eventfd", |bench| {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        bench.iter(|| rustix::io::write(&eventfd, &1_u64.to_ne_bytes()).expect("a write"));
    });
    group.finish();
}

/// One item goes in and comes out, without a wait.
fn handing_over(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hand over");
    group.bench_function("Inbox", |bench| {
        let reactor = Reactor::<()>::new().expect("a reactor");
        let inbox = Inbox::new(reactor.waker());
        let mut taken = Vec::new();
        bench.iter(|| {
            inbox.push(7);
            inbox.drain_into(&mut taken);
            black_box(taken.pop());
        });
    });
    group.bench_function("std::sync::mpsc", |bench| {
        let (sender, receiver) = mpsc::channel();
        bench.iter(|| {
            sender.send(7).expect("a receiver");
            black_box(receiver.try_recv()).expect("an item");
        });
    });
    group.finish();
}

/// A push from the loop's own thread, and the wait that ends because of it.
fn waiting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push and wait");
    group.bench_function("Inbox", |bench| {
        let reactor = Reactor::<()>::new().expect("a reactor");
        let inbox = Inbox::new(reactor.waker());
        let mut events = Events::new();
        let mut taken = Vec::new();
        bench.iter(|| {
            inbox.push(7);
            let limit = Some(Duration::from_secs(60));
            let selector = reactor.selector();
            selector
                .wait_unless(&mut events, limit, || !inbox.is_empty())
                .expect("a wait");
            inbox.drain_into(&mut taken);
            black_box(taken.pop());
        });
    });
    group.finish();
}

criterion_group!(benches, waking, handing_over, waiting);
criterion_main!(benches);
