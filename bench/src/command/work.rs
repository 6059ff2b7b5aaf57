//! `work`: what a whole scenario costs, each run in a process of its own, and where
//! the time goes.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use orrery_reports::format::{figure, figure_beside};
use orrery_scenarios::format::reading::quantity::time_ns;
use orrery_scenarios::job::{Engine, Job};
use orrery_scenarios::load::load;

use super::Format;
use crate::profile::{Part, Profile, Share};
use crate::table::Table;
use crate::work::{
    Case, Instants, Machine, Measurement, Request, WorkError, figures, in_own_process, page, spread,
};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// A scenario of the catalog (`orrery list`) or a file
    #[arg(value_name = "FILE|NAME")]
    scenario: String,
    /// Fidelities of the network to compare [default: the scenario's own]
    #[arg(long, value_delimiter = ',')]
    fidelity: Vec<Fidelity>,
    /// The variant to play [default: the scenario's first]
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Change the scenario before it is checked, such as group.home.count=8
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// The seed to play
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Stop at this simulated time
    #[arg(long, value_name = "T", value_parser = instant)]
    until: Option<u64>,
    /// Runs, over which figures are spread
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    /// Sample stacks in one further run, which the figures leave out
    #[arg(long)]
    profile: bool,
    /// List so many functions of each part
    #[arg(long, value_name = "N", default_value_t = 0, requires = "profile", value_parser = clap::value_parser!(u16).range(0..=30))]
    functions: u16,
    /// When all nodes run and most connections are yet to be made, in simulated time
    #[arg(long, value_name = "T", default_value = "9s", value_parser = instant)]
    booted: u64,
    /// When all connections are made, in simulated time
    #[arg(long, value_name = "T", default_value = "29s", value_parser = instant)]
    connected: u64,
    /// Folder of the page [default: target/orrery-bench/<scenario>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// How much of the network is played; see `orrery explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fidelity {
    /// Real encryption, muxing and TCP
    Wire,
    /// Streams of the simulator
    Flow,
}

impl Fidelity {
    const fn name(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Flow => "flow",
        }
    }
}

fn instant(text: &str) -> Result<u64, String> {
    match time_ns(text) {
        Ok(ns @ 1..) => Ok(ns as u64),
        Ok(_) => Err("expected a time above 0s".to_owned()),
        Err(expected) => Err(expected.0.to_owned()),
    }
}

/// Measures with `program` as worker, writes the page, and the result to `out`.
///
/// # Errors
/// When the scenario is not sound, a run fails or differs from another of the same
/// seed, or something cannot be written.
pub fn run(options: &Options, program: &Path, out: &mut impl Write) -> Result<()> {
    if options.connected <= options.booted {
        bail!("--connected must be later than --booted");
    }
    let requests = requests(options)?;
    let mut runs = vec![Vec::new(); requests.len()];
    let mut hashes: Vec<Option<String>> = vec![None; requests.len()];
    // In turns, so that what else the machine does is spread over all.
    for _ in 0..options.repeat {
        for (place, (_, request)) in requests.iter().enumerate() {
            let measured = in_own_process(program, request)?;
            keep_hash(&mut hashes[place], &measured.result.trace_hash)?;
            runs[place].push(figures(&measured, request.job.scenario.hosts()));
        }
    }
    let folder = options.out.clone().unwrap_or_else(|| {
        let name = requests
            .first()
            .map_or("", |(_, request)| &request.job.scenario.name);
        Path::new("target/orrery-bench").join(name)
    });
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut cases = Vec::new();
    for (((name, request), runs), mut hash) in requests.into_iter().zip(runs).zip(hashes) {
        let mut profile = None;
        if options.profile {
            let request = Request {
                profile: true,
                ..request
            };
            let measured = in_own_process(program, &request)?;
            keep_hash(&mut hash, &measured.result.trace_hash)?;
            let file = folder.join(format!("{name}.folded"));
            write_file(&file, &measured.folded)?;
            profile = measured.profile;
        }
        cases.push(Case {
            name,
            trace_hash: hash.unwrap_or_default(),
            figures: spread(&runs),
            profile,
        });
    }
    let measured = Measurement {
        scenario: options.scenario.clone(),
        arguments: std::env::args().skip(1).collect(),
        runs: options.repeat,
        machine: Machine::here(),
        cases,
    };
    let file = folder.join("bench.html");
    write_file(&file, &page(&measured))?;
    if options.format.json {
        serde_json::to_writer_pretty(&mut *out, &measured)?;
        writeln!(out)?;
    } else {
        tell(&measured, options, out)?;
        writeln!(out, "\npage: {}", file.display())?;
    }
    Ok(())
}

fn write_file(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// What is to be measured, with names: the fidelities that were asked for, or the
/// variant.
fn requests(options: &Options) -> Result<Vec<(String, Request)>> {
    let request = |settings: &[String]| -> Result<(String, Request)> {
        let plan = load(&options.scenario, settings)?;
        let mut cases = plan.cases.into_iter();
        let case = match &options.variant {
            None => cases.next(),
            Some(name) => cases.find(|case| case.name == *name),
        };
        let case = case.with_context(|| format!("{} has no such variant", plan.name))?;
        let job = Job {
            engine: Engine::Sim,
            captures: None,
            scenario: case.scenario,
            variant: case.name.clone(),
            seed: options.seed,
            until_ns: options.until,
            log: None,
            trace: None,
        };
        let instants = Instants {
            booted_ns: options.booted,
            connected_ns: options.connected,
        };
        let profile = false;
        Ok((
            case.name,
            Request {
                job,
                instants,
                profile,
            },
        ))
    };
    if options.fidelity.is_empty() {
        return Ok(vec![request(&options.set)?]);
    }
    let of_fidelity = |fidelity: &Fidelity| {
        let mut settings = options.set.clone();
        settings.push(format!("network.fidelity={}", fidelity.name()));
        let (_, request) = request(&settings)?;
        Ok((fidelity.name().to_owned(), request))
    };
    options.fidelity.iter().map(of_fidelity).collect()
}

/// Equal seeds give equal hashes, watched or not.
fn keep_hash(known: &mut Option<String>, hash: &str) -> Result<(), WorkError> {
    let first = known.get_or_insert_with(|| hash.to_owned());
    if first == hash {
        Ok(())
    } else {
        Err(WorkError::Differ(first.clone(), hash.to_owned()))
    }
}

fn tell(measured: &Measurement, options: &Options, out: &mut impl Write) -> Result<()> {
    let machine = &measured.machine;
    writeln!(
        out,
        "{}: {} runs on {} ({} cores), {} build with {}",
        measured.scenario,
        measured.runs,
        machine.processor,
        machine.cores,
        machine.build,
        machine.allocator
    )?;
    for case in &measured.cases {
        let mut table = Table::new(&[case.name.as_str(), "min", "median", "max"]);
        for spread in &case.figures {
            let show = |value| figure_beside(value, spread.max, &spread.unit);
            table.row(vec![
                spread.name.to_owned(),
                show(spread.min),
                figure(spread.median, &spread.unit),
                show(spread.max),
            ]);
        }
        write!(out, "\n{table}")?;
    }
    let profiles = measured.cases.iter();
    let profiles: Vec<(&str, &Profile)> = profiles
        .filter_map(|case| Some((case.name.as_str(), case.profile.as_ref()?)))
        .collect();
    if !profiles.is_empty() {
        write!(out, "\n{}", parts(&profiles))?;
    }
    for (name, profile) in profiles {
        for part in &profile.parts {
            for function in part.functions.iter().take(usize::from(options.functions)) {
                let share = function.samples as f64 / profile.samples as f64;
                let (share, part) = (figure(share, "ratio"), part.part.name());
                writeln!(out, "{name}  {share:>7}  {part}: {}", function.name())?;
            }
        }
    }
    Ok(())
}

/// The share of each part, a column for each profile.
fn parts(profiles: &[(&str, &Profile)]) -> Table {
    let mut headline = vec!["CPU time"];
    headline.extend(profiles.iter().map(|(name, _)| *name));
    let mut table = Table::new(&headline);
    let cell = |share: Share| format!("{:.1} ± {:.1} %", share.share * 100.0, share.error * 100.0);
    for part in Part::ALL {
        let shares = profiles.iter().map(|(_, profile)| profile.share_of(part));
        let mut row = vec![part.name().to_owned()];
        row.extend(shares.map(cell));
        table.row(row);
    }
    let mut aside = |name: &str, share: fn(&Profile) -> Share| {
        let mut row = vec![name.to_owned()];
        row.extend(profiles.iter().map(|(_, profile)| cell(share(profile))));
        table.row(row);
    };
    aside("of it, in the allocator", |profile| profile.allocator);
    aside("of it, copying memory", |profile| profile.copying);
    table
}
