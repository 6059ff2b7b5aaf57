//! How the reference node is started: with the keys on its host's disk, its group's settings, and what
//! a run tells it of others. What it tells then is `play/observer.rs`'s.

use std::sync::Arc;

use futures::FutureExt;
use orrery_node::api::Command;
use orrery_node::environment::{Observer, Storage};
use orrery_node::keys::Keys;
use orrery_node::node::Node as Program;

use super::Node;
use crate::play::NodeObserver;
use crate::play::run::Run;
use crate::program::RunProgram;
use crate::services;

impl RunProgram for Node {
    fn boot(&self, run: &Arc<Run>, host: u32) {
        let starting = Arc::clone(run);
        let start = async move {
            if let Err(error) = start(&starting, host).await {
                let failure = format!("the node does not start: {error}");
                starting.testbed.fail(failure);
            }
        };
        run.testbed.spawn(host, start.boxed());
    }
}

/// Starts the node of a host, which then follows friends whom it does not yet follow.
async fn start(run: &Arc<Run>, host: u32) -> Result<(), String> {
    let storage = run.testbed.storage(host);
    let keys = run.keys(host).clone();
    let keys = (&*storage as &dyn Storage)
        .run(move |disk| match Keys::load(disk)? {
            Some(keys) => Ok(keys),
            None => keys.save(disk).map(|()| keys),
        })
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let observer: Arc<dyn Observer> = Arc::new(NodeObserver {
        run: Arc::clone(run),
        host,
    });
    let mut config = run.config(host)?.clone();
    let known = run.scenario.group_of(host).bootstrap.iter();
    let known = known.flat_map(|known| run.named_addresses(known));
    config.bootstrap.peers.extend(known);
    let listed = run.scenario.group_of(host).listed.iter();
    let listed = listed.map(|listed| run.keys(listed).peer().to_string());
    config.relay.listed.extend(listed);
    let now_ns = run.now_ns();
    run.state().neighbourhood.starts(host, now_ns);
    run.state().overlay.starts(host, now_ns);
    let environment = run.testbed.environment(host, &config, observer);
    let [_, of_services] = run.scenario.group_of(host).node_tables();
    let services = services::start(&of_services, keys.peer())?;
    let node = Program::start_with(config, keys, environment, services)
        .await
        .map_err(|error| error.to_string())?;
    run.state().nodes[host as usize] = Some(node.clone());
    // A node that takes no part in feeds follows no other; what friends write does not come there.
    if !run.exchanges_feeds(host) {
        return Ok(());
    }
    let follows = run.scenario.group_of(host).follows.iter();
    let others = follows.filter(|&other| other != host);
    for friend in run.world.friends.of(host).iter().copied().chain(others) {
        if run.state().followed[host as usize].contains(&friend) {
            continue;
        }
        let card = run.card(friend).to_owned();
        node.command(Command::follow(card))
            .await
            .map_err(|error| error.to_string())?;
        run.state().followed[host as usize].insert(friend);
    }
    if run.has_new_keys(host) {
        introduce(run, host).await?;
    }
    Ok(())
}

/// Friends who knew the person by other keys get the new card; those whose nodes do not run follow when
/// they start.
async fn introduce(run: &Arc<Run>, host: u32) -> Result<(), String> {
    let is_follower = |other: &u32| {
        let follows = &run.scenario.group_of(*other).follows;
        run.world.friends.of(host).contains(other) || *other != host && follows.contains(host)
    };
    for friend in (0..run.scenario.hosts()).filter(is_follower) {
        let node = run.node(friend).filter(|_| run.exchanges_feeds(friend));
        let Some(node) = node else { continue };
        if !run.runs(friend) || run.state().followed[friend as usize].contains(&host) {
            continue;
        }
        let card = run.card(host).to_owned();
        // A node that ends meanwhile follows when it starts again.
        if node.command(Command::follow(card)).await.is_ok() {
            run.state().followed[friend as usize].insert(host);
        }
    }
    Ok(())
}
