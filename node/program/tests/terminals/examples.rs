//! The examples of the program's help, played as they stand there, but on free ports.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The ports that the examples name.
const NAMED: [&str; 2] = ["tcp/4151", "tcp/4152"];

/// Nodes that run in a folder; killed at the end.
#[derive(Default)]
struct Nodes(Vec<Child>);

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.0 {
            // It has ended already if the test went wrong.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// A shell in `folder` that knows the program by its name.
fn shell(folder: &Path, line: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_orrery-node"));
    let beside = program.parent().expect("it is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {line}")]);
    command.env("PATH", format!("{}:{path}", beside.display()));
    command.env("ORRERY__GOSSIP__ENABLED", "true");
    command.current_dir(folder);
    command
}

/// The commands among the examples of a help page.
fn examples(folder: &Path, page: &str) -> Vec<String> {
    let output = shell(folder, page).output().expect("it runs");
    let page = String::from_utf8(output.stdout).expect("UTF-8");
    let (_, examples) = page.split_once("Example").expect("there are some");
    let lines = examples.lines().map(str::trim);
    let commands = lines.filter(|line| line.starts_with("orrery-node "));
    commands.map(str::to_owned).collect()
}

/// The same lines with ports that are free.
fn on_free_ports(lines: Vec<String>) -> Vec<String> {
    let free = NAMED.map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    let ports = free.map(|socket| socket.local_addr().expect("it is bound").port());
    let moved = lines.into_iter().map(|line| {
        let pairs = NAMED.iter().zip(ports);
        pairs.fold(line, |line, (named, port)| {
            line.replace(named, &format!("tcp/{port}"))
        })
    });
    moved.collect()
}

/// Waits until the node in `folder` answers.
fn wait_until_it_runs(root: &Path, folder: &str, node: &mut Child) {
    let status = format!("orrery-node --dir {folder} status");
    let start = Instant::now();
    loop {
        let ended = node.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "{folder} ended: {ended:?}");
        let output = shell(root, &status).output().expect("it runs");
        if String::from_utf8_lossy(&output.stdout).contains("yes, for ") {
            return;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{output:?}");
        std::thread::yield_now();
    }
}

/// Plays the lines in their order, each in a shell of its own; nodes run until the end.
fn play(root: &Path, lines: &[String]) -> Vec<String> {
    let mut nodes = Nodes::default();
    let mut printed = Vec::new();
    for line in lines {
        if line.contains(" run ") {
            let mut node = shell(root, line);
            let node = node.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let mut node = node.expect("it runs");
            let folder = line.split(' ').nth(2).expect("after --dir");
            wait_until_it_runs(root, folder, &mut node);
            nodes.0.push(node);
            continue;
        }
        let output = shell(root, line).output().expect("it runs");
        assert!(output.status.success(), "{line}: {output:?}");
        printed.push(String::from_utf8(output.stdout).expect("UTF-8"));
    }
    printed
}

#[test]
fn the_first_example_of_the_help_brings_a_post_from_one_node_to_another() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let lines = on_free_ports(examples(root.path(), "orrery-node --help"));
    assert_eq!(lines.len(), 8, "{lines:?}");
    let printed = play(root.path(), &lines);
    let timeline = printed.last().expect("it is the last line");
    assert!(timeline.contains("Hello, world"), "{timeline}");
}

/// The commands of the README's two terminals: those in its blocks, and those within its sentences.
fn of_readme() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let page = std::fs::read_to_string(path).expect("the project has one");
    let (_, section) = page
        .split_once("\n## The same node in two terminals\n")
        .expect("it is there");
    let (section, _) = section
        .split_once("The post travelled")
        .expect("after the commands");
    // What is between backticks may go on in the next line.
    let section = section.replace("```sh\n", "```").replace("```\n", "```");
    let mut lines = Vec::new();
    for (number, part) in section.split("```").enumerate() {
        let commands: Vec<String> = if number % 2 == 1 {
            part.lines().map(str::to_owned).collect()
        } else {
            let quoted = part.split('`').skip(1).step_by(2);
            quoted.map(|quoted| quoted.replace('\n', " ")).collect()
        };
        lines.extend(
            commands
                .into_iter()
                .filter(|line| line.starts_with("orrery-node ")),
        );
    }
    lines
}

#[test]
fn the_readmes_two_terminals_bring_a_post_from_one_node_to_another() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let lines = on_free_ports(of_readme());
    assert_eq!(lines.len(), 9, "{lines:?}");
    assert_eq!(
        lines.iter().filter(|line| line.contains(" run ")).count(),
        2
    );
    let printed = play(root.path(), &lines);
    let timeline = printed.last().expect("it is the last line");
    assert!(timeline.contains("Dinner at eight?"), "{timeline}");
    assert!(timeline.contains("Alice"), "{timeline}");
}

#[test]
fn the_example_of_join_brings_a_message_to_a_topic() {
    let root = tempfile::tempdir().expect("a temporary folder");
    for name in ["alice", "bob"] {
        let init = format!("orrery-node --dir {name} init");
        assert!(
            shell(root.path(), &init)
                .status()
                .expect("it runs")
                .success()
        );
    }
    let lines = on_free_ports(examples(root.path(), "orrery-node join --help"));
    assert_eq!(lines.len(), 6, "{lines:?}");
    let printed = play(root.path(), &lines);
    assert!(printed.last().is_some_and(|name| !name.trim().is_empty()));
}
