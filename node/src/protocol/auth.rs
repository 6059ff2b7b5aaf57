//! `/orrery/auth/2`: on a new connection, each side proves which identity it
//! speaks for.
//!
//! The dialer of this substream is the end that opens it: that of the connection if it wants its peer, or
//! else the other one. Both sides send a fresh nonce, then a
//! signature of their identity over both peer ids and both nonces, so that a
//! proof is worth nothing on any other connection, nor in the other direction:
//!
//! ```text
//! dialer                      listener
//! Nonce           ─────────▶
//!                 ◀─────────  Nonce
//! Proof           ─────────▶
//!                 ◀─────────  Proof
//! ```
//!
//! The dialer proves itself first, since it has chosen whom to dial: who lives behind an address is
//! told to nobody who does not say who asks, and to nobody whom the listener does not want: such a
//! one is told nothing at all. Otherwise either may answer `Refused` instead. Owns messages and their order; whether an identity is wanted is the
//! caller's decision.

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::PeerId;

use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::{DELEGATION_BYTES_MAX, Delegation};
use crate::entropy;
use crate::identity::{IdentityId, SignError, Signature, verify};
use crate::keys::Keys;

use super::frame::{FrameError, read_frame, write_frame};
use super::refusal::Reason;

const WHAT: &str = "auth message";
const CONTEXT: &str = "orrery/auth/2";

/// Longest message, in bytes.
pub const AUTH_BYTES_MAX: usize = 512;

type Nonce = [u8; 32];

/// One message of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthMessage {
    /// Random bytes that the other side's proof must contain.
    Nonce(Nonce),
    /// Whom the sender speaks for.
    Proof {
        /// The sender's identity and its device.
        delegation: Box<Delegation>,
        /// By the identity, over this connection.
        signature: Signature,
    },
    /// The sender ends here.
    Refused(Reason),
}

/// Why no identity was proved.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The substream failed, or carried too long a message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message that cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A message that does not belong here.
    #[error("a message came out of order")]
    Order,
    /// The signature is not by that identity, or not over this connection.
    #[error("the proof of identity is forged")]
    Forged,
    /// We do not want this identity.
    #[error("{0} is not wanted here: {1}")]
    Unwanted(IdentityId, Reason),
    /// The peer does not want us.
    #[error("the peer refused us: {0}")]
    RefusedByPeer(Reason),
    /// Our own key cannot be used.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The peer does not speak the protocol; or, if it is the dialer, has not begun in time.
    #[error("the peer does not prove who it is")]
    NotSpoken,
    /// The substream could not be opened.
    #[error("no substream: {0}")]
    NoStream(String),
    /// It was not done in time.
    #[error("the peer did not prove its identity in time")]
    TooSlow,
}

impl AuthError {
    /// What the peer did wrong, if it was the peer.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Frame(FrameError::Oversized { .. }) => Some(Reason::Oversized),
            Self::Decode(DecodeError::Signature { .. }) | Self::Forged => Some(Reason::Forged),
            Self::Frame(FrameError::Malformed) | Self::Order | Self::Decode(_) => {
                Some(Reason::Malformed)
            }
            Self::Unwanted(_, reason) => Some(*reason),
            Self::TooSlow => Some(Reason::TooSlow),
            Self::Frame(_)
            | Self::RefusedByPeer(_)
            | Self::Sign(_)
            | Self::NotSpoken
            | Self::NoStream(_) => None,
        }
    }
}

impl AuthError {
    /// What the peer is told of it. Who is not wanted is told nothing.
    fn told(&self) -> Option<Reason> {
        match self {
            Self::Unwanted(..) => None,
            error => error.reason(),
        }
    }
}

/// The two ends of a connection, as one of them sees it.
#[derive(Clone)]
pub struct Ends {
    /// Our keys; they also name our peer.
    pub keys: Keys,
    /// The peer at the other end, as the connection's handshake proved it.
    pub remote: PeerId,
    /// Whether we dialled.
    pub dialer: bool,
}

/// Runs the protocol on the connection's auth substream and returns whom the
/// peer speaks for. `admit` says whether an identity is wanted at all.
///
/// # Errors
/// [`AuthError`]; the peer has been told if it was at fault.
pub async fn prove<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    ends: &Ends,
    admit: impl Fn(IdentityId) -> Result<(), Reason>,
) -> Result<IdentityId, AuthError> {
    let proved = converse(&mut stream, ends, admit).await;
    if let Err(error) = &proved
        && let Some(reason) = error.told()
    {
        // The peer may be gone already; then there is nobody to tell.
        let _ = send(&mut stream, &AuthMessage::Refused(reason)).await;
    }
    // What was written has been flushed, so a failed close loses nothing.
    let _ = stream.close().await;
    proved
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    ends: &Ends,
    admit: impl Fn(IdentityId) -> Result<(), Reason>,
) -> Result<IdentityId, AuthError> {
    let ours: Nonce = entropy::bytes();
    if ends.dialer {
        send(stream, &AuthMessage::Nonce(ours)).await?;
        let theirs = receive_nonce(stream).await?;
        send(stream, &make_proof(ends, &ours, &theirs)?).await?;
        receive_proof(stream, ends, &ours, &theirs, &admit).await
    } else {
        let theirs = receive_nonce(stream).await?;
        send(stream, &AuthMessage::Nonce(ours)).await?;
        let identity = receive_proof(stream, ends, &ours, &theirs, &admit).await?;
        send(stream, &make_proof(ends, &ours, &theirs)?).await?;
        Ok(identity)
    }
}

async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    message: &AuthMessage,
) -> Result<(), AuthError> {
    Ok(write_frame(stream, &message.encode()).await?)
}

/// The next message; a refusal ends the conversation.
async fn receive<S: AsyncRead + Unpin>(stream: &mut S) -> Result<AuthMessage, AuthError> {
    let frame = read_frame(stream, AUTH_BYTES_MAX).await?;
    match AuthMessage::decode(&frame)? {
        AuthMessage::Refused(reason) => Err(AuthError::RefusedByPeer(reason)),
        message => Ok(message),
    }
}

async fn receive_nonce<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Nonce, AuthError> {
    match receive(stream).await? {
        AuthMessage::Nonce(nonce) => Ok(nonce),
        _ => Err(AuthError::Order),
    }
}

fn make_proof(ends: &Ends, ours: &Nonce, theirs: &Nonce) -> Result<AuthMessage, SignError> {
    let claim = claim(&ends.keys.peer(), &ends.remote, ours, theirs);
    Ok(AuthMessage::Proof {
        delegation: Box::new(ends.keys.delegation().clone()),
        signature: ends.keys.sign_as_identity(CONTEXT, &claim)?,
    })
}

async fn receive_proof<S: AsyncRead + Unpin>(
    stream: &mut S,
    ends: &Ends,
    ours: &Nonce,
    theirs: &Nonce,
    admit: impl Fn(IdentityId) -> Result<(), Reason>,
) -> Result<IdentityId, AuthError> {
    let AuthMessage::Proof {
        delegation,
        signature,
    } = receive(stream).await?
    else {
        return Err(AuthError::Order);
    };
    let claim = claim(&ends.remote, &ends.keys.peer(), theirs, ours);
    if !verify(&delegation.identity.0, CONTEXT, &claim, &signature) {
        return Err(AuthError::Forged);
    }
    admit(delegation.identity)
        .map_err(|reason| AuthError::Unwanted(delegation.identity, reason))?;
    Ok(delegation.identity)
}

/// What an identity signs: the prover first, then the one it proves itself to.
fn claim(prover: &PeerId, verifier: &PeerId, provers: &Nonce, verifiers: &Nonce) -> Vec<u8> {
    Writer::default()
        .array(4)
        .bytes(&prover.to_bytes())
        .bytes(&verifier.to_bytes())
        .bytes(provers)
        .bytes(verifiers)
        .finish()
}

impl AuthMessage {
    /// The message as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(3);
        match self {
            Self::Nonce(nonce) => writer.u64(0).bytes(nonce).bytes(&[]),
            Self::Proof {
                delegation,
                signature,
            } => writer.u64(1).bytes(&delegation.encode()).bytes(signature),
            Self::Refused(reason) => writer.u64(2).bytes(&[reason.code()]).bytes(&[]),
        };
        writer.finish()
    }

    /// Reads a message; a certificate in it has been verified.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.array(3)?;
        let kind = reader.u64()?;
        let first = reader.bytes(DELEGATION_BYTES_MAX)?;
        let second = reader.bytes(size_of::<Signature>())?;
        reader.end()?;
        let invalid = |reason| DecodeError::Invalid { what: WHAT, reason };
        match (kind, first, second) {
            (0, nonce, []) => Ok(Self::Nonce(
                nonce
                    .try_into()
                    .map_err(|_| invalid("the nonce has not 32 bytes"))?,
            )),
            (1, delegation, signature) => Ok(Self::Proof {
                delegation: Box::new(Delegation::decode(delegation)?),
                signature: signature
                    .try_into()
                    .map_err(|_| invalid("the signature has not 64 bytes"))?,
            }),
            (2, [code], []) => Reason::from_code(u64::from(*code))
                .map(Self::Refused)
                .ok_or_else(|| invalid("unknown reason of refusal")),
            _ => Err(invalid("unknown message")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pipe::pipe;
    use futures::executor::block_on;
    use futures::future::join;

    fn keys(seed: u8) -> Keys {
        Keys::generate(Some([seed; 32]))
    }

    fn ends(ours: &Keys, remote: &Keys, dialer: bool) -> Ends {
        Ends {
            keys: ours.clone(),
            remote: remote.peer(),
            dialer,
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "it stands in for a choice that can refuse"
    )]
    fn anybody(_: IdentityId) -> Result<(), Reason> {
        Ok(())
    }

    #[test]
    fn both_sides_learn_whom_they_talk_to() {
        let (alice, bob) = (keys(1), keys(2));
        let (left, right) = pipe();
        let (seen_by_alice, seen_by_bob) = block_on(join(
            prove(left, &ends(&alice, &bob, true), anybody),
            prove(right, &ends(&bob, &alice, false), anybody),
        ));
        assert_eq!(seen_by_alice.expect("proved"), bob.identity());
        assert_eq!(seen_by_bob.expect("proved"), alice.identity());
    }

    #[test]
    fn a_proof_from_another_connection_is_forged() {
        let (alice, bob, mallory) = (keys(1), keys(2), keys(3));
        let (left, right) = pipe();
        // Mallory's peer sits between them and relays every message: Alice's proof
        // is not by Mallory's peer, so it proves nothing to Bob.
        let (seen_by_alice, seen_by_bob) = block_on(join(
            prove(left, &ends(&alice, &bob, true), anybody),
            prove(right, &ends(&bob, &mallory, false), anybody),
        ));
        assert!(matches!(seen_by_bob, Err(AuthError::Forged)));
        assert!(matches!(
            seen_by_alice,
            Err(AuthError::RefusedByPeer(Reason::Forged))
        ));
    }

    /// What a listener sends to a dialer who sends these, and does not want.
    fn heard(dialer: &Keys, messages: &[AuthMessage]) -> Vec<AuthMessage> {
        let bob = keys(2);
        let (mut left, right) = pipe();
        let asking = async {
            for message in messages {
                let written = write_frame(&mut left, &message.encode()).await;
                written.expect("the pipe takes it");
            }
            left.close().await.expect("closed");
            let mut heard = Vec::new();
            while let Ok(frame) = read_frame(&mut left, AUTH_BYTES_MAX).await {
                heard.push(AuthMessage::decode(&frame).expect("readable"));
            }
            heard
        };
        let ends = ends(&bob, dialer, false);
        let (heard, _) = block_on(join(asking, prove(right, &ends, anybody)));
        heard
    }

    #[test]
    fn who_listens_is_told_to_nobody_who_does_not_prove_who_asks() {
        let nonce = AuthMessage::Nonce([7; 32]);
        let unsigned = AuthMessage::Proof {
            delegation: Box::new(keys(1).delegation().clone()),
            signature: [0; 64],
        };
        for messages in [vec![nonce.clone()], vec![nonce, unsigned]] {
            let heard = heard(&keys(1), &messages);
            assert!(matches!(heard[0], AuthMessage::Nonce(_)));
            let tells = |message: &AuthMessage| matches!(message, AuthMessage::Proof { .. });
            assert!(!heard.iter().any(tells), "{heard:?}");
        }
    }

    #[test]
    fn an_unwanted_identity_is_not_told_that_it_is() {
        let (alice, bob) = (keys(1), keys(2));
        let (left, right) = pipe();
        let (told, unwanted) = block_on(join(
            prove(left, &ends(&alice, &bob, true), anybody),
            prove(right, &ends(&bob, &alice, false), |_| Err(Reason::Blocked)),
        ));
        assert!(matches!(told, Err(AuthError::Frame(FrameError::Ended))));
        assert!(matches!(
            unwanted,
            Err(AuthError::Unwanted(_, Reason::Blocked))
        ));
    }

    fn check_refused(frames: &[Vec<u8>], expected: Reason) {
        let (alice, bob) = (keys(1), keys(2));
        let (mut left, right) = pipe();
        let told = async {
            for frame in frames {
                write_frame(&mut left, frame).await.expect("written");
            }
            loop {
                match receive(&mut left).await {
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
        };
        let (told, refused) = block_on(join(
            told,
            prove(right, &ends(&bob, &alice, false), anybody),
        ));
        assert_eq!(refused.expect_err("refused").reason(), Some(expected));
        assert!(
            matches!(told, AuthError::RefusedByPeer(reason) if reason == expected),
            "{told}"
        );
    }

    #[test]
    fn nonsense_is_refused_by_kind() {
        let nonce = AuthMessage::Nonce([7; 32]).encode();
        check_refused(&[vec![0xff; 10]], Reason::Malformed);
        check_refused(&[vec![0; AUTH_BYTES_MAX + 1]], Reason::Oversized);
        check_refused(&[nonce.clone(), vec![0x83, 9]], Reason::Malformed);
        check_refused(&[nonce.clone(), nonce.clone()], Reason::Malformed);
        let unsigned = AuthMessage::Proof {
            delegation: Box::new(keys(1).delegation().clone()),
            signature: [0; 64],
        };
        check_refused(&[nonce, unsigned.encode()], Reason::Forged);
    }

    #[test]
    fn every_message_reads_back() {
        for message in [
            AuthMessage::Nonce([7; 32]),
            AuthMessage::Proof {
                delegation: Box::new(keys(1).delegation().clone()),
                signature: [3; 64],
            },
            AuthMessage::Refused(Reason::Busy),
        ] {
            let bytes = message.encode();
            assert!(bytes.len() <= AUTH_BYTES_MAX);
            assert_eq!(AuthMessage::decode(&bytes), Ok(message));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(0_u8.., 0..600)) {
            let _ = AuthMessage::decode(&bytes);
        }
    }
}
