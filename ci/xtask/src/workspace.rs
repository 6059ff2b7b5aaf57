//! Where the workspace is, and how programs are run in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// The checked-out workspace.
pub struct Workspace {
    /// Folder of the root `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder, `CARGO_TARGET_DIR` respected.
    pub target: PathBuf,
    /// The members, without their dependencies.
    pub members: Metadata,
}

impl Workspace {
    /// Finds the workspace that this program was built in.
    ///
    /// # Errors
    /// When `cargo metadata` does not understand the manifests.
    pub fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
        let members = MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .context("cargo metadata")?;
        Ok(Self {
            root: members.workspace_root.clone().into(),
            target: members.target_directory.clone().into(),
            members,
        })
    }

    /// Metadata of every crate that this platform's build reads, from the lock file.
    ///
    /// # Errors
    /// When the lock file is out of date or a crate cannot be fetched.
    pub fn dependencies(&self) -> Result<Metadata> {
        let host = host_triple()?;
        run(self
            .cargo()
            .args(["fetch", "--quiet", "--locked", "--target", &host]))?;
        MetadataCommand::new()
            .manifest_path(self.root.join("Cargo.toml"))
            .other_options(
                ["--locked", "--offline", "--filter-platform", &host]
                    .map(str::to_owned)
                    .to_vec(),
            )
            .exec()
            .context("cargo metadata of all dependencies")
    }

    /// `cargo`, run at the root.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }

    /// A scratch folder below the target folder, emptied.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("xtask").join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }
}

fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("rustc -vV")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc -vV names no host")
}

/// A command as one would type it, for messages.
pub fn as_typed(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![
        program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    ];
    words.extend(command.get_args().map(|argument| {
        let word = argument.to_string_lossy();
        if word.contains(|c: char| c.is_whitespace() || "\"'*?$&|;<>()".contains(c)) {
            format!("'{word}'")
        } else {
            word.into_owned()
        }
    }));
    words.join(" ")
}

/// Runs `command` with our own input and output; its failure is an error.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let typed = as_typed(command);
    let status = command
        .status()
        .with_context(|| format!("cannot run `{typed}`"))?;
    if !status.success() {
        bail!("`{typed}` failed ({status})");
    }
    Ok(())
}

/// As [`run`], and gives back the lines of either output stream for which `keep`
/// holds, so that a long step's closing words can be repeated at its end.
///
/// # Errors
/// When it cannot be started or does not succeed, with the lines kept.
pub fn run_and_keep(command: &mut Command, keep: fn(&str) -> bool) -> Result<Vec<String>> {
    let typed = as_typed(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{typed}`"))?;
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|stream| Box::new(stream) as _),
        child.stderr.take().map(|stream| Box::new(stream) as _),
    ];
    let readers: Vec<_> = streams
        .into_iter()
        .flatten()
        .map(|stream| std::thread::spawn(move || pass_on(stream, keep)))
        .collect();
    let mut kept = Vec::new();
    for reader in readers {
        match reader.join() {
            Ok(lines) => kept.extend(lines?),
            Err(_) => bail!("the reader of `{typed}` panicked"),
        }
    }
    let status = child.wait().with_context(|| format!("`{typed}`"))?;
    if !status.success() {
        let closing: String = kept.iter().map(|line| line.clone() + "\n").collect();
        bail!("{closing}`{typed}` failed ({status})");
    }
    Ok(kept)
}

fn pass_on(stream: impl Read, keep: fn(&str) -> bool) -> Result<Vec<String>> {
    let mut kept = Vec::new();
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        std::io::stdout().write_all(&line)?;
        let text = String::from_utf8_lossy(&line);
        if keep(text.trim()) {
            kept.push(text.trim().to_owned());
        }
        line.clear();
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_with_spaces_are_quoted_for_repeating() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--", "a b"]);
        assert_eq!(as_typed(&command), "cargo test -- 'a b'");
    }

    #[test]
    fn kept_lines_come_back_and_failures_are_errors() {
        let kept = run_and_keep(
            Command::new("sh").args(["-c", "echo one; echo Summary two >&2"]),
            |line| line.starts_with("Summary"),
        )
        .unwrap();
        assert_eq!(kept, ["Summary two"]);
        let failed = run_and_keep(
            Command::new("sh").args(["-c", "echo Summary one failed; exit 1"]),
            |line| line.starts_with("Summary"),
        );
        assert!(
            failed
                .unwrap_err()
                .to_string()
                .contains("Summary one failed")
        );
        assert!(run(Command::new("sh").args(["-c", "exit 3"])).is_err());
    }
}
