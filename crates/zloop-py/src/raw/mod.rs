//! All use of CPython's raw C API, behind safe wrappers.
//!
//! PyO3 is right for what runs once a connection; what runs once a callback or a packet needs what
//! it does not offer: classes derived from asyncio's own (PEP 697), instances without a collector's
//! header, vectorcall entry points whose arguments are never put into a tuple, contexts entered
//! without a Python call. That is here, and only here: the rest of the crate denies unsafe code.
//!
//! One rule carries every SAFETY comment below: **values of this module exist only on threads that
//! are attached to the interpreter.** They are made in methods that CPython calls, live in native
//! instances or on the stack of such a method, and die in one or in `tp_dealloc`. While the loop
//! waits detached, it holds none of them.
#![allow(unsafe_code)]

pub mod arguments;
pub mod bytes;
pub mod call;
pub mod class;
pub mod context;
pub mod context_copies;
mod context_layout;
pub mod methods;
pub mod object;
pub mod processor;
pub mod slot;
pub mod stored_call;
pub mod threads;
mod weak;
