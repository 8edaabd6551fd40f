//! What the processor is good at.

use std::sync::OnceLock;

/// Whether the kernel's copies to a place just behind the beginning of a page are slow.
///
/// It copies by `rep movsb`, which AMD's processors run slowly where the destination's offset in its page is
/// just above the source's: they wait for what they take for an overlap. Socket buffers begin where pages do,
/// and large objects a few bytes behind.
#[must_use]
pub fn copies_slowly_behind_pages() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| matches!(&vendor(), b"AuthenticAMD" | b"HygonGenuine"))
}

#[cfg(target_arch = "x86_64")]
fn vendor() -> [u8; 12] {
    // SAFETY: every x86-64 processor has the instruction, and its leaf 0. Newer compilers know that.
    #[allow(unused_unsafe)]
    let leaf = unsafe { std::arch::x86_64::__cpuid(0) };
    let mut name = [0; 12];
    for (place, part) in name.chunks_exact_mut(4).zip([leaf.ebx, leaf.edx, leaf.ecx]) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    name
}

#[cfg(not(target_arch = "x86_64"))]
fn vendor() -> [u8; 12] {
    [0; 12]
}
