//! `init`: a new node in a folder.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use orrery_node::keys::Keys;
use orrery_node::real::FolderLock;

use super::Failure;
use super::folder::Folder;
use super::print::print_line;

const CONFIG_TEXT: &str = include_str!("config.toml");

/// Makes keys and configuration. Prints the new identity.
pub fn init(folder: &Folder) -> Result<(), Failure> {
    let disk = folder.disk()?;
    let _lock = FolderLock::take(folder.path())?;
    let config_path = folder.config_path();
    if config_path.exists() || Keys::load(&disk)?.is_some() {
        return Err(Failure::Input(format!(
            "`{}` holds a node already; name another folder with --dir, or use this one",
            folder.path().display()
        )));
    }
    let keys = Keys::generate(None);
    keys.save(&disk)?;
    write_config(&config_path).map_err(|error| Folder::disk_failure(&config_path, &error))?;
    fs::File::open(folder.path())
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Folder::disk_failure(folder.path(), &error))?;
    // A hint to a person; where it cannot be shown it is not missed.
    let _ = writeln!(
        io::stderr(),
        "made a node in `{}`; its settings are in `{}`\nnext: orrery-node --dir {} run",
        folder.path().display(),
        config_path.display(),
        folder.path().display()
    );
    print_line(&keys.identity().to_string())
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
}
