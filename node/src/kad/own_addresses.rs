//! Which of the node's own addresses Kademlia knows, and so tells to whoever asks who offers a service.
//!
//! Owns what the swarm has told of them. libp2p hears of those alone that the farthest peer may know.

use libp2p::Multiaddr;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::FromSwarm;
use libp2p::swarm::behaviour::{
    ExpiredListenAddr, ExternalAddrConfirmed, ExternalAddrExpired, NewListenAddr,
};

use crate::scope::Scope;

/// By what the node has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// It listens there.
    Listener(ListenerId),
    /// It is reached there.
    Reach,
}

/// An address of the node.
#[derive(Debug)]
struct Own {
    by: By,
    address: Multiaddr,
    /// Whether Kademlia knows of it.
    known: bool,
}

/// The node's addresses: few.
#[derive(Debug)]
pub struct OwnAddresses {
    all: Vec<Own>,
    farthest: Scope,
}

impl Default for OwnAddresses {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            farthest: Scope::Machine,
        }
    }
}

/// Something that Kademlia is to know, or to know no longer.
#[derive(Debug)]
pub struct Change {
    by: By,
    address: Multiaddr,
    knows: bool,
}

impl Change {
    /// As the swarm tells it.
    pub fn event(&self) -> FromSwarm<'_> {
        let addr = &self.address;
        match (self.by, self.knows) {
            (By::Listener(listener_id), true) => {
                FromSwarm::NewListenAddr(NewListenAddr { listener_id, addr })
            }
            (By::Listener(listener_id), false) => {
                FromSwarm::ExpiredListenAddr(ExpiredListenAddr { listener_id, addr })
            }
            (By::Reach, true) => FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr }),
            (By::Reach, false) => FromSwarm::ExternalAddrExpired(ExternalAddrExpired { addr }),
        }
    }
}

impl OwnAddresses {
    /// Whether what the swarm tells may be known. Of what tells no address of ours all may.
    pub fn lets_know(&mut self, event: &FromSwarm<'_>) -> bool {
        let (by, address, is_new) = match event {
            FromSwarm::NewListenAddr(new) => (By::Listener(new.listener_id), new.addr, true),
            FromSwarm::ExpiredListenAddr(old) => (By::Listener(old.listener_id), old.addr, false),
            FromSwarm::ExternalAddrConfirmed(new) => (By::Reach, new.addr, true),
            FromSwarm::ExternalAddrExpired(old) => (By::Reach, old.addr, false),
            // Only these four say where we are.
            _ => return true,
        };
        let is_it = |own: &Own| own.by == by && own.address == *address;
        let before = self.all.iter().position(is_it);
        let before = before.map(|at| self.all.swap_remove(at));
        if !is_new {
            return before.is_none_or(|before| before.known);
        }
        let known = self.farthest.may_know(address);
        let address = address.clone();
        self.all.push(Own { by, address, known });
        known
    }

    /// The farthest peer is so far away now: what Kademlia is to know of, or not any more.
    pub fn confine(&mut self, farthest: Scope) -> Vec<Change> {
        if std::mem::replace(&mut self.farthest, farthest) == farthest {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for own in &mut self.all {
            let knows = farthest.may_know(&own.address);
            if std::mem::replace(&mut own.known, knows) != knows {
                let (by, address) = (own.by, own.address.clone());
                changes.push(Change { by, address, knows });
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use libp2p::swarm::{ExternalAddresses, ListenAddresses};

    use super::*;

    /// What a behaviour of libp2p knows.
    #[derive(Default)]
    struct Knows {
        own: OwnAddresses,
        listens: ListenAddresses,
        reached: ExternalAddresses,
    }

    impl Knows {
        fn hears(&mut self, event: FromSwarm<'_>) {
            if self.own.lets_know(&event) {
                self.takes(&event);
            }
        }

        fn takes(&mut self, event: &FromSwarm<'_>) {
            self.listens.on_swarm_event(event);
            self.reached.on_swarm_event(event);
        }

        fn check(&mut self, farthest: Scope, expected: &[&str]) {
            for change in self.own.confine(farthest) {
                self.takes(&change.event());
            }
            let all = self.listens.iter().chain(self.reached.iter());
            let mut all: Vec<_> = all.map(ToString::to_string).collect();
            all.sort();
            assert_eq!(all, expected, "{farthest:?}");
        }
    }

    #[test]
    fn kademlia_knows_of_us_what_the_farthest_peer_may_know() {
        let mut knows = Knows::default();
        let listener_id = ListenerId::next();
        let texts = [
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/192.0.2.1/tcp/1",
            "/ip4/192.168.1.2/tcp/1",
        ];
        let addresses = texts.map(|text| -> Multiaddr { text.parse().expect("an address") });
        for addr in &addresses {
            knows.hears(FromSwarm::NewListenAddr(NewListenAddr {
                listener_id,
                addr,
            }));
        }
        let reached = "/ip4/10.0.0.1/tcp/1".parse().expect("an address");
        let addr = &reached;
        knows.hears(FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed {
            addr,
        }));
        let at_home = ["/ip4/10.0.0.1/tcp/1", texts[1], texts[2]];
        knows.check(
            Scope::Machine,
            &["/ip4/10.0.0.1/tcp/1", texts[0], texts[1], texts[2]],
        );
        knows.check(Scope::Lan, &at_home);
        knows.check(Scope::World, &texts[1..2]);
        // What comes and goes meanwhile.
        let addr = &addresses[2];
        knows.hears(FromSwarm::ExpiredListenAddr(ExpiredListenAddr {
            listener_id,
            addr,
        }));
        knows.hears(FromSwarm::NewListenAddr(NewListenAddr {
            listener_id,
            addr,
        }));
        knows.check(Scope::World, &texts[1..2]);
        knows.check(Scope::Lan, &at_home);
        knows.hears(FromSwarm::ExpiredListenAddr(ExpiredListenAddr {
            listener_id,
            addr,
        }));
        knows.check(Scope::Lan, &at_home[..2]);
    }
}
