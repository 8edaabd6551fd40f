//! The rows of `make bench` that are mostly system calls, without a loop and without Python: what is left of
//! a row when nothing but those calls is made. No loop that makes them can be much faster; rows whose calls a loop can
//! make for many clients at once are not among them.
//!
//! `bare ROW` serves on a socket whose port, or name, it prints; or it prints `ready`, and answers each line of
//! its input, so many seconds, with what was done in a second of them.

#[cfg(target_os = "linux")]
mod rows;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    rows::run(&std::env::args().nth(1).unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), &'static str> {
    Err("the system calls that these rows make are Linux's")
}
