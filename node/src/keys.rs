//! A node's secrets: one identity, one device, and how they are kept.
//!
//! Owns which keys are in use and which were: a rotation makes new ones, and keeps what is needed
//! of the old ones. The private halves of encryption keys stay, to open what was sealed to them;
//! those of devices go, and their last certificates stay beside what they signed. The file is
//! `keys/file.rs`'s. Secrets leave this module only as signatures and opened wraps.

mod file;
mod locked;

use std::io;
use std::sync::Arc;

use libp2p::Multiaddr;
use libp2p::identity::{Keypair, PeerId};
use zeroize::Zeroizing;

use crate::card::Card;
use crate::codec::DecodeError;
use crate::delegation::{Delegation, Term};
use crate::entropy;
use crate::identity::{IdentityId, SeedSigner, SignError, Signature, Signer};
use crate::revocation::{REVOCATIONS_MAX, Revocation, device_name};
use crate::seal::{ContentKey, DecryptionKey, EncryptionKey, Wrap};
use crate::wall_clock::wall_clock_ms;

pub use file::{KEYS_DIR, KEYS_FILE};
use file::{Kept, Seed, Seeds};
pub use locked::Passphrase;

/// Most devices, and most encryption keys, that an identity has had before those in use: each of the
/// latter is tried on what does not open.
pub const FORMER_MAX: usize = REVOCATIONS_MAX;

/// Why keys could not be loaded, saved or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The disk refused.
    #[error("{KEYS_FILE}: {0}")]
    Disk(#[from] io::Error),
    /// The file is there, but not as it was written.
    #[error("{KEYS_FILE} is damaged: {0}")]
    Damaged(#[from] DecodeError),
    /// The file is under a passphrase, and none was given.
    #[error("{KEYS_FILE} is under a passphrase")]
    Locked,
    /// The file does not open with this passphrase.
    #[error("{KEYS_FILE} does not open: another passphrase, or the file was altered")]
    Passphrase,
    /// The file is under a passphrase in a way that is not ours.
    #[error("{KEYS_FILE} cannot be opened: {0}")]
    LockedOtherwise(&'static str),
    /// These keys live outside of this program and have no file.
    #[error("these keys are kept elsewhere and cannot be saved to a file")]
    Elsewhere,
    /// A key could not be used.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// There were as many before as are kept.
    #[error(
        "these keys were rotated {FORMER_MAX} times, and more are not kept; make a new node with \
         `init`"
    )]
    Spent,
    /// The device in use cannot be revoked.
    #[error("{0} is the device in use; `keys rotate` gives this node another one first")]
    InUse(String),
    /// No such device.
    #[error("{0} was no device of this node; `keys show` names them")]
    UnknownDevice(String),
}

/// Which keys a rotation replaces. With neither, only the certificate is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The key that signs posts.
    pub device: bool,
    /// The key to which others seal.
    pub encryption: bool,
}

impl Rotation {
    /// Both keys.
    pub const BOTH: Self = Self {
        device: true,
        encryption: true,
    };
}

/// The secrets of one device of one identity.
#[derive(Clone)]
pub struct Keys {
    identity: Arc<dyn Signer>,
    device: Arc<dyn Signer>,
    transport: Keypair,
    decryption: Arc<DecryptionKey>,
    delegation: Delegation,
    former: Arc<Former>,
    seeds: Option<Arc<Seeds>>,
    /// Those of the earlier encryption keys.
    former_seeds: Arc<Vec<Seed>>,
    /// The highest serial of other keys of the identity that is known; changes go above it.
    heard_serial: u64,
}

/// What is left of keys that are not in use any more, the oldest first.
#[derive(Default)]
struct Former {
    /// The last certificate of each earlier device. At most [`FORMER_MAX`].
    certificates: Vec<Delegation>,
    /// Earlier encryption keys. At most [`FORMER_MAX`].
    decryptions: Vec<DecryptionKey>,
    /// At most one of each earlier device.
    revocations: Vec<Revocation>,
}

/// The serial after `serial`: the time in ms since 1970, so that keys restored from before a change
/// give no serial twice, unless the clock was behind.
fn next_serial(serial: u64) -> u64 {
    serial.saturating_add(1).max(wall_clock_ms())
}

impl Keys {
    /// New keys: from the operating system's entropy, or all from one `seed`.
    pub fn generate(seed: Option<[u8; 32]>) -> Self {
        let root = Zeroizing::new(seed.unwrap_or_else(crate::entropy::bytes));
        let derive = |context| Zeroizing::new(blake3::derive_key(context, &*root));
        let seeds = Seeds {
            identity: derive("orrery 2025 identity key"),
            device: derive("orrery 2025 device key"),
            transport: derive("orrery 2025 transport key"),
            encryption: derive("orrery 2025 encryption key"),
        };
        Self::from_kept(Kept::first(seeds))
    }

    /// Keys of which some may be held elsewhere, such as on a token. They
    /// cannot be saved.
    ///
    /// # Errors
    /// [`SignError`] when the identity refuses to certify the device.
    pub fn with_signers(
        identity: Arc<dyn Signer>,
        device: Arc<dyn Signer>,
        transport: Keypair,
        decryption: DecryptionKey,
    ) -> Result<Self, SignError> {
        let delegation = Delegation::issue(&*identity, &*device, decryption.public(), Term::FIRST)?;
        Ok(Self {
            identity,
            device,
            transport,
            decryption: Arc::new(decryption),
            delegation,
            former: Arc::default(),
            seeds: None,
            former_seeds: Arc::default(),
            heard_serial: 0,
        })
    }

    /// These keys, where a certificate of the identity with this serial is known: the next change has a
    /// higher one, so that it counts. Keys that were restored from a copy need to be told.
    #[must_use]
    pub fn having_heard(mut self, serial: u64) -> Self {
        self.heard_serial = self.heard_serial.max(serial);
        self
    }

    /// These keys with others in place of those that `rotation` names, and a certificate with a
    /// higher serial that ends at `until_ms`, ms since 1970, if at all. What the old keys signed and
    /// what was sealed to them stays good.
    ///
    /// # Errors
    /// `Spent` when too many were replaced before; `Elsewhere`.
    pub fn rotated(&self, rotation: Rotation, until_ms: Option<u64>) -> Result<Self, KeysError> {
        let mut kept = self.kept()?;
        if rotation.device {
            kept.certificates.push(self.delegation.clone());
            kept.seeds.device = Zeroizing::new(entropy::bytes());
        }
        if rotation.encryption {
            kept.decryptions.push(kept.seeds.encryption);
            kept.seeds.encryption = Zeroizing::new(entropy::bytes());
        }
        if kept.certificates.len().max(kept.decryptions.len()) > FORMER_MAX {
            return Err(KeysError::Spent);
        }
        kept.term = Term {
            serial: next_serial(kept.term.serial.max(self.heard_serial)),
            until_ms,
        };
        Ok(Self::from_kept(kept))
    }

    /// These keys with `device` revoked: what it signs past `after_ms` by its own logical clock is
    /// refused by all who hear of it.
    ///
    /// # Errors
    /// `InUse` for the present device, `UnknownDevice` for what was none; `Elsewhere` and `Sign`.
    pub fn revoked(&self, device: [u8; 32], after_ms: u64) -> Result<Self, KeysError> {
        let mut kept = self.kept()?;
        if device == self.delegation.device {
            return Err(KeysError::InUse(device_name(&device)));
        }
        if self.certificate_of(&device).is_none() {
            return Err(KeysError::UnknownDevice(device_name(&device)));
        }
        kept.term.serial = next_serial(kept.term.serial.max(self.heard_serial));
        let revocation = Revocation::issue(&*self.identity, device, kept.term.serial, after_ms)?;
        kept.revocations.retain(|other| other.device != device);
        kept.revocations.push(revocation);
        Ok(Self::from_kept(kept))
    }

    /// Who these keys speak for.
    pub fn identity(&self) -> IdentityId {
        self.delegation.identity
    }

    /// The key of the node's connections.
    pub fn transport(&self) -> &Keypair {
        &self.transport
    }

    /// The libp2p name of the transport key.
    pub fn peer(&self) -> PeerId {
        self.transport.public().to_peer_id()
    }

    /// This device's certificate.
    pub fn delegation(&self) -> &Delegation {
        &self.delegation
    }

    /// The serial of the certificate `told`, if it is of this identity, counts as much as the present
    /// one or more, and is another: these keys are from before it was made. Others seal to keys then
    /// that are not here.
    pub fn outdated_by(&self, told: &[u8]) -> Option<u64> {
        let told = Delegation::decode(told).ok()?;
        let named = |of: &Delegation| (of.device, of.encryption, of.term);
        let own = &self.delegation;
        let is_other = told.identity == own.identity && named(&told) != named(own);
        (is_other && told.term.serial >= own.term.serial).then_some(told.term.serial)
    }

    /// The last certificate of `device`, which is or was this node's.
    pub fn certificate_of(&self, device: &[u8; 32]) -> Option<&Delegation> {
        std::iter::once(&self.delegation)
            .chain(&self.former.certificates)
            .find(|delegation| delegation.device == *device)
    }

    /// The last certificate of each device that this node had before, the oldest first.
    pub fn former(&self) -> &[Delegation] {
        &self.former.certificates
    }

    /// Devices that the identity has revoked.
    pub fn revocations(&self) -> &[Revocation] {
        &self.former.revocations
    }

    /// A signed contact card that tells friends to reach this node at `addresses`, made now.
    ///
    /// Addresses beyond what a card may hold are left out, the last first.
    ///
    /// # Errors
    /// [`SignError`] when the identity's key cannot be reached, or the transport key does not sign.
    pub fn card(&self, addresses: &[Multiaddr]) -> Result<Card, SignError> {
        self.card_at(addresses, wall_clock_ms())
    }

    /// As [`Keys::card`], made at `made_ms`, ms since 1970.
    ///
    /// # Errors
    /// As [`Keys::card`].
    pub fn card_at(&self, addresses: &[Multiaddr], made_ms: u64) -> Result<Card, SignError> {
        Card::issue(
            &*self.identity,
            &self.transport,
            self.delegation.clone(),
            addresses,
            made_ms,
        )
    }

    /// Signs `bytes` for the purpose `context` in the name of the identity.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be reached.
    pub fn sign_as_identity(&self, context: &str, bytes: &[u8]) -> Result<Signature, SignError> {
        self.identity.sign(context, bytes)
    }

    /// Signs `bytes` for the purpose `context` in the name of the device.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be reached.
    pub fn sign_as_device(&self, context: &str, bytes: &[u8]) -> Result<Signature, SignError> {
        self.device.sign(context, bytes)
    }

    /// These keys with the identity of `other`, who certifies the device.
    #[cfg(test)]
    pub(crate) fn certifying_as(&self, other: &Self) -> Self {
        let encryption = self.decryption.public();
        let delegation =
            Delegation::issue(&*other.identity, &*self.device, encryption, Term::FIRST);
        Self {
            identity: Arc::clone(&other.identity),
            delegation: delegation.expect("a key in memory signs"),
            seeds: None,
            ..self.clone()
        }
    }

    /// Whether one of the keys opens what is sealed to `encryption`.
    pub(crate) fn opens_what_is_for(&self, encryption: &EncryptionKey) -> bool {
        std::iter::once(&*self.decryption)
            .chain(&self.former.decryptions)
            .any(|key| key.public() == *encryption)
    }

    /// Opens what was wrapped for this node, with the key in use or an earlier one; nothing if it
    /// was not.
    pub(crate) fn open(&self, wrap: &Wrap, binding: &[u8]) -> Option<ContentKey> {
        std::iter::once(&*self.decryption)
            .chain(self.former.decryptions.iter().rev())
            .find_map(|key| wrap.open(key, binding).ok())
    }

    /// What a file of these keys holds.
    fn kept(&self) -> Result<Kept, KeysError> {
        let seeds = self.seeds.as_ref().ok_or(KeysError::Elsewhere)?;
        Ok(Kept {
            seeds: seeds.as_ref().clone(),
            term: self.delegation.term,
            certificates: self.former.certificates.clone(),
            decryptions: self.former_seeds.as_ref().clone(),
            revocations: self.former.revocations.clone(),
        })
    }

    fn from_kept(kept: Kept) -> Self {
        let Kept {
            seeds,
            term,
            certificates,
            decryptions,
            revocations,
        } = kept;
        let mut transport = *seeds.transport;
        let transport = Keypair::ed25519_from_bytes(&mut transport)
            .expect("every seed of 32 bytes is an Ed25519 secret key");
        let identity = SeedSigner::new(*seeds.identity);
        let device = SeedSigner::new(*seeds.device);
        let decryption = DecryptionKey::new(&seeds.encryption);
        let delegation = Delegation::issue(&identity, &device, decryption.public(), term)
            .expect("a key in memory can always sign");
        let former = Former {
            certificates,
            decryptions: decryptions
                .iter()
                .map(|seed| DecryptionKey::new(seed))
                .collect(),
            revocations,
        };
        Self {
            identity: Arc::new(identity),
            device: Arc::new(device),
            transport,
            decryption: Arc::new(decryption),
            delegation,
            former: Arc::new(former),
            seeds: Some(Arc::new(seeds)),
            former_seeds: Arc::new(decryptions),
            heard_serial: 0,
        }
    }
}
