//! One step of rustls's unbuffered interface, the same for a client and a server.

use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};

use super::ciphertext::Ciphertext;

/// What a record adds to its plaintext, at most: header, nonce, padding type and tag.
const RECORD_OVERHEAD: usize = 5 + 8 + 1 + 16;
/// The plaintext that a record holds, at most.
pub(super) const RECORD_PLAINTEXT: usize = 16 * 1024;

/// Somebody who takes application data.
pub(super) type OnData<'t> = &'t mut dyn FnMut(&[u8]);

/// What a step is taken for.
pub(super) struct Task<'t> {
    /// What to do with application data; without, it stays in rustls.
    pub(super) on_data: Option<OnData<'t>>,
    /// What to send, once rustls is ready for it.
    pub(super) send: Outgoing<'t>,
}

/// What a step sends.
#[derive(Clone, Copy)]
pub(super) enum Outgoing<'t> {
    Nothing,
    Data(&'t [u8]),
    CloseNotify,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Something was done on the way; take another.
    Again,
    /// Application data was met.
    Data,
    /// The peer's close_notify was met.
    PeerClosed,
    /// What was to be sent is in the outbound bytes.
    Sent,
    /// There is nothing to do before more ciphertext comes.
    Idle,
}

/// Acts on a status of rustls's. Returns how many inbound bytes are used up, and what it came to.
pub(super) fn settle<D>(
    status: UnbufferedStatus<'_, '_, D>,
    outbound: &mut Ciphertext,
    task: Task<'_>,
) -> (usize, Result<Step, rustls::Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let state = match state {
        Ok(state) => state,
        Err(error) => return (discard, Err(error)),
    };
    let step = match state {
        ConnectionState::EncodeTlsData(mut data) => {
            append(outbound, 0, |room| match data.encode(room) {
                Ok(len) => Ok(len),
                Err(EncodeError::InsufficientSize(error)) => Err(Shortage::Room(error)),
                Err(EncodeError::AlreadyEncoded) => Ok(0),
            })
            .map(|()| Step::Again)
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(Step::Again)
        }
        ConnectionState::ReadTraffic(mut traffic) => {
            let mut outcome = Ok(Step::Data);
            if let Some(on_data) = task.on_data {
                match traffic.next_record() {
                    Some(Ok(record)) => {
                        discard += record.discard;
                        on_data(record.payload);
                    }
                    Some(Err(error)) => outcome = Err(error),
                    None => outcome = Ok(Step::Again),
                }
            }
            outcome
        }
        ConnectionState::WriteTraffic(mut traffic) => match task.send {
            Outgoing::Nothing => Ok(Step::Idle),
            Outgoing::Data(plaintext) => {
                let records = plaintext.len().div_ceil(RECORD_PLAINTEXT);
                let room = plaintext.len() + records * RECORD_OVERHEAD;
                append(outbound, room, |room| {
                    traffic.encrypt(plaintext, room).map_err(Shortage::from)
                })
                .map(|()| Step::Sent)
            }
            Outgoing::CloseNotify => append(outbound, RECORD_OVERHEAD + 2, |room| {
                traffic.queue_close_notify(room).map_err(Shortage::from)
            })
            .map(|()| Step::Sent),
        },
        ConnectionState::PeerClosed | ConnectionState::Closed => Ok(Step::PeerClosed),
        ConnectionState::BlockedHandshake => Ok(Step::Idle),
        // Early data is never asked for nor allowed, and there are no other states.
        _ => Err(rustls::Error::General(
            "unexpected state of the TLS engine".into(),
        )),
    };
    (discard, step)
}

/// Why `append` could not encode.
enum Shortage {
    Room(InsufficientSizeError),
    Keys,
}

impl From<EncryptError> for Shortage {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(error) => Self::Room(error),
            EncryptError::EncryptExhausted => Self::Keys,
        }
    }
}

/// Appends to `outbound` what `encode` writes, in the room that it is likely to want or, if that
/// was too small, in the room that it says.
fn append(
    outbound: &mut Ciphertext,
    likely: usize,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Shortage>,
) -> Result<(), rustls::Error> {
    let mut room = likely;
    loop {
        match outbound.append(room, &mut encode) {
            Ok(()) => return Ok(()),
            Err(Shortage::Room(error)) if error.required_size > room => room = error.required_size,
            Err(Shortage::Room(_) | Shortage::Keys) => return Err(rustls::Error::EncryptError),
        }
    }
}
