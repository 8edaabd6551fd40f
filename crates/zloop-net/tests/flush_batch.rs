//! A batch flushes streams as each would flush itself.

#![cfg(not(miri))]

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use zloop_net::{Descriptor, FlushBatch, FlushOutcome, Stream, pipe};

fn pair() -> (Stream<Vec<u8>>, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair");
    near.set_nonblocking(true).expect("a socket");
    far.set_nonblocking(true).expect("a socket");
    (Stream::new(Descriptor::Owned(near.into())), far)
}

fn flush(batch: &mut FlushBatch, streams: &mut [Stream<Vec<u8>>]) -> Vec<io::Result<FlushOutcome>> {
    let mut borrowed: Vec<_> = streams.iter_mut().collect();
    let mut outcomes = Vec::new();
    batch.flush(&mut borrowed, &mut outcomes);
    outcomes
}

fn received(peer: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match peer.read_to_end(&mut bytes) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => panic!("{error}"),
        _ => bytes,
    }
}

#[test]
fn each_peer_gets_its_own() {
    for count in [1, 3, 4, 127, 128, 129, 300] {
        let (mut streams, mut peers): (Vec<_>, Vec<_>) = (0..count).map(|_| pair()).unzip();
        for (number, stream) in streams.iter_mut().enumerate() {
            for chunk in 0..=number % 4 {
                let bytes = vec![number as u8, chunk as u8];
                stream.write(bytes).expect("an open stream");
            }
        }
        let outcomes = flush(&mut FlushBatch::new(), &mut streams);
        assert_eq!(outcomes.len(), count);
        for (number, (outcome, peer)) in outcomes.into_iter().zip(&mut peers).enumerate() {
            assert_eq!(outcome.expect("sent"), FlushOutcome::Flushed);
            let wanted: Vec<u8> = (0..=number % 4)
                .flat_map(|chunk| [number as u8, chunk as u8])
                .collect();
            assert_eq!(received(peer), wanted);
        }
    }
}

#[test]
fn what_does_not_fit_stays() {
    let (mut streams, mut peers): (Vec<_>, Vec<_>) = (0..8).map(|_| pair()).unzip();
    let mut batch = FlushBatch::new();
    // Until none takes more.
    let mut written = 0;
    while streams.iter().any(|stream| !stream.is_blocked()) {
        for stream in &mut streams {
            stream.write(vec![7; 60_000]).expect("an open stream");
        }
        written += 60_000;
        for outcome in flush(&mut batch, &mut streams) {
            outcome.expect("an open stream");
        }
    }
    for (stream, peer) in streams.iter_mut().zip(&mut peers) {
        let mut got = received(peer).len();
        assert_eq!(got + stream.buffered(), written);
        while stream.flush().expect("an open stream") == FlushOutcome::Blocked {
            got += received(peer).len();
        }
        got += received(peer).len();
        assert_eq!(got, written);
    }
}

#[test]
fn a_peer_that_is_gone_is_told_of_its_own_stream() {
    let (mut streams, mut peers): (Vec<_>, Vec<_>) = (0..8).map(|_| pair()).unzip();
    drop(peers.remove(3));
    for stream in &mut streams {
        stream.write(vec![7; 100]).expect("an open stream");
    }
    let outcomes = flush(&mut FlushBatch::new(), &mut streams);
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(outcome) => assert!(number != 3 && outcome == FlushOutcome::Flushed),
            Err(error) => {
                assert_eq!(number, 3);
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            }
        }
    }
}

#[test]
fn pipes_and_ends_are_flushed_too() {
    let (mut streams, mut peers): (Vec<_>, Vec<_>) = (0..6).map(|_| pair()).unzip();
    for stream in &mut streams {
        stream.write(vec![7; 100]).expect("an open stream");
        stream.write_eof();
    }
    let (reader, writer) = pipe::pair().expect("a pipe");
    streams.push(Stream::new(Descriptor::Owned(writer)));
    streams[6].write(vec![8; 100]).expect("an open stream");
    for outcome in flush(&mut FlushBatch::new(), &mut streams) {
        assert_eq!(outcome.expect("sent"), FlushOutcome::Flushed);
    }
    for peer in &mut peers {
        peer.set_nonblocking(false).expect("a socket");
        assert_eq!(received(peer), [7; 100]);
    }
    let mut reader = Stream::<Vec<u8>>::new(Descriptor::Owned(reader));
    let mut buffer = [0; 200];
    assert_eq!(
        reader.read(&mut buffer).expect("a pipe"),
        zloop_net::ReadOutcome::Data(100)
    );
    assert!(streams.iter().all(|stream| stream.as_raw_fd() >= 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What comes out of a batch, and out of streams that are flushed one by one, is the same.
    #[test]
    fn a_batch_is_like_one_by_one(
        chunks in prop::collection::vec(
            prop::collection::vec(prop_oneof![1..100_usize, 1..20_000_usize, Just(70_000)], 0..5),
            0..20,
        ),
        rounds in 1..4,
    ) {
        let mut sides = [FlushBatch::new(), FlushBatch::one_by_one()].map(|batch| {
            let (streams, peers): (Vec<_>, Vec<_>) = chunks.iter().map(|_| pair()).unzip();
            (batch, streams, peers)
        });
        for round in 0..rounds {
            let mut seen = sides.iter_mut().map(|(batch, streams, peers)| {
                for (stream, chunks) in streams.iter_mut().zip(&chunks) {
                    for (number, length) in chunks.iter().enumerate() {
                        let byte = (round as usize * 5 + number) as u8;
                        stream.write(vec![byte; *length]).expect("an open stream");
                    }
                }
                let outcomes: Vec<_> = flush(batch, streams)
                    .into_iter()
                    .map(|outcome| outcome.expect("an open stream"))
                    .collect();
                let received: Vec<_> = peers.iter_mut().map(received).collect();
                let left: Vec<_> = streams.iter().map(Stream::buffered).collect();
                (outcomes, received, left)
            });
            let (together, one_by_one) = (seen.next(), seen.next());
            prop_assert_eq!(together, one_by_one);
        }
    }
}
