//! Which descriptor belongs to whom.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::interest::Interest;
use crate::selector::{Events, Selector};
use crate::sys::{self, RawFd};
use crate::token::Token;
use crate::waker::Waker;

const NO_SLOT: u32 = u32::MAX;

struct Entry<S> {
    fd: RawFd,
    interest: Interest,
    source: S,
}

struct Slot<S> {
    generation: usize,
    entry: Option<Entry<S>>,
}

/// Registers descriptors, each with a source of the caller's own type `S`.
///
/// The reactor borrows descriptors by number and never closes them. Deregister before closing; a
/// descriptor closed first is tolerated, and its stale registration replaced when its number comes
/// again. (If a duplicate of it stays open, the system goes on reporting the closed one. Nothing
/// outside the system can stop that, which is why the order matters.)
///
/// Registrations are level-triggered: what is ready stays ready until it was dealt with. With
/// [`Interest::EDGE`] they are edge-triggered, which saves the system a look at what was dealt with.
pub struct Reactor<S> {
    selector: Arc<Selector>,
    slots: Vec<Slot<S>>,
    free: Vec<u32>,
    /// The slot of each descriptor.
    slot_of: Vec<u32>,
}

impl<S> Reactor<S> {
    /// A reactor with nothing registered.
    ///
    /// # Errors
    ///
    /// When the system is out of descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            selector: Arc::new(Selector::new()?),
            slots: Vec::new(),
            free: Vec::new(),
            slot_of: Vec::new(),
        })
    }

    /// Goes on with a selector of its own, as the child of a fork must before it does anything else:
    /// the one it inherited is its parent's too, and what it would register or end there, it would
    /// for both. The old one stays open, because closing it would do just that.
    ///
    /// Wakers of before wake the parent alone; [`waker`](Self::waker) gives a new one.
    ///
    /// # Errors
    ///
    /// When the system is out of descriptors; nothing has changed then.
    pub fn renew_selector(&mut self) -> io::Result<()> {
        let inherited = std::mem::replace(&mut self.selector, Arc::new(Selector::new()?));
        std::mem::forget(inherited);
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(entry) = &mut slot.entry else {
                continue;
            };
            let token = Token::new(index, slot.generation);
            if !entry.interest.is_empty()
                && let Err(error) = self.selector.add(entry.fd, token, entry.interest)
            {
                tracing::debug!(fd = ?entry.fd, ?token, %error, "could not be registered anew");
                entry.interest = Interest::NONE;
            }
        }
        Ok(())
    }

    /// The selector, to wait without borrowing the reactor.
    #[inline]
    #[must_use]
    pub fn selector(&self) -> &Arc<Selector> {
        &self.selector
    }

    /// A waker of the selector.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.selector.waker()
    }

    /// Registers `fd`. With [`Interest::NONE`] the system is not told of it yet.
    ///
    /// # Errors
    ///
    /// - [`Error::AlreadyRegistered`]. A registration whose descriptor was closed is dropped and
    ///   replaced instead, if it had an interest: of one without, the system cannot be asked
    ///   whether it is alive.
    /// - [`Error::NotADescriptor`] for a negative number.
    /// - [`Error::System`] with what the system says: [`io::ErrorKind::PermissionDenied`] for a
    ///   regular file.
    pub fn register(&mut self, fd: RawFd, interest: Interest, source: S) -> Result<Token, Error> {
        let index = sys::table_index(fd).ok_or(Error::NotADescriptor(fd))?;
        drop(self.take_closed(fd));
        if self.token_of(fd).is_some() {
            return Err(Error::AlreadyRegistered(fd));
        }
        let slot = self.free_slot()?;
        let token = Token::new(slot, self.slots[slot].generation);
        if !interest.is_empty()
            && let Err(source) = self.selector.add(fd, token, interest)
        {
            self.free.push(slot as u32);
            return Err(Error::System { fd, source });
        }
        self.slots[slot].entry = Some(Entry {
            fd,
            interest,
            source,
        });
        if self.slot_of.len() <= index {
            self.slot_of.resize(index + 1, NO_SLOT);
        }
        self.slot_of[index] = slot as u32;
        Ok(token)
    }

    /// Ends the registration of a descriptor that was closed since and returns its source, which
    /// [`register`](Self::register) would drop for a new one of the same number. `None` if there is
    /// no registration or it is alive.
    pub fn take_closed(&mut self, fd: RawFd) -> Option<S> {
        let token = self.token_of(fd)?;
        if self.is_alive(fd, token) {
            return None;
        }
        tracing::debug!(
            ?fd,
            ?token,
            "dropped the registration of a closed descriptor"
        );
        self.take_entry(token).map(|entry| entry.source)
    }

    /// Changes what `token` wants to hear of; a system call is made only if that is a change.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] for a stale token, else [`Error::System`].
    #[inline]
    pub fn set_interest(&mut self, token: Token, interest: Interest) -> Result<(), Error> {
        let selector = &self.selector;
        let Some(entry) = entry_of(&mut self.slots, token) else {
            return Err(Error::Ended);
        };
        if entry.interest == interest || (entry.interest.is_empty() && interest.is_empty()) {
            return Ok(());
        }
        // The system reports hangups and errors even to those who asked for nothing, so a
        // registration without interest would wake a loop that cannot act on it, for ever.
        let fd = entry.fd;
        let changed = if interest.is_empty() {
            selector.delete(fd)
        } else if entry.interest.is_empty() {
            selector.add(fd, token, interest)
        } else {
            selector.modify(fd, token, interest)
        };
        changed.map_err(|source| Error::System { fd, source })?;
        entry.interest = interest;
        Ok(())
    }

    /// Has what `token` is ready for told anew, where its interest is at [edges](Interest::EDGE): for who did
    /// not read or write until that would block.
    ///
    /// # Errors
    ///
    /// As [`set_interest`](Self::set_interest).
    pub fn look_again(&mut self, token: Token) -> Result<(), Error> {
        let Some(entry) = self.entry(token) else {
            return Err(Error::Ended);
        };
        let (fd, interest) = (entry.fd, entry.interest);
        if interest.is_empty() || !interest.contains(Interest::EDGE) {
            return Ok(());
        }
        let told = self.selector.modify(fd, token, interest);
        told.map_err(|source| Error::System { fd, source })
    }

    /// What `token` wants to hear of; `None` for a stale token.
    #[inline]
    #[must_use]
    pub fn interest(&self, token: Token) -> Option<Interest> {
        self.entry(token).map(|entry| entry.interest)
    }

    /// Ends a registration and returns its source; `None` for a stale token. A descriptor that is
    /// closed already is no error.
    pub fn deregister(&mut self, token: Token) -> Option<S> {
        let entry = self.take_entry(token)?;
        if !entry.interest.is_empty()
            && let Err(error) = self.selector.delete(entry.fd)
        {
            tracing::debug!(fd = ?entry.fd, ?token, %error, "the descriptor was gone");
        }
        Some(entry.source)
    }

    /// The source of `token`; `None` for a stale token.
    #[inline]
    #[must_use]
    pub fn source(&self, token: Token) -> Option<&S> {
        self.entry(token).map(|entry| &entry.source)
    }

    /// The source of `token`, to change; `None` for a stale token.
    #[inline]
    pub fn source_mut(&mut self, token: Token) -> Option<&mut S> {
        entry_of(&mut self.slots, token).map(|entry| &mut entry.source)
    }

    /// The token of the registration of `fd`.
    #[inline]
    #[must_use]
    pub fn token_of(&self, fd: RawFd) -> Option<Token> {
        let slot = *self.slot_of.get(sys::table_index(fd)?)? as usize;
        let generation = self.slots.get(slot)?.generation;
        Some(Token::new(slot, generation))
    }

    /// How many descriptors are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All sources with their tokens.
    pub fn iter(&self) -> impl Iterator<Item = (Token, &S)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let entry = slot.entry.as_ref()?;
            Some((Token::new(index, slot.generation), &entry.source))
        })
    }

    /// Ends all registrations and returns their sources.
    pub fn drain(&mut self) -> impl Iterator<Item = S> + use<S> {
        let tokens: Vec<Token> = self.iter().map(|(token, _)| token).collect();
        let sources: Vec<S> = tokens
            .into_iter()
            .filter_map(|token| self.deregister(token))
            .collect();
        sources.into_iter()
    }

    /// Waits as [`Selector::wait`] does, and drops events of registrations that have ended. A signal
    /// ends the wait with no events.
    ///
    /// # Errors
    ///
    /// What the system says, of which it is the only one: a reactor that was made can wait.
    pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.selector.wait(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            result => result?,
        }
        events.retain(|token| self.entry(token).is_some());
        Ok(())
    }

    #[inline]
    fn entry(&self, token: Token) -> Option<&Entry<S>> {
        let slot = self.slots.get(token.slot())?;
        if slot.generation == token.generation() {
            slot.entry.as_ref()
        } else {
            None
        }
    }

    fn take_entry(&mut self, token: Token) -> Option<Entry<S>> {
        let index = token.slot();
        let slot = self.slots.get_mut(index)?;
        if slot.generation != token.generation() {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = Token::next_generation(slot.generation);
        self.free.push(index as u32);
        if let Some(slot_of) = sys::table_index(entry.fd).and_then(|fd| self.slot_of.get_mut(fd)) {
            *slot_of = NO_SLOT;
        }
        Some(entry)
    }

    fn free_slot(&mut self) -> Result<usize, Error> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot as usize);
        }
        let slot = self.slots.len();
        if slot >= Token::MAX_SLOTS {
            return Err(Error::Full);
        }
        self.slots.push(Slot {
            generation: 0,
            entry: None,
        });
        Ok(slot)
    }

    /// Whether the descriptor of a registration is still the one that was registered.
    fn is_alive(&self, fd: RawFd, token: Token) -> bool {
        match self.interest(token) {
            None => false,
            Some(interest) if interest.is_empty() || !sys::REPORTS_EXISTING => true,
            Some(interest) => self.selector.modify(fd, token, interest).is_ok(),
        }
    }
}

#[inline]
fn entry_of<S>(slots: &mut [Slot<S>], token: Token) -> Option<&mut Entry<S>> {
    let slot = slots.get_mut(token.slot())?;
    if slot.generation == token.generation() {
        slot.entry.as_mut()
    } else {
        None
    }
}

impl<S> std::fmt::Debug for Reactor<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Reactor")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
