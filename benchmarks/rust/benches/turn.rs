//! What a turn costs above the system call that it makes: one descriptor is ready, and somebody
//! hears of it.

use std::cell::Cell;
use std::hint::black_box;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use rustix::event::{EventfdFlags, epoll, eventfd};
use zloop_core::{EventLoop, Events, Interest, Reactor};

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

/// A descriptor that is readable and stays so.
fn readable() -> OwnedFd {
    eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd")
}

fn turn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn");

    group.bench_function("bare epoll", |bench| {
        let fd = readable();
        let selector = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a selector");
        let data = epoll::EventData::new_u64(7);
        epoll::add(&selector, &fd, data, epoll::EventFlags::IN).expect("a registration");
        let timeout = rustix::time::Timespec::try_from(Duration::ZERO).expect("a time");
        let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
        bench.iter(|| {
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&selector, room, Some(&timeout)).expect("a wait");
            for event in &events {
                let data = event.data;
                black_box(data.u64());
            }
        });
    });

    group.bench_function("reactor", |bench| {
        let fd = readable();
        let mut reactor = Reactor::new().expect("a reactor");
        reactor
            .register(fd.as_raw_fd(), Interest::READABLE, 7)
            .expect("a token");
        let mut events = Events::new();
        bench.iter(|| {
            reactor.poll(&mut events, AT_ONCE).expect("a poll");
            for (token, readiness) in events.iter() {
                black_box((reactor.source(token), readiness));
            }
        });
    });

    group.bench_function("event loop", |bench| {
        bench.iter_custom(|turns| {
            let fd = readable();
            let mut event_loop = EventLoop::new().expect("a loop");
            let mut left = turns;
            event_loop
                .watch(
                    fd.as_raw_fd(),
                    Interest::READABLE,
                    move |event_loop, _, _| {
                        left -= 1;
                        if left == 0 {
                            event_loop.stop();
                        }
                    },
                )
                .expect("a watch");
            let started = Instant::now();
            event_loop.run().expect("a run");
            started.elapsed()
        });
    });
    group.finish();
}

/// Callbacks that each add the next one, so that every turn runs one.
fn chain(criterion: &mut Criterion) {
    fn again(event_loop: &mut EventLoop, left: Rc<Cell<u64>>) {
        left.set(left.get() - 1);
        if left.get() == 0 {
            event_loop.stop();
        } else {
            event_loop.call_soon(move |event_loop| again(event_loop, left));
        }
    }

    let mut group = criterion.benchmark_group("chained callback");
    group.bench_function("event loop", |bench| {
        bench.iter_custom(|turns| {
            let mut event_loop = EventLoop::new().expect("a loop");
            let left = Rc::new(Cell::new(turns));
            event_loop.call_soon(move |event_loop| again(event_loop, left));
            let started = Instant::now();
            event_loop.run().expect("a run");
            started.elapsed()
        });
    });
    group.finish();
}

criterion_group!(benches, turn, chain);
criterion_main!(benches);
