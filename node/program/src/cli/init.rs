//! `init`: a new node in a folder, or what an interrupted one lacks.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use orrery_node::keys::{KEYS_FILE, Keys};
use orrery_node::real::FolderLock;

use super::Failure;
use super::folder::Folder;
use super::print::print_line;

const CONFIG_TEXT: &str = include_str!("config.toml");

/// Makes keys and configuration, or the one that is missing. Prints the new identity.
pub fn init(folder: &Folder) -> Result<(), Failure> {
    let disk = folder.disk()?;
    let _lock = FolderLock::take(folder.path())?;
    let (path, config_path) = (folder.path().display(), folder.config_path());
    let (has_keys, has_config) = (folder.has_keys(), config_path.exists());
    if has_keys && has_config {
        return Err(Failure::Input(format!(
            "`{path}` holds a node already; name another folder with --dir, or use this one"
        )));
    }
    let has_posts = fs::read_dir(folder.path().join("identities"))
        .is_ok_and(|mut entries| entries.next().is_some());
    if !has_keys && has_posts {
        return Err(Failure::Input(format!(
            "`{path}` holds posts of an identity whose keys are gone; put `{KEYS_FILE}` back from a \
             copy, or name another folder with --dir"
        )));
    }
    let made = if has_keys {
        None
    } else {
        let keys = Keys::generate(None);
        keys.save(&disk)?;
        Some(keys)
    };
    if !has_config {
        write_config(&config_path).map_err(|error| Folder::disk_failure(&config_path, &error))?;
    }
    fs::File::open(folder.path())
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Folder::disk_failure(folder.path(), &error))?;
    let done = match made {
        Some(_) => format!("made a node in `{path}`"),
        None => format!("`{path}` holds the keys of a node, and its settings again"),
    };
    // A hint to a person; where it cannot be shown it is not missed.
    let _ = writeln!(
        io::stderr(),
        "{done}; its settings are in `{}`\nnext: orrery-node --dir {path} run",
        config_path.display(),
    );
    match made {
        Some(keys) => print_line(&keys.identity().to_string()),
        None => Ok(()),
    }
}

fn write_config(path: &std::path::Path) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(CONFIG_TEXT.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::CONFIG_TEXT;
    use orrery_node::config::Config;

    #[test]
    fn the_written_configuration_states_the_defaults() {
        assert_eq!(Config::from_toml(CONFIG_TEXT), Ok(Config::default()));
        let uncommented: String = CONFIG_TEXT
            .lines()
            .map(|line| line.strip_prefix("#:").unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        assert_eq!(Config::from_toml(&uncommented), Ok(Config::default()));
    }

    #[test]
    fn the_example_configurations_are_good_ones() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/configurations");
        for name in ["home", "server", "relay"] {
            let text = std::fs::read_to_string(format!("{folder}/{name}.toml"));
            let config = Config::from_toml(&text.expect(name));
            let config = config.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_ne!(config, Config::default(), "{name}");
            let relays = config.relay.enabled;
            assert_eq!(relays, name == "relay");
            assert_eq!(config.relay_client.enabled, name == "home");
        }
    }
}
