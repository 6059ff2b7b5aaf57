//! From a TCP connection to a multiplexed one that knows its peer.
//!
//! The messages are those of libp2p's upgrade, byte for byte in length and
//! write for write: multistream-select 1.0 for the security, Noise XX (e / e,
//! ee, s, es / s, se) with an Ed25519 identity in the last two, then
//! multistream-select for the multiplexer inside the first frames. They carry a
//! peer id and no cryptography. A side that speaks anything else is refused.

use std::io;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::PeerId;
use libp2p::identity::PublicKey;

use super::connection::{Connection, Role};
use super::{Muxer, Shape};
use crate::net::TcpStream;

/// The dialer's offer: multistream-select's header, and the transport in the
/// place of `/noise`. The listener sends the same back, in two writes.
const OFFER: &[u8; 28] = b"\x13/multistream/1.0.0\n\x07/flow1\n";
/// Bytes of multistream-select's header.
const HEADER_BYTES: usize = 20;
/// The same for the multiplexer, in the place of `/yamux/1.0.0`.
pub(super) const MUXER_OFFER: &[u8; 34] = b"\x13/multistream/1.0.0\n\x0d/muxed/1.0.0\n";

/// Bytes of an X25519 public key.
const KEY_BYTES: usize = 32;
/// Bytes of a ChaCha20-Poly1305 tag.
const TAG_BYTES: usize = 16;
/// Bytes of the field with the Ed25519 signature in Noise's payload.
const SIGNATURE_FIELD_BYTES: usize = 2 + 64;

/// A node's peer id, and how long its proof of that would be.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    peer: Vec<u8>,
    /// Bytes of Noise's payload: key and signature.
    payload_bytes: usize,
}

impl Identity {
    pub(super) fn new(key: &PublicKey) -> Self {
        let encoded = key.encode_protobuf().len();
        let prefix = if encoded < 128 { 2 } else { 3 };
        Self {
            peer: key.to_peer_id().to_bytes(),
            payload_bytes: prefix + encoded + SIGNATURE_FIELD_BYTES,
        }
    }

    /// A message of `before` bytes and the payload, after its length.
    fn message(&self, before: usize) -> Vec<u8> {
        let len = before + self.payload_bytes + TAG_BYTES;
        let mut message = vec![0; 2 + len];
        message[..2].copy_from_slice(&(len as u16).to_be_bytes());
        message[2] = self.peer.len() as u8;
        message[3..3 + self.peer.len()].copy_from_slice(&self.peer);
        message
    }
}

/// Agrees with the other side and learns its peer id.
pub(super) async fn run(
    mut tcp: TcpStream,
    identity: &Identity,
    dials: bool,
    shape: Shape,
) -> io::Result<(PeerId, Muxer)> {
    if dials {
        let peer = dial(&mut tcp, identity).await?;
        let role = if shape.lazy {
            Role::Dialer
        } else {
            agree_on_muxer(&mut tcp, shape).await?;
            Role::AgreedDialer
        };
        let connection = Connection::new(tcp, role, shape);
        Ok((peer, Muxer::new(connection)))
    } else {
        let peer = listen(&mut tcp, identity).await?;
        take_muxer_offer(&mut tcp, shape).await?;
        let connection = Connection::new(tcp, Role::Listener, shape);
        Ok((peer, Muxer::new(connection)))
    }
}

async fn dial(tcp: &mut TcpStream, identity: &Identity) -> io::Result<PeerId> {
    tcp.write_all(OFFER).await?;
    let mut ephemeral = [0; 2 + KEY_BYTES];
    ephemeral[1] = KEY_BYTES as u8;
    tcp.write_all(&ephemeral).await?;
    expect(tcp, OFFER).await?;
    let peer = read_identity(tcp).await?;
    tcp.write_all(&identity.message(KEY_BYTES + TAG_BYTES))
        .await?;
    Ok(peer)
}

async fn listen(tcp: &mut TcpStream, identity: &Identity) -> io::Result<PeerId> {
    let (header, protocol) = OFFER.split_at(HEADER_BYTES);
    expect(tcp, header).await?;
    tcp.write_all(header).await?;
    expect(tcp, protocol).await?;
    tcp.write_all(protocol).await?;
    let mut ephemeral = [0; 2 + KEY_BYTES];
    tcp.read_exact(&mut ephemeral).await?;
    tcp.write_all(&identity.message(KEY_BYTES + KEY_BYTES + TAG_BYTES))
        .await?;
    read_identity(tcp).await
}

/// The listener's part of the agreement on the multiplexer. Its answers are
/// written one by one, and each is a Noise message of its own.
async fn take_muxer_offer(tcp: &mut TcpStream, shape: Shape) -> io::Result<()> {
    if !shape.lazy {
        let mut around = [0; 2 + super::frame::TAG_BYTES_MAX];
        tcp.read_exact(&mut around[..2 + usize::from(shape.tag_bytes)])
            .await?;
    }
    expect(tcp, MUXER_OFFER).await?;
    for part in [&MUXER_OFFER[..HEADER_BYTES], &MUXER_OFFER[HEADER_BYTES..]] {
        let mut message = vec![0; 2 + usize::from(shape.tag_bytes)];
        message.extend_from_slice(part);
        tcp.write_all(&message).await?;
    }
    Ok(())
}

/// The part of a dialer that waits for the answer.
async fn agree_on_muxer(tcp: &mut TcpStream, shape: Shape) -> io::Result<()> {
    let mut message = vec![0; 2 + usize::from(shape.tag_bytes)];
    message.extend_from_slice(MUXER_OFFER);
    tcp.write_all(&message).await?;
    let mut answer = vec![0; muxer_answer_bytes(shape)];
    tcp.read_exact(&mut answer).await
}

/// Bytes of the listener's answer about the multiplexer: two messages.
pub(super) fn muxer_answer_bytes(shape: Shape) -> usize {
    MUXER_OFFER.len() + 2 * (2 + usize::from(shape.tag_bytes))
}

async fn read_identity(tcp: &mut TcpStream) -> io::Result<PeerId> {
    let mut len = [0; 2];
    tcp.read_exact(&mut len).await?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    tcp.read_exact(&mut message).await?;
    message
        .split_first()
        .and_then(|(&len, rest)| PeerId::from_bytes(rest.get(..usize::from(len))?).ok())
        .ok_or_else(stranger)
}

async fn expect(tcp: &mut TcpStream, expected: &[u8]) -> io::Result<()> {
    let mut bytes = [0; 64];
    let bytes = &mut bytes[..expected.len()];
    tcp.read_exact(bytes).await?;
    if *bytes == *expected {
        Ok(())
    } else {
        Err(stranger())
    }
}

fn stranger() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the other side does not speak the flow transport",
    )
}
