//! Key files, folders and logs as an operator handles them: modes, passphrases, what is missing, and
//! what others cause.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The folder of a node, made by `init`.
fn made(root: &Path) -> PathBuf {
    let folder = root.join("alice");
    let output = run(&folder, &["init"], &[]);
    assert!(output.status.success(), "{output:?}");
    folder
}

fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orrery-node"));
    command.arg("--dir").arg(folder).args(arguments);
    command.env_remove("ORRERY_PASSPHRASE");
    command.envs(environment.iter().copied());
    command.output().expect("runs")
}

#[track_caller]
fn ends(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], code: i32, part: &str) {
    let output = run(folder, arguments, environment);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {output:?}"
    );
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8(told).expect("UTF-8");
    assert!(told.contains(part), "{arguments:?}: {told}");
}

#[test]
fn keys_that_others_may_read_are_not_used() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    let file = folder.join("keys/secret.cbor");
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    let found = fs::metadata(&file).expect("made by init").permissions();
    assert_eq!(found.mode() & 0o777, 0o600);
    for open in [0o640, 0o604, 0o620] {
        mode(&file, open).expect("changed");
        for verb in [&["run"][..], &["timeline"], &["keys", "show"]] {
            ends(&folder, verb, &[], 6, "chmod 600");
        }
    }
    mode(&file, 0o600).expect("changed");
    mode(&folder.join("keys"), 0o770).expect("changed");
    ends(&folder, &["timeline"], &[], 6, "chmod 700");
    mode(&folder.join("keys"), 0o700).expect("changed");
    ends(&folder, &["timeline"], &[], 0, "");
}

#[test]
fn keys_under_a_passphrase_open_with_it_alone() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    let shown = run(&folder, &["keys", "show"], &[]).stdout;
    ends(
        &folder,
        &["keys", "passphrase"],
        &[],
        2,
        "ORRERY_NEW_PASSPHRASE",
    );
    let new = [("ORRERY_NEW_PASSPHRASE", "correct horse")];
    ends(&folder, &["keys", "passphrase"], &new, 0, "");
    let file = fs::read(folder.join("keys/secret.cbor")).expect("is there");
    assert!(file.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    ends(&folder, &["timeline"], &[], 2, "ORRERY_PASSPHRASE_FILE");
    let wrong = [("ORRERY_PASSPHRASE", "battery staple")];
    ends(&folder, &["timeline"], &wrong, 2, "does not open");
    let right = [("ORRERY_PASSPHRASE", "correct horse")];
    assert_eq!(run(&folder, &["keys", "show"], &right).stdout, shown);
    // A changed key file stays under it; a file may hold it; and it can be taken away.
    ends(
        &folder,
        &["keys", "renew", "--valid-for", "90d"],
        &right,
        0,
        "until",
    );
    ends(&folder, &["keys", "show"], &[], 2, "passphrase");
    let held = root.path().join("passphrase");
    fs::write(&held, "correct horse\n").expect("written");
    fs::set_permissions(&held, Permissions::from_mode(0o644)).expect("changed");
    let by_file = [("ORRERY_PASSPHRASE_FILE", held.to_str().expect("UTF-8"))];
    ends(&folder, &["keys", "show"], &by_file, 6, "chmod 600");
    fs::set_permissions(&held, Permissions::from_mode(0o600)).expect("changed");
    ends(
        &folder,
        &["keys", "passphrase", "--remove"],
        &by_file,
        0,
        "",
    );
    // The serial of a change is the time in milliseconds.
    ends(&folder, &["keys", "show"], &[], 0, "serial       1");
    assert_ne!(run(&folder, &["keys", "show"], &[]).stdout, shown);
}

#[test]
fn what_a_change_of_keys_left_unfinished_is_removed_before_the_keys_are_used() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    let unfinished = folder.join("keys/secret.cbor.tmp");
    for verb in [&["timeline"][..], &["keys", "renew"]] {
        fs::copy(folder.join("keys/secret.cbor"), &unfinished).expect("left behind");
        ends(&folder, verb, &[], 0, "");
        assert!(!unfinished.exists(), "{verb:?}");
    }
}

#[test]
fn what_an_interrupted_init_lacks_the_next_one_makes() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    let keys = fs::read(folder.join("keys/secret.cbor")).expect("made by init");
    // Without its settings.
    fs::remove_file(folder.join("config.toml")).expect("removed");
    ends(&folder, &["run"], &[], 2, "leaves the keys alone");
    ends(&folder, &["init"], &[], 0, "settings again");
    assert_eq!(
        fs::read(folder.join("keys/secret.cbor")).expect("is there"),
        keys
    );
    ends(&folder, &["timeline"], &[], 0, "");
    ends(&folder, &["init"], &[], 2, "holds a node already");
    // Without its keys: posts that were made with them bind the folder to them.
    ends(&folder, &["post", "hello", "--to", "public"], &[], 0, "");
    fs::remove_file(folder.join("keys/secret.cbor")).expect("removed");
    ends(&folder, &["init"], &[], 2, "from a copy");
    fs::remove_dir_all(folder.join("identities")).expect("removed");
    fs::remove_file(folder.join("index.redb")).expect("removed");
    ends(&folder, &["init"], &[], 0, "made a node");
    ends(&folder, &["timeline"], &[], 0, "");
}

#[test]
fn a_node_far_down_in_the_folders_is_driven_like_any_other() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let deep = root.path().join("x".repeat(120));
    fs::create_dir(&deep).expect("made");
    let folder = made(&deep);
    ends(&folder, &["timeline"], &[], 0, "");
}

#[test]
fn what_others_cause_fills_no_log() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    let config = fs::read_to_string(folder.join("config.toml")).expect("made by init");
    let asked = config.lines().find(|line| line.starts_with("#:addresses"));
    let local = "addresses = [\"/ip4/127.0.0.1/tcp/0\"]";
    let config = config.replace(asked.expect("init states the default"), local);
    fs::write(folder.join("config.toml"), config).expect("written");
    let log = root.path().join("log");
    let mut process = Command::new(env!("CARGO_BIN_EXE_orrery-node"))
        .arg("--dir")
        .arg(&folder)
        .args(["run", "--events"])
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).expect("made"))
        .spawn()
        .expect("runs");
    let socket = loop {
        if let Ok(socket) = UnixStream::connect(folder.join("control.sock")) {
            break socket;
        }
        assert_eq!(process.try_wait().expect("can be asked"), None);
        std::thread::yield_now();
    };
    let (mut asks, mut hears) = (&socket, BufReader::new(&socket).lines());
    let dial = br#"{"command": "dial", "address": "/ip4/127.0.0.1/tcp/1"}"#;
    for _ in 0..400 {
        asks.write_all(dial)
            .and_then(|()| asks.write_all(b"\n"))
            .expect("written");
        hears.next().expect("an answer").expect("text");
    }
    let killed = Command::new("kill").arg(process.id().to_string()).status();
    assert!(killed.expect("runs").success());
    assert_eq!(process.wait().expect("ends").code(), Some(0));
    let text = fs::read_to_string(&log).expect("UTF-8");
    let failed = text
        .lines()
        .filter(|line| line.contains(r#"{"event":"dial-failed""#));
    // A hundred in ten seconds, however long it took.
    let shown = failed.count();
    assert!((100..=300).contains(&shown), "{shown} shown");
    let told = text
        .lines()
        .find(|line| line.contains("more lines of `dial-failed`"));
    assert!(told.is_some(), "{text}");
}

#[test]
fn a_folder_that_others_may_change_is_not_used() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    let mode = |mode| fs::set_permissions(&folder, Permissions::from_mode(mode));
    for open in [0o777, 0o770, 0o702, 0o1777] {
        mode(open).expect("changed");
        for verb in [&["run"][..], &["timeline"], &["init"], &["keys", "show"]] {
            ends(&folder, verb, &[], 6, "chmod 700");
        }
    }
    mode(0o755).expect("changed");
    ends(&folder, &["timeline"], &[], 0, "");
}

#[test]
fn what_a_command_that_starts_the_node_meets_is_told() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    for text in ["one", "two"] {
        ends(&folder, &["post", text, "--to", "public"], &[], 0, "");
    }
    let identity = fs::read_dir(folder.join("identities")).expect("made");
    let identity = identity.map(|entry| entry.expect("reads").path());
    let identity = identity.last().expect("one");
    let log = fs::read_dir(identity.join("logs")).expect("made");
    let log = log.map(|entry| entry.expect("reads").path()).last();
    let second = log.expect("one").join("00000001.op");
    let mut bytes = fs::read(&second).expect("is there");
    bytes.push(0);
    fs::write(&second, bytes).expect("written");
    fs::write(identity.join("proofs"), "?").expect("written");
    fs::remove_file(folder.join("index.redb")).expect("removed");
    let output = run(&folder, &["--log", "off", "timeline"], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    for part in ["set aside", "00000001.op", "made anew", "new card"] {
        assert!(told.contains(part), "{told}");
    }
    let output = run(&folder, &["timeline"], &[]);
    assert_eq!(output.stderr, b"", "it is told once");
}

#[test]
fn an_index_that_was_left_where_a_node_is_made_anew_is_put_aside() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    ends(&folder, &["post", "hello", "--to", "public"], &[], 0, "");
    fs::remove_dir_all(folder.join("identities")).expect("removed");
    fs::remove_dir_all(folder.join("keys")).expect("removed");
    ends(&folder, &["init"], &[], 0, "made a node");
    ends(&folder, &["timeline"], &[], 0, "another identity");
    ends(&folder, &["post", "anew", "--to", "public"], &[], 0, "");
    assert!(folder.join("index.redb.damaged").exists());
}

#[test]
fn contacts_that_are_damaged_where_the_index_is_lost_can_be_begun_anew() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    ends(&folder, &["post", "hello", "--to", "public"], &[], 0, "");
    let identity = fs::read_dir(folder.join("identities")).expect("made");
    let identity = identity.map(|entry| entry.expect("reads").path()).last();
    fs::write(identity.expect("one").join("contacts"), "?").expect("written");
    fs::remove_file(folder.join("index.redb")).expect("removed");
    ends(&folder, &["timeline"], &[], 6, "is damaged");
    ends(
        &folder,
        &["reindex", "--forget-contacts"],
        &[],
        0,
        "1 posts read",
    );
    ends(&folder, &["timeline"], &[], 0, "hello");
}

#[test]
fn damage_that_a_command_meets_which_starts_the_node_is_told_and_mended() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    for text in ["unmistakable", "beside it"] {
        ends(&folder, &["post", text, "--to", "public"], &[], 0, "");
    }
    let index = folder.join("index.redb");
    let mut bytes = fs::read(&index).expect("is there");
    let text = b"unmistakable";
    let places: Vec<_> = (0..bytes.len() - text.len())
        .filter(|at| bytes[*at..].starts_with(text))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        // No text any more.
        bytes[at] = 0xff;
    }
    fs::write(&index, bytes).expect("written");
    let output = run(&folder, &["timeline"], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        printed.contains("beside it") && !printed.contains("unmistakable"),
        "{printed}"
    );
    for part in ["1 posts cannot be read", "made anew from the files"] {
        assert!(told.contains(part), "{told}");
    }
    let output = run(&folder, &["timeline"], &[]);
    assert_eq!(output.stderr, b"", "it is mended");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(printed.contains("unmistakable"), "{printed}");
}

#[test]
fn damage_of_a_conversation_that_a_command_meets_is_told_and_mended() {
    use orrery_node::keys::Keys;
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    let friend = Keys::generate(Some([7; 32]));
    let card = friend.card(&[]).expect("signs").to_string();
    ends(&folder, &["follow", &card], &[], 0, "");
    let friend = friend.identity().to_string();
    for text in ["unmistakable", "beside it"] {
        ends(&folder, &["chat", "send", &friend, text], &[], 0, "");
    }
    let own = fs::read_dir(folder.join("identities")).expect("made by init");
    let own = own
        .flatten()
        .find(|entry| entry.path().join("logs").exists());
    let logs = own.expect("has logs").path().join("logs");
    let log = fs::read_dir(logs).expect("reads").flatten().next();
    let first = log.expect("has one").path().join("00000000.op");
    let signed = fs::read(first).expect("is there");
    let index = folder.join("index.redb");
    for verb in [&["chat", "show", &friend][..], &["chat", "list"]] {
        let mut bytes = fs::read(&index).expect("is there");
        let header = &signed[30..60];
        let places: Vec<_> = (0..bytes.len() - header.len())
            .filter(|at| bytes[*at..].starts_with(header))
            .collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at + 10] ^= 1;
        }
        fs::write(&index, bytes).expect("written");
        ends(&folder, verb, &[], 0, "1 messages cannot be read");
        ends(&folder, &["chat", "show", &friend], &[], 0, "unmistakable");
        assert_eq!(run(&folder, verb, &[]).stderr, b"", "it is mended");
    }
}

#[test]
fn keys_are_renewed_by_the_clock_of_the_posts_where_that_was_set_ahead() {
    use orrery_node::audience::Audience;
    use orrery_node::environment::Disk;
    use orrery_node::keys::Keys;
    use orrery_node::real::FolderDisk;
    use orrery_node::store::Store;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::create(&folder).expect("a disk"));
    let keys = Keys::load(&disk).expect("reads").expect("made by init");
    let ten_years = Duration::from_hours(24 * 3_650);
    let ahead = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        + ten_years;
    let ahead_ms = u64::try_from(ahead.as_millis()).expect("in this age");
    let mut store = Store::open(&disk, keys).expect("opens");
    let body = serde_json::json!({"type": "note/1", "text": "ahead"});
    let posted = store.post(body, &Audience::Public, ahead_ms);
    posted.expect("posts");
    drop(store);
    let renew = ["keys", "renew", "--valid-for", "365d"];
    ends(&folder, &renew, &[], 0, "set ahead");
    ends(&folder, &["post", "later", "--to", "public"], &[], 0, "");
    let rotate = ["keys", "rotate", "--revoke", "--since", "3d"];
    ends(&folder, &rotate, &[], 2, "set ahead");
    ends(&folder, &["timeline"], &[], 0, "later");
}

/// A terminal: the end that a program gets, and the other.
fn terminal() -> (std::os::fd::OwnedFd, std::os::fd::OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours)
        .and_then(|()| unlockpt(&ours))
        .expect("opened");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    let name = name.into_string().expect("ASCII");
    let theirs = fs::OpenOptions::new().read(true).write(true).open(name);
    (theirs.expect("opens").into(), ours)
}

#[test]
fn a_prompt_is_left_by_any_signal_and_leaves_no_terminal_blind() {
    use rustix::termios::{LocalModes, tcgetattr};
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = made(root.path());
    let new = [("ORRERY_NEW_PASSPHRASE", "correct horse")];
    ends(&folder, &["keys", "passphrase"], &new, 0, "");
    for verb in [&["run"][..], &["timeline"], &["keys", "renew"]] {
        for (signal, code) in [
            ("-INT", 130),
            ("-TERM", 143),
            ("-HUP", 129),
            ("-QUIT", 131),
            ("-USR1", 138),
        ] {
            let (theirs, ours) = terminal();
            let is_shown = || {
                let modes = tcgetattr(&theirs).expect("a terminal").local_modes;
                modes.contains(LocalModes::ECHO)
            };
            assert!(is_shown());
            let mut process = Command::new(env!("CARGO_BIN_EXE_orrery-node"))
                .arg("--dir")
                .arg(&folder)
                .args(verb)
                .env_remove("ORRERY_PASSPHRASE")
                .stdin(theirs.try_clone().expect("a handle"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("runs");
            while is_shown() {
                assert_eq!(process.try_wait().expect("can be asked"), None);
                std::thread::yield_now();
            }
            // No other process waits for the one that asks.
            let right = [("ORRERY_PASSPHRASE", "correct horse")];
            ends(&folder, &["timeline"], &right, 0, "");
            let killed = Command::new("kill")
                .args([signal, &process.id().to_string()])
                .status();
            assert!(killed.expect("runs").success());
            let ended = process.wait().expect("ends");
            assert_eq!(ended.code(), Some(code), "{verb:?} {signal}");
            assert!(is_shown(), "{verb:?} {signal}");
            drop(ours);
        }
    }
}
