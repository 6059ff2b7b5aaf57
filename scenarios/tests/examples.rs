//! Examples in help, `explain` and documents are what they claim to be: scenarios are sound, and
//! the first that people paste holds; commands are understood, and name what there is.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn orrery(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_orrery"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program can be started")
}

fn said(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = orrery(arguments, folder.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines behind the first that begins with `name`, as far as they are indented or empty.
fn indented_example(text: &str) -> String {
    text.lines()
        .skip_while(|line| !line.starts_with("  name"))
        .take_while(|line| line.is_empty() || line.starts_with("  "))
        .fold(String::new(), |all, line| {
            all + line.strip_prefix("  ").unwrap_or(line) + "\n"
        })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Documents for people, with paths from the root.
const DOCUMENTS: [&str; 8] = [
    "README.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "sim/LIMITS.md",
    "bench/README.md",
    "scenarios/TUTORIAL.md",
    "scenarios/catalog/nat/README.md",
];

#[test]
fn the_first_scenario_that_explain_teaches_holds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = indented_example(&said(&["explain"]));
    std::fs::write(folder.path().join("first.toml"), scenario).expect("it can be written");
    let output = orrery(&["run", "first.toml", "--seeds", "2"], folder.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

#[test]
fn scenarios_in_documents_are_sound() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut examples = vec![indented_example(&said(&["explain", "grid"]))];
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).expect("it is there");
        examples.extend(blocks(&text, "toml"));
    }
    for example in examples {
        if !example.contains("[[group]]") {
            let read: Result<toml::Table, _> = example.parse();
            assert!(read.is_ok(), "not TOML: {example}");
            continue;
        }
        std::fs::write(folder.path().join("example.toml"), &example).expect("it can be written");
        let output = orrery(&["check", "example.toml"], folder.path());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{example}\n{stderr}");
    }
}

/// Blocks of a language in a Markdown text.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() == format!("```{language}") {
            let inside = lines.by_ref().take_while(|line| line.trim_start() != "```");
            found.push(inside.fold(String::new(), |all, line| all + line + "\n"));
        }
    }
    found
}

/// Commands of this program in help texts and documents, without its name.
fn commands() -> Vec<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    let help = said(&["--help"]);
    let names = help.lines().filter_map(|line| {
        let line = line
            .strip_prefix("  ")
            .filter(|line| !line.starts_with(' '))?;
        line.split_whitespace().next()
    });
    for name in names.filter(|name| name.chars().all(|c| c.is_ascii_lowercase())) {
        if name != "help" && name != "orrery" {
            lines.extend(said(&[name, "--help"]).lines().map(str::to_owned));
        }
    }
    lines.extend(help.lines().map(str::to_owned));
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).expect("it is there");
        let of_shell = blocks(&text, "sh").into_iter();
        lines.extend(of_shell.flat_map(|block| {
            let lines = block.lines().map(str::to_owned);
            lines.collect::<Vec<_>>()
        }));
        let quoted = text.split('`').skip(1).step_by(2);
        lines.extend(
            quoted
                .filter(|code| !code.contains('\n'))
                .map(str::to_owned),
        );
    }
    let begins = [
        "orrery ",
        "cargo run --release -- ",
        "cargo run --profile dist -- ",
    ];
    let mut found: Vec<Vec<String>> = Vec::new();
    for line in &lines {
        let line = line.trim();
        let rest = begins.iter().find_map(|begin| line.strip_prefix(begin));
        // What stands for something else is no command, nor is the end of a table's cell.
        let Some(rest) = rest.filter(|rest| !rest.contains(['<', '…', '[', '|'])) else {
            continue;
        };
        let words = words(rest);
        let is_name = |word: &String| {
            let word = word.split('.').next().unwrap_or_default();
            word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase())
        };
        if words.iter().any(is_name) || words.len() < 2 {
            continue;
        }
        if !found.contains(&words) {
            found.push(words);
        }
    }
    found
}

/// The words of a command up to a comment, a redirection, or two spaces before its explanation.
fn words(line: &str) -> Vec<String> {
    let line = line.split("  ").next().unwrap_or_default();
    let mut words = Vec::new();
    let mut quote = None;
    let mut word = String::new();
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') if !word.is_empty() => words.push(std::mem::take(&mut word)),
            (None, ' ') => {}
            _ => word.push(c),
        }
    }
    let end = words
        .iter()
        .position(|word| ["#", ">", "|", "2>"].contains(&word.as_str()));
    words.truncate(end.unwrap_or(words.len()));
    words
}

#[test]
fn commands_in_help_and_documents_are_understood() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let own = indented_example(&said(&["explain", "grid"]));
    let own = own + "[[variant]]\nname = 'b'\n[[variant]]\nname = 'cursor'\n";
    let tutorial = root().join("scenarios/TUTORIAL.md");
    let tutorial = blocks(
        &std::fs::read_to_string(tutorial).expect("it is there"),
        "toml",
    );
    for (name, text) in [("my.toml", &own), ("pull.toml", &tutorial[0])] {
        std::fs::write(folder.path().join(name), text).expect("it can be written");
    }
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let mut asked: Vec<&str> = command.iter().map(String::as_str).collect();
        match asked[0] {
            // They need results of runs, or write a folder.
            "new" | "report" => continue,
            "run" | "show" if asked[1].ends_with("result.json") => continue,
            // A flag alone, in a sentence about it.
            "run" if asked[1].starts_with('-') => continue,
            // Playing all of them would take an hour: an unknown variant is told after all else.
            "run" => {
                let mut words = asked.clone();
                if let Some(at) = words.iter().position(|word| *word == "--variant") {
                    let variant = words.remove(at + 1);
                    words.remove(at);
                    let known = variants(words[1], folder.path());
                    assert!(
                        known.iter().any(|name| name == variant),
                        "{command:?}: {known:?}"
                    );
                }
                words.extend(["--variant", "no-such-variant"]);
                let output = orrery(&words, folder.path());
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(
                    stderr.contains("has no variant \"no-such-variant\""),
                    "{command:?}: {stderr}"
                );
                continue;
            }
            "check" if asked[1] != "pull.toml" => asked = vec!["check", "my.toml"],
            _ => {}
        }
        let output = orrery(&asked, folder.path());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {stderr}");
    }
}

/// Variants of a scenario, by the list of the catalog or by what its file says.
fn variants(scenario: &str, folder: &Path) -> Vec<String> {
    if let Ok(text) = std::fs::read_to_string(folder.join(scenario)) {
        let names = text.lines().filter_map(|line| line.strip_prefix("name = "));
        let unquoted = names.map(|name| name.trim_matches(['\'', '"']).to_owned());
        return unquoted.collect();
    }
    let list: serde_json::Value =
        serde_json::from_str(&said(&["list", "--format", "json"])).expect("it is JSON");
    let list = list.as_array().expect("it is a list");
    let found = list.iter().find(|entry| entry["name"] == scenario);
    let names = found.and_then(|entry| entry["variants"].as_array());
    let names = names.into_iter().flatten().filter_map(|name| name.as_str());
    names.map(str::to_owned).collect()
}
