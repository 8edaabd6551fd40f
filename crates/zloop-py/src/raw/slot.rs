//! A place for an object that may be missing, and may be replaced through a shared reference.

use std::cell::Cell;

use super::class::Visit;
use super::object::Object;

/// As small as a pointer: a `RefCell` would take another word for its flag, in each connection.
///
/// Nothing can be borrowed from it, so what is replaced is dropped with nothing borrowed: its
/// destructor, which is any Python code, finds the slot as it will stay.
#[derive(Default)]
pub struct Slot(Cell<Option<Object>>);

impl Slot {
    /// A slot with an object in it, or with none.
    pub const fn new(object: Option<Object>) -> Self {
        Self(Cell::new(object))
    }

    /// A new reference to what is in it.
    #[inline]
    pub fn get(&self) -> Option<Object> {
        self.peek(|object| object.cloned())
    }

    /// Whether it is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.peek(|object| object.is_none())
    }

    /// Puts an object in, or nothing, and drops what was there.
    #[inline]
    pub fn set(&self, object: impl Into<Option<Object>>) {
        drop(self.0.replace(object.into()));
    }

    /// Takes out what is in it.
    #[inline]
    pub fn take(&self) -> Option<Object> {
        self.0.take()
    }

    /// How many references to the object there are, the slot's among them; 0 if it is empty.
    pub fn references(&self) -> isize {
        self.peek(|object| object.map_or(0, Object::references))
    }

    /// Shows the collector what is in it.
    pub fn traverse(&self, visit: &mut Visit) {
        self.peek(|object| visit.optional(object));
    }

    /// Looks at the object while the slot is empty; `look` must run no Python code.
    #[inline]
    fn peek<R>(&self, look: impl FnOnce(Option<&Object>) -> R) -> R {
        let object = self.0.take();
        let seen = look(object.as_ref());
        self.0.set(object);
        seen
    }
}
