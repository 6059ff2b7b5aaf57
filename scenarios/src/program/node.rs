//! The reference node on a host.
//!
//! Owns how it is started: with the keys on its disk, its group's settings, and what a run tells it of
//! others. What it tells then is `play/witness.rs`'s.

use std::sync::Arc;

use futures::FutureExt;
use orrery_node::api::Command;
use orrery_node::environment::{Observer, Storage};
use orrery_node::keys::Keys;
use orrery_node::node::Node as Program;
use serde::{Deserialize, Serialize};

use super::ProgramKind;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;
use crate::play::Witness;
use crate::play::machine::Machines;
use crate::services;

/// The reference node. Its settings are its group's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node;

impl ProgramKind for Node {
    type Notes = ();
    const IS_NODE: bool = true;

    fn read(_: &Reader<'_>, _: &mut Problems) -> Self {
        Self
    }

    fn boot(&self, machines: &Arc<Machines>, host: u32) {
        let starting = Arc::clone(machines);
        let start = async move {
            if let Err(error) = start(&starting, host).await {
                let failure = format!("the node does not start: {error}");
                starting.testbed.fail(failure);
            }
        };
        machines.testbed.spawn(host, start.boxed());
    }
}

/// Starts the node of a host, which then follows friends whom it does not yet follow.
async fn start(machines: &Arc<Machines>, host: u32) -> Result<(), String> {
    let storage = machines.testbed.storage(host);
    let keys = machines.keys(host).clone();
    let keys = (&*storage as &dyn Storage)
        .run(move |disk| match Keys::load(disk)? {
            Some(keys) => Ok(keys),
            None => keys.save(disk).map(|()| keys),
        })
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let observer: Arc<dyn Observer> = Arc::new(Witness {
        machines: Arc::clone(machines),
        machine: host,
    });
    let mut config = machines.config(host)?.clone();
    let known = machines.scenario.group_of(host).bootstrap.iter();
    let known = known.flat_map(|known| machines.named_addresses(known));
    config.bootstrap.peers.extend(known);
    let listed = machines.scenario.group_of(host).listed.iter();
    let listed = listed.map(|listed| machines.keys(listed).peer().to_string());
    config.relay.listed.extend(listed);
    let now_ns = machines.now_ns();
    machines.state().neighbourhood.starts(host, now_ns);
    machines.state().overlay.starts(host, now_ns);
    let environment = machines.testbed.environment(host, &config, observer);
    let [_, of_services] = machines.scenario.group_of(host).node_tables();
    let services = services::start(&of_services, keys.peer())?;
    let node = Program::start_with(config, keys, environment, services)
        .await
        .map_err(|error| error.to_string())?;
    machines.state().nodes[host as usize] = Some(node.clone());
    // Who takes no part in feeds follows nobody; what friends write does not come there.
    if !machines.exchanges_feeds(host) {
        return Ok(());
    }
    let follows = machines.scenario.group_of(host).follows.iter();
    let others = follows.filter(|&other| other != host);
    for friend in machines
        .world
        .friends
        .of(host)
        .iter()
        .copied()
        .chain(others)
    {
        if machines.state().followed[host as usize].contains(&friend) {
            continue;
        }
        let card = machines.card(friend).to_owned();
        node.command(Command::follow(card))
            .await
            .map_err(|error| error.to_string())?;
        machines.state().followed[host as usize].insert(friend);
    }
    Ok(())
}
