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
use crate::wall_clock::wall_clock_ms;

use super::Kad;
use super::queries::Purpose;

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
        if self.publishing.begun && core.public_addresses() != self.publishing.addresses {
            self.publishing.publish_at = Some(Instant::now() + SETTLE);
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
        let addresses = core.public_addresses();
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
