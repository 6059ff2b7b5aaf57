//! Own posts as files: `identities/<id>/logs/<log>/<seq>.json`, readable, beside
//! the signed header in `<seq>.op` and later grants in `<seq>.grant-<arrival>`.
//!
//! Owns names and formats of these files, and that a post is there when its
//! `.op` is: it is renamed into place last. Knows nothing of the index.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::record::{self, Record, wrap_binding};
use super::{StoreError, whole_file};
use crate::audience::{READERS_MAX, Readers};
use crate::body::{BODY_BYTES_MAX, Body};
use crate::chat;
use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::DELEGATION_BYTES_MAX;
use crate::environment::Disk;
use crate::files;
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::op::{Encryption, Header, LogId, OpId, SignedHeader};
use crate::pull::Item;
use crate::seal::{self, Wrap};

const OP: &str = "op file";
const GRANT: &str = "grant file";
const VERSION: u64 = 1;
/// A reader and a wrap take 120 bytes.
const OP_FILE_BYTES_MAX: u64 = 4_096 + 128 * (READERS_MAX as u64 + 1);
const GRANT_FILE_BYTES_MAX: u64 = 1_024;

/// The folder of an identity's logs.
pub(super) fn logs_dir(identity: IdentityId) -> String {
    format!("identities/{identity}/logs")
}

/// The folder of one log.
pub(super) fn log_dir(identity: IdentityId, log: LogId) -> String {
    format!("{}/{log}", logs_dir(identity))
}

/// One own post, as its files tell it.
pub(super) struct OwnPost {
    /// The signed header.
    pub(super) signed: SignedHeader,
    /// What the header says.
    pub(super) header: Header,
    /// The device's certificate.
    pub(super) delegation: Vec<u8>,
    /// When it became readable, in the responder's order.
    pub(super) arrival: u64,
    /// The content key for each reader, the author included; none if public.
    pub(super) wraps: Vec<(IdentityId, Wrap)>,
    /// The readable body.
    pub(super) body: Body,
    /// Whether it is sealed to a key of the author's that is gone: its text is all there is, and
    /// no reader who lacks it can be sent it.
    pub(super) keyless: bool,
}

impl OwnPost {
    /// Its name.
    pub(super) fn id(&self) -> OpId {
        self.signed.id()
    }

    /// Who may read it besides the author, later grants aside.
    pub(super) fn readers(&self, author: IdentityId) -> Readers {
        match self.header.encryption {
            Encryption::None => Readers::Public,
            Encryption::ContentKey => Readers::Only(
                self.wraps
                    .iter()
                    .map(|(reader, _)| *reader)
                    .filter(|reader| *reader != author)
                    .collect::<BTreeSet<_>>(),
            ),
        }
    }

    /// With whom it belongs to a conversation, if it does: its only reader.
    pub(super) fn friend(&self, author: IdentityId) -> Option<IdentityId> {
        if !chat::is_of_conversation(self.body.kind()) {
            return None;
        }
        match self.readers(author) {
            Readers::Only(readers) if readers.len() == 1 => readers.first().copied(),
            Readers::Only(_) | Readers::Public => None,
        }
    }

    /// What the index keeps of it: of one whose key is gone its text, which cannot be checked any more.
    pub(super) fn record(&self, keys: &Keys) -> Result<Record, StoreError> {
        let author = keys.identity();
        let damaged = |reason: &str| StoreError::Damaged {
            path: format!(
                "{}/{:08}.op",
                log_dir(author, self.header.log),
                self.header.seq
            ),
            reason: reason.into(),
        };
        let (body, content_key) = match self.header.encryption {
            Encryption::None => (self.body.text.clone(), None),
            Encryption::ContentKey => {
                let (_, wrap) = self
                    .wraps
                    .iter()
                    .find(|(reader, _)| *reader == author)
                    .ok_or_else(|| damaged("it holds no key for its author"))?;
                if let Some(key) = keys.open(wrap, &wrap_binding(self.id(), author)) {
                    let body = seal::seal_body(&key, &self.header.binding(), &self.body.text);
                    (body, Some(key))
                } else if self.is_sealed_to_one_of(keys) {
                    return Err(damaged("the key in it does not open"));
                } else {
                    (self.body.text.clone(), None)
                }
            }
        };
        let is_keyless = self.header.encryption == Encryption::ContentKey && content_key.is_none();
        if !is_keyless && record::check_hash(&self.header, &body).is_err() {
            return Err(damaged("the text beside it is not the one that was signed"));
        }
        Ok(Record {
            item: Item {
                header: self.signed.clone(),
                delegation: self.delegation.clone(),
                body,
                wrap: None,
            },
            author,
            kind: self.body.kind().to_owned(),
            content_key,
            received_ms: None,
        })
    }

    /// Whether the key that its author had then is one of `keys`.
    fn is_sealed_to_one_of(&self, keys: &Keys) -> bool {
        let then = record::own_certificate(&self.delegation, &self.header.device, keys);
        then.is_ok_and(|then| keys.opens_what_is_for(&then.encryption))
    }

    /// Writes both files; their names are durable after `sync_dir_of` the folder.
    pub(super) fn write(&self, disk: &Arc<dyn Disk>, identity: IdentityId) -> std::io::Result<()> {
        let base = self.base(identity);
        files::replace(disk, &format!("{base}.json"), &self.body.text)?;
        files::replace(disk, &format!("{base}.op"), &self.encode())?;
        files::sync_dir_of(disk, &base)
    }

    fn base(&self, identity: IdentityId) -> String {
        format!(
            "{}/{:08}",
            log_dir(identity, self.header.log),
            self.header.seq
        )
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(5).u64(VERSION);
        self.signed.write(&mut writer);
        writer
            .bytes(&self.delegation)
            .u64(self.arrival)
            .array(self.wraps.len());
        for (reader, wrap) in &self.wraps {
            writer.array(2).bytes(&reader.0);
            wrap.write(&mut writer);
        }
        writer.finish()
    }

    /// Reads the post in place `seq` of `log`, and checks that it is whole.
    pub(super) fn read(
        disk: &Arc<dyn Disk>,
        keys: &Keys,
        log: LogId,
        seq: u64,
    ) -> Result<Self, StoreError> {
        let base = format!("{}/{seq:08}", log_dir(keys.identity(), log));
        let path = format!("{base}.op");
        let damaged = |path: &str, reason: String| StoreError::Damaged {
            path: path.to_owned(),
            reason,
        };
        let missing = || "it is missing".to_owned();
        let bytes = whole_file::read(disk, &path, OP_FILE_BYTES_MAX)?
            .ok_or_else(|| damaged(&path, missing()))?;
        let text_path = format!("{base}.json");
        let text = whole_file::read(disk, &text_path, BODY_BYTES_MAX as u64)?
            .ok_or_else(|| damaged(&text_path, missing()))?;
        let body = Body::decode(&text).map_err(|error| damaged(&text_path, error.to_string()))?;
        let mut post =
            Self::decode(&bytes, body).map_err(|error| damaged(&path, error.to_string()))?;
        let delegation = record::own_certificate(&post.delegation, &post.header.device, keys);
        delegation
            .and_then(|delegation| post.signed.verify(&delegation))
            .map_err(|refusal| damaged(&path, refusal.to_string()))?;
        if (post.header.log, post.header.seq) != (log, seq) {
            return Err(damaged(&path, "it belongs to another place".into()));
        }
        post.keyless = post.record(keys)?.is_keyless(&post.header);
        Ok(post)
    }

    /// When the post in place `seq` of `log` became readable; nothing else of it is checked.
    pub(super) fn read_arrival(
        disk: &Arc<dyn Disk>,
        keys: &Keys,
        log: LogId,
        seq: u64,
    ) -> Result<u64, StoreError> {
        let path = format!("{}/{seq:08}.op", log_dir(keys.identity(), log));
        let damaged = |reason: String| StoreError::Damaged {
            path: path.clone(),
            reason,
        };
        let bytes = whole_file::read(disk, &path, OP_FILE_BYTES_MAX)?
            .ok_or_else(|| damaged("it is missing".into()))?;
        let mut reader = Reader::new(OP, &bytes);
        let mut read = || {
            reader.array(5)?;
            reader.version(VERSION)?;
            SignedHeader::read(&mut reader)?;
            reader.bytes(DELEGATION_BYTES_MAX)?;
            reader.u64()
        };
        read().map_err(|error: DecodeError| damaged(error.to_string()))
    }

    fn decode(bytes: &[u8], body: Body) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(OP, bytes);
        reader.array(5)?;
        reader.version(VERSION)?;
        let signed = SignedHeader::read(&mut reader)?;
        let post = Self {
            header: Header::decode(&signed.bytes)?,
            signed,
            delegation: reader.bytes(DELEGATION_BYTES_MAX)?.to_vec(),
            arrival: reader.u64()?,
            wraps: (0..reader.list(READERS_MAX + 1)?)
                .map(|_| {
                    reader.array(2)?;
                    Ok((IdentityId(reader.fixed()?), Wrap::read(&mut reader)?))
                })
                .collect::<Result<_, DecodeError>>()?,
            body,
            keyless: false,
        };
        reader.end()?;
        Ok(post)
    }
}

/// One post opened to one more reader.
pub(super) struct OwnGrant {
    /// The log of the post.
    pub(super) log: LogId,
    /// The post's place in it.
    pub(super) seq: u64,
    /// The post.
    pub(super) op: OpId,
    /// The new reader.
    pub(super) reader: IdentityId,
    /// When it became readable to them, in the responder's order.
    pub(super) arrival: u64,
    /// The content key for them.
    pub(super) wrap: Wrap,
}

impl OwnGrant {
    /// Writes the file, durably.
    pub(super) fn write(&self, disk: &Arc<dyn Disk>, identity: IdentityId) -> std::io::Result<()> {
        let path = grant_path(identity, self.log, self.seq, self.arrival);
        let mut writer = Writer::default();
        writer
            .array(4)
            .u64(VERSION)
            .bytes(&self.op.0)
            .bytes(&self.reader.0);
        self.wrap.write(&mut writer);
        files::replace(disk, &path, &writer.finish())?;
        files::sync_dir_of(disk, &path)
    }

    /// Reads one grant.
    pub(super) fn read(
        disk: &Arc<dyn Disk>,
        identity: IdentityId,
        (log, seq, arrival): (LogId, u64, u64),
    ) -> Result<Self, StoreError> {
        let path = grant_path(identity, log, seq, arrival);
        let damaged = |reason: String| StoreError::Damaged {
            path: path.clone(),
            reason,
        };
        let bytes = whole_file::read(disk, &path, GRANT_FILE_BYTES_MAX)?
            .ok_or_else(|| damaged("it is missing".into()))?;
        let read = || {
            let mut reader = Reader::new(GRANT, &bytes);
            reader.array(4)?;
            reader.version(VERSION)?;
            let grant = Self {
                log,
                seq,
                op: OpId(reader.fixed()?),
                reader: IdentityId(reader.fixed()?),
                arrival,
                wrap: Wrap::read(&mut reader)?,
            };
            reader.end()?;
            Ok(grant)
        };
        read().map_err(|error: DecodeError| damaged(error.to_string()))
    }
}

fn grant_path(identity: IdentityId, log: LogId, seq: u64, arrival: u64) -> String {
    format!("{}/{seq:08}.grant-{arrival:08}", log_dir(identity, log))
}

/// Puts the post in place `seq` of `log` aside, durably, and ends the log: what was signed there is not
/// known, and no place is signed twice. The text beside it stays where it is.
pub(super) fn set_aside(
    disk: &Arc<dyn Disk>,
    identity: IdentityId,
    log: LogId,
    seq: u64,
) -> std::io::Result<()> {
    end_log(disk, identity, log)?;
    let base = format!("{}/{seq:08}", log_dir(identity, log));
    let op = format!("{base}.op");
    disk.rename(&op, &format!("{base}.{LOST}"))?;
    files::sync_dir_of(disk, &op)
}

/// Puts the grant of a post aside, durably, which its name says is not one any more.
pub(super) fn set_grant_aside(
    disk: &Arc<dyn Disk>,
    identity: IdentityId,
    (log, seq, arrival): (LogId, u64, u64),
) -> std::io::Result<()> {
    let path = grant_path(identity, log, seq, arrival);
    disk.rename(&path, &format!("{path}.damaged"))?;
    files::sync_dir_of(disk, &path)
}

/// The ending of the signed file of a post that was set aside.
const LOST: &str = "op.damaged";
/// The file that says that a log is written no more.
const ENDED: &str = "ended";

/// Says beside the posts of `log` that it is written no more, durably. There may be none.
pub(super) fn end_log(
    disk: &Arc<dyn Disk>,
    identity: IdentityId,
    log: LogId,
) -> std::io::Result<()> {
    let folder = log_dir(identity, log);
    files::make_dir(disk, &folder)?;
    let path = format!("{folder}/{ENDED}");
    files::replace(
        disk,
        &path,
        b"This log is written no more; posts go on in another.\n",
    )?;
    files::sync_dir_of(disk, &path)
}

/// What the names in a log's folder say is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// Places of posts, ascending.
    pub(super) posts: BTreeSet<u64>,
    /// Grants as (arrival, place), ascending.
    pub(super) grants: BTreeSet<(u64, u64)>,
    /// Whether it is written no more.
    pub(super) ended: bool,
    /// Whether a post of it was set aside.
    pub(super) lost: bool,
}

impl Listing {
    /// Whether a post of it is gone: one was set aside, or a place before that of the last has none.
    pub(super) fn has_gaps(&self) -> bool {
        let last = self.posts.last();
        self.lost || last.is_some_and(|last| *last != self.posts.len() as u64 - 1)
    }

    /// Reads the names; names of no meaning, and unfinished files, are passed over.
    pub(super) fn of(names: &[String]) -> Self {
        let mut listing = Self::default();
        for name in names {
            let Some((seq, kind)) = name.split_once('.') else {
                listing.ended |= name == ENDED;
                continue;
            };
            let Ok(seq) = seq.parse() else { continue };
            if kind == "op" {
                listing.posts.insert(seq);
            } else if kind == LOST {
                listing.lost = true;
            } else if let Some(arrival) = kind.strip_prefix("grant-").and_then(|n| n.parse().ok()) {
                listing.grants.insert((arrival, seq));
            }
        }
        listing
    }
}

/// Whether a file of this name in a log's folder is one of ours that was not finished.
pub(super) fn is_unfinished(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(name) = name.strip_suffix(files::TEMPORARY) else {
        return false;
    };
    name == ENDED
        || name.split_once('.').is_some_and(|(seq, kind)| {
            let is_kind =
                matches!(kind, "json" | "op") || kind.strip_prefix("grant-").is_some_and(digits);
            digits(seq) && is_kind
        })
}

/// The logs that have a folder, ascending.
pub(super) fn logs(disk: &Arc<dyn Disk>, identity: IdentityId) -> std::io::Result<BTreeSet<LogId>> {
    let names = disk.list(&logs_dir(identity))?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_no_meaning_are_passed_over() {
        let names = [
            "00000000.json",
            "00000000.op",
            "00000000.op.tmp",
            "00000001.grant-00000007",
            "00000001.grant-00000008.tmp",
            "00000001.grant-00000009.damaged",
            "00000002.op.damaged",
            "ended",
            "ended.tmp",
            "notes.txt",
            "x.op",
        ]
        .map(str::to_owned);
        assert_eq!(
            Listing::of(&names),
            Listing {
                posts: BTreeSet::from([0]),
                grants: BTreeSet::from([(7, 1)]),
                ended: true,
                lost: true,
            }
        );
    }
}
