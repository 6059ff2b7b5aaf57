//! The text files of the workspace.

use std::path::Path;

use anyhow::{Context, Result};

/// Folders that hold nothing written by hand.
const SKIPPED: &[&str] = &["target", ".git", "corpus"];

/// One text file.
pub struct File {
    /// Path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl File {
    /// Whether the name ends in `.extension`.
    pub fn is(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }

    /// A file for tests.
    #[cfg(test)]
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }
}

/// All files below `root` that are UTF-8, sorted by path.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn read(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                folders.push(entry.path());
            } else if kind.is_file() && name != ".git" {
                let bytes = std::fs::read(entry.path())
                    .with_context(|| format!("{}", entry.path().display()))?;
                if let Ok(text) = String::from_utf8(bytes) {
                    let path = entry.path();
                    let path = path.strip_prefix(root).unwrap_or(&path);
                    files.push(File {
                        path: path.to_string_lossy().replace('\\', "/"),
                        text,
                    });
                }
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
