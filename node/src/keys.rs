//! A node's secrets: one identity, one device, and how they are kept.
//!
//! Owns the key file below [`KEYS_DIR`], which a disk should show to nobody
//! else. Secrets leave this module only as signatures and opened wraps.

use std::io;
use std::sync::Arc;

use libp2p::Multiaddr;
use libp2p::identity::{Keypair, PeerId};
use zeroize::Zeroizing;

use crate::card::Card;
use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::Delegation;
use crate::environment::Disk;
use crate::files;
use crate::identity::{IdentityId, SeedSigner, SignError, Signature, Signer};
use crate::seal::DecryptionKey;

/// The folder whose files only their owner may read.
pub const KEYS_DIR: &str = "keys";
const KEYS_FILE: &str = "keys/secret.cbor";
const WHAT: &str = "key file";
const VERSION: u64 = 1;
const KEYS_BYTES_MAX: u64 = 1024;

/// Why keys could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The disk refused.
    #[error("{KEYS_FILE}: {0}")]
    Disk(#[from] io::Error),
    /// The file is there, but not as it was written.
    #[error("{KEYS_FILE} is damaged: {0}")]
    Damaged(#[from] DecodeError),
    /// These keys live outside of this program and have no file.
    #[error("these keys are kept elsewhere and cannot be saved to a file")]
    Elsewhere,
    /// A key could not be used.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// The secrets of one device of one identity.
#[derive(Clone)]
pub struct Keys {
    identity: Arc<dyn Signer>,
    device: Arc<dyn Signer>,
    transport: Keypair,
    decryption: Arc<DecryptionKey>,
    delegation: Delegation,
    seeds: Option<Arc<Seeds>>,
}

impl Keys {
    /// New keys: from the operating system's entropy, or all from one `seed`.
    pub fn generate(seed: Option<[u8; 32]>) -> Self {
        let root = Zeroizing::new(seed.unwrap_or_else(crate::entropy::bytes));
        let derive = |context| Zeroizing::new(blake3::derive_key(context, &*root));
        Self::from_seeds(Seeds {
            identity: derive("orrery 2025 identity key"),
            device: derive("orrery 2025 device key"),
            transport: derive("orrery 2025 transport key"),
            encryption: derive("orrery 2025 encryption key"),
        })
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
        let delegation = Delegation::issue(&*identity, &*device, decryption.public())?;
        Ok(Self {
            identity,
            device,
            transport,
            decryption: Arc::new(decryption),
            delegation,
            seeds: None,
        })
    }

    /// The keys on `disk`, if it has any.
    ///
    /// # Errors
    /// [`KeysError::Disk`] and [`KeysError::Damaged`].
    pub fn load(disk: &Arc<dyn Disk>) -> Result<Option<Self>, KeysError> {
        let Some(bytes) = files::read(disk, KEYS_FILE, KEYS_BYTES_MAX)? else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(bytes);
        Ok(Some(Self::from_seeds(Seeds::decode(&bytes)?)))
    }

    /// Writes the keys to `disk`, durably and all or nothing.
    ///
    /// # Errors
    /// [`KeysError::Disk`]; [`KeysError::Elsewhere`] for [`Keys::with_signers`].
    pub fn save(&self, disk: &Arc<dyn Disk>) -> Result<(), KeysError> {
        let seeds = self.seeds.as_ref().ok_or(KeysError::Elsewhere)?;
        files::make_dir(disk, KEYS_DIR)?;
        files::replace(disk, KEYS_FILE, &Zeroizing::new(seeds.encode()))?;
        files::sync_dir_of(disk, KEYS_FILE)?;
        Ok(())
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

    /// A signed contact card that tells friends to reach this node at `addresses`.
    ///
    /// Addresses beyond what a card may hold are left out, the last first.
    ///
    /// # Errors
    /// [`SignError`] when the identity's key cannot be reached, or the transport key does not sign.
    pub fn card(&self, addresses: &[Multiaddr]) -> Result<Card, SignError> {
        Card::issue(
            &*self.identity,
            &self.transport,
            self.delegation.clone(),
            addresses,
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
        let delegation =
            Delegation::issue(&*other.identity, &*self.device, self.decryption.public());
        Self {
            identity: Arc::clone(&other.identity),
            delegation: delegation.expect("a key in memory signs"),
            seeds: None,
            ..self.clone()
        }
    }

    /// Opens what was wrapped for this device.
    pub(crate) fn decryption(&self) -> &DecryptionKey {
        &self.decryption
    }

    fn from_seeds(seeds: Seeds) -> Self {
        let mut transport = *seeds.transport;
        let transport = Keypair::ed25519_from_bytes(&mut transport)
            .expect("every seed of 32 bytes is an Ed25519 secret key");
        let mut keys = Self::with_signers(
            Arc::new(SeedSigner::new(*seeds.identity)),
            Arc::new(SeedSigner::new(*seeds.device)),
            transport,
            DecryptionKey::new(&seeds.encryption),
        )
        .expect("a key in memory can always sign");
        keys.seeds = Some(Arc::new(seeds));
        keys
    }
}

/// What the key file holds.
struct Seeds {
    identity: Zeroizing<[u8; 32]>,
    device: Zeroizing<[u8; 32]>,
    transport: Zeroizing<[u8; 32]>,
    encryption: Zeroizing<[u8; 32]>,
}

impl Seeds {
    fn encode(&self) -> Vec<u8> {
        Writer::default()
            .array(5)
            .u64(VERSION)
            .bytes(&*self.identity)
            .bytes(&*self.device)
            .bytes(&*self.transport)
            .bytes(&*self.encryption)
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.array(5)?;
        reader.version(VERSION)?;
        let seeds = Self {
            identity: Zeroizing::new(reader.fixed()?),
            device: Zeroizing::new(reader.fixed()?),
            transport: Zeroizing::new(reader.fixed()?),
            encryption: Zeroizing::new(reader.fixed()?),
        };
        reader.end()?;
        Ok(seeds)
    }
}
