//! A node's folder: what is in it, and how it is opened.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Ipv6Addr, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orrery_node::config::{Config, Listen};
use orrery_node::environment::{Disk, Observer};
use orrery_node::keys::{KEYS_DIR, KEYS_FILE, Keys, KeysError, Passphrase};
use orrery_node::real::{FolderDisk, FolderLock, allow_open_files, environment};
use orrery_node::store::Store;
use orrery_node::{Node, NodeHandle};

use super::keys::warn_of_end;
use super::{Failure, passphrase};

const CONFIG_NAME: &str = "config.toml";
/// How variables of the environment begin that are settings: `ORRERY__SECTION__FIELD`.
const OVERRIDE_PREFIX: &str = "ORRERY__";
/// The setting that `--listen` stands for.
const LISTEN: &str = "listen.addresses";

/// Where a node keeps everything.
pub struct Folder {
    path: PathBuf,
    /// Where to listen instead of where the configuration says.
    listen: Vec<String>,
}

/// What a node in a folder may do on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Listen and dial.
    Full,
    /// Dial only.
    Dial,
    /// Nothing.
    None,
}

impl Folder {
    /// The folder that was named, else `$ORRERY_DIR`, else `./orrery`.
    pub fn new(named: Option<PathBuf>) -> Self {
        let path = named
            .or_else(|| env::var_os("ORRERY_DIR").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from("orrery"));
        Self {
            path,
            listen: Vec::new(),
        }
    }

    /// Has the node listen at these addresses instead of where the configuration says, if there are
    /// any.
    pub fn listening(mut self, listen: Vec<String>) -> Self {
        self.listen = listen;
        self
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the configuration is.
    pub fn config_path(&self) -> PathBuf {
        self.path.join(CONFIG_NAME)
    }

    /// Refuses a folder that others may change, or that is another user's: who may rename what is in
    /// it may put keys, contacts or a control socket of their own in the place of ours.
    pub fn refuse_shared(&self) -> Result<(), Failure> {
        refuse_exposed(&self.path, 0o022, 0o700)?;
        let owner = match fs::metadata(&self.path) {
            Ok(metadata) => metadata.uid(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Self::disk_failure(&self.path, &error)),
        };
        if !is_anothers(owner, rustix::process::geteuid().as_raw()) {
            return Ok(());
        }
        Err(Failure::Disk(format!(
            "`{}` is another user's (uid {owner}); name a folder of your own with --dir",
            self.path.display()
        )))
    }

    /// A failure to use `path`.
    pub fn disk_failure(path: &Path, error: &io::Error) -> Failure {
        Failure::Disk(format!("`{}`: {error}", path.display()))
    }

    /// Its files as a disk; the folder is made if absent.
    pub fn disk(&self) -> Result<Arc<dyn Disk>, Failure> {
        FolderDisk::create(&self.path)
            .map(|disk| Arc::new(disk) as Arc<dyn Disk>)
            .map_err(|error| Self::disk_failure(&self.path, &error))
    }

    /// Reads the configuration.
    pub fn config(&self) -> Result<Config, Failure> {
        let path = self.config_path();
        let bytes = fs::read(&path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return self.without_config();
            }
            Self::disk_failure(&path, &error)
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::Input(format!("`{}` is not UTF-8 text", path.display())))?;
        let of_file = Config::from_toml(&text)
            .map_err(|error| Failure::Input(format!("`{}`: {error}", path.display())))?;
        let (mut overrides, names) = of_environment(env::vars_os())?;
        if !self.listen.is_empty() {
            overrides.push((LISTEN.to_owned(), self.listen.join(",")));
        }
        if overrides.is_empty() {
            return Ok(of_file);
        }
        let config = Config::from_toml_with(&text, &overrides);
        config.map_err(|error| {
            let mut from = names;
            if !self.listen.is_empty() {
                from.push("--listen".to_owned());
            }
            Failure::Input(format!("{}: {error}", from.join(", ")))
        })
    }

    /// Whether there is a key file, of whatever content.
    pub fn has_keys(&self) -> bool {
        self.path.join(KEYS_FILE).exists()
    }

    /// The keys of the folder's node. A passphrase is asked for where they are under one.
    pub fn keys(&self) -> Result<Keys, Failure> {
        let passphrase = self.passphrase()?;
        self.open_keys(passphrase.as_ref())
    }

    /// The passphrase that the keys are under, if they are: where it has to be typed that takes its time,
    /// so that nothing is held meanwhile.
    pub fn passphrase(&self) -> Result<Option<Passphrase>, Failure> {
        if !self.has_keys() {
            return Err(self.not_made());
        }
        refuse_exposed(&self.path.join(KEYS_DIR), 0o022, 0o700)?;
        refuse_exposed(&self.path.join(KEYS_FILE), 0o077, 0o600)?;
        match Keys::load(&self.disk()?) {
            Err(KeysError::Locked) => passphrase::present(&self.path).map(Some),
            other => {
                other?;
                Ok(None)
            }
        }
    }

    fn open_keys(&self, passphrase: Option<&Passphrase>) -> Result<Keys, Failure> {
        let keys = Keys::unlock(&self.disk()?, passphrase)?;
        keys.ok_or_else(|| self.not_made())
    }

    /// The keys that are under this `passphrase`, for who holds the folder's lock: what was left of a
    /// change of keys that was never finished is removed first.
    pub fn keys_under_lock(
        &self,
        _: &FolderLock,
        passphrase: Option<&Passphrase>,
    ) -> Result<Keys, Failure> {
        if self.has_keys()
            && let Err(error) = Keys::sweep(&self.disk()?)
        {
            tracing::warn!(%error, "what was left of an unfinished change of keys stays");
        }
        self.open_keys(passphrase)
    }

    /// Keeps `keys` in place of those there are, under the passphrase, if there is one.
    pub fn save(&self, keys: &Keys, passphrase: Option<&Passphrase>) -> Result<(), Failure> {
        Ok(keys.save_under(&self.disk()?, passphrase)?)
    }

    fn without_config(&self) -> Failure {
        if !self.has_keys() {
            return self.not_made();
        }
        Failure::Input(format!(
            "`{}` is missing, while there are keys; `orrery-node --dir {} init` writes one with the \
             defaults and leaves the keys alone",
            self.config_path().display(),
            self.path.display()
        ))
    }

    /// Begins without contacts where those of the folder's node are lost.
    pub fn forget_contacts(&self) -> Result<(), Failure> {
        let passphrase = self.passphrase()?;
        let lock = FolderLock::take(&self.path)?;
        let disk = self.disk()?;
        let keys = self.keys_under_lock(&lock, passphrase.as_ref())?;
        let forgotten = Store::forget_contacts(&disk, keys.identity())
            .map_err(|error| Failure::Disk(error.to_string()))?;
        if forgotten {
            return Ok(());
        }
        Err(Failure::Input(
            "the file of contacts is there; use `reindex` alone".to_owned(),
        ))
    }

    fn not_made(&self) -> Failure {
        Failure::Input(format!(
            "there is no node in `{}`; create one with `orrery-node --dir {} init`, or name another folder",
            self.path.display(),
            self.path.display()
        ))
    }

    /// Starts the folder's node in this process, which holds the folder by this `lock`, with the keys that
    /// are under this `passphrase`.
    pub async fn start(
        &self,
        lock: FolderLock,
        passphrase: Option<&Passphrase>,
        network: Network,
        observer: Arc<dyn Observer>,
    ) -> Result<(NodeHandle, FolderLock), Failure> {
        let mut config = self.config()?;
        let keys = self.keys_under_lock(&lock, passphrase)?;
        warn_of_end(&keys);
        let mut environment = environment(&self.path, &config.quic, &config.mdns, observer)
            .map_err(|error| Self::disk_failure(&self.path, &error))?;
        if network != Network::Full {
            config.mdns.enabled = false;
            config.upnp.enabled = false;
            // A card made now can only name addresses that hold at any time.
            if config.listen.announce.is_empty() {
                config.listen.announce = config
                    .listen
                    .addresses
                    .iter()
                    .filter(|address| is_lasting(&address.to_string()))
                    .cloned()
                    .collect();
            }
            config.listen.addresses.clear();
        }
        if network == Network::Full {
            config.listen = as_usual_over_both(config.listen, has_ipv6());
        }
        if network == Network::None {
            environment.wires.clear();
        } else {
            allow_open_files(&config.connections).map_err(|error| {
                Failure::Input(format!("`{}`: {error}", self.config_path().display()))
            })?;
        }
        let handle = Node::start(config, keys, environment).await?;
        Ok((handle, lock))
    }
}

/// Settings by their paths, and the variables that they are from.
type Given = (Vec<(String, String)>, Vec<String>);

/// The settings that the environment gives, in order. What of it is no text is none of them.
fn of_environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Given, Failure> {
    let mut given = Vec::new();
    for (name, value) in variables {
        let named = name.to_string_lossy();
        let Some(path) = named
            .strip_prefix(OVERRIDE_PREFIX)
            .and_then(|path| path.split_once("__"))
        else {
            continue;
        };
        let path = format!("{}.{}", path.0, path.1).to_ascii_lowercase();
        let Ok(value) = value.into_string() else {
            return Err(Failure::Input(format!("`{named}` is not UTF-8 text")));
        };
        given.push((named.into_owned(), (path, value)));
    }
    given.sort();
    let (names, overrides) = given.into_iter().unzip();
    Ok((overrides, names))
}

/// Whether a folder of the user `owner` is not one that the user `me` should use.
fn is_anothers(owner: u32, me: u32) -> bool {
    me != 0 && owner != me
}

/// Where is listened: over IPv6 too, where nothing else is said and the machine `has_ipv6`.
fn as_usual_over_both(mut listen: Listen, has_ipv6: bool) -> Listen {
    if has_ipv6 && listen == Listen::default() {
        listen.addresses.extend(listen.over_ipv6());
    }
    listen
}

/// Whether the machine has IPv6 at all.
fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

/// Refuses a file or folder of secrets if its mode has one of the bits `shut`: others than its owner
/// may do with it what they should not. `mode` is advised; what is not there is not refused.
pub fn refuse_exposed(path: &Path, shut: u32, mode: u32) -> Result<(), Failure> {
    let found = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Folder::disk_failure(path, &error)),
    };
    if found & shut == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::Disk(format!(
        "`{path}` is open to others than its owner (mode {found:o}); run `chmod {mode:o} {path}`, and \
         if others may have read it, `orrery-node keys rotate`"
    )))
}

/// Whether an address to listen on is also one to dial: it names one interface
/// and a port.
fn is_lasting(address: &str) -> bool {
    let wildcard = address.starts_with("/ip4/0.0.0.0/") || address.starts_with("/ip6/::/");
    let address = format!("{address}/");
    !wildcard && !address.contains("/tcp/0/") && !address.contains("/udp/0/")
}

#[cfg(test)]
mod tests {
    use super::{Listen, OsString, as_usual_over_both, is_anothers, is_lasting, of_environment};
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn variables_name_settings_by_section_and_field() {
        let variables = [
            ("ORRERY__SYNC__PULL_INTERVAL", "1s"),
            ("ORRERY__RELAY_CLIENT__ENABLED", "true"),
            ("ORRERY_DIR", "x"),
            ("PATH", "y"),
        ];
        let of = |variables: &[(&'static str, &[u8])]| {
            let given = variables.iter().map(|(name, value)| {
                let value = OsString::from_vec(value.to_vec());
                (OsString::from(*name), value)
            });
            of_environment(given)
        };
        let given = variables.map(|(name, value)| (name, value.as_bytes()));
        let (overrides, names) = of(&given).expect("is text");
        let paths: Vec<_> = overrides.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["relay_client.enabled", "sync.pull_interval"]);
        assert_eq!(names.len(), 2);
        // A folder may be called so; a setting may not.
        let beside = of(&[("PWD", b"/caf\xe9")]).expect("is none of ours");
        assert_eq!(beside.0, []);
        let wrong = of(&[("ORRERY__SYNC__LIMIT", b"\xe9")]).expect_err("no text");
        assert!(wrong.to_string().contains("ORRERY__SYNC__LIMIT"), "{wrong}");
    }

    #[test]
    fn folders_of_other_users_are_not_used_but_by_the_machines() {
        for (owner, me, expected) in [
            (1_000, 1_000, false),
            (1_001, 1_000, true),
            (0, 1_000, true),
            (1_000, 0, false),
        ] {
            assert_eq!(is_anothers(owner, me), expected, "{owner} {me}");
        }
    }

    #[test]
    fn who_listens_as_usual_does_over_ipv6_too() {
        let over = |listen: Listen, has_ipv6| {
            let listen = as_usual_over_both(listen, has_ipv6);
            let texts = listen.addresses.iter().map(ToString::to_string);
            texts.filter(|text| text.starts_with("/ip6/")).collect()
        };
        let both: Vec<String> = over(Listen::default(), true);
        assert_eq!(both, ["/ip6/::/tcp/4150", "/ip6/::/udp/4150/quic-v1"]);
        assert_eq!(over(Listen::default(), false), Vec::<String>::new());
        let mut elsewhere = Listen::default();
        elsewhere.addresses.truncate(1);
        assert_eq!(over(elsewhere, true), Vec::<String>::new());
    }

    #[test]
    fn only_full_addresses_go_on_a_card_made_offline() {
        for (address, expected) in [
            ("/ip4/192.0.2.1/tcp/4150", true),
            ("/ip4/127.0.0.1/tcp/0", false),
            ("/ip4/127.0.0.1/udp/0/quic-v1", false),
            ("/ip4/192.0.2.1/udp/4150/quic-v1", true),
            ("/ip4/0.0.0.0/tcp/4150", false),
            ("/ip6/::/tcp/4150", false),
            ("/ip6/2001:db8::1/tcp/4150", true),
        ] {
            assert_eq!(is_lasting(address), expected, "{address}");
        }
    }
}
