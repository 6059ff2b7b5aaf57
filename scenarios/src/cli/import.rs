//! `orrery import`: makes profiles of tables from elsewhere.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::{CliError, give, tell};
use crate::format::reading::problem::quoted;
use crate::profiles::Profiles;
use crate::profiles::import::{self, Delays, FILE_BYTES_MAX};

/// `orrery import`
#[derive(Debug, Args)]
pub struct Import {
    /// What is imported
    #[command(subcommand)]
    pub what: What,
}

/// What is imported.
#[derive(Debug, Subcommand)]
pub enum What {
    /// A table of delays, as a delay profile
    Delays(DelaysFile),
}

/// `orrery import delays`
#[derive(Debug, Args)]
#[command(after_help = "\
Reads a list (from, to, delay), a wide table (a row and a column for each
region) or a graph in GML as Shadow takes it; cells parted by commas, tabs,
semicolons or spaces. Writes NAME.toml and NAME.csv into the folder. A scenario
beside them says:

  [network]
  delays = \"NAME.toml\"

What a table measures one way is kept by direction, such as from a to b 30 ms
and back 80 ms. Round trips are halved, and their two directions averaged.")]
pub struct DelaysFile {
    /// The table
    pub file: PathBuf,
    /// The profile's name [default: the file's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Folder of the profile [default: where one is]
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// What the figures are
    #[arg(long, value_enum, default_value_t = Kind::Rtt)]
    pub kind: Kind,
    /// Their unit; GML has its own
    #[arg(long, value_enum, default_value_t = Unit::Ms)]
    pub unit: Unit,
    /// How the table is written [default: as it looks]
    #[arg(long, value_enum)]
    pub form: Option<Form>,
    /// Who published it
    #[arg(long, value_name = "TEXT")]
    pub publisher: Option<String>,
    /// When the figures were measured, such as 2026-03
    #[arg(long, value_name = "DATE")]
    pub observed_on: Option<String>,
    /// Under which licence it may be used
    #[arg(long, value_name = "TEXT")]
    pub licence: Option<String>,
    /// Where it is from, such as an address [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
}

/// What a table's figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Round trips
    Rtt,
    /// One way, each direction for itself
    OneWay,
}

/// Units of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// Milliseconds
    Ms,
    /// Microseconds
    Us,
    /// Seconds
    S,
}

/// Forms of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// from, to, delay
    List,
    /// A row and a column for each region
    Wide,
    /// A graph
    Gml,
}

/// Imports it.
pub fn run(asked: &Import) -> Result<u8, CliError> {
    match &asked.what {
        What::Delays(asked) => delays(asked),
    }
}

fn delays(asked: &DelaysFile) -> Result<u8, CliError> {
    let shown = asked.file.display();
    let text = read(&asked.file)?;
    let (form, unit) = (asked.form.map(form), unit(asked.unit));
    let (form, delays) = import::read(&text, form, unit)
        .map_err(|wrong| CliError::Input(format!("{shown}: {wrong}")))?;
    // A graph's edges are one way, whatever else is said.
    let is_one_way = asked.kind == Kind::OneWay || form == import::Form::Gml;
    let stem = asked.file.file_stem().unwrap_or_default().to_string_lossy();
    let name = asked.name.clone().unwrap_or_else(|| stem.into_owned());
    let is_sound = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(is_sound) || name.starts_with('.') {
        return Err(CliError::Input(format!(
            "{} is no name of a profile: expected letters, digits, -, _ and .; say another by --name",
            quoted(&name)
        )));
    }
    let profile = profile(asked, &name, &delays, is_one_way);
    write(&asked.out, &format!("{name}.csv"), &delays.table())?;
    let place = write(&asked.out, &format!("{name}.toml"), &profile)?;
    for note in &delays.notes {
        tell(&format!("note: {note}"));
    }
    for (what, given) in [
        ("--publisher", &asked.publisher),
        ("--observed-on", &asked.observed_on),
        ("--licence", &asked.licence),
    ] {
        if given.is_none() {
            tell(&format!(
                "note: without {what} the profile cannot be cited in full"
            ));
        }
    }
    let read = Profiles::new(Some(&asked.out)).delay(&format!("{name}.toml"));
    let read =
        read.map_err(|error| CliError::Tool(format!("the profile is not sound: {error}")))?;
    give(&format!(
        "{}: {} regions; in a scenario beside it: network.delays = \"{name}.toml\"\n",
        place.display(),
        read.regions.len()
    ))?;
    Ok(0)
}

fn profile(asked: &DelaysFile, name: &str, delays: &Delays, is_one_way: bool) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let file = asked.file.file_name().unwrap_or_default().to_string_lossy();
    let (kind, what) = if is_one_way {
        ("one-way", "One-way delays")
    } else {
        ("rtt", "Round-trip times")
    };
    let regions = delays.regions.len();
    let mut lines = vec![
        format!("name    = {}", text(name)),
        format!(
            "summary = {}",
            text(&format!("{what} between {regions} regions"))
        ),
        format!(
            "source  = {}",
            text(asked.source.as_deref().unwrap_or(&file))
        ),
    ];
    for (field, given) in [
        ("publisher", &asked.publisher),
        ("observed_on", &asked.observed_on),
        ("licence", &asked.licence),
    ] {
        lines.extend(
            given
                .iter()
                .map(|given| format!("{field} = {}", text(given))),
        );
    }
    lines.push(format!("kind    = \"{kind}\""));
    if is_one_way {
        lines.push("directions = \"kept\"".to_owned());
    }
    lines.push("unit    = \"ms\"".to_owned());
    lines.push(format!("file    = {}", text(&format!("{name}.csv"))));
    let pairs = delays.asymmetric_pairs();
    let notes = format!(
        "{pairs} pairs differ by direction. {}",
        delays.notes.join(". ")
    );
    lines.push(format!("notes   = {}", text(notes.trim_end())));
    lines.join("\n") + "\n"
}

fn read(path: &Path) -> Result<String, CliError> {
    let shown = path.display();
    let cannot = |why: String| CliError::Input(format!("{shown}: cannot be read: {why}"));
    let file = File::open(path).map_err(|error| cannot(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| cannot(error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(cannot(format!(
            "it is larger than {} MiB",
            FILE_BYTES_MAX >> 20
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        let line = before.matches('\n').count() + 1;
        CliError::Input(format!("{shown}: line {line}: not UTF-8 text"))
    })
}

/// Writes a file that is not there yet.
fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, CliError> {
    let path = folder.join(name);
    let shown = path.display();
    let file = std::fs::create_dir_all(folder).and_then(|()| File::create_new(&path));
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(CliError::Input(format!(
            "{shown} is there already: say another name by --name, or another folder by --out"
        ))),
        Err(error) => Err(CliError::Tool(format!("cannot write {shown}: {error}"))),
    }
}

fn form(asked: Form) -> import::Form {
    match asked {
        Form::List => import::Form::List,
        Form::Wide => import::Form::Wide,
        Form::Gml => import::Form::Gml,
    }
}

fn unit(asked: Unit) -> import::Unit {
    match asked {
        Unit::Ms => import::Unit::Milliseconds,
        Unit::Us => import::Unit::Microseconds,
        Unit::S => import::Unit::Seconds,
    }
}
