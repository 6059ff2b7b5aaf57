//! `orrery new`: a crate of other people, with kinds and scenarios of their own.
//!
//! What it writes is the example `scenarios/outside/`, under another name and with the way to this
//! checkout: so what CI builds and plays is what people begin with.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{CliError, give, tell};
use crate::format::reading::problem::quoted;

/// `orrery new`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orrery new ../mine
  cd ../mine && cargo run --release -- run hello

The crate has a protocol, a service of the node that speaks it, a workload, a
scenario and a test of its own to start from, and all commands of this program.
Its README.md says what is where.")]
pub struct New {
    /// The folder, which must not be there yet; its last part names the crate
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The checkout of Orrery that it builds on [default: the one that this program was built from]
    #[arg(long, value_name = "DIR")]
    pub orrery: Option<PathBuf>,
}

/// The files of the example, by their paths in it.
const FILES: [(&str, &str); 11] = [
    (".gitignore", include_str!("../../outside/.gitignore")),
    ("Cargo.lock", include_str!("../../outside/Cargo.lock")),
    ("Cargo.toml", include_str!("../../outside/Cargo.toml")),
    ("README.md", include_str!("../../outside/README.md")),
    ("build.rs", include_str!("../../outside/build.rs")),
    (
        "scenarios/hello.toml",
        include_str!("../../outside/scenarios/hello.toml"),
    ),
    (
        "src/greeter.rs",
        include_str!("../../outside/src/greeter.rs"),
    ),
    ("src/hello.rs", include_str!("../../outside/src/hello.rs")),
    ("src/main.rs", include_str!("../../outside/src/main.rs")),
    (
        "src/protocol.rs",
        include_str!("../../outside/src/protocol.rs"),
    ),
    (
        "tests/hello.rs",
        include_str!("../../outside/tests/hello.rs"),
    ),
];

/// The example's name.
const NAME: &str = "hello-orrery";

/// How the example's files lead to the checkout.
const WAY: &str = "../../";

/// What only a checkout has.
const OF_CHECKOUT: &str = "sim/exports.rs";

/// Writes the crate.
pub fn run(asked: &New) -> Result<u8, CliError> {
    let name = name(&asked.folder)?;
    let checkout = checkout(asked.orrery.as_deref())?;
    let folder = asked.folder.display();
    if asked.folder.exists() {
        let message = format!("{folder} is there already: name a folder that is not");
        return Err(CliError::Input(message));
    }
    for (path, text) in FILES {
        write(&asked.folder.join(path), &adapted(text, name, &checkout)).map_err(|error| {
            CliError::Tool(format!("cannot write {path} below {folder}: {error}"))
        })?;
    }
    give(&format!("{folder}\n"))?;
    tell(&format!(
        "next: cd {folder} && cargo run --release -- run hello; README.md says what is where"
    ));
    Ok(0)
}

/// The crate's name: the last part of the folder.
fn name(folder: &Path) -> Result<&str, CliError> {
    let last = folder.file_name().and_then(|name| name.to_str());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    last.filter(|name| {
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain)
    })
    .ok_or_else(|| {
        CliError::Input(format!(
            "{}: the last part of the folder names the crate: expected lower-case letters, \
                 digits, \"-\" and \"_\", a letter first",
            folder.display()
        ))
    })
}

/// The checkout to build on, as an absolute path with a slash at its end.
fn checkout(named: Option<&Path>) -> Result<String, CliError> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = named.unwrap_or(&built_from);
    let found = path.canonicalize().ok();
    let found = found.filter(|path| path.join(OF_CHECKOUT).exists());
    let text = found.as_deref().and_then(Path::to_str);
    // It stands in strings of TOML and Rust.
    let text = text.filter(|text| !text.contains(['"', '\\', '\n']));
    text.map(|text| format!("{text}/")).ok_or_else(|| {
        CliError::Input(format!(
            "{} is no checkout of Orrery whose path can be written into a manifest: name one by \
             --orrery",
            quoted(&path.display().to_string())
        ))
    })
}

fn adapted(text: &str, name: &str, checkout: &str) -> String {
    text.replace(WAY, checkout).replace(NAME, name)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_names_the_crate() {
        let check = |folder: &str, expected: Option<&str>| {
            assert_eq!(name(Path::new(folder)).ok(), expected, "{folder}");
        };
        check("../mine", Some("mine"));
        check("/tmp/my_own-2", Some("my_own-2"));
        check("2nd", None);
        check("Mine", None);
        check("..", None);
        check("a b", None);
    }

    #[test]
    fn a_crate_is_the_example_under_its_own_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mine = folder.path().join("mine");
        let asked = || New {
            folder: mine.clone(),
            orrery: None,
        };
        assert_eq!(run(&asked()).ok(), Some(0));
        let read = |path: &str| std::fs::read_to_string(mine.join(path)).expect(path);
        let manifest = read("Cargo.toml");
        assert!(manifest.contains("name = \"mine\"") && !manifest.contains(NAME));
        let checkout = checkout(None).expect("tests run in one");
        assert!(manifest.contains(&format!("\"{checkout}sim/futures-timer\"")));
        assert!(read("build.rs").contains(&format!("\"{checkout}{OF_CHECKOUT}\"")));
        assert!(read("tests/hello.rs").contains("CARGO_BIN_EXE_mine"));
        let again = run(&asked()).expect_err("it is there").to_string();
        assert!(again.contains("is there already"), "{again}");
        let elsewhere = New {
            folder: folder.path().join("other"),
            orrery: Some(folder.path().to_owned()),
        };
        let error = run(&elsewhere).expect_err("it is none").to_string();
        assert!(error.contains("is no checkout of Orrery"), "{error}");
    }
}
