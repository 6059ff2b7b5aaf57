//! How soon nodes on one local network find each other.

use std::collections::BTreeSet;

use orrery_reports::stats::Recorder;

/// What local discovery has told.
#[derive(Debug)]
pub struct Neighbourhood {
    /// When each host's node began its present life, in nanoseconds.
    started_ns: Vec<u64>,
    /// Who has found whom in both their present lives.
    seen: BTreeSet<(u32, u32)>,
    /// From the later of both nodes' start until one has found the other.
    pub times: Recorder,
}

impl Neighbourhood {
    /// None of `hosts` hosts has found another.
    pub fn new(hosts: usize) -> Self {
        Self {
            started_ns: vec![0; hosts],
            seen: BTreeSet::new(),
            times: Recorder::of_microseconds(),
        }
    }

    /// The node of `host` begins a life, in which it knows no other and no other knows it.
    pub fn starts(&mut self, host: u32, now_ns: u64) {
        self.started_ns[host as usize] = now_ns;
        self.seen
            .retain(|(finder, found)| *finder != host && *found != host);
    }

    /// A node has found another. Samples are taken if that is measured.
    pub fn found(&mut self, (finder, found): (u32, u32), now_ns: u64, measured: bool) {
        if self.seen.insert((finder, found)) && measured {
            let both = self.started_ns[finder as usize].max(self.started_ns[found as usize]);
            self.times.record(now_ns, (now_ns - both) / 1_000);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use bytes::Bytes;
    use futures::FutureExt;
    use libp2p::PeerId;
    use orrery_node::api::{Command, Event};
    use orrery_node::config::Config;
    use orrery_node::discovery::local::GROUP;
    use orrery_node::discovery::local::{NEIGHBOURS_MAX, answer, question};
    use orrery_node::environment::{Executor, Observer};
    use orrery_node::keys::Keys;
    use orrery_node::node::Node;
    use orrery_reports::record::{Metric, SeedResult};
    use orrery_sim::net::lan::LanSpec;
    use orrery_sim::net::udp::UdpSocket;
    use orrery_sim::time::SimTime;
    use orrery_sim::{HostId, HostSpec, Simulation, host, net};

    use crate::format::scenario::network::Fidelity;
    use crate::play;
    use crate::testbed::sim::{HostExecutor, environment};

    /// Three homes on one local network and one on another, and this fault.
    fn run(more: &str) -> SeedResult {
        let text = format!(
            "name = 't'\nduration = '60s'\nwarmup = '1s'\ndrain = '0s'\n\
             [network]\ndelays = 'ibm-10'\n\
             [[group]]\nname = 'home'\ncount = 3\nlan = 'home'\nboot = 'evenly(2s, 5s)'\n\
             node = {{ 'mdns.enabled' = true, 'mdns.ttl' = '20s', 'mdns.query_interval' = '8s' }}\n\
             [[group]]\nname = 'other'\ncount = 1\nlan = 'other'\n\
             node = {{ 'mdns.enabled' = true }}\n{more}"
        );
        play::played(&text, None)
    }

    fn gone(result: &SeedResult) -> f64 {
        match result.metrics.get("node.neighbours.gone") {
            Some(Metric::Value { value, .. }) => *value,
            _ => 0.0,
        }
    }

    #[test]
    fn neighbours_find_each_other_as_soon_as_both_are_there_and_nobody_else_does() {
        let result = run("");
        let Some(Metric::Distribution { count, max, .. }) =
            result.metrics.get("node.neighbours.time")
        else {
            panic!("nobody found anybody: {:?}", result.metrics.keys());
        };
        assert_eq!(*count, 3 * 2);
        // A node that comes asks at once; one that was there hears the newcomer's answer when it
        // asks the next time, 2 s later at most while it is probing.
        assert!(*max < 2_100.0, "{max} ms");
        assert!(gone(&result).abs() < 1e-9);
    }

    #[test]
    fn who_loses_power_is_forgotten_when_the_last_answer_does_not_hold_any_more() {
        let cut = "[[fault]]\nkind = 'power-cut'\nhosts = 'home[2]'\nat = '20s'\nfor = '35s'\n";
        let result = run(cut);
        // Both others have two addresses of the node that has gone, of TCP and of QUIC.
        assert!((gone(&result) - 4.0).abs() < 1e-9, "{}", gone(&result));
    }

    /// Keeps what a node told.
    #[derive(Default)]
    struct Seen(Mutex<Vec<Event>>);

    impl Observer for Seen {
        fn event(&self, event: &Event) {
            self.0.lock().expect("one thread").push(event.clone());
        }
    }

    /// Starts a node with local discovery on a host of a LAN, which follows `friends`.
    fn start(host: HostId, seed: u8, friends: Vec<String>) -> Arc<Seen> {
        let seen = Arc::new(Seen::default());
        let observer = Arc::clone(&seen) as Arc<dyn Observer>;
        let run = async move {
            let mut config = Config::from_toml("mdns.enabled = true").expect("it is sound");
            config.listen.addresses = vec!["/ip4/0.0.0.0/tcp/4150".parse().expect("an address")];
            let environment = environment(host, Fidelity::Wire, &config, observer);
            let keys = Keys::generate(Some([seed; 32]));
            let node = Node::start(config, keys, environment)
                .await
                .expect("starts");
            for card in friends {
                node.command(Command::follow(card)).await.expect("follows");
            }
            futures::future::pending::<()>().await;
        };
        HostExecutor::of(host).spawn("test", run.boxed());
        seen
    }

    #[test]
    fn a_flood_of_questions_and_lies_costs_a_bounded_amount_and_hides_no_friend() {
        /// Of each liar.
        const LIES: usize = 600;
        let (seen, sent) = Simulation::new(1)
            .run(|world| {
                let lan = host::add_lan(LanSpec::default());
                let hosts = ["victim", "friend", "liar", "liar", "liar"].map(|name| {
                    let host = host::add(HostSpec::named(name));
                    host::join_lan(host, lan);
                    host
                });
                let [victim, friend, liars @ ..] = hosts;
                let card = Keys::generate(Some([2; 32])).card(&[]).expect("signs");
                let seen = start(victim, 1, vec![card.to_string()]);
                world.run_until(SimTime::from_secs(10));
                let quiet = net::traffic(victim).sent_packets;
                for liar in liars {
                    let lying = async move {
                        let socket = UdpSocket::bind(liar, 0).expect("it is free");
                        let lies = ["/ip4/192.0.2.9/tcp/1".parse().expect("an address")];
                        for id in 0..LIES as u16 {
                            let lie = answer(id, "lie", PeerId::random(), &lies, u32::MAX);
                            for packet in [question(id), lie, vec![0xff; 300]] {
                                let group = (GROUP, 5353).into();
                                socket.send_to(group, Bytes::from(packet)).expect("fits");
                            }
                            futures_timer::Delay::new(Duration::from_millis(50)).await;
                        }
                    };
                    HostExecutor::of(liar).spawn("liar", lying.boxed());
                }
                world.run_until(SimTime::from_secs(30));
                start(friend, 2, Vec::new());
                world.run_until(SimTime::from_secs(50));
                let events = std::mem::take(&mut *seen.0.lock().expect("one thread"));
                (events, net::traffic(victim).sent_packets - quiet)
            })
            .map(|(result, _)| result)
            .expect("the simulation runs");
        let count = |wanted: fn(&Event) -> bool| seen.iter().filter(|event| wanted(event)).count();
        let found = count(|event| matches!(event, Event::NeighbourFound { .. }));
        let gone = count(|event| matches!(event, Event::NeighbourGone { .. }));
        assert!(
            found > NEIGHBOURS_MAX && found - gone <= NEIGHBOURS_MAX,
            "{found}, {gone}"
        );
        for limit in ["mdns-neighbours", "mdns-answers", "mdns-packets"] {
            let reached =
                |event: &&Event| matches!(event, Event::LimitReached { limit: l } if l == limit);
            assert!(seen.iter().any(|event| reached(&event)), "{limit}");
        }
        // 100 answers at once and 10 a second; the connection with the friend takes the rest.
        assert!(sent < 600, "{sent} packets to 3 × {LIES} questions");
        let friend = Keys::generate(Some([2; 32])).identity();
        let met = seen.iter().any(
            |event| matches!(event, Event::Authenticated { identity, .. } if *identity == friend),
        );
        assert!(met, "the friend was hidden");
    }
}
