//! A folder with a node, and the program run in it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A folder with a node.
pub struct Terminal {
    pub folder: PathBuf,
}

/// A node that runs in a folder; killed if the test fails.
pub struct Running {
    pub process: Child,
    pub events: BufReader<ChildStdout>,
    /// Where it listens, a multiaddr.
    pub address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already if the test went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    /// Reads events until one has this kind.
    pub fn wait_for(&mut self, kind: &str) -> serde_json::Value {
        for line in (&mut self.events).lines() {
            let line = line.expect("text");
            let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            if event["event"] == kind {
                return event;
            }
        }
        panic!("the node ended before `{kind}`");
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let killed = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status()
            .expect("runs");
        assert!(killed.success());
    }
}

impl Terminal {
    /// A node that listens on TCP alone.
    pub fn new(root: &Path, name: &str) -> Self {
        Self::listening(root, name, "/ip4/127.0.0.1/tcp/0")
    }

    /// A node that listens at `address` alone.
    pub fn listening(root: &Path, name: &str, address: &str) -> Self {
        let folder = root.join(name);
        let terminal = Self { folder };
        terminal.ok(&["init"]);
        let path = terminal.folder.join("config.toml");
        let config = std::fs::read_to_string(&path).expect("made by init");
        let asked = config.lines().find(|line| line.starts_with("#:addresses"));
        let local = format!("addresses = [\"{address}\"]\n[sync]\npull_interval = \"1h\"");
        let config = config
            .replace("[sync]", "")
            .replace(asked.expect("init states the default"), &local);
        std::fs::write(&path, config).expect("written");
        terminal
    }

    /// Lets the node take its own implementation of QUIC.
    pub fn take_own_quic(&self) {
        let path = self.folder.join("config.toml");
        let config = std::fs::read_to_string(&path).expect("made by init");
        assert!(config.contains("[quic]\n"), "{config}");
        let config = config.replace("[quic]\n", "[quic]\ntransport = \"own\"\n");
        std::fs::write(&path, config).expect("written");
    }

    /// Lets the node take part in groups without storage.
    pub fn enable_gossip(&self) {
        let path = self.folder.join("config.toml");
        let config = std::fs::read_to_string(&path).expect("made by init");
        assert!(config.contains("[gossip]\n"), "{config}");
        let config = config.replace("[gossip]\n", "[gossip]\nenabled = true\n");
        std::fs::write(&path, config).expect("written");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orrery-node"));
        command.arg("--dir").arg(&self.folder).args(arguments);
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("runs")
    }

    /// Standard output of a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    }

    /// A command must fail with `code` and say `part`.
    pub fn fails(&self, arguments: &[&str], code: i32, part: &str) {
        let output = self.output(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(told.contains(part), "{arguments:?}: {told}");
    }

    pub fn run(&self) -> Running {
        self.start(&mut self.command(&["run", "--events"]))
    }

    /// Starts the node by `command`, which prints its events.
    pub fn start(&self, command: &mut Command) -> Running {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("runs");
        let events = BufReader::new(process.stdout.take().expect("piped"));
        let mut running = Running {
            process,
            events,
            address: String::new(),
        };
        let listening = running.wait_for("listening");
        let address = listening["address"].as_str().expect("text");
        address.clone_into(&mut running.address);
        // The control socket opens right after; wait until it answers.
        while self.output(&["status"]).status.code() != Some(0) {
            std::thread::yield_now();
        }
        running
    }
}

/// Two columns of a command: what it prints, and what it tells beside that.
pub fn told(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr))
}
