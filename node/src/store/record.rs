//! What the index keeps of one op: as it travels, and the key that opens it.

use zeroize::Zeroizing;

use super::StoreError;
use crate::body::{Body, TYPE_BYTES_MAX};
use crate::chat;
use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::Delegation;
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::op::{Encryption, Header, OpId, OpRefusal, SEALED_BODY_BYTES_MAX};
use crate::pull::{ITEM_BYTES_MAX, Item};
use crate::seal::{self, ContentKey};

const WHAT: &str = "index entry of an op";

/// One op held, verified.
pub(super) struct Record {
    /// The op as it travels, without a wrap.
    pub(super) item: Item,
    /// Whose it is.
    pub(super) author: IdentityId,
    /// The type of its body.
    pub(super) kind: String,
    /// The key of its body, unless public.
    pub(super) content_key: Option<ContentKey>,
    /// When it was taken in by the reader's wall clock, ms since 1970. `None` for own ops, and
    /// for what was taken in before this was kept.
    pub(super) received_ms: Option<u64>,
}

/// A stamp may be so far ahead of the reader's wall clock and still place its post: clocks differ.
const AHEAD_MS: u64 = 60 * 60 * 1_000;

/// Marks counters of messages that stand where they arrived.
const ARRIVED: u64 = 1 << 63;

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer
            .array(4 + usize::from(self.received_ms.is_some()))
            .bytes(&self.item.encode())
            .bytes(&self.author.0)
            .text(&self.kind)
            .option(self.content_key.as_ref(), |writer, key| {
                writer.bytes(&**key);
            });
        if let Some(received_ms) = self.received_ms {
            writer.u64(received_ms);
        }
        writer.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        Self::read(bytes).map_err(StoreError::DamagedEntry)
    }

    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        let fields = reader.list(5)?;
        let mut record = Self {
            item: Item::decode(reader.bytes(ITEM_BYTES_MAX)?)?,
            author: IdentityId(reader.fixed()?),
            kind: reader.text(TYPE_BYTES_MAX)?.to_owned(),
            content_key: reader.option(|reader| reader.fixed().map(Zeroizing::new))?,
            received_ms: None,
        };
        if fields == 5 {
            record.received_ms = Some(reader.u64()?);
        }
        reader.end()?;
        Ok(record)
    }

    pub(super) fn header(&self) -> Result<Header, StoreError> {
        Header::decode(&self.item.header.bytes).map_err(StoreError::DamagedEntry)
    }

    /// Whether an op stamped `stamp_ms` claims to be from so far ahead that its stamp places
    /// nothing.
    pub(super) fn is_ahead(&self, stamp_ms: u64) -> bool {
        let limit_ms = self.received_ms.map(|at| at.saturating_add(AHEAD_MS));
        limit_ms.is_some_and(|limit_ms| stamp_ms > limit_ms)
    }

    /// Where an op stamped `stamp_ms` stands on the timeline: at its stamp, or, if that is far
    /// ahead, when it arrived.
    pub(super) fn shown_ms(&self, stamp_ms: u64) -> u64 {
        match self.received_ms {
            Some(received_ms) if self.is_ahead(stamp_ms) => received_ms,
            _ => stamp_ms,
        }
    }

    /// Where a message with this `header` stands in its conversation: at its author's logical clock, or, if
    /// that is of another and ahead of ours, when it arrived, after what stands there by its clock. So no
    /// clock of a friend's moves what we say ourselves.
    pub(super) fn chat_place(&self, header: &Header) -> (u64, u64) {
        match self.received_ms {
            Some(at) if header.hlc.logical_ms > at => (at, ARRIVED | header.seq),
            _ => (header.hlc.logical_ms, header.hlc.counter),
        }
    }

    /// Whether it says what its author has of our messages.
    pub(super) fn is_receipt(&self, header: &Header) -> bool {
        self.kind == chat::RECEIPT && self.friend_of_author(header).is_some()
    }

    /// Whether it was ever to be shown here: its body has not been cleared away, and it had not expired
    /// when it came.
    pub(super) fn is_shown_at_all(&self, header: &Header) -> bool {
        let came_late = self
            .received_ms
            .is_some_and(|at| Self::is_expired(header, at));
        !came_late && !self.item.body.is_empty()
    }

    /// Whether its author asks to forget it by `wall_ms`.
    pub(super) fn is_expired(header: &Header, wall_ms: u64) -> bool {
        header.expires_ms.is_some_and(|expires| expires < wall_ms)
    }

    /// With whom it belongs to a conversation, if it is another's op: its author. What anybody may read is
    /// none.
    pub(super) fn friend_of_author(&self, header: &Header) -> Option<IdentityId> {
        let is_sealed = header.encryption == Encryption::ContentKey;
        (is_sealed && chat::is_of_conversation(&self.kind)).then_some(self.author)
    }

    /// Whether it is an own sealed op whose key is gone, of which the text is kept in place of what
    /// was signed.
    pub(super) fn is_keyless(&self, header: &Header) -> bool {
        let is_sealed = header.encryption == Encryption::ContentKey;
        is_sealed && self.content_key.is_none() && !self.item.body.is_empty()
    }

    /// Whether it is the op of this name, and has the body that was signed: a changed bit would be
    /// refused by everybody who is sent it.
    pub(super) fn check(&self, op: OpId, header: &Header) -> Result<(), StoreError> {
        if self.item.id() == op && check_hash(header, &self.item.body).is_ok() {
            return Ok(());
        }
        Err(StoreError::DamagedEntry(DecodeError::Invalid {
            what: WHAT,
            reason: "it is not what was signed",
        }))
    }

    /// As [`Record::check`], of another's op, whose body may be cleared away; that of a conversation can be
    /// opened.
    pub(super) fn check_kept(&self, op: OpId, header: &Header) -> Result<(), StoreError> {
        if self.item.body.is_empty() && self.item.id() == op {
            return Ok(());
        }
        self.check(op, header)?;
        if self.friend_of_author(header).is_some() {
            self.body()?;
        }
        Ok(())
    }

    /// The readable body.
    pub(super) fn body(&self) -> Result<Body, StoreError> {
        let damaged =
            |reason| StoreError::DamagedEntry(DecodeError::Invalid { what: WHAT, reason });
        let header = self.header()?;
        if self.is_keyless(&header) {
            return Body::decode(&self.item.body).map_err(StoreError::DamagedEntry);
        }
        open(&header, &self.item.body, self.content_key.as_ref())
            .map_err(|_| damaged("its body cannot be opened"))
    }
}

/// Checks that `header` was made for `body`.
pub(super) fn check_hash(header: &Header, body: &[u8]) -> Result<(), OpRefusal> {
    let fits = body.len() <= SEALED_BODY_BYTES_MAX
        && body.len() as u64 == u64::from(header.body_len)
        && *blake3::hash(body).as_bytes() == header.body_hash;
    if fits {
        Ok(())
    } else {
        Err(OpRefusal::BodyHash)
    }
}

/// The readable body of an op whose body travels as `body`.
pub(super) fn open(
    header: &Header,
    body: &[u8],
    key: Option<&ContentKey>,
) -> Result<Body, OpRefusal> {
    match header.encryption {
        Encryption::None => Ok(Body::decode(body)?),
        Encryption::ContentKey => {
            let key = key.ok_or(OpRefusal::Unreadable)?;
            let text =
                seal::open_body(key, &header.binding(), body).map_err(|_| OpRefusal::Unreadable)?;
            Ok(Body::decode(&text)?)
        }
    }
}

/// The author's certificate of a verified item.
pub(super) fn certificate(bytes: &[u8], author: IdentityId) -> Result<Delegation, OpRefusal> {
    let delegation = Delegation::decode(bytes)?;
    if delegation.identity != author {
        return Err(OpRefusal::Author);
    }
    Ok(delegation)
}

/// The certificate beside an own op of `device`: as written then, or the device's last if it is of a
/// version that is no longer read.
pub(super) fn own_certificate(
    bytes: &[u8],
    device: &[u8; 32],
    keys: &Keys,
) -> Result<Delegation, OpRefusal> {
    match certificate(bytes, keys.identity()) {
        Err(OpRefusal::Format(DecodeError::Version { .. })) => keys
            .certificate_of(device)
            .cloned()
            .ok_or(OpRefusal::Device),
        other => other,
    }
}

/// What a wrapped content key is bound to: the op and its reader.
pub(super) fn wrap_binding(op: OpId, reader: IdentityId) -> Vec<u8> {
    [op.0, reader.0].concat()
}
