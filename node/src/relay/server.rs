//! The limits of a relay, as libp2p wants them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use libp2p::relay::{self, RateLimiter};
use libp2p::{Multiaddr, PeerId};

use crate::config::{Relay, TimeSpan};

use super::admission::{AdmissionPolicy, Refusal, RequestKind};

/// libp2p's settings for the configuration's. Before anything is granted, `policy` is asked.
pub fn config(settings: &Relay, policy: &Arc<AdmissionPolicy>) -> relay::Config {
    let limits = [
        Limit {
            burst: settings.reservation_burst_per_peer,
            refill: settings.reservation_refill_per_peer,
            request: RequestKind::Reserve,
            refusal: Refusal::PeerRate,
        },
        Limit {
            burst: settings.reservation_burst_per_ip,
            refill: settings.reservation_refill_per_ip,
            request: RequestKind::Reserve,
            refusal: Refusal::AddressRate,
        },
        Limit {
            burst: settings.circuit_burst_per_peer,
            refill: settings.circuit_refill_per_peer,
            request: RequestKind::Connect,
            refusal: Refusal::PeerRate,
        },
        Limit {
            burst: settings.circuit_burst_per_ip,
            refill: settings.circuit_refill_per_ip,
            request: RequestKind::Connect,
            refusal: Refusal::AddressRate,
        },
    ];
    let mut config = relay::Config {
        // The policy counts places and circuits, since libp2p counts places that are renewed and all that
        // friends have, too.
        max_reservations: settings.max_reservations.saturating_mul(2),
        max_reservations_per_peer: settings.max_reservations_per_peer,
        reservation_duration: settings.reservation_duration.get(),
        reservation_rate_limiters: vec![admission(RequestKind::Reserve, policy)],
        max_circuits: settings.max_circuits.saturating_mul(2),
        max_circuits_per_peer: settings.max_circuits_per_peer,
        max_circuit_duration: settings.max_circuit_duration.get(),
        max_circuit_bytes: settings.max_circuit_bytes,
        circuit_src_rate_limiters: vec![admission(RequestKind::Connect, policy)],
    };
    for limit in limits {
        config = limit.put_upon(config, policy);
    }
    config.reservation_rate_limiters.push(places(policy));
    config.circuit_src_rate_limiters.push(circuits(policy));
    config
}

/// A rate limiter of libp2p's.
struct Limit {
    burst: u32,
    refill: TimeSpan,
    request: RequestKind,
    /// What it stands for.
    refusal: Refusal,
}

impl Limit {
    /// Adds libp2p's own limiter, wrapped so that the reason of its refusals is kept.
    fn put_upon(self, config: relay::Config, policy: &Arc<AdmissionPolicy>) -> relay::Config {
        let Some(burst) = NonZeroU32::new(self.burst) else {
            return config;
        };
        let refill = self.refill.get();
        let by_peer = self.refusal == Refusal::PeerRate;
        let mut config = match (self.request, by_peer) {
            (RequestKind::Reserve, true) => config.reservation_rate_per_peer(burst, refill),
            (RequestKind::Reserve, false) => config.reservation_rate_per_ip(burst, refill),
            (RequestKind::Connect, true) => config.circuit_src_per_peer(burst, refill),
            (RequestKind::Connect, false) => config.circuit_src_per_ip(burst, refill),
        };
        let limiters = match self.request {
            RequestKind::Reserve => &mut config.reservation_rate_limiters,
            RequestKind::Connect => &mut config.circuit_src_rate_limiters,
        };
        if let Some(mut limiter) = limiters.pop() {
            let policy = Arc::clone(policy);
            let Self {
                request, refusal, ..
            } = self;
            limiters.push(Box::new(
                move |peer: PeerId, address: &Multiaddr, now: Instant| {
                    let admits = limiter.try_next(peer, address, now);
                    if !admits {
                        policy.turned_away(request, peer, refusal);
                    }
                    admits
                },
            ));
        }
        config
    }
}

fn admission(request: RequestKind, policy: &Arc<AdmissionPolicy>) -> Box<dyn RateLimiter> {
    let policy = Arc::clone(policy);
    Box::new(move |peer: PeerId, _: &Multiaddr, _: Instant| policy.admits(request, peer))
}

/// Gives places to those whom nothing else keeps from having one, so it is asked last.
fn places(policy: &Arc<AdmissionPolicy>) -> Box<dyn RateLimiter> {
    let policy = Arc::clone(policy);
    Box::new(move |peer: PeerId, address: &Multiaddr, now: Instant| {
        policy.gives_place(peer, address, now)
    })
}

/// Gives circuits to those whom nothing else keeps from having one, so it is asked last.
fn circuits(policy: &Arc<AdmissionPolicy>) -> Box<dyn RateLimiter> {
    let policy = Arc::clone(policy);
    Box::new(move |peer: PeerId, address: &Multiaddr, now: Instant| {
        policy.gives_circuit(peer, address, now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_too_often_has_nobody_make_way() {
        let (mut ours, policy) = built(&Relay {
            circuit_burst_per_ip: 2,
            ..Relay::default()
        });
        let now = Instant::now();
        let at = |net: u8| {
            let address = format!("/ip4/{net}.1.1.1/tcp/1");
            address.parse::<Multiaddr>().expect("an address")
        };
        for net in 1..=20 {
            while policy.gives_circuit(PeerId::random(), &at(net), now) {}
        }
        policy.giving_way();
        let asks = |_| {
            let (peer, address) = (PeerId::random(), at(99));
            let mut limiters = ours.circuit_src_rate_limiters.iter_mut();
            assert!(!limiters.all(|limiter| limiter.try_next(peer, &address, now)));
            policy.giving_way().len()
        };
        assert_eq!((0..100).map(asks).sum::<usize>(), 2);
    }

    fn built(settings: &Relay) -> (relay::Config, Arc<AdmissionPolicy>) {
        let policy = Arc::new(AdmissionPolicy::new(settings));
        (config(settings, &policy), policy)
    }

    #[test]
    fn the_default_limits_are_those_of_libp2p() {
        let (ours, _) = built(&Relay::default());
        let stock = relay::Config::default();
        assert_eq!(Relay::default().max_reservations, stock.max_reservations);
        assert_eq!(ours.max_reservations, 2 * stock.max_reservations);
        assert_eq!(
            ours.max_reservations_per_peer,
            stock.max_reservations_per_peer
        );
        assert_eq!(ours.reservation_duration, stock.reservation_duration);
        assert_eq!(Relay::default().max_circuits, stock.max_circuits);
        assert_eq!(ours.max_circuits, 2 * stock.max_circuits);
        assert_eq!(ours.max_circuits_per_peer, stock.max_circuits_per_peer);
        assert_eq!(ours.max_circuit_duration, stock.max_circuit_duration);
        assert_eq!(ours.max_circuit_bytes, stock.max_circuit_bytes);
    }

    /// How many requests of one peer in one moment a chain of limiters admits.
    fn admitted(limiters: &mut [Box<dyn RateLimiter>], peer: PeerId) -> usize {
        let address = "/ip4/192.0.2.1/tcp/1".parse().expect("an address");
        let now = Instant::now();
        let admits = |limiter: &mut Box<dyn RateLimiter>| limiter.try_next(peer, &address, now);
        (0..1000)
            .take_while(|_| limiters.iter_mut().all(admits))
            .count()
    }

    #[test]
    fn bursts_end_where_those_of_libp2p_do_and_are_told() {
        let peer = PeerId::random();
        let many = Relay {
            max_circuits: 1_000,
            ..Relay::default()
        };
        let (mut ours, policy) = built(&many);
        let mut stock = relay::Config::default();
        for (request, ours, stock) in [
            (
                RequestKind::Reserve,
                &mut ours.reservation_rate_limiters,
                &mut stock.reservation_rate_limiters,
            ),
            (
                RequestKind::Connect,
                &mut ours.circuit_src_rate_limiters,
                &mut stock.circuit_src_rate_limiters,
            ),
        ] {
            assert_eq!(admitted(ours, peer), 30);
            assert_eq!(admitted(stock, peer), 30);
            assert_eq!(policy.refusal(request, peer), Some(Refusal::PeerRate));
        }
        let (mut ours, policy) = built(&Relay {
            circuit_burst_per_peer: 0,
            ..many
        });
        assert_eq!(admitted(&mut ours.circuit_src_rate_limiters, peer), 60);
        let refusal = policy.refusal(RequestKind::Connect, peer);
        assert_eq!(refusal, Some(Refusal::AddressRate));
        // Circuits under way are strangers' up to their bound, and friends' beyond it.
        let (mut ours, policy) = built(&Relay::default());
        let stranger = PeerId::random();
        assert_eq!(admitted(&mut ours.circuit_src_rate_limiters, stranger), 11);
        policy.set_friends([peer].into());
        assert_eq!(admitted(&mut ours.circuit_src_rate_limiters, peer), 30);
    }
}
