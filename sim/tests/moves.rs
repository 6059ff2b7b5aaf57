//! What programs hear of it when their host moves to another network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt, StreamExt, select};
use libp2p::core::Transport as _;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportEvent};
use libp2p::core::{Endpoint, Multiaddr};
use orrery_sim::net::nat::{self, GatewaySpec, NatSpec};
use orrery_sim::net::{AddressChange, Interfaces};
use orrery_sim::transport::SimTcp;
use orrery_sim::{HostId, HostSpec, Simulation, World, host};

const SECOND: Duration = Duration::from_secs(1);

/// Start here: a world of one host, and what was told in it.
fn simulate(main: impl FnOnce(&mut World, HostId, &Told) + Send) {
    let ((), outcome) = Simulation::new(1)
        .run(|world| {
            let phone = host::add(HostSpec::named("phone"));
            main(world, phone, &Told::default());
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn push(&self, what: String) {
        self.0.lock().expect("one thread").push(what);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("one thread"))
    }
}

fn home() -> nat::GatewayId {
    nat::add(GatewaySpec {
        nat: Some(NatSpec::default()),
        ..GatewaySpec::named("home")
    })
    .expect("it is no contradiction")
}

#[test]
fn interfaces_tell_what_a_host_has_and_what_changes() {
    simulate(|world, phone, told| {
        let ours = told.clone();
        host::executor(phone).spawn(async move {
            let mut changes = Interfaces::of(phone);
            while let Some(change) = changes.next().await {
                ours.push(match change {
                    AddressChange::Up(ip) => format!("up {ip}"),
                    AddressChange::Down(ip) => format!("down {ip}"),
                });
            }
        });
        world.run_for(SECOND);
        let (v4, v6) = (host::v4(phone), host::v6(phone));
        assert_eq!(told.take(), [format!("up {v4}"), format!("up {v6}")]);
        host::move_to(phone, Some(home()));
        world.run_for(SECOND);
        let new = host::v6(phone);
        assert_ne!(new, v6);
        let expected = [
            format!("down {v4}"),
            "up 192.168.0.2".to_owned(),
            format!("down {v6}"),
            format!("up {new}"),
        ];
        assert_eq!(told.take(), expected);
        host::power_cut(phone);
        host::power_on(phone);
        host::move_to(phone, None);
        world.run_for(SECOND);
        assert_eq!(told.take(), Vec::<String>::new());
    });
}

#[test]
fn another_network_is_told_of_where_the_address_is_the_same() {
    simulate(|world, phone, told| {
        host::move_to(phone, Some(home()));
        let ours = told.clone();
        host::executor(phone).spawn(async move {
            let mut changes = Interfaces::changes_of(phone);
            while let Some(change) = changes.next().await {
                if let AddressChange::Up(ip) | AddressChange::Down(ip) = change
                    && ip.is_ipv4()
                {
                    ours.push(format!("{change:?}"));
                }
            }
        });
        world.run_for(SECOND);
        assert_eq!(told.take(), Vec::<String>::new());
        host::move_to(phone, Some(home()));
        world.run_for(SECOND);
        assert_eq!(told.take(), ["Down(192.168.0.2)", "Up(192.168.0.2)"]);
    });
}

/// Notes the addresses of a listener, for ever.
async fn listen(phone: HostId, at: &str, told: Told) {
    let mut tcp = SimTcp::new(phone).boxed();
    let at: Multiaddr = at.parse().expect("the test lists multiaddrs");
    tcp.listen_on(ListenerId::next(), at)
        .expect("the port is free");
    loop {
        match tcp.select_next_some().await {
            TransportEvent::NewAddress { listen_addr, .. } => {
                told.push(format!("new {listen_addr}"));
            }
            TransportEvent::AddressExpired { listen_addr, .. } => {
                told.push(format!("expired {listen_addr}"));
            }
            _ => told.push("incoming".to_owned()),
        }
    }
}

#[test]
fn a_listener_on_all_addresses_follows_its_host() {
    let check = |at: &'static str, new: &[&str], after_move: &[&str]| {
        let [new, after_move] = [new, after_move].map(|lines| {
            let lines = lines.iter().map(|line| (*line).to_owned());
            lines.collect::<Vec<_>>()
        });
        simulate(move |world, phone, told| {
            let listening = listen(phone, at, told.clone());
            host::executor(phone).spawn(listening);
            world.run_for(SECOND);
            assert_eq!(told.take(), new, "{at}");
            host::move_to(phone, Some(home()));
            world.run_for(SECOND);
            assert_eq!(told.take(), after_move, "{at}");
        });
    };
    check(
        "/ip4/0.0.0.0/tcp/7",
        &["new /ip4/11.0.0.1/tcp/7"],
        &["expired /ip4/11.0.0.1/tcp/7", "new /ip4/192.168.0.2/tcp/7"],
    );
    // As with stock libp2p-tcp, which watches no interface for one address.
    check("/ip4/11.0.0.1/tcp/7", &["new /ip4/11.0.0.1/tcp/7"], &[]);
}

#[test]
fn a_listener_of_ipv6_hears_of_ipv6_alone() {
    simulate(|world, phone, told| {
        let listening = listen(phone, "/ip6/::/tcp/7", told.clone());
        host::executor(phone).spawn(listening);
        world.run_for(SECOND);
        let before = host::v6(phone);
        assert_eq!(told.take(), [format!("new /ip6/{before}/tcp/7")]);
        host::move_to(phone, None);
        world.run_for(SECOND);
        let after = host::v6(phone);
        let expected = [
            format!("expired /ip6/{before}/tcp/7"),
            format!("new /ip6/{after}/tcp/7"),
        ];
        assert_eq!(told.take(), expected);
    });
}

#[test]
fn dials_after_a_move_leave_from_the_new_address_and_the_listener_s_port() {
    simulate(|world, phone, told| {
        let server = host::add(HostSpec::named("server"));
        let home = home();
        host::executor(server).spawn(listen(server, "/ip4/0.0.0.0/tcp/9", told.clone()));
        let to: Multiaddr = format!("/ip4/{}/tcp/9", host::v4(server))
            .parse()
            .expect("a multiaddr");
        let ours = told.clone();
        host::executor(phone).spawn(async move {
            let mut tcp = SimTcp::new(phone).boxed();
            let any: Multiaddr = "/ip4/0.0.0.0/tcp/7".parse().expect("a multiaddr");
            tcp.listen_on(ListenerId::next(), any).expect("it is free");
            futures_timer::Delay::new(2 * SECOND).await;
            let options = DialOpts {
                role: Endpoint::Dialer,
                port_use: PortUse::Reuse,
            };
            let mut dialled = tcp.dial(to, options).expect("it is TCP").fuse();
            loop {
                select! {
                    stream = dialled => {
                        let stream = stream.expect("the server listens");
                        ours.push(format!("from {}", stream.local()));
                    }
                    _ = tcp.select_next_some() => {}
                    complete => break,
                }
            }
        });
        world.run_for(SECOND);
        host::move_to(phone, Some(home));
        told.take();
        world.run_for(3 * SECOND);
        assert_eq!(told.take(), ["from 192.168.0.2:7", "incoming"]);
    });
}
