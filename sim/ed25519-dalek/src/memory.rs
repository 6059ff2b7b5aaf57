//! What a thread has found to be true: signatures that verify, and bytes that are
//! keys.
//!
//! Compared byte for byte, so that a digest's collision cannot make a lie true.
//! Bounded: what was used least recently is forgotten, and computed again when it
//! is asked for again.

use std::cell::RefCell;
use std::collections::BTreeMap;

use published::{PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH, Signature, SignatureError, VerifyingKey};

/// Bytes of messages kept, at most twice that.
const MESSAGES_BYTES: usize = 1 << 20;
/// Keys kept, at most twice that.
const KEYS: usize = 1 << 14;

type KeyBytes = [u8; PUBLIC_KEY_LENGTH];

#[derive(Default)]
struct Memory {
    signatures: Recent<[u8; SIGNATURE_LENGTH], (KeyBytes, Box<[u8]>)>,
    keys: Recent<KeyBytes, VerifyingKey>,
}

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

/// Whether the running thread remembers from now on. Either way it forgets what it
/// remembered until now.
pub fn remember(on: bool) {
    MEMORY.set(on.then(Memory::default));
}

/// The key of `bytes`: remembered, or else as `compute` says.
pub(crate) fn key(
    bytes: &KeyBytes,
    compute: impl FnOnce(&KeyBytes) -> Result<VerifyingKey, SignatureError>,
) -> Result<VerifyingKey, SignatureError> {
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory else {
            return compute(bytes);
        };
        if let Some(key) = memory.keys.get(bytes) {
            return Ok(*key);
        }
        let key = compute(bytes)?;
        memory.keys.insert(*bytes, key, 1, KEYS);
        Ok(key)
    })
}

/// Whether `key` has signed `message` so: remembered, or else as `compute` says.
pub(crate) fn verified(
    key: &KeyBytes,
    message: &[u8],
    signature: &Signature,
    compute: impl FnOnce() -> Result<(), SignatureError>,
) -> Result<(), SignatureError> {
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory else {
            return compute();
        };
        let signature = signature.to_bytes();
        if let Some((signer, signed)) = memory.signatures.get(&signature)
            && signer == key
            && **signed == *message
        {
            return Ok(());
        }
        compute()?;
        let charge = message.len() + SIGNATURE_LENGTH + PUBLIC_KEY_LENGTH;
        let fact = (*key, message.into());
        memory
            .signatures
            .insert(signature, fact, charge, MESSAGES_BYTES);
        Ok(())
    })
}

/// Facts in two halves, so that forgetting costs nothing: when the new half is
/// full, the old one goes and the new one is the old.
struct Recent<K, V> {
    new: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
    charged: usize,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self {
            new: BTreeMap::new(),
            old: BTreeMap::new(),
            charged: 0,
        }
    }
}

impl<K: Ord, V> Recent<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.new.get(key).or_else(|| self.old.get(key))
    }

    /// Keeps a fact that counts `charge` of the `limit` of a half.
    fn insert(&mut self, key: K, value: V, charge: usize, limit: usize) {
        if charge > limit {
            return;
        }
        if self.charged + charge > limit {
            self.old = std::mem::take(&mut self.new);
            self.charged = 0;
        }
        self.charged += charge;
        self.new.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use published::{Signer, SigningKey, Verifier};

    use super::*;

    fn signed(message: &[u8]) -> (KeyBytes, Signature) {
        let key = SigningKey::from_bytes(&[1; 32]);
        (key.verifying_key().to_bytes(), key.sign(message))
    }

    /// Whether the message has to be computed to be found signed.
    fn computes(message: &[u8]) -> bool {
        let (key, signature) = signed(message);
        let mut computed = false;
        let answer = verified(&key, message, &signature, || {
            computed = true;
            SigningKey::from_bytes(&[1; 32])
                .verifying_key()
                .verify(message, &signature)
        });
        assert!(answer.is_ok());
        computed
    }

    #[test]
    fn only_a_thread_that_remembers_computes_once() {
        assert!(computes(b"a") && computes(b"a"), "it was not told to");
        remember(true);
        assert!(computes(b"a") && !computes(b"a"));
        remember(true);
        assert!(computes(b"a"), "it was told to forget");
        remember(false);
        assert!(computes(b"a"));
    }

    #[test]
    fn what_is_wrong_is_computed_each_time() {
        remember(true);
        assert!(computes(b"right"));
        let (key, signature) = signed(b"right");
        let mut computed = 0;
        for _ in 0..3 {
            let answer = verified(&key, b"wrong", &signature, || {
                computed += 1;
                Err(SignatureError::new())
            });
            assert!(answer.is_err());
        }
        assert_eq!(computed, 3);
        assert!(!computes(b"right"), "the lie did not displace it");
    }

    #[test]
    fn memory_is_bounded() {
        let mut recent = Recent::default();
        for number in 0..10_000_u32 {
            recent.insert(number, (), 100, 1_000);
            assert!(recent.new.len() + recent.old.len() <= 20);
        }
        assert!(recent.get(&9_999).is_some() && recent.get(&9_990).is_some());
        recent.insert(10_000, (), 1_001, 1_000);
        assert!(recent.get(&10_000).is_none(), "larger than all that fits");
        assert!(recent.get(&9_999).is_some());
    }
}
