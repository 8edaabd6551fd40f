//! Streams over pipes.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;

use zloop_core::Interest;
use zloop_net::pipe::{self, Kind};
use zloop_net::{Descriptor, FlushOutcome, ReadOutcome, Stream};

fn streams() -> (Stream<&'static [u8]>, Stream<&'static [u8]>) {
    let (reader, writer) = pipe::pair().expect("a pipe");
    (
        Stream::new(Descriptor::Owned(reader)),
        Stream::new(Descriptor::Owned(writer)),
    )
}

#[test]
fn bytes_go_through_and_the_end_is_seen() {
    let (mut reader, mut writer) = streams();
    let mut buffer = [0; 32];
    assert_eq!(
        reader.read(&mut buffer).expect("a read"),
        ReadOutcome::Blocked
    );
    writer.write(b"one").expect("a write");
    assert_eq!(writer.flush().expect("a flush"), FlushOutcome::Flushed);
    writer.write(b", two").expect("a write");
    writer.write(b", three").expect("a write");
    assert_eq!(writer.flush().expect("a flush"), FlushOutcome::Flushed);
    assert_eq!(
        reader.read(&mut buffer).expect("a read"),
        ReadOutcome::Data(15)
    );
    assert_eq!(&buffer[..15], b"one, two, three");
    writer.write_eof();
    assert_eq!(
        writer.flush().expect("a pipe has no shutdown"),
        FlushOutcome::Flushed
    );
    assert!(writer.is_drained());
    drop(writer);
    assert_eq!(reader.read(&mut buffer).expect("a read"), ReadOutcome::End);
}

#[test]
fn a_full_pipe_blocks_and_a_closed_one_breaks() {
    static MUCH: [u8; 50_000] = [7; 50_000];

    let (reader, mut writer) = streams();
    while writer.flush().expect("a flush") == FlushOutcome::Flushed {
        writer.write(&MUCH).expect("a write");
    }
    assert!(writer.interest().contains(Interest::WRITABLE));
    drop(reader);
    let error = writer.flush().expect_err("nobody reads");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no fstat")]
fn kinds_are_told_apart() {
    let (reader, _writer) = pipe::pair().expect("a pipe");
    let (socket, _peer) = UnixStream::pair().expect("a pair");
    let file = File::open(std::env::current_exe().expect("a path")).expect("a file");
    let device = File::open("/dev/null").expect("a device");
    assert_eq!(pipe::kind(&reader).expect("a kind"), Kind::Pipe);
    assert_eq!(pipe::kind(&socket).expect("a kind"), Kind::Socket);
    assert_eq!(pipe::kind(&file).expect("a kind"), Kind::Other);
    assert_eq!(pipe::kind(&device).expect("a kind"), Kind::CharacterDevice);
}

#[test]
fn blocking_is_switched_both_ways() {
    let (reader, writer) = pipe::pair().expect("a pipe");
    let mut reader = File::from(reader);
    assert_eq!(
        reader.read(&mut [0]).expect_err("nothing").kind(),
        ErrorKind::WouldBlock
    );
    pipe::set_nonblocking(&reader, false).expect("a blocking pipe");
    drop(writer);
    assert_eq!(reader.read(&mut [0]).expect("the end"), 0);
    pipe::set_nonblocking(&reader, true).expect("a non-blocking pipe");
    let flags = rustix::fs::fcntl_getfl(&reader).expect("the flags");
    assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
}
