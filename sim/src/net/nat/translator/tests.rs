//! The table against a model of it that remembers every session in a list.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::dependence::Dependence;
use super::super::lifetime::{Lifetimes, Refresh};
use super::*;

const OUTSIDE: &str = "11.0.0.200";
const LIFETIME: Duration = Duration::from_secs(30);

fn at(text: &str) -> SocketAddr {
    text.parse().expect("the test lists addresses")
}

fn inside(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 168, 0, 2 + number / 2], 5_000 + u16::from(number % 2)))
}

fn remote(number: u8) -> SocketAddr {
    SocketAddr::from(([11, 0, 0, 1 + number / 2], 7_000 + u16::from(number % 2)))
}

fn translator(spec: NatSpec) -> Translator {
    spec.check().expect("the test has no contradictions");
    Translator::new(spec, Stream::new(1, "test", 0))
}

fn datagram(from: SocketAddr, to: SocketAddr) -> Packet {
    Packet::udp(from, to, Bytes::from_static(b"x"))
}

fn outside() -> IpAddr {
    OUTSIDE.parse().expect("an address")
}

/// What may happen to a NAT.
#[derive(Clone, Debug)]
enum Step {
    /// An inside endpoint sends to a remote.
    Out(u8, u8),
    /// A remote sends to an outside port.
    In(u8, u16),
    /// Time passes, in milliseconds.
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_u8, 0..6_u8).prop_map(|(from, to)| Step::Out(from, to)),
        4 => (0..6_u8, 0..6_u16).prop_map(|(from, port)| Step::In(from, port)),
        1 => (1..40_000_u16).prop_map(Step::Wait),
    ]
}

fn grade() -> impl Strategy<Value = Dependence> {
    prop::sample::select(&Dependence::ALL[..])
}

fn spec() -> impl Strategy<Value = NatSpec> {
    let ports = prop::sample::select(vec![
        PortAssignment::Preserving,
        PortAssignment::Sequential,
        PortAssignment::Random,
        PortAssignment::Overloading,
    ]);
    let refresh = prop::sample::select(vec![
        Refresh::Outbound,
        Refresh::Inbound,
        Refresh::Both,
        Refresh::None,
    ]);
    (grade(), grade(), ports, refresh, 3..9_usize)
        .prop_map(
            |(mapping, filtering, ports, refresh, sessions_max)| NatSpec {
                mapping,
                filtering,
                ports,
                refresh,
                sessions_max,
                port_range: 5_000..=5_005,
                lifetimes: Lifetimes {
                    udp: LIFETIME,
                    ..Lifetimes::default()
                },
                ..NatSpec::default()
            },
        )
        .prop_filter("no contradictions", |spec| spec.check().is_ok())
}

/// A session as the model knows it.
#[derive(Debug)]
struct Known {
    inside: SocketAddr,
    remote: SocketAddr,
    /// Of the remote for which the binding was made.
    scope: Scope,
    port: u16,
    until: SimTime,
}

/// The model: what RFC 4787 says, over a list.
struct Model {
    spec: NatSpec,
    known: Vec<Known>,
}

impl Model {
    /// Checks what became of a packet that went out.
    fn sent(
        &mut self,
        now: SimTime,
        from: SocketAddr,
        to: SocketAddr,
        result: Result<u16, Refusal>,
    ) {
        self.known.retain(|known| now < known.until);
        let scope = self.spec.mapping.scope(to);
        let mine = |known: &&mut Known| known.inside == from && known.scope == scope;
        let bound = self.known.iter_mut().find(mine).map(|known| known.port);
        let full = self.known.len() >= self.spec.sessions_max;
        let session = self
            .known
            .iter_mut()
            .find(|known| known.inside == from && known.scope == scope && known.remote == to);
        if let Some(session) = session {
            assert_eq!(result, Ok(session.port));
            if matches!(self.spec.refresh, Refresh::Outbound | Refresh::Both) {
                session.until = now + LIFETIME;
            }
            return;
        }
        if full {
            assert_eq!(result, Err(Refusal::TableFull));
            return;
        }
        // Bindings that may not share a port with this one.
        let overloaded = self.spec.ports == PortAssignment::Overloading;
        let mut taken: Vec<u16> = self
            .known
            .iter()
            .filter(|known| !overloaded || known.scope == scope)
            .map(|known| known.port)
            .collect();
        taken.sort_unstable();
        taken.dedup();
        let port = match (bound, result) {
            (Some(port), result) => {
                assert_eq!(result, Ok(port), "one binding, one port");
                port
            }
            (None, Err(refusal)) => {
                assert_eq!(refusal, Refusal::PortsExhausted);
                assert_eq!(taken.len(), 6);
                return;
            }
            (None, Ok(port)) => {
                assert!(!taken.contains(&port), "{port} is another's");
                assert!(self.spec.port_range.contains(&port));
                port
            }
        };
        self.known.push(Known {
            inside: from,
            remote: to,
            scope,
            port,
            until: now + LIFETIME,
        });
    }

    /// Checks what became of a packet that came in.
    fn came(
        &mut self,
        now: SimTime,
        from: SocketAddr,
        port: u16,
        result: Result<SocketAddr, Refusal>,
    ) {
        self.known.retain(|known| now < known.until);
        let overloaded = self.spec.ports == PortAssignment::Overloading;
        let scope = self.spec.mapping.scope(from);
        let of_port: Vec<&Known> = self
            .known
            .iter()
            .filter(|known| known.port == port && (!overloaded || known.scope == scope))
            .collect();
        let Some(first) = of_port.first() else {
            assert_eq!(result, Err(Refusal::NoBinding));
            return;
        };
        let (inside, scope) = (first.inside, first.scope);
        let grade = self.spec.filtering;
        let asked = of_port
            .iter()
            .any(|known| grade.scope(known.remote) == grade.scope(from));
        if !asked {
            assert_eq!(result, Err(Refusal::Filtered));
            return;
        }
        let full = self.known.len() >= self.spec.sessions_max;
        let session = self
            .known
            .iter_mut()
            .find(|known| known.port == port && known.scope == scope && known.remote == from);
        let renews = matches!(self.spec.refresh, Refresh::Inbound | Refresh::Both);
        match session {
            Some(session) if renews => session.until = now + LIFETIME,
            None if renews && full => {
                assert_eq!(result, Err(Refusal::TableFull));
                return;
            }
            None if renews => self.known.push(Known {
                inside,
                remote: from,
                scope,
                port,
                until: now + LIFETIME,
            }),
            Some(_) | None => {}
        }
        assert_eq!(result, Ok(inside));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_comes_in_that_the_model_does_not_let_in(
        spec in spec(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut nat = translator(spec.clone());
        let mut model = Model { spec, known: Vec::new() };
        let mut now = SimTime::ZERO;
        for step in steps {
            match step {
                Step::Out(from, to) => {
                    let (from, to) = (inside(from), remote(to));
                    let mut packet = datagram(from, to);
                    let result = nat.translate_out(now, outside(), &mut packet);
                    prop_assert_eq!(packet.dst, to);
                    model.sent(now, from, to, result.map(|()| packet.src.port()));
                }
                Step::In(from, port) => {
                    let (from, port) = (remote(from), 5_000 + port);
                    let mut packet = datagram(from, SocketAddr::new(outside(), port));
                    let result = nat.translate_in(now, &mut packet);
                    prop_assert_eq!(packet.src, from);
                    model.came(now, from, port, result.map(|()| packet.dst));
                }
                Step::Wait(millis) => now += Duration::from_millis(millis.into()),
            }
            let (bindings, sessions) = nat.in_use(now);
            model.known.retain(|known| now < known.until);
            prop_assert_eq!(sessions, model.known.len());
            prop_assert!(sessions <= model.spec.sessions_max);
            let mut of_model: Vec<_> = model
                .known
                .iter()
                .map(|known| (known.inside, known.scope))
                .collect();
            of_model.sort();
            of_model.dedup();
            prop_assert_eq!(bindings, of_model.len());
        }
    }
}

#[test]
fn a_port_that_the_gateway_talks_from_is_given_to_nobody() {
    let mut nat = translator(NatSpec::default());
    let send = |nat: &mut Translator, now| {
        let mut packet = datagram(at("192.168.0.2:5000"), at("11.0.0.1:7"));
        nat.translate_out(now, outside(), &mut packet)
            .map(|()| packet.src.port())
    };
    nat.claim(
        SimTime::ZERO,
        &datagram(at("11.0.0.1:7"), at("11.0.0.200:5000")),
    );
    assert_eq!(send(&mut nat, SimTime::from_secs(299)), Ok(5_001));
    nat.restart();
    nat.claim(
        SimTime::ZERO,
        &datagram(at("11.0.0.1:7"), at("11.0.0.200:5000")),
    );
    assert_eq!(send(&mut nat, SimTime::from_secs(300)), Ok(5_000));
}

#[test]
fn claims_are_bounded() {
    let mut nat = translator(NatSpec {
        sessions_max: 2,
        ..NatSpec::default()
    });
    let claim = |nat: &mut Translator, secs, port| {
        let to = SocketAddr::new(outside(), port);
        nat.claim(SimTime::from_secs(secs), &datagram(at("11.0.0.1:7"), to));
        (nat.claims.len(), nat.counts.table_full)
    };
    assert_eq!(claim(&mut nat, 0, 1), (1, 0));
    assert_eq!(claim(&mut nat, 10, 2), (2, 0));
    assert_eq!(claim(&mut nat, 20, 3), (2, 1));
    assert_eq!(claim(&mut nat, 300, 3), (2, 1));
}

#[test]
fn a_restart_forgets_bindings_and_counts_them() {
    let mut nat = translator(NatSpec::default());
    let mut packet = datagram(inside(0), remote(0));
    let sent = nat.translate_out(SimTime::ZERO, outside(), &mut packet);
    assert_eq!(sent, Ok(()));
    assert_eq!(nat.in_use(SimTime::ZERO), (1, 1));
    nat.restart();
    assert_eq!(nat.in_use(SimTime::ZERO), (0, 0));
    let counts = nat.counts;
    assert_eq!((counts.bindings_made, counts.bindings_ended), (1, 1));
    let mut answer = datagram(remote(0), packet.src);
    let refused = nat.translate_in(SimTime::ZERO, &mut answer);
    assert_eq!(refused, Err(Refusal::NoBinding));
}
