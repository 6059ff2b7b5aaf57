//! Publishing where this node is reached.
//!
//! Owns the versions of the own record and when it is renewed. Before each renewal the
//! node asks for the record that is out there, and takes a version above it: so a
//! version grows even where a clock was set back or a disk was replaced.

use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use libp2p::kad::{Quorum, Record};

use crate::api::Event;
use crate::backoff::Backoff;
use crate::core::Core;
use crate::kad::{AddressRecord, address_key};
use crate::scope::Scope;
use crate::wall_clock::wall_clock_ms;

use super::queries::Purpose;
use super::{Kad, table};

/// Addresses change in groups; this pause lets one record tell of all.
const SETTLE: Duration = Duration::from_secs(1);

/// The own record.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    /// Whether the table has been filled once, so that there is somebody to publish to.
    begun: bool,
    /// The highest version that this node has signed.
    version: u64,
    /// What that version says.
    addresses: Vec<Multiaddr>,
    backoff: Backoff,
    /// When it is renewed.
    pub(super) publish_at: Option<Instant>,
}

impl Kad {
    /// The table has been refreshed. The first time, the own addresses are published.
    pub(super) fn on_table_filled(&mut self, core: &mut Core) {
        if core.context.config.kad.publish && !self.publishing.begun {
            self.publishing.begun = true;
            self.publishing.publish_at = Some(Instant::now());
        }
    }

    /// The own addresses may be others now.
    pub(super) fn on_addresses_changed(&mut self, core: &mut Core) {
        if self.publishing.begun && recorded(core) != self.publishing.addresses {
            self.publishing.publish_at = Some(Instant::now() + SETTLE);
        }
    }

    /// A peer is connected, who may be farther away than all others: what the own record says of addresses
    /// nearer than that must not be known any longer.
    pub(super) fn on_farther_peers(&mut self, core: &mut Core) {
        let farthest = core.links.farthest();
        let mut published = self.publishing.addresses.iter();
        if published.all(|address| farthest.may_know(address)) {
            return;
        }
        self.publishing.addresses.clear();
        self.publishing.publish_at = Some(Instant::now());
        let key = address_key(&core.context.keys.identity());
        if let Some(table) = table(core) {
            table.remove_record(&key);
        }
    }

    /// Begins a renewal: asks for the record that is out there.
    pub(super) fn renew_address(&mut self, core: &mut Core) {
        let about = core.context.keys.identity();
        let key = address_key(&about);
        let begun = self.begin(
            core,
            Purpose::Renew,
            about.to_string(),
            key,
            |table, key| Ok(table.get_record(key)),
        );
        if begun.is_err() {
            self.publish_later(core);
        }
    }

    /// The record that is out there, if any, is known: the next one is signed and sent.
    pub(super) fn publish_address(&mut self, core: &mut Core, found: Option<&AddressRecord>) {
        let now_ms = wall_clock_ms();
        let out_there = found.map_or(0, |record| record.version.saturating_add(1));
        let next = self.publishing.version.saturating_add(1);
        let version = now_ms.max(out_there).max(next);
        let addresses = recorded(core);
        let life = core.context.config.kad.record_ttl;
        let expires_ms = now_ms.saturating_add(life.as_millis_u64());
        let keys = &core.context.keys;
        let record = match AddressRecord::issue(keys, version, expires_ms, &addresses) {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(%error, "the own addresses cannot be signed");
                return self.publish_later(core);
            }
        };
        self.publishing.version = version;
        self.publishing.addresses = addresses;
        let expires = Instant::now() + life.get();
        let (about, key) = (record.identity.to_string(), address_key(&record.identity));
        let begun = self.begin(core, Purpose::Publish, about, key, |table, key| {
            let mut sent = Record::new(key, record.encode());
            sent.expires = Some(expires);
            table.put_record(sent, Quorum::One)
        });
        if begun.is_err() {
            self.publish_later(core);
        }
    }

    /// The record has been sent to those nearest to its key, or to nobody.
    pub(super) fn address_published(&mut self, core: &mut Core, stored: bool) {
        if !stored {
            return self.publish_later(core);
        }
        self.publishing.backoff.reset();
        let pause = core.context.config.kad.publish_interval.get();
        self.publishing.publish_at = Some(Instant::now() + pause);
        let Publishing {
            version, addresses, ..
        } = &self.publishing;
        core.emit(&Event::AddressPublished {
            version: *version,
            addresses: addresses.iter().map(ToString::to_string).collect(),
        });
        self.on_addresses_changed(core);
    }

    fn publish_later(&mut self, core: &mut Core) {
        let pause = self.publishing.backoff.fail(&core.context.config.dial);
        self.publishing.publish_at = Some(Instant::now() + pause);
    }
}

/// Where the own record says that the node is. It stays with others for days, who hand it to peers that
/// are connected with them later: it names an address of a local network only where there is no other.
fn recorded(core: &Core) -> Vec<Multiaddr> {
    let mut addresses = core.public_addresses();
    let is_public = |address: &Multiaddr| Scope::of(address) == Scope::World;
    if addresses.iter().any(is_public) {
        addresses.retain(is_public);
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::core::links::Link;
    use crate::core::signal::Signal;
    use crate::services::{Service, fake};

    use libp2p::PeerId;
    use libp2p::core::ConnectedPoint;
    use libp2p::kad::store::RecordStore;
    use libp2p::swarm::ConnectionId;

    fn comes(core: &mut Core, kad: &mut Kad, number: usize, from: &str) {
        let endpoint = ConnectedPoint::Listener {
            local_addr: fake::address("/ip4/192.168.1.2/tcp/4150"),
            send_back_addr: fake::address(from),
        };
        let peer = PeerId::random();
        let connection = ConnectionId::new_unchecked(number);
        core.links.add(connection, Link::new(peer, &endpoint));
        let connected = Signal::Connected {
            peer,
            connection,
            endpoint,
        };
        kad.on_signal(core, &connected);
    }

    #[test]
    fn the_own_record_is_renewed_before_a_peer_from_afar_asks_for_it() {
        let mut config = Config::default();
        (config.kad.enabled, config.kad.walk) = (true, true);
        let (mut core, _) = fake::core(config);
        let mut kad = Kad::default();
        kad.publishing.begun = true;
        kad.publishing.addresses = vec![fake::address("/ip4/192.168.1.2/tcp/4150")];
        let key = address_key(&core.context.keys.identity());
        let own = Record::new(key.clone(), vec![1]);
        let table = table(&mut core).expect("Kademlia is on");
        table.put_record(own, Quorum::One).expect("there is room");
        comes(&mut core, &mut kad, 1, "/ip4/192.168.1.7/tcp/1");
        assert_eq!(kad.publishing.publish_at, None);
        comes(&mut core, &mut kad, 2, "/ip4/198.51.100.7/tcp/1");
        assert!(kad.publishing.publish_at.is_some());
        let table = super::table(&mut core).expect("Kademlia is on");
        assert!(table.store_mut().get(&key).is_none());
    }

    #[test]
    fn a_record_names_no_private_address_beside_a_public_one() {
        let (mut core, _) = fake::core(Config::default());
        let [home, public] = ["/ip4/192.168.1.2/tcp/1", "/ip4/192.0.2.1/tcp/1"].map(fake::address);
        comes(&mut core, &mut Kad::default(), 1, "/ip4/192.168.1.7/tcp/1");
        core.swarm.add_external_address(home.clone());
        assert_eq!(recorded(&core), [home]);
        core.swarm.add_external_address(public.clone());
        assert_eq!(recorded(&core), [public]);
    }
}
