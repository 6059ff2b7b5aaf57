//! Identities of small order, for which anybody can sign.

use super::stolen_certificates::prove_by;
use crate::act::{Act, Effect};
use crate::forged::Claim;
use crate::frames::cbor;

/// The neutral point: for this key, R = the neutral point and s = 0 sign whatever there is (RFC 8032
/// §5.1.7, without the check that it leaves to implementations).
const NEUTRAL: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

/// That signature.
const SIGNATURE: [u8; 64] = {
    let mut signature = [0; 64];
    signature[0] = 1;
    signature
};

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let claim = Claim::of(keys.delegation()).with(&keys.identity().0, &NEUTRAL);
    let delegation = claim.certificate(&SIGNATURE, &claim.agreed(&keys));
    let proof = cbor(|to| {
        to.array(3)?.u64(1)?;
        to.bytes(&delegation)?.bytes(&SIGNATURE)?;
        Ok(())
    });
    prove_by(act, &keys, &proof).await
}
