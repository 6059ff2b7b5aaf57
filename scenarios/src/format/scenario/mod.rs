//! A resolved scenario: what is played for one variant and any seed.

pub mod access;
pub mod boot;
pub mod churn;
pub mod clock;
pub mod expectation;
pub mod friends;
pub mod grid;
pub mod group;
pub mod interface;
pub mod lan;
pub mod matrix;
pub mod nat;
pub mod network;
pub mod node_settings;
pub mod pace;
pub mod plan;
pub mod possible;
pub mod region_path;
pub mod report;
pub mod selector;
pub mod tcp_settings;
pub mod variant;
pub mod workload;

use std::any::Any;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use orrery_reports::record::Compare;

use crate::fault::{Fault, FaultFields, Setting, When};
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::quantity::time_ns;
use crate::format::reading::reader::{Reader, fields_of};
use crate::format::reading::tree::Table;
use crate::metrics::source::CHURN;
use crate::metrics::source::Sources;
use crate::profiles::Profiles;
use crate::workload::{Action, WorkloadFields};
use grid::DimensionFields;
use group::{Group, GroupFields, HOSTS_MAX, read_friends_with, read_hosts};
use matrix::ExpectText;
use network::{Network, NetworkFields};
use possible::note_impossible;
use report::ChartFields;
use variant::VariantFields;
use workload::{ACTIONS_MAX, Workload};

/// A scenario file.
#[derive(JsonSchema)]
#[schemars(title = "Orrery scenario")]
pub struct ScenarioFields {
    /// The scenario's name; in the catalog, its path without the ending.
    pub name: String,
    /// One sentence: what the scenario asks.
    pub summary: Option<String>,
    /// Simulated time, the warm-up included, such as `20m`.
    pub duration: String,
    /// What starts before is not measured; `0s` if absent.
    pub warmup: Option<String>,
    /// Time after `duration`: workloads stop, faults heal, readers pull until two empty replies;
    /// `0s` if absent.
    pub drain: Option<String>,
    /// Seeds that are played unless the command line says otherwise; 1 if absent.
    pub seeds: Option<u32>,
    /// The core of the network.
    pub network: NetworkFields,
    /// Groups of hosts that are alike.
    pub group: Vec<GroupFields>,
    /// What people do with their nodes.
    pub workload: Option<Vec<WorkloadFields>>,
    /// What goes wrong.
    pub fault: Option<Vec<FaultFields>>,
    /// What is compared: variants with the same hosts meet the same world.
    pub variant: Option<Vec<VariantFields>>,
    /// A grid of parameters, such as `loss = { set = "group.home.access.up.loss", to = ["1%",
    /// "5%"] }`. Every combination of values is played with all seeds, and its figures have the
    /// values as labels.
    pub grid: Option<BTreeMap<String, DimensionFields>>,
    /// The figures that answer its question, which reports show first, such as
    /// `["feed.missed_forever", "feed.delivery.latency.p99"]`.
    pub report: Option<Vec<String>>,
    /// Charts that reports show first.
    pub chart: Option<Vec<ChartFields>>,
    /// Which variants reports compare: `first`, each further one with the first, which is so if absent;
    /// or `all`, each with each.
    pub compare: Option<Compare>,
    /// What must hold in every seed: `"variant: metric.stat" = "< 3m"`; without `variant:` it
    /// must hold in all of them, and in every cell of a grid that has the labels it names. A table says
    /// it of each cell: `orrery explain grid`. The right side may be another figure, or another
    /// variant's, and a factor: `"60s: net.bytes" = "< 0.5 * 10s: net.bytes"`. `orrery explain
    /// metrics` lists the metrics.
    pub expect: Option<BTreeMap<String, ExpectText>>,
}

/// What is played for one variant and any seed. Plain data: it travels to workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// The scenario's name.
    pub name: String,
    /// End of the workloads and faults, in simulated nanoseconds.
    pub duration_ns: u64,
    /// Begin of measurement; below `duration_ns`.
    pub warmup_ns: u64,
    /// Time after `duration_ns`.
    pub drain_ns: u64,
    /// The core of the network.
    pub network: Network,
    /// The groups; their hosts are numbered through in this order.
    pub groups: Vec<Group>,
    /// The workloads.
    pub workloads: Vec<Workload>,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl Scenario {
    /// Number of hosts.
    pub fn hosts(&self) -> u32 {
        self.groups
            .last()
            .map_or(0, |group| group.first_host + group.count)
    }

    /// The group of a host.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn group_of(&self, host: u32) -> &Group {
        let after = self
            .groups
            .partition_point(|group| group.first_host <= host);
        let group = &self.groups[after.checked_sub(1).expect("groups start at host 0")];
        assert!(group.hosts().contains(&host), "there is no host {host}");
        group
    }

    /// A host's name: `home[3]`.
    pub fn host_name(&self, host: u32) -> String {
        let group = self.group_of(host);
        format!("{}[{}]", group.name, host - group.first_host)
    }

    /// End of the whole run in nanoseconds.
    pub fn end_ns(&self) -> u64 {
        self.duration_ns + self.drain_ns
    }

    /// Kinds of the workloads, as written.
    pub fn workload_kinds(&self) -> Vec<&'static str> {
        self.workloads
            .iter()
            .map(|workload| workload.action.kind())
            .collect()
    }

    /// What metrics may need: the kinds of its workloads, and [`CHURN`] if hosts come and go.
    pub fn kinds(&self) -> Vec<&'static str> {
        let mut faults = self.faults.iter();
        let churns = faults.any(|fault| matches!(fault.when, When::Away(_)));
        let churn = churns.then_some(CHURN);
        self.workload_kinds().into_iter().chain(churn).collect()
    }

    /// What it has that gives metrics their figures.
    pub fn sources(&self) -> Sources {
        let with_nodes = self.groups.iter().filter(|group| group.has_node());
        Sources {
            kinds: self.kinds(),
            programs: self.groups.iter().map(|g| g.program.name()).collect(),
            nodes: with_nodes.filter_map(Group::config).collect(),
        }
    }

    /// The workloads of one kind.
    pub fn workloads_of<K: Any>(&self) -> impl Iterator<Item = &K> {
        let actions = self.workloads.iter().map(|workload| &workload.action);
        actions.filter_map(Action::get)
    }

    /// Reads the part of a scenario file that is played.
    pub fn read(root: &Table, profiles: &Profiles<'_>, problems: &mut Problems) -> Self {
        let before = problems.len();
        let reader = Reader::new(
            root,
            "the scenario",
            &fields_of::<ScenarioFields>(),
            problems,
        );
        let name = reader.text("name", problems).unwrap_or_default();
        if !name.is_empty() && !is_scenario_name(name) {
            let message = format!(
                "{} is no scenario name: expected words of letters, digits, - and _, with / between them",
                quoted(name)
            );
            problems.push(reader.span("name"), message);
        }
        let duration_ns = read_time(&reader, "duration", problems);
        if reader
            .value("duration")
            .is_some_and(|v| v.as_text().is_some_and(|t| time_ns(t) == Ok(0)))
        {
            problems.push(
                reader.span("duration"),
                "\"duration\": expected a time above 0s",
            );
        }
        let warmup_ns = read_time(&reader, "warmup", problems);
        if duration_ns > 0 && warmup_ns >= duration_ns {
            problems.push(
                reader.span("warmup"),
                "the warm-up leaves nothing to measure: it must end before the duration",
            );
        }
        let drain_ns = read_time(&reader, "drain", problems);
        let network = Network::read(&reader, profiles, problems);
        let groups = read_groups(&reader, &network, duration_ns, profiles, problems);
        let (acting, workloads): (Vec<&Table>, Vec<Workload>) = reader
            .tables("workload", 200, problems)
            .into_iter()
            .filter_map(|table| {
                Some((
                    table,
                    Workload::read(table, &groups, duration_ns, problems)?,
                ))
            })
            .unzip();
        let actions: u64 = workloads
            .iter()
            .map(|workload| workload.expected_actions(duration_ns))
            .fold(0, u64::saturating_add);
        if actions > ACTIONS_MAX {
            let message = format!("the workloads would act {actions} times: at most {ACTIONS_MAX}");
            problems.push(reader.span("workload"), message);
        }
        let setting = Setting {
            groups: &groups,
            regions: &network.delays.regions,
            duration_ns,
            profiles,
        };
        let mut faults: Vec<Fault> = reader
            .tables("fault", 1_000, problems)
            .into_iter()
            .filter_map(|table| Fault::read(table, &setting, problems))
            .collect();
        // After those that are declared, whose places stay what they are.
        faults.extend(churn::read(&reader, &setting, problems));
        let scenario = Self {
            name: name.to_owned(),
            duration_ns,
            warmup_ns,
            drain_ns,
            network,
            groups,
            workloads,
            faults,
        };
        // What could not be read stands there as something else.
        if problems.len() == before {
            note_impossible(&scenario, &acting, problems);
        }
        scenario
    }
}

/// Whether `name` can name a scenario, and so a folder.
fn is_scenario_name(name: &str) -> bool {
    name.len() <= 200 && name.split('/').all(group::is_name)
}

/// A time of at least 0; 0 if absent or wrong, which is noted.
fn read_time(reader: &Reader<'_>, key: &str, problems: &mut Problems) -> u64 {
    let time = reader.quantity(key, time_ns, problems).unwrap_or(0);
    if time < 0 {
        problems.push(
            reader.span(key),
            format!("\"{key}\": expected a time of at least 0s"),
        );
    }
    time.max(0) as u64
}

fn read_groups(
    scenario: &Reader<'_>,
    network: &Network,
    duration_ns: u64,
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut read: Vec<&Table> = Vec::new();
    let mut first_host: u32 = 0;
    let tables = scenario.tables("group", 1_000, problems);
    if tables.is_empty() && scenario.value("group").is_some() {
        problems.push(
            scenario.span("group"),
            "a scenario needs at least one group",
        );
    }
    for table in tables {
        let group = Group::read(
            table,
            first_host,
            (&network.delays.regions, duration_ns),
            profiles,
            problems,
        );
        let span = table.value("name").map_or(table.span, |value| value.span);
        if groups.iter().any(|other| other.name == group.name) {
            problems.push(
                span,
                format!("there are two groups {}", quoted(&group.name)),
            );
            continue;
        }
        if first_host + group.count > HOSTS_MAX {
            let span = table.value("count").map_or(table.span, |value| value.span);
            problems.push(
                span,
                format!("all groups together may have at most {HOSTS_MAX} hosts"),
            );
            continue;
        }
        first_host += group.count;
        groups.push(group);
        read.push(table);
    }
    lan::share_nats(&read, &mut groups, problems);
    for (table, group) in read.iter().zip(&groups) {
        interface::note_misplaced(table, group, &groups, problems);
    }
    let named: Vec<_> = read
        .into_iter()
        .zip(&groups)
        .map(|(table, group)| {
            let named = ["bootstrap", "follows", "listed"]
                .map(|field| read_hosts(table, field, &groups, problems));
            let mut program = group.program.clone();
            program.read_hosts(table, &groups, problems);
            let friends_with = read_friends_with(table, group, &groups, problems);
            (named, friends_with, program)
        })
        .collect();
    for (group, ([bootstrap, follows, listed], friends_with, program)) in
        groups.iter_mut().zip(named)
    {
        group.program = program;
        group.bootstrap = bootstrap;
        group.follows = follows;
        group.listed = listed;
        group.friends_with = friends_with;
    }
    groups
}
