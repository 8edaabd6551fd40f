//! What a TLS engine has to offer: [`Session`].

use std::error::Error as StdError;
use std::io::IoSlice;

/// One TLS connection's engine: bytes in, bytes out, and no idea of sockets or clocks.
///
/// [`Connection`](crate::Connection) drives it; nobody else has to. The engine keeps ciphertext
/// that it was given until it can use it, and ciphertext that it made until it is taken.
///
/// The interface is what both a record-layer library such as rustls and an object such as
/// OpenSSL's `SSL` between two memory buffers can offer without copying plaintext twice: an engine
/// lends out what it decrypted ([`read`](Self::read)) or decrypts into the caller's buffer
/// ([`read_into`](Self::read_into)), and encrypts straight from the caller's memory.
///
/// A method that has nothing to do because bytes are missing says so by its value, never by an
/// error. An error is final: no method but [`take_ciphertext`](Self::take_ciphertext) is called
/// after it, to get at an alert that the engine may have made for the peer.
pub trait Session {
    /// How the engine fails.
    type Error: StdError + 'static;

    /// Decrypted bytes as the engine has them: borrowed from it, or owned where that is cheaper.
    type Plaintext<'a>: AsRef<[u8]>;

    /// Encrypted bytes as the engine has them.
    type Ciphertext: AsRef<[u8]>;

    /// Takes in bytes that came from the peer, without looking at them yet.
    ///
    /// # Errors
    ///
    /// Only if the engine cannot keep them, such as for want of memory.
    fn receive(&mut self, ciphertext: &[u8]) -> Result<(), Self::Error>;

    /// Room of the engine's own that the caller may receive into, to save copying.
    ///
    /// What was put there counts once [`received`](Self::received) is called. `None` if this
    /// engine has no such room; the caller then uses [`receive`](Self::receive).
    fn receive_buffer(&mut self) -> Option<&mut [u8]> {
        None
    }

    /// Says that the first `count` bytes of [`receive_buffer`](Self::receive_buffer) were filled.
    fn received(&mut self, count: usize) {
        debug_assert_eq!(count, 0, "this engine lends out no buffer");
    }

    /// How many received bytes wait to be decrypted: what reading flow control counts.
    fn buffered_ciphertext(&self) -> usize;

    /// The ciphertext made so far, if there is any. It has to reach the peer, in order.
    ///
    /// # Errors
    ///
    /// If the engine cannot hand it out.
    fn take_ciphertext(&mut self) -> Result<Option<Self::Ciphertext>, Self::Error>;

    /// Goes on with the handshake as far as the received bytes allow.
    ///
    /// # Errors
    ///
    /// If the handshake failed, on whichever side.
    fn handshake(&mut self) -> Result<Handshake, Self::Error>;

    /// Encrypts from the start of `plaintext`, and says how many bytes it used.
    ///
    /// An engine may use less than it was given, even nothing if it has to hear from the peer
    /// first. Neighbouring parts may share a record.
    ///
    /// # Errors
    ///
    /// If the engine can encrypt no more.
    fn write(&mut self, plaintext: &[IoSlice<'_>]) -> Result<usize, Self::Error>;

    /// Decrypts some bytes, usually a record, and passes them to `deliver`.
    ///
    /// # Errors
    ///
    /// If what came from the peer is not what it should be. Bytes that precede the fault are
    /// delivered by the calls before.
    fn read<R>(
        &mut self,
        deliver: impl FnOnce(Self::Plaintext<'_>) -> R,
    ) -> Result<Received<R>, Self::Error>;

    /// Decrypts into `buffer`, which must not be empty, and says how many bytes it put there:
    /// never 0, which would be [`Received::Nothing`].
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn read_into(&mut self, buffer: &mut [u8]) -> Result<Received<usize>, Self::Error>;

    /// Makes the close_notify alert that ends our direction. The peer's direction goes on.
    ///
    /// Called once, when everything was written.
    ///
    /// # Errors
    ///
    /// If the alert cannot be made. That application data of the peer's is still unread is no error.
    fn close_notify(&mut self) -> Result<(), Self::Error>;

    /// What the handshake settled. Asked only after it is done, and not on any hot path.
    ///
    /// # Errors
    ///
    /// If the engine cannot be asked.
    fn negotiated(&self) -> Result<Negotiated, Self::Error>;

    /// Whose fault an error is.
    fn fault(error: &Self::Error) -> Fault;
}

/// How far a handshake got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// More has to come from the peer.
    WantsMore,
    /// Application data can flow.
    Done,
}

/// What reading from a [`Session`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// Application data.
    Data(T),
    /// None now; more ciphertext has to come first.
    Nothing,
    /// The peer's close_notify: there will be none.
    CloseNotify,
}

/// Who has to do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The peer broke the protocol, left, or cannot prove who it is.
    Peer,
    /// Our own configuration cannot work, with this peer or at all.
    Local,
    /// The bytes did not get through.
    Transport,
}

/// What a handshake settled between the two sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// The protocol's version by its usual name, such as `TLSv1.3`.
    pub version: Option<String>,
    /// The cipher suite.
    pub cipher: Option<Cipher>,
    /// The application protocol chosen by ALPN.
    pub alpn_protocol: Option<Vec<u8>>,
    /// The certificates that the peer showed, in DER, its own first. Empty if it showed none.
    pub peer_certificates: Vec<Vec<u8>>,
    /// Whether an earlier session was taken up instead of a full handshake.
    pub resumed: bool,
}

/// A cipher suite, under the names that OpenSSL gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cipher {
    /// The suite's name, such as `TLS_AES_256_GCM_SHA384` or `ECDHE-RSA-AES128-GCM-SHA256`.
    pub name: String,
    /// The protocol version that defined it, such as `TLSv1.3`.
    pub version: String,
    /// How many secret bits it uses.
    pub secret_bits: u16,
}
