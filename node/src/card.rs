//! Contact cards: what one gives a friend so that they can follow.
//!
//! A card is one word of text, `orrery1` and base32, signed by the identity it
//! names and by the transport key of its node: nobody names a peer that is another's.
//! Owns the format and its check; a [`Card`] in memory has been verified.
//!
//! Of two cards of one identity the newer counts: the one with the higher serial of its certificate,
//! then the one that was made later. Version 2 did not say when; version 1 had no signature by the
//! transport key, and is only read from what was kept.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use libp2p::identity::{Keypair, PublicKey};
use libp2p::{Multiaddr, PeerId};

use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::{DELEGATION_BYTES_MAX, Delegation};
use crate::identity::{IdentityId, SignError, Signature, Signer, is_anybodys, verify};
use crate::seal::EncryptionKey;

const WHAT: &str = "card";
/// The purpose of the identity's signature.
const CONTEXT: &str = "orrery/card/3";
/// The purpose of the transport key's signature over the same claim; a zero byte ends it.
const PEER_CONTEXT: &[u8] = b"orrery/card/3/peer\0";
const VERSION: u64 = 3;
const PLAIN_VERSION: u64 = 2;
const PLAIN_CONTEXT: &str = "orrery/card/2";
const PLAIN_PEER_CONTEXT: &[u8] = b"orrery/card/2/peer\0";
const OLD_VERSION: u64 = 1;
const OLD_CONTEXT: &str = "orrery/card/1";
const PREFIX: &str = "orrery1";

/// Most addresses on a card.
pub const CARD_ADDRESSES_MAX: usize = 8;
/// Longest address on a card.
pub const CARD_ADDRESS_BYTES_MAX: usize = 128;
/// Longest encoded card.
pub const CARD_BYTES_MAX: usize = 1_600;
/// Longest text of a card: eight characters for five bytes.
pub const CARD_TEXT_MAX: usize = PREFIX.len() + CARD_BYTES_MAX.div_ceil(5) * 8;
pub(crate) const PEER_BYTES_MAX: usize = 64;
/// Longest signature by a transport key.
pub(crate) const CONSENT_BYTES_MAX: usize = 64;
/// A card from so far ahead of the reader's clock says nothing about when it was made: clocks differ.
const AHEAD_MS: u64 = 60 * 60 * 1_000;

/// How to know and reach a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Where their node listens.
    pub peer: PeerId,
    /// Their device and its encryption key.
    pub delegation: Delegation,
    /// Where to dial, best first.
    pub addresses: Vec<Multiaddr>,
    /// When it was made, ms since 1970 by the clock of the one it names; 0 if it does not say.
    pub made_ms: u64,
    version: u64,
    /// By the identity.
    signature: Signature,
    /// By the transport key; `None` in version 1.
    consent: Option<Vec<u8>>,
}

impl Card {
    /// Signs a card in the name of `identity`, whose node has the key `transport`, at `made_ms` by
    /// its wall clock. Addresses that are too long, or too many, are left out.
    ///
    /// # Errors
    /// [`SignError`] when the identity's key cannot be reached, or the transport key does not sign.
    pub fn issue(
        identity: &dyn Signer,
        transport: &Keypair,
        delegation: Delegation,
        addresses: &[Multiaddr],
        made_ms: u64,
    ) -> Result<Self, SignError> {
        let mut card = Self {
            peer: transport.public().to_peer_id(),
            delegation,
            addresses: fitting(addresses),
            made_ms,
            version: VERSION,
            signature: [0; 64],
            consent: None,
        };
        let claim = card.claim();
        card.signature = identity.sign(CONTEXT, &claim)?;
        let consent = transport.sign(&[PEER_CONTEXT, &claim].concat());
        card.consent = Some(consent.map_err(|error| SignError(error.to_string()))?);
        Ok(card)
    }

    /// Whether the card is older than `kept`, which is of the same identity, for a reader whose wall
    /// clock shows `wall_ms`. A card that claims to be from more than an hour ahead does not say
    /// when it was made: a clock that was wrong once does not make all later cards old.
    pub fn is_older_than(&self, kept: &Self, wall_ms: u64) -> bool {
        let age = |card: &Self| {
            let is_ahead = card.made_ms > wall_ms.saturating_add(AHEAD_MS);
            let made_ms = if is_ahead { 0 } else { card.made_ms };
            (card.delegation.term.serial, made_ms)
        };
        age(self) < age(kept)
    }

    /// Whether the peer that it names has signed it; not so for cards of version 1.
    pub fn is_signed_by_peer(&self) -> bool {
        self.consent.is_some()
    }

    /// Whom the card names.
    pub fn identity(&self) -> IdentityId {
        self.delegation.identity
    }

    /// The key to which content keys for this person are wrapped.
    pub fn encryption(&self) -> EncryptionKey {
        self.delegation.encryption
    }

    /// The card as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(2 + usize::from(self.consent.is_some()));
        writer.bytes(&self.claim()).bytes(&self.signature);
        if let Some(consent) = &self.consent {
            writer.bytes(consent);
        }
        writer.finish()
    }

    /// Reads and verifies a card.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong; `Version` for a card of version 1; `Signature` if it is
    /// not signed by the identity and by the peer that it names.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let card = Self::decode_kept(bytes)?;
        if card.consent.is_none() {
            return Err(DecodeError::Version {
                what: WHAT,
                found: OLD_VERSION,
            });
        }
        Ok(card)
    }

    /// As [`Card::decode`], of version 1 as well: for what was kept before version 2.
    pub(crate) fn decode_kept(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut outer = Reader::new(WHAT, bytes);
        let is_old = outer.list(3)? == 2;
        let claim = outer.bytes(CARD_BYTES_MAX)?;
        let signature = outer.fixed()?;
        let consent = if is_old {
            None
        } else {
            Some(outer.bytes(CONSENT_BYTES_MAX)?.to_vec())
        };
        outer.end()?;
        let (version, mut reader) = read_version(claim, is_old)?;
        let peer = PeerId::from_bytes(reader.bytes(PEER_BYTES_MAX)?).map_err(|_| wrong("peer"))?;
        let delegation = reader.bytes(DELEGATION_BYTES_MAX)?;
        let delegation = if is_old {
            Delegation::decode_kept(delegation)?
        } else {
            Delegation::decode(delegation)?
        };
        let addresses = read_addresses(&mut reader)?;
        let made_ms = if version == VERSION { reader.u64()? } else { 0 };
        reader.end()?;
        let card = Self {
            peer,
            delegation,
            addresses,
            made_ms,
            version,
            signature,
            consent,
        };
        // What is kept is written anew, so only what was signed in our own writing will do.
        if card.claim() == claim && card.is_signed(claim)? {
            Ok(card)
        } else {
            Err(DecodeError::Signature { what: WHAT })
        }
    }

    fn is_signed(&self, claim: &[u8]) -> Result<bool, DecodeError> {
        let (by_identity, by_peer) = match self.version {
            VERSION => (CONTEXT, PEER_CONTEXT),
            PLAIN_VERSION => (PLAIN_CONTEXT, PLAIN_PEER_CONTEXT),
            _ => (OLD_CONTEXT, &[] as &[u8]),
        };
        let peer_agrees = match &self.consent {
            None => self.version == OLD_VERSION,
            Some(consent) => has_signed(&self.peer, by_peer, claim, consent)?,
        };
        let identity = &self.identity().0;
        Ok(peer_agrees && verify(identity, by_identity, claim, &self.signature))
    }

    /// What identity and transport key sign.
    fn claim(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let says_when = self.version == VERSION;
        writer
            .array(4 + usize::from(says_when))
            .u64(self.version)
            .bytes(&self.peer.to_bytes())
            .bytes(&self.delegation.encode());
        write_addresses(&mut writer, &self.addresses);
        if says_when {
            writer.u64(self.made_ms);
        }
        writer.finish()
    }
}

/// The version of a claim, and the claim behind it. Version 1 is the one without the peer's
/// signature.
fn read_version(claim: &[u8], is_old: bool) -> Result<(u64, Reader<'_>), DecodeError> {
    let versions: &[_] = if is_old {
        &[(4, OLD_VERSION)]
    } else {
        &[(5, VERSION), (4, PLAIN_VERSION)]
    };
    let mut refused = wrong("no version");
    for (len, version) in versions {
        let mut reader = Reader::new(WHAT, claim);
        match reader.versioned(*len, *version) {
            Ok(()) => return Ok((*version, reader)),
            Err(error @ DecodeError::Version { .. }) => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = BASE32_NOPAD.encode(&self.encode()).to_ascii_lowercase();
        write!(f, "{PREFIX}{text}")
    }
}

impl FromStr for Card {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        if text.len() > CARD_TEXT_MAX {
            return Err(DecodeError::TooLong {
                what: WHAT,
                len: text.len() as u64,
                max: CARD_TEXT_MAX as u64,
            });
        }
        let word = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| wrong("does not start with orrery1"))?;
        let bytes = BASE32_NOPAD
            .decode(word.to_ascii_uppercase().as_bytes())
            .map_err(|_| wrong("not base32; was a part of it lost in copying?"))?;
        Self::decode(&bytes)
    }
}

/// Whether the key of `peer` has signed `claim` for the purpose `context`.
///
/// # Errors
/// `Invalid` for a peer that has no key of its own.
pub(crate) fn has_signed(
    peer: &PeerId,
    context: &[u8],
    claim: &[u8],
    consent: &[u8],
) -> Result<bool, DecodeError> {
    Ok(key_of(peer)?.verify(&[context, claim].concat(), consent))
}

/// The key of a peer, which the names of Ed25519 peers hold (libp2p, "Peer Ids").
fn key_of(peer: &PeerId) -> Result<PublicKey, DecodeError> {
    if is_anybodys(peer) {
        return Err(wrong("anybody can speak for its peer"));
    }
    PublicKey::try_decode_protobuf(peer.as_ref().digest())
        .map_err(|_| wrong("its peer is not named by an Ed25519 key"))
}

/// Those of `addresses` that a card or a record of addresses may hold.
pub(crate) fn fitting(addresses: &[Multiaddr]) -> Vec<Multiaddr> {
    addresses
        .iter()
        .filter(|address| address.len() <= CARD_ADDRESS_BYTES_MAX)
        .take(CARD_ADDRESSES_MAX)
        .cloned()
        .collect()
}

/// Writes a list of addresses.
pub(crate) fn write_addresses(writer: &mut Writer, addresses: &[Multiaddr]) {
    writer.array(addresses.len());
    for address in addresses {
        writer.bytes(&address.to_vec());
    }
}

/// Reads a list of at most [`CARD_ADDRESSES_MAX`] addresses.
pub(crate) fn read_addresses(reader: &mut Reader<'_>) -> Result<Vec<Multiaddr>, DecodeError> {
    let mut addresses = Vec::new();
    for _ in 0..reader.list(CARD_ADDRESSES_MAX)? {
        let address = reader.bytes(CARD_ADDRESS_BYTES_MAX)?.to_vec();
        addresses.push(Multiaddr::try_from(address).map_err(|_| wrong("address"))?);
    }
    Ok(addresses)
}

fn wrong(reason: &'static str) -> DecodeError {
    DecodeError::Invalid { what: WHAT, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use proptest::prelude::*;

    fn address(port: usize) -> Multiaddr {
        format!("/ip4/10.0.0.1/tcp/{port}")
            .parse()
            .expect("an address")
    }

    #[test]
    fn a_card_reads_back_from_its_text() {
        let keys = Keys::generate(Some([1; 32]));
        let card = keys.card(&[address(1), address(2)]).expect("signs");
        assert_eq!(card.to_string().parse(), Ok(card.clone()));
        assert_eq!(card.identity(), keys.identity());
        assert_eq!(card.peer, keys.peer());
    }

    #[test]
    fn a_card_holds_no_more_addresses_than_a_reader_takes() {
        let addresses: Vec<_> = (1..20).map(address).collect();
        let card = Keys::generate(Some([1; 32]))
            .card(&addresses)
            .expect("signs");
        assert_eq!(card.addresses.len(), CARD_ADDRESSES_MAX);
        assert_eq!(card.to_string().parse(), Ok(card));
    }

    #[test]
    fn an_altered_card_is_refused() {
        let card = Keys::generate(Some([1; 32])).card(&[]).expect("signs");
        let forged = Card {
            addresses: vec![address(1)],
            ..card
        };
        assert_eq!(
            forged.to_string().parse::<Card>(),
            Err(DecodeError::Signature { what: WHAT })
        );
    }

    #[test]
    fn a_card_that_names_anothers_peer_is_refused() {
        let keys = |seed| Keys::generate(Some([seed; 32]));
        let (alice, mallory) = (keys(1), keys(7));
        let mut forged = mallory.card(&[]).expect("signs");
        forged.peer = alice.peer();
        let claim = forged.claim();
        let mallorys = [PEER_CONTEXT, &claim].concat();
        forged.signature = mallory.sign_as_identity(CONTEXT, &claim).expect("signs");
        forged.consent = mallory.transport().sign(&mallorys).ok();
        assert_eq!(
            Card::decode(&forged.encode()),
            Err(DecodeError::Signature { what: WHAT })
        );
    }

    #[test]
    fn a_card_that_names_a_peer_of_small_order_is_refused() {
        let mallory = Keys::generate(Some([7; 32]));
        let mut forgeries = 0;
        for peer in crate::identity::tests::anybodys() {
            let mut forged = mallory.card(&[]).expect("signs");
            forged.peer = peer;
            // The zero scalar signs where the hash of what is signed happens to fit.
            for made_ms in 0..200 {
                forged.made_ms = made_ms;
                let claim = forged.claim();
                forged.signature = mallory.sign_as_identity(CONTEXT, &claim).expect("signs");
                let mut consent = [0; 64];
                consent[..32].copy_from_slice(&peer.as_ref().digest()[4..]);
                let signed = [PEER_CONTEXT, &claim].concat();
                let key = PublicKey::try_decode_protobuf(peer.as_ref().digest());
                forgeries += u32::from(key.expect("a key").verify(&signed, &consent));
                forged.consent = Some(consent.to_vec());
                assert!(Card::decode(&forged.encode()).is_err());
            }
        }
        assert!(forgeries > 0, "without the check, forgeries pass");
    }

    /// As version 2 issued it, with a certificate of today.
    fn plain(keys: &Keys) -> Card {
        let mut card = keys.card(&[address(1)]).expect("signs");
        card.version = PLAIN_VERSION;
        card.made_ms = 0;
        let claim = card.claim();
        card.signature = keys.sign_as_identity(PLAIN_CONTEXT, &claim).expect("signs");
        let consent = [PLAIN_PEER_CONTEXT, &claim].concat();
        card.consent = keys.transport().sign(&consent).ok();
        card
    }

    #[test]
    fn a_card_of_version_2_is_read() {
        let card = plain(&Keys::generate(Some([1; 32])));
        assert_eq!(card.to_string().parse(), Ok(card.clone()));
        let forged = Card {
            version: VERSION,
            ..card
        };
        assert!(Card::decode(&forged.encode()).is_err());
    }

    #[test]
    fn the_newer_of_two_cards_counts_whatever_the_clocks() {
        const NOW_MS: u64 = 10_000_000_000;
        let keys = Keys::generate(Some([1; 32]));
        let rotated = keys.rotated(crate::keys::Rotation::BOTH, None);
        let rotated = rotated.expect("has room");
        let made = |keys: &Keys, made_ms| keys.card_at(&[], made_ms).expect("signs");
        for (card, kept, older) in [
            (made(&keys, 5), made(&keys, 6), true),
            (made(&keys, 6), made(&keys, 6), false),
            (made(&keys, 7), made(&keys, 6), false),
            (plain(&keys), made(&keys, 6), true),
            // The certificate decides first.
            (made(&keys, 9), made(&rotated, 6), true),
            (made(&rotated, 5), made(&keys, 6), false),
            // A clock that was wrong once.
            (made(&keys, NOW_MS), made(&keys, 2 * NOW_MS), false),
            (made(&keys, 2 * NOW_MS), made(&keys, NOW_MS), true),
        ] {
            let told = card.is_older_than(&kept, NOW_MS);
            assert_eq!(told, older, "{} after {}", card.made_ms, kept.made_ms);
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for text in ["", "orrery1", "orrery1!", "hello", "orrery1aaaa"] {
            assert!(text.parse::<Card>().is_err(), "{text}");
        }
        let long = "a".repeat(CARD_TEXT_MAX + 1);
        assert!(matches!(
            long.parse::<Card>(),
            Err(DecodeError::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn an_altered_byte_never_panics_and_never_passes(at: prop::sample::Index, to: u8) {
            let card = Keys::generate(Some([1; 32])).card(&[address(1)]).expect("signs");
            let mut bytes = card.encode();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            prop_assert!(Card::decode(&bytes).is_err());
            prop_assert!(Card::decode(&bytes[..at]).is_err());
            let _ = Delegation::decode(&bytes);
        }
    }
}
