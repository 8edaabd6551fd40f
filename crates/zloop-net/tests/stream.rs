//! Streams over real sockets.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use zloop_core::{Events, Interest, Reactor};
use zloop_net::{
    Descriptor, FlowEvent, FlushOutcome, NotWritable, ReadOutcome, Stream, WriteLimits,
};

type Bytes = Vec<u8>;

fn stream(socket: impl Into<OwnedFd>) -> Stream<Bytes> {
    let fd = socket.into();
    zloop_net::pipe::set_nonblocking(&fd, true).expect("a non-blocking socket");
    Stream::new(Descriptor::Owned(fd))
}

/// A stream, and the other end of its connection, which blocks.
fn with_peer() -> (Stream<Bytes>, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair");
    (stream(near), far)
}

fn tcp_with_peer() -> (Stream<Bytes>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let peer = TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
    let (near, _) = listener.accept().expect("a connection");
    (stream(near), peer)
}

fn fill(stream: &mut Stream<Bytes>) -> usize {
    let mut written = 0;
    while stream.flush().expect("a flush") == FlushOutcome::Flushed {
        stream.write(vec![b'x'; 100_000]).expect("a write");
        written += 100_000;
    }
    written
}

/// Waits as a loop would, so that a test does not depend on how fast the peer is.
fn wait_for(stream: &Stream<Bytes>, interest: Interest) {
    let mut reactor = Reactor::new().expect("a reactor");
    reactor
        .register(stream.as_raw_fd(), interest, ())
        .expect("a token");
    reactor.poll(&mut Events::new(), None).expect("a poll");
}

#[test]
fn writing_only_buffers() {
    let (mut near, mut far) = with_peer();
    near.write(b"hello".to_vec()).expect("a write");
    near.write(Vec::new()).expect("a write");
    near.write(b", world".to_vec()).expect("a write");
    assert_eq!(near.buffered(), 12);
    assert_eq!(near.interest(), Interest::READABLE);
    far.set_nonblocking(true).expect("a non-blocking socket");
    let error = far.read(&mut [0]).expect_err("nothing was sent");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(near.flush().expect("a flush"), FlushOutcome::Flushed);
    let mut received = [0; 12];
    far.read_exact(&mut received).expect("a read");
    assert_eq!(&received, b"hello, world");
    assert_eq!(near.buffered(), 0);
}

#[test]
fn more_chunks_than_one_call_takes_arrive_in_order() {
    let (mut near, mut far) = with_peer();
    let expected: Bytes = (0..200).collect();
    for byte in &expected {
        near.write(vec![*byte]).expect("a write");
    }
    assert_eq!(near.flush().expect("a flush"), FlushOutcome::Flushed);
    let mut received = [0; 200];
    far.read_exact(&mut received).expect("a read");
    assert_eq!(received.as_slice(), expected);
}

#[test]
fn a_short_write_blocks_the_stream_until_there_is_room() {
    let (mut near, mut far) = with_peer();
    let written = fill(&mut near);
    assert!(near.is_blocked());
    assert!(near.buffered() > 0);
    assert_eq!(near.interest(), Interest::BOTH);
    let reader = std::thread::spawn(move || {
        let mut received = vec![0; written];
        far.read_exact(&mut received).expect("a read");
        (received.iter().all(|byte| *byte == b'x'), far)
    });
    while near.is_blocked() {
        wait_for(&near, Interest::WRITABLE);
        near.flush().expect("a flush");
    }
    assert_eq!((near.buffered(), near.interest()), (0, Interest::READABLE));
    assert!(reader.join().expect("the reader").0);
}

#[test]
fn reading_tells_data_from_nothing_and_from_the_end() {
    let (mut near, mut far) = with_peer();
    let mut buffer = [0; 8];
    assert_eq!(
        near.read(&mut buffer).expect("a read"),
        ReadOutcome::Blocked
    );
    assert_eq!(
        near.read(&mut []).expect("a read of nothing"),
        ReadOutcome::Blocked
    );
    far.write_all(b"0123456789").expect("a write");
    assert_eq!(
        near.read(&mut []).expect("a read of nothing"),
        ReadOutcome::Data(0)
    );
    assert_eq!(
        near.read(&mut buffer).expect("a read"),
        ReadOutcome::Data(8)
    );
    let mut uninit = [MaybeUninit::uninit(); 8];
    assert_eq!(
        near.read_uninit(&mut uninit).expect("a read"),
        ReadOutcome::Data(2)
    );
    far.shutdown(Shutdown::Write).expect("a shutdown");
    assert!(near.is_reading());
    assert_eq!(near.read(&mut buffer).expect("a read"), ReadOutcome::End);
    assert!(!near.is_reading());
    assert_eq!(near.interest(), Interest::NONE, "an end stays readable");
    near.resume_reading();
    assert!(!near.is_reading(), "nothing comes after the end");
    assert_eq!(
        near.read_uninit(&mut uninit).expect("a read"),
        ReadOutcome::End
    );
    near.write(b"still open".to_vec()).expect("a write");
    near.flush().expect("a flush");
    far.read_exact(&mut [0; 10]).expect("a read");
}

#[test]
fn a_paused_stream_asks_for_nothing() {
    let (mut near, _far) = with_peer();
    near.pause_reading();
    near.pause_reading();
    assert!(!near.is_reading());
    assert_eq!(near.interest(), Interest::NONE);
    near.resume_reading();
    assert_eq!(near.interest(), Interest::READABLE);
}

#[test]
fn flow_events_come_once() {
    let (mut near, far) = with_peer();
    let limits = WriteLimits {
        high: 1_000_000,
        low: 10,
    };
    near.set_write_limits(limits);
    assert_eq!(near.write_limits(), limits);
    assert_eq!(near.flow(), None);
    fill(&mut near);
    near.write(vec![0; limits.high + 1]).expect("a write");
    assert_eq!(near.flow(), Some(FlowEvent::PauseWriting));
    assert_eq!(near.flow(), None);
    let reader = std::thread::spawn(move || {
        let mut far = far;
        std::io::copy(&mut far, &mut std::io::sink()).expect("a copy")
    });
    while near.is_blocked() {
        assert_eq!(near.flow(), None);
        wait_for(&near, Interest::WRITABLE);
        near.flush().expect("a flush");
    }
    assert_eq!(near.flow(), Some(FlowEvent::ResumeWriting));
    assert_eq!(near.flow(), None);
    drop(near);
    reader.join().expect("the reader");
}

#[test]
fn a_low_limit_is_never_above_the_high_one() {
    let (mut near, _far) = with_peer();
    near.set_write_limits(WriteLimits { high: 10, low: 20 });
    assert_eq!(near.write_limits(), WriteLimits { high: 10, low: 10 });
}

#[test]
fn eof_follows_what_was_written() {
    let (mut near, mut far) = with_peer();
    near.write(b"last words".to_vec()).expect("a write");
    near.write_eof();
    assert_eq!(near.write(b"too late".to_vec()), Err(NotWritable));
    assert!(near.is_eof_requested());
    assert!(!near.is_drained());
    assert_eq!(near.flush().expect("a flush"), FlushOutcome::Flushed);
    assert!(near.is_drained());
    let mut received = String::new();
    far.read_to_string(&mut received)
        .expect("a read to the end");
    assert_eq!(received, "last words");
    far.write_all(b"answer").expect("a write");
    let mut buffer = [0; 16];
    assert_eq!(
        near.read(&mut buffer).expect("a read"),
        ReadOutcome::Data(6)
    );
}

#[test]
fn eof_of_a_peer_that_is_gone_is_no_error() {
    let (mut near, far) = tcp_with_peer();
    drop(far);
    wait_for(&near, Interest::READABLE);
    near.write_eof();
    assert_eq!(near.flush().expect("a flush"), FlushOutcome::Flushed);
}

#[test]
fn closing_sends_what_is_left() {
    let (mut near, mut far) = with_peer();
    let written = fill(&mut near);
    near.close();
    assert!(near.is_closing());
    assert!(!near.is_drained());
    assert_eq!(near.interest(), Interest::WRITABLE);
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        far.read_to_end(&mut received).expect("a read to the end");
        received.len()
    });
    while !near.is_drained() {
        wait_for(&near, Interest::WRITABLE);
        near.flush().expect("a flush");
    }
    assert_eq!(near.write(b"too late".to_vec()), Err(NotWritable));
    assert_eq!(near.buffered(), 0);
    drop(near);
    assert_eq!(reader.join().expect("the reader"), written);
}

#[test]
fn closing_with_nothing_left_is_done_at_once() {
    let (mut near, _far) = with_peer();
    near.close();
    assert!(near.is_closing() && near.is_drained());
    assert_eq!(near.interest(), Interest::NONE);
    near.resume_reading();
    assert!(!near.is_reading());
}

#[test]
fn aborting_drops_what_is_left() {
    let (mut near, _far) = with_peer();
    near.set_write_limits(WriteLimits { high: 0, low: 0 });
    fill(&mut near);
    assert_eq!(near.flow(), Some(FlowEvent::PauseWriting));
    near.abort();
    assert!(near.is_closing() && near.is_drained());
    assert_eq!((near.buffered(), near.interest()), (0, Interest::NONE));
    assert_eq!(near.flow(), None, "nobody is left to be told");
    assert_eq!(near.flush().expect("a flush"), FlushOutcome::Flushed);
}

#[test]
fn a_broken_connection_is_an_error_and_no_signal() {
    let (mut near, far) = with_peer();
    drop(far);
    for chunk in [
        vec![b"one".to_vec()],
        vec![b"one".to_vec(), b"two".to_vec()],
    ] {
        for chunk in chunk {
            near.write(chunk).expect("a write");
        }
        assert_eq!(
            near.flush().expect_err("an error").kind(),
            ErrorKind::BrokenPipe
        );
    }
    near.abort();
    assert!(near.is_drained());
}

#[test]
fn a_reset_connection_is_an_error_of_reading() {
    let (mut near, mut far) = tcp_with_peer();
    near.write(b"unread".to_vec()).expect("a write");
    near.flush().expect("a flush");
    far.read_exact(&mut [0]).expect("a read");
    // Bytes that were not read make closing a reset.
    drop(far);
    wait_for(&near, Interest::READABLE);
    let error = near.read(&mut [0; 8]).expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn an_urgent_byte_does_not_stay_readable() {
    let (mut near, far) = tcp_with_peer();
    socket2::SockRef::from(&far)
        .send_out_of_band(b"!")
        .expect("an urgent byte");
    wait_for(&near, Interest::READABLE);
    assert_eq!(
        near.read(&mut [0; 8]).expect("a read"),
        ReadOutcome::Blocked
    );
    let mut reactor = Reactor::new().expect("a reactor");
    reactor
        .register(near.as_raw_fd(), Interest::READABLE, ())
        .expect("a token");
    let mut events = Events::new();
    reactor
        .poll(&mut events, Some(std::time::Duration::ZERO))
        .expect("a poll");
    assert!(events.is_empty());
}

#[test]
fn a_borrowed_descriptor_stays_open() {
    let (near, mut far) = UnixStream::pair().expect("a pair");
    let mut borrowed = Stream::new(Descriptor::Borrowed(near.as_raw_fd()));
    borrowed.write(b"borrowed".to_vec()).expect("a write");
    borrowed.flush().expect("a flush");
    assert!(matches!(
        borrowed.into_descriptor(),
        Descriptor::Borrowed(_)
    ));
    (&near).write_all(b" and open").expect("a write");
    drop(near);
    let mut received = String::new();
    far.read_to_string(&mut received).expect("a read");
    assert_eq!(received, "borrowed and open");
}

#[test]
fn a_released_descriptor_has_a_new_owner() {
    let (mut near, mut far) = with_peer();
    let owner = near.release_descriptor().expect("the stream owned it");
    assert_eq!(owner.as_raw_fd(), near.as_raw_fd());
    assert!(near.release_descriptor().is_none());
    near.write(b"still connected".to_vec()).expect("a write");
    near.flush().expect("a flush");
    drop(near);
    far.read_exact(&mut [0; 15]).expect("a read");
    drop(owner);
    assert_eq!(far.read(&mut [0]).expect("the end"), 0);
}
