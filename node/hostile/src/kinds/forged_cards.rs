//! Cards that name another's peer: who blocks their owner would cut off the other.

use libp2p::PeerId;
use minicbor::Decoder;
use orrery_node::keys::Keys;

use crate::act::{Act, Effect};
use crate::frames::cbor;
use crate::served::{STAMP_MS, Served, serve};

/// Answers to friends' questions begin with this if they are by the sought person.
const HERE: u8 = 0;

pub async fn act(act: Act<'_>) -> Effect {
    let keys = act.hostile.keys.clone();
    let card = naming(&keys, act.target.peer);
    let served = Served {
        items: Vec::new(),
        answer: card.map(|card| [&[HERE][..], &card].concat()),
    };
    serve(act, served).await
}

/// A card of `keys` that names `peer`, which has not signed it: the identity's signature holds, that
/// of the transport key is over another card.
pub fn naming(keys: &Keys, peer: PeerId) -> Option<Vec<u8>> {
    let card = keys.card_at(&[], STAMP_MS).ok()?.encode();
    let mut reader = Decoder::new(&card);
    reader.array().ok()?;
    let claim = reader.bytes().ok()?;
    reader.bytes().ok()?;
    let consent = reader.bytes().ok()?;
    let (own, named) = (keys.peer().to_bytes(), peer.to_bytes());
    let at = claim.windows(own.len()).position(|bytes| bytes == own)?;
    let mut claim = claim.to_vec();
    if own.len() != named.len() {
        return None;
    }
    claim[at..at + own.len()].copy_from_slice(&named);
    // The version is the claim's first entry.
    let context = format!("orrery/card/{}", claim[1]);
    let signature = keys.sign_as_identity(&context, &claim).ok()?;
    Some(cbor(|to| {
        to.array(3)?.bytes(&claim)?.bytes(&signature)?;
        to.bytes(consent)?;
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use orrery_node::DecodeError;
    use orrery_node::card::Card;

    use super::*;

    #[test]
    fn a_card_that_names_anothers_peer_fails_by_its_signature_alone() {
        let [keys, other] = [1, 2].map(|seed| Keys::generate(Some([seed; 32])));
        let forged = naming(&keys, other.peer()).expect("peers are as long");
        let refused = Card::decode(&forged);
        assert!(
            matches!(refused, Err(DecodeError::Signature { .. })),
            "{refused:?}"
        );
        let own = naming(&keys, keys.peer()).expect("its own");
        assert!(Card::decode(&own).is_ok());
    }
}
