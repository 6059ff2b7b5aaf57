//! Contact cards: what one gives a friend so that they can follow.
//!
//! A card is one word of text, `orrery1` and base32, signed by the identity it
//! names. Owns the format and its check; a [`Card`] in memory has been verified.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use libp2p::{Multiaddr, PeerId};

use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::{DELEGATION_BYTES_MAX, Delegation};
use crate::identity::{IdentityId, SignError, Signature, Signer, verify};
use crate::seal::EncryptionKey;

const WHAT: &str = "card";
const CONTEXT: &str = "orrery/card/1";
const VERSION: u64 = 1;
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

/// How to know and reach a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Where their node listens.
    pub peer: PeerId,
    /// Their device and its encryption key.
    pub delegation: Delegation,
    /// Where to dial, best first.
    pub addresses: Vec<Multiaddr>,
    signature: Signature,
}

impl Card {
    /// Signs a card in the name of `identity`. Addresses that are too long, or
    /// too many, are left out.
    ///
    /// # Errors
    /// [`SignError`] when the identity's key cannot be reached.
    pub fn issue(
        identity: &dyn Signer,
        peer: PeerId,
        delegation: Delegation,
        addresses: &[Multiaddr],
    ) -> Result<Self, SignError> {
        let addresses = fitting(addresses);
        let claim = claim(&peer, &delegation, &addresses);
        let signature = identity.sign(CONTEXT, &claim)?;
        Ok(Self {
            peer,
            delegation,
            addresses,
            signature,
        })
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
        Writer::default()
            .array(2)
            .bytes(&claim(&self.peer, &self.delegation, &self.addresses))
            .bytes(&self.signature)
            .finish()
    }

    /// Reads and verifies a card.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong; `Signature` if it is not signed by
    /// the identity it names.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.array(2)?;
        let claim = reader.bytes(CARD_BYTES_MAX)?;
        let signature = reader.fixed()?;
        reader.end()?;
        let mut reader = Reader::new(WHAT, claim);
        reader.array(4)?;
        reader.version(VERSION)?;
        let peer = PeerId::from_bytes(reader.bytes(PEER_BYTES_MAX)?).map_err(|_| wrong("peer"))?;
        let delegation = Delegation::decode(reader.bytes(DELEGATION_BYTES_MAX)?)?;
        let addresses = read_addresses(&mut reader)?;
        reader.end()?;
        if !verify(&delegation.identity.0, CONTEXT, claim, &signature) {
            return Err(DecodeError::Signature { what: WHAT });
        }
        Ok(Self {
            peer,
            delegation,
            addresses,
            signature,
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

/// What the identity signs.
fn claim(peer: &PeerId, delegation: &Delegation, addresses: &[Multiaddr]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer
        .array(4)
        .u64(VERSION)
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
