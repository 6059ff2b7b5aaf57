//! Secrets and random names, straight from the operating system.
//!
//! The one place where the crate's data model draws entropy. It keeps no
//! generator of its own, so nothing secret lingers in memory.

use rand::TryRng;
use rand::rngs::SysRng;

/// `N` bytes of the operating system's entropy.
///
/// # Panics
/// If the operating system has none to give: no key may be made then.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system gives entropy, or no key may be made");
    bytes
}
