//! Opening a store: what is there, and what is made anew. Which of file and index is newer is decided in
//! `settling`.
//!
//! Owns the decision what may be lost. A missing or damaged index is made anew from the files,
//! aloud; without the file of contacts it is not, for nobody may be served who was blocked.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, TableError, WriteTransaction};

use super::contact_file::{self, Contacts};
use super::error::corrupted;
use super::proof_file::{self, Proofs};
use super::settling::{self, OF_ANOTHER};
use super::tables::{self, Derived, EPOCH, FORMAT};
use super::tables::{INDEX_FORMAT, INDEX_FORMAT_WITH_CHATS, INDEX_FORMAT_WITH_FIRST_CHATS};
use super::{Store, StoreError, backend, post_files, serial_file};
use crate::api::Event;
use crate::entropy;
use crate::environment::Disk;
use crate::files::TEMPORARY;
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::op::LogId;

/// How far the index is relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// It is taken as it is.
    #[default]
    Whole,
    /// All of it is checked first.
    Checked,
    /// It is made anew from the files.
    Nothing,
}

impl Trust {
    /// What is left of it after a disappointment.
    #[must_use]
    pub fn less(self) -> Self {
        match self {
            Self::Whole => Self::Checked,
            Self::Checked | Self::Nothing => Self::Nothing,
        }
    }
}

/// How a store was opened, and what became of files that were not as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opened {
    /// Why the index was made anew beside posts or contacts that there were; nothing if it was not.
    pub rebuilt: Option<Rebuilt>,
    /// Own posts that were set aside.
    pub set_aside: Vec<SetAside>,
    /// Files by which own posts were opened to one more reader that were set aside.
    pub grants_set_aside: Vec<SetAside>,
    /// Own posts of which the text is all there is, since the key that they are sealed to is gone.
    pub keyless: u64,
}

impl Opened {
    /// What of it is to be told.
    pub fn events(&self) -> Vec<Event> {
        let rebuilt = self.rebuilt.iter().map(|rebuilt| Event::IndexRebuilt {
            reason: rebuilt.reason.clone(),
            contacts: rebuilt.contacts,
            blocked: rebuilt.blocked,
            forks: rebuilt.forks,
            proofs_lost: rebuilt.proofs_lost,
        });
        let posts = self.keyless;
        let keyless = (posts > 0).then_some(Event::PostsWithoutKey { posts });
        let set_aside = self.set_aside.iter().map(|post| Event::PostSetAside {
            log: post.log,
            seq: post.seq,
            reason: post.reason.clone(),
        });
        let grants = self.grants_set_aside.iter();
        let grants = grants.map(|grant| Event::GrantSetAside {
            log: grant.log,
            seq: grant.seq,
            reason: grant.reason.clone(),
        });
        let lost = set_aside.chain(grants);
        rebuilt.chain(keyless).chain(lost).collect()
    }
}

/// An own post, or a grant of it, whose file is not as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The post's log, which is written no more if it is the post's file.
    pub log: LogId,
    /// Its place.
    pub seq: u64,
    /// Which file, below the node's folder, and what is wrong with it.
    pub reason: String,
}

/// An index that was made anew from files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// What was wrong with the one before.
    pub reason: String,
    /// Contacts that are known.
    pub contacts: u64,
    /// How many of them are blocked.
    pub blocked: u64,
    /// Whether there are own posts.
    pub posts: bool,
    /// Logs of others that are known to be forked.
    pub forks: u64,
    /// Whether the file of what others have signed of their keys and logs is damaged.
    pub proofs_lost: bool,
}

impl Store {
    /// Opens the store on `disk`, or makes an empty one, and enters what a
    /// crash left in files only.
    ///
    /// # Errors
    /// As [`Store::open_trusting`].
    pub fn open(disk: &Arc<dyn Disk>, keys: Keys) -> Result<Self, StoreError> {
        Self::open_trusting(disk, keys, Trust::Whole)
    }

    /// As [`Store::open`], relying on the index as far as `trust` has it. An index that is
    /// missing or found damaged is made anew from the files; others' posts are pulled again.
    ///
    /// # Errors
    /// `Disk` and `Index`; `ContactsLost` when there are posts, but neither index nor contacts;
    /// `Damaged` when a file is not as written and the index cannot replace it.
    pub fn open_trusting(
        disk: &Arc<dyn Disk>,
        keys: Keys,
        trust: Trust,
    ) -> Result<Self, StoreError> {
        Self::open_because(disk, keys, trust, None)
    }

    /// As [`Store::open_trusting`], and with less trust where that has disappointed.
    fn open_because(
        disk: &Arc<dyn Disk>,
        keys: Keys,
        trust: Trust,
        because: Option<&str>,
    ) -> Result<Self, StoreError> {
        match Self::open_once(disk, keys.clone(), trust, because) {
            Err(error) if error.is_damage_of_index() && trust != Trust::Nothing => {
                let trust = trust.less();
                if trust == Trust::Checked {
                    tracing::warn!(%error, "the index is read whole, to check it");
                } else {
                    tracing::warn!(%error, "the index is made anew from the files");
                }
                Self::open_because(disk, keys, trust, Some(&error.to_string()))
            }
            result => result,
        }
    }

    /// Opens the store with as much `trust` in its index; `because` says why that is no more.
    fn open_once(
        disk: &Arc<dyn Disk>,
        keys: Keys,
        trust: Trust,
        because: Option<&str>,
    ) -> Result<Self, StoreError> {
        let found = match trust {
            Trust::Whole => whole(disk),
            Trust::Checked => checked(disk),
            Trust::Nothing => Err(corrupted(because.unwrap_or("reading it has failed"))),
        };
        let found = match found {
            Err(error) if error.is_refused_write() => {
                return Self::open_to_read(disk, keys, &error);
            }
            found => found,
        };
        let (index, rebuilt) = match found {
            Ok(Some(index)) => (index, None),
            Ok(None) => make(disk, &keys, "there was none")?,
            Err(error) if error.is_damage_of_index() => {
                return Self::open_replaced(disk, keys, &error.to_string());
            }
            Err(error) => return Err(error),
        };
        let mut store = Self {
            disk: Arc::clone(disk),
            keys,
            index,
            is_checked: trust != Trust::Whole,
            unsettled: true,
            read_only: None,
            author_bytes_max: u64::MAX,
            opened: Opened {
                rebuilt,
                ..Opened::default()
            },
        };
        let ours = store.refuse_anothers();
        match ours
            .and_then(|()| store.migrate())
            .and_then(|()| store.settle())
        {
            Err(error) if error.is_refused_write() => {
                // The index may not be written to after a failure; it is opened anew.
                let keys = store.keys.clone();
                drop(store);
                return Self::open_to_read(disk, keys, &error);
            }
            settled => settled?,
        }
        sweep(disk, store.keys.identity());
        Ok(store)
    }

    /// The store with an index made anew in place of one that is damaged for this `reason`: that is put
    /// aside only when all that the files hold is in the other.
    fn open_replaced(disk: &Arc<dyn Disk>, keys: Keys, reason: &str) -> Result<Self, StoreError> {
        let mut rebuilt = make_beside(disk, &keys, reason)?;
        if rebuilt.is_none() && reason.contains(OF_ANOTHER) {
            // Whose it was loses the contacts in it, which is told though there is nothing of ours.
            rebuilt = Some(Rebuilt {
                reason: reason.to_owned(),
                ..Rebuilt::default()
            });
        }
        let mut store = Self {
            disk: Arc::clone(disk),
            keys,
            index: backend::open_beside(disk)?,
            is_checked: true,
            unsettled: true,
            read_only: None,
            author_bytes_max: u64::MAX,
            opened: Opened {
                rebuilt,
                ..Opened::default()
            },
        };
        store.settle()?;
        let Self {
            disk,
            keys,
            index,
            opened,
            ..
        } = store;
        // Closing writes the file's last pages; only then may it be renamed.
        drop(index);
        backend::sync_beside(&disk)?;
        backend::set_aside(&disk)?;
        let index = backend::take_place(&disk)?;
        sweep(&disk, keys.identity());
        Ok(Self {
            disk,
            keys,
            index,
            is_checked: true,
            unsettled: false,
            read_only: None,
            author_bytes_max: u64::MAX,
            opened,
        })
    }

    /// The store of a disk that refuses writes by `error`: it can be read, without what is in
    /// files only. It is opened for writing again once it was closed.
    fn open_to_read(
        disk: &Arc<dyn Disk>,
        keys: Keys,
        error: &StoreError,
    ) -> Result<Self, StoreError> {
        let Some(index) = backend::open_to_read(disk)? else {
            return Err(StoreError::ReadOnly(error.to_string()));
        };
        index.begin_read()?.open_table(EPOCH)?;
        tracing::warn!(%error, "the store is opened for reading alone");
        let mut store = Self {
            disk: Arc::clone(disk),
            keys,
            index,
            is_checked: false,
            unsettled: true,
            read_only: None,
            author_bytes_max: u64::MAX,
            opened: Opened::default(),
        };
        store
            .refuse_anothers()
            .map_err(|_| StoreError::ReadOnly(format!("{error}; {OF_ANOTHER} index is there")))?;
        store.migrate()?;
        store.settle_in_memory()?;
        store.read_only = Some(error.to_string());
        Ok(store)
    }

    /// Brings an index of an older shape to today's.
    fn migrate(&mut self) -> Result<(), StoreError> {
        let format = match self.read()?.open_table(FORMAT) {
            Ok(formats) => formats.get(())?.map(|format| format.value()),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        match format {
            Some(INDEX_FORMAT | INDEX_FORMAT_WITH_CHATS) => return Ok(()),
            Some(newer) if newer > INDEX_FORMAT_WITH_CHATS => {
                return Err(StoreError::NewerIndex(newer));
            }
            Some(_) | None => {}
        }
        tracing::info!("the index is of an older version; it is brought up to date");
        let with_chats = format.is_some_and(|format| format >= INDEX_FORMAT_WITH_FIRST_CHATS);
        let txn = self.index.begin_write()?;
        make_tables(&txn)?;
        {
            let mut derived = Derived::open(&txn)?;
            if with_chats {
                derived.migrate_chats(self.keys.identity())?;
            } else {
                derived.enter_kinds()?;
                derived.enter_weights(self.keys.identity())?;
            }
        }
        let format = if with_chats {
            INDEX_FORMAT_WITH_CHATS
        } else {
            INDEX_FORMAT
        };
        txn.open_table(FORMAT)?.insert((), format)?;
        txn.commit()?;
        Ok(())
    }

    /// How the store was opened; told once.
    pub fn opened(&mut self) -> Opened {
        std::mem::take(&mut self.opened)
    }

    /// Begins without contacts where they are lost: see [`StoreError::ContactsLost`]. A damaged file
    /// of them is set aside. False if there is one that is as it was written.
    ///
    /// # Errors
    /// `Disk`.
    pub fn forget_contacts(disk: &Arc<dyn Disk>, identity: IdentityId) -> Result<bool, StoreError> {
        match Contacts::read(disk, identity) {
            Ok(Some(_)) => return Ok(false),
            Ok(None) => {}
            Err(StoreError::Damaged { path, reason }) => {
                tracing::warn!(path, reason, "set aside a damaged file of contacts");
                disk.rename(&path, &format!("{path}.damaged"))?;
            }
            Err(error) => return Err(error),
        }
        Contacts::default().write(disk, identity)?;
        Ok(true)
    }
}

/// Removes what a crash left unfinished of our own files: a folder may have others', too. What cannot
/// be removed does no harm.
fn sweep(disk: &Arc<dyn Disk>, identity: IdentityId) {
    let beside = |path: String| format!("{path}{TEMPORARY}");
    let in_root = backend::beside();
    for name in disk.list("").unwrap_or_default() {
        if name == in_root {
            remove_unfinished(disk, &name);
        }
    }
    let small = [
        beside(contact_file::path(identity)),
        beside(proof_file::path(identity)),
        beside(serial_file::path(identity)),
    ];
    let own = format!("identities/{identity}");
    for name in disk.list(&own).unwrap_or_default() {
        let path = format!("{own}/{name}");
        if small.contains(&path) {
            remove_unfinished(disk, &path);
        }
    }
    for log in post_files::logs(disk, identity).unwrap_or_default() {
        let folder = post_files::log_dir(identity, log);
        for name in disk.list(&folder).unwrap_or_default() {
            if post_files::is_unfinished(&name) {
                remove_unfinished(disk, &format!("{folder}/{name}"));
            }
        }
    }
}

fn remove_unfinished(disk: &Arc<dyn Disk>, path: &str) {
    match disk.remove(path) {
        Ok(()) => tracing::info!(path, "removed what was never finished"),
        Err(error) => tracing::debug!(path, %error, "cannot remove it"),
    }
}

fn make_tables(txn: &WriteTransaction) -> Result<(), StoreError> {
    Derived::open(txn)?;
    txn.open_table(tables::CURSORS)?;
    txn.open_table(tables::HELD_BACK)?;
    txn.open_table(tables::FORKS)?;
    txn.open_table(tables::CERTIFICATES)?;
    txn.open_table(tables::REVOCATIONS)?;
    Ok(())
}

/// The index as it is, if it has been made at all.
fn whole(disk: &Arc<dyn Disk>) -> Result<Option<Database>, StoreError> {
    let Some(index) = backend::open(disk)? else {
        return Ok(None);
    };
    // redb makes an empty index of an empty file.
    index.begin_read()?.open_table(EPOCH)?;
    Ok(Some(index))
}

/// The index, if it was made and all of it is as it was written.
fn checked(disk: &Arc<dyn Disk>) -> Result<Option<Database>, StoreError> {
    let Some(mut index) = whole(disk)? else {
        return Ok(None);
    };
    index.check_integrity()?;
    Ok(Some(index))
}

/// An index made anew, and what it was made from if that was more than nothing.
fn make(
    disk: &Arc<dyn Disk>,
    keys: &Keys,
    reason: &str,
) -> Result<(Database, Option<Rebuilt>), StoreError> {
    let rebuilt = make_beside(disk, keys, reason)?;
    Ok((backend::take_place(disk)?, rebuilt))
}

/// Makes an index beside its place, and tells what from if that was more than nothing.
fn make_beside(
    disk: &Arc<dyn Disk>,
    keys: &Keys,
    reason: &str,
) -> Result<Option<Rebuilt>, StoreError> {
    let identity = keys.identity();
    let posts = !post_files::logs(disk, identity)?.is_empty();
    let kept = Contacts::read(disk, identity)?;
    let is_new = kept.is_none() && !posts;
    let (contacts, mark) = match kept {
        Some(kept) => kept,
        None if posts => {
            return Err(StoreError::ContactsLost {
                path: contact_file::path(identity),
            });
        }
        None => {
            let none = Contacts::default();
            let mark = none.write(disk, identity)?;
            (none, mark)
        }
    };
    let (proofs, proofs_lost) = if is_new {
        (Proofs::default(), false)
    } else {
        kept_proofs(disk, identity)?
    };
    backend::make_beside(disk, |index| {
        let txn = index.begin_write()?;
        {
            make_tables(&txn)?;
            txn.open_table(FORMAT)?.insert((), INDEX_FORMAT)?;
            txn.open_table(EPOCH)?.insert((), &entropy::bytes::<16>())?;
            contacts.enter(&txn, &mark)?;
            proofs.enter(&txn)?;
            settling::note(&txn, identity, &proofs.mark())?;
        }
        txn.commit()?;
        Ok(())
    })?;
    let (known, blocked) = contacts.count();
    // A crash while an empty store was made leaves no more than an empty file.
    let rebuilt = (!is_new && (posts || known > 0)).then(|| Rebuilt {
        reason: reason.to_owned(),
        contacts: known,
        blocked,
        posts,
        forks: proofs.forks(),
        proofs_lost,
    });
    Ok(rebuilt)
}

/// What others have signed, and whether that is lost: its file is set aside if it is damaged.
fn kept_proofs(disk: &Arc<dyn Disk>, identity: IdentityId) -> Result<(Proofs, bool), StoreError> {
    match Proofs::read(disk, identity) {
        Ok(proofs) => Ok((proofs, false)),
        Err(StoreError::Damaged { path, reason }) => {
            tracing::warn!(
                path,
                reason,
                "forks, revocations and newer certificates of others are lost; ask friends who have \
                 changed their keys for new cards"
            );
            disk.rename(&path, &format!("{path}.damaged"))?;
            Ok((Proofs::default(), true))
        }
        Err(error) => Err(error),
    }
}
