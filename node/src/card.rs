//! Contact cards: what one gives a friend so that they can follow.
//!
//! A card is one word of text, `orrery1` and base32, signed by the identity it
//! names and by the transport key of its node: nobody names a peer that is another's.
//! Owns the format and its check; a [`Card`] in memory has been verified.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use libp2p::identity::{Keypair, PublicKey};
use libp2p::{Multiaddr, PeerId};

use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::{DELEGATION_BYTES_MAX, Delegation};
use crate::identity::{IdentityId, SignError, Signature, Signer, verify};
use crate::seal::EncryptionKey;

const WHAT: &str = "card";
/// The purpose of the identity's signature.
const CONTEXT: &str = "orrery/card/2";
/// The purpose of the transport key's signature over the same claim; a zero byte ends it.
const PEER_CONTEXT: &[u8] = b"orrery/card/2/peer\0";
const VERSION: u64 = 2;
/// Version 1 had no signature by the transport key. Cards that were kept before are still read.
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
const CONSENT_BYTES_MAX: usize = 64;

/// How to know and reach a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Where their node listens.
    pub peer: PeerId,
    /// Their device and its encryption key.
    pub delegation: Delegation,
    /// Where to dial, best first.
    pub addresses: Vec<Multiaddr>,
    /// By the identity.
    signature: Signature,
    /// By the transport key; `None` in version 1.
    consent: Option<Vec<u8>>,
}

impl Card {
    /// Signs a card in the name of `identity`, whose node has the key `transport`. Addresses that
    /// are too long, or too many, are left out.
    ///
    /// # Errors
    /// [`SignError`] when the identity's key cannot be reached, or the transport key does not sign.
    pub fn issue(
        identity: &dyn Signer,
        transport: &Keypair,
        delegation: Delegation,
        addresses: &[Multiaddr],
    ) -> Result<Self, SignError> {
        let addresses = fitting(addresses);
        let peer = transport.public().to_peer_id();
        let claim = claim(VERSION, &peer, &delegation, &addresses);
        let signature = identity.sign(CONTEXT, &claim)?;
        let consent = transport.sign(&[PEER_CONTEXT, &claim].concat());
        let consent = consent.map_err(|error| SignError(error.to_string()))?;
        Ok(Self {
            peer,
            delegation,
            addresses,
            signature,
            consent: Some(consent),
        })
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
        let version = match self.consent {
            Some(_) => VERSION,
            None => OLD_VERSION,
        };
        let claim = claim(version, &self.peer, &self.delegation, &self.addresses);
        let mut writer = Writer::default();
        writer.array(2 + usize::from(self.consent.is_some()));
        writer.bytes(&claim).bytes(&self.signature);
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
        let mut reader = Reader::new(WHAT, claim);
        reader.versioned(4, if is_old { OLD_VERSION } else { VERSION })?;
        let peer = PeerId::from_bytes(reader.bytes(PEER_BYTES_MAX)?).map_err(|_| wrong("peer"))?;
        let delegation = reader.bytes(DELEGATION_BYTES_MAX)?;
        let (delegation, context) = match &consent {
            None => (Delegation::decode_kept(delegation)?, OLD_CONTEXT),
            Some(_) => (Delegation::decode(delegation)?, CONTEXT),
        };
        let addresses = read_addresses(&mut reader)?;
        reader.end()?;
        let by_peer = match &consent {
            None => true,
            Some(consent) => key_of(&peer)?.verify(&[PEER_CONTEXT, claim].concat(), consent),
        };
        if !by_peer || !verify(&delegation.identity.0, context, claim, &signature) {
            return Err(DecodeError::Signature { what: WHAT });
        }
        Ok(Self {
            peer,
            delegation,
            addresses,
            signature,
            consent,
        })
    }
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

/// The key of a peer, which the names of Ed25519 peers hold (libp2p, "Peer Ids").
fn key_of(peer: &PeerId) -> Result<PublicKey, DecodeError> {
    PublicKey::try_decode_protobuf(peer.as_ref().digest())
        .map_err(|_| wrong("its peer is not named by an Ed25519 key"))
}

/// What identity and transport key sign.
fn claim(version: u64, peer: &PeerId, delegation: &Delegation, addresses: &[Multiaddr]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer
        .array(4)
        .u64(version)
        .bytes(&peer.to_bytes())
        .bytes(&delegation.encode());
    write_addresses(&mut writer, addresses);
    writer.finish()
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
        let own = mallory.card(&[]).expect("signs");
        let claim = claim(VERSION, &alice.peer(), &own.delegation, &[]);
        let mallorys = [PEER_CONTEXT, &claim].concat();
        let forged = Card {
            peer: alice.peer(),
            signature: mallory.sign_as_identity(CONTEXT, &claim).expect("signs"),
            consent: mallory.transport().sign(&mallorys).ok(),
            ..own
        };
        assert_eq!(
            Card::decode(&forged.encode()),
            Err(DecodeError::Signature { what: WHAT })
        );
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
