//! Folders: the names that are seen and those that are durable.
//!
//! Owns names and paths, not bytes. A name that is durable while its file was
//! never synced leads to an empty file, as on a real disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::content::Content;
use super::journal::Lost;
use super::lock;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Node {
    File(Arc<Mutex<Content>>),
    Folder(Arc<Mutex<Folder>>),
}

/// Changed names and what they stand for now; `None` for removed ones.
pub(super) type NameChanges = BTreeMap<String, Option<Node>>;

/// The names in one folder.
#[derive(Debug, Default)]
pub(super) struct Folder {
    visible: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// Changes since the last sync was issued.
    changes: NameChanges,
}

impl Folder {
    pub(super) fn find(&self, name: &str) -> Option<Node> {
        self.visible.get(name).cloned()
    }

    /// The file called `name`.
    pub(super) fn find_file(&self, name: &str) -> io::Result<Arc<Mutex<Content>>> {
        match self.find(name) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Names, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        self.visible.keys().cloned().collect()
    }

    /// Gives `name` to `node`, or removes it.
    pub(super) fn set(&mut self, name: &str, node: Option<Node>) {
        apply(&mut self.visible, name.to_owned(), node.clone());
        self.changes.insert(name.to_owned(), node);
    }

    /// Takes what a sync issued now makes durable.
    pub(super) fn take_changes(&mut self) -> NameChanges {
        std::mem::take(&mut self.changes)
    }

    /// A sync has completed.
    pub(super) fn commit(&mut self, changes: NameChanges) {
        for (name, node) in changes {
            apply(&mut self.durable, name, node);
        }
    }
}

fn apply(names: &mut BTreeMap<String, Node>, name: String, node: Option<Node>) {
    match node {
        Some(node) => names.insert(name, node),
        None => names.remove(&name),
    };
}

/// Forgets everything below `folder` that is not durable. Bytes and names that
/// were below a lost folder are counted too; of a lost file, its bytes are.
pub(super) fn recover(folder: &Arc<Mutex<Folder>>) -> Lost {
    let mut lost = Lost::default();
    // Not recursive: the depth is the application's choice.
    let mut rest = vec![Node::Folder(Arc::clone(folder))];
    while let Some(node) = rest.pop() {
        match node {
            Node::File(file) => lost.bytes += lock(&file).recover(),
            Node::Folder(folder) => {
                let mut folder = lock(&folder);
                lost.names += folder.take_changes().len() as u64;
                rest.extend(folder.visible.values().cloned());
                // A durable name may be hidden by its removal.
                rest.extend(folder.durable.values().cloned());
                folder.visible = folder.durable.clone();
            }
        }
    }
    lost
}

/// The parts of a relative path.
fn parts(path: &str) -> io::Result<Vec<&str>> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<&str> = path.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{path:?} is no relative path without empty, `.` or `..` parts"),
        ));
    }
    Ok(parts)
}

/// The folder at `path`.
pub(super) fn folder(root: &Arc<Mutex<Folder>>, path: &str) -> io::Result<Arc<Mutex<Folder>>> {
    descend(root, &parts(path)?)
}

fn descend(root: &Arc<Mutex<Folder>>, parts: &[&str]) -> io::Result<Arc<Mutex<Folder>>> {
    let mut folder = Arc::clone(root);
    for part in parts {
        let next = match lock(&folder).find(part) {
            Some(Node::Folder(next)) => next,
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        folder = next;
    }
    Ok(folder)
}

/// The folder that holds `path`, and the name in it.
pub(super) fn parent<'p>(
    root: &Arc<Mutex<Folder>>,
    path: &'p str,
) -> io::Result<(Arc<Mutex<Folder>>, &'p str)> {
    let parts = parts(path)?;
    let Some((name, above)) = parts.split_last() else {
        return Err(io::ErrorKind::IsADirectory.into());
    };
    Ok((descend(root, above)?, name))
}

/// Makes the folders of `path` that are missing.
pub(super) fn create_folders(root: &Arc<Mutex<Folder>>, path: &str) -> io::Result<()> {
    let mut folder = Arc::clone(root);
    for part in parts(path)? {
        let found = lock(&folder).find(part);
        let next = match found {
            Some(Node::Folder(next)) => next,
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => {
                let next = Arc::default();
                lock(&folder).set(part, Some(Node::Folder(Arc::clone(&next))));
                next
            }
        };
        folder = next;
    }
    Ok(())
}
