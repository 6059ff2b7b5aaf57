//! Kademlia queries of this node: what each is for, and what comes of it.
//!
//! Owns the list of those under way, which is bounded; what libp2p asks by itself to
//! refresh its table or to hand records on is not in it. The newest of several valid
//! records is taken, so that neither a liar nor somebody who was away misleads, as long
//! as one of those asked is honest and up to date.

use std::collections::BTreeSet;

use libp2p::PeerId;
use libp2p::kad::{
    self, GetClosestPeersError, GetProvidersOk, GetRecordError, GetRecordOk, KBucketKey,
    PeerRecord, QueryId, QueryResult, QueryStats, RecordKey,
};

use crate::api::{Event, LookupMethod, Miss, Reply};
use crate::core::CommandError;
use crate::core::Core;
use crate::core::replies::{ReplySender, answer};
use crate::core::signal::Signal;
use crate::identity::IdentityId;
use crate::kad::{AddressRecord, Kademlia, address_key, service_key};
use crate::wall_clock::wall_clock_ms;

use super::{Kad, refused, table};

/// Queries under way at once; more are refused.
const QUERIES_MAX: usize = 64;

/// Providers of one service that are told of.
const PROVIDERS_MAX: usize = 64;

/// Longest name of a service, in bytes.
const SERVICE_BYTES_MAX: usize = 256;

/// What a query is for.
pub(super) enum Purpose {
    /// To find somebody.
    Find(IdentityId),
    /// To know the version of the own record that is out there.
    Renew,
    /// To publish the own record.
    Publish,
    /// To know the peers nearest to a record.
    Closest(ReplySender),
    /// To offer a service.
    Provide(ReplySender),
    /// To know who offers a service.
    Providers(ReplySender),
}

impl Purpose {
    /// The name in events, kebab-case.
    const fn name(&self) -> &'static str {
        match self {
            Self::Find(_) => "find-address",
            Self::Renew => "renew-address",
            Self::Publish => "publish-address",
            Self::Closest(_) => "closest",
            Self::Provide(_) => "provide",
            Self::Providers(_) => "providers",
        }
    }
}

/// A query under way.
pub(super) struct Query {
    id: QueryId,
    purpose: Purpose,
    /// Whose address, or which service.
    about: String,
    /// The valid record of the highest version so far.
    newest: Option<AddressRecord>,
    /// Valid records so far, of whatever version.
    valid: u32,
    /// Whether a record was not valid.
    wrong: bool,
    /// Peers at which it ends, as far as they are known.
    peers: Vec<PeerId>,
}

/// Why a query did not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotBegun {
    /// Kademlia is off, or does not walk.
    Off,
    /// The table is empty.
    NobodyToAsk,
    /// Too many are under way, or the own store is full.
    Busy,
}

impl From<NotBegun> for CommandError {
    fn from(reason: NotBegun) -> Self {
        match reason {
            NotBegun::Off => Self::invalid(
                &"nothing can be looked up; set kad.enabled = true and kad.walk = true",
            ),
            NotBegun::NobodyToAsk => {
                Self::invalid(&"no node of the table is known; name one in bootstrap.peers")
            }
            NotBegun::Busy => Self::Busy,
        }
    }
}

impl Kad {
    /// Begins a query.
    pub(super) fn begin(
        &mut self,
        core: &mut Core,
        purpose: Purpose,
        about: String,
        key: RecordKey,
        start: impl FnOnce(&mut Kademlia, RecordKey) -> Result<QueryId, kad::store::Error>,
    ) -> Result<(), (Purpose, NotBegun)> {
        let walks = core.context.config.kad.walk;
        let busy = self.queries.len() >= QUERIES_MAX;
        let Some(table) = table(core).filter(|_| walks) else {
            return Err((purpose, NotBegun::Off));
        };
        if table.kbuckets().all(|bucket| bucket.is_empty()) {
            return Err((purpose, NotBegun::NobodyToAsk));
        }
        if busy {
            core.context.limit_reached("queries");
            return Err((purpose, NotBegun::Busy));
        }
        let key = KBucketKey::new(key);
        let nearest = table.get_closest_local_peers(&key);
        let known: Vec<PeerId> = nearest
            .take(kad::K_VALUE.get())
            .map(|peer| *peer.preimage())
            .collect();
        let Ok(id) = start(table, key.into_preimage()) else {
            core.context.limit_reached("own-records");
            return Err((purpose, NotBegun::Busy));
        };
        core.emit(&Event::QueryBegan {
            query: id.to_string(),
            purpose: purpose.name().to_owned(),
            about: about.clone(),
            known,
        });
        self.queries.push(Query {
            id,
            purpose,
            about,
            newest: None,
            valid: 0,
            wrong: false,
            peers: Vec::new(),
        });
        Ok(())
    }

    /// The method `kad`: a signed record under the identity's key.
    pub(super) fn seek(&mut self, core: &mut Core, identity: IdentityId) {
        let (purpose, about) = (Purpose::Find(identity), identity.to_string());
        let begun = self.begin(
            core,
            purpose,
            about,
            address_key(&identity),
            |table, key| Ok(table.get_record(key)),
        );
        if let Err((_, reason)) = begun {
            let miss = match reason {
                NotBegun::Off => Miss::Off,
                NotBegun::NobodyToAsk => Miss::NobodyToAsk,
                NotBegun::Busy => Miss::Busy,
            };
            core.raise(Signal::NotFound {
                identity,
                by: LookupMethod::Kad,
                reason: miss,
            });
        }
    }

    /// Asks for the peers nearest to a record.
    pub fn closest(&mut self, core: &mut Core, identity: IdentityId, reply: ReplySender) {
        let (purpose, about) = (Purpose::Closest(reply), identity.to_string());
        let begun = self.begin(
            core,
            purpose,
            about,
            address_key(&identity),
            |table, key| Ok(table.get_closest_peers(key.to_vec())),
        );
        refuse(begun);
    }

    /// Offers a service.
    pub fn provide(&mut self, core: &mut Core, service: String, reply: ReplySender) {
        let Some((service, reply)) = service_name(&service, reply) else {
            return;
        };
        let key = service_key(&service);
        let begun = self.begin(core, Purpose::Provide(reply), service, key, |table, key| {
            table.start_providing(key)
        });
        refuse(begun);
    }

    /// Asks who offers a service.
    pub fn providers(&mut self, core: &mut Core, service: String, reply: ReplySender) {
        let Some((service, reply)) = service_name(&service, reply) else {
            return;
        };
        let key = service_key(&service);
        let begun = self.begin(
            core,
            Purpose::Providers(reply),
            service,
            key,
            |table, key| Ok(table.get_providers(key)),
        );
        refuse(begun);
    }

    /// A query has brought something, perhaps the last.
    pub(super) fn on_query_progressed(
        &mut self,
        core: &mut Core,
        id: QueryId,
        result: QueryResult,
        stats: &QueryStats,
        last: bool,
    ) {
        let Some(place) = self.queries.iter().position(|query| query.id == id) else {
            return;
        };
        let (mut timed_out, mut stored) = (false, true);
        let query = &mut self.queries[place];
        match result {
            QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))) => {
                self.record_found(core, place, &found);
            }
            QueryResult::GetRecord(Err(GetRecordError::Timeout { .. }))
            | QueryResult::StartProviding(Err(_))
            | QueryResult::GetProviders(Err(_)) => timed_out = true,
            QueryResult::GetClosestPeers(Ok(closest)) => {
                query
                    .peers
                    .extend(closest.peers.iter().map(|peer| peer.peer_id));
            }
            QueryResult::GetClosestPeers(Err(GetClosestPeersError::Timeout { peers, .. })) => {
                query.peers.extend(peers.iter().map(|peer| peer.peer_id));
                timed_out = true;
            }
            QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) => {
                // In order, since libp2p's set has none.
                let told: BTreeSet<PeerId> = query.peers.drain(..).chain(providers).collect();
                query.peers.extend(told.into_iter().take(PROVIDERS_MAX));
            }
            QueryResult::PutRecord(Err(error)) => {
                stored = false;
                timed_out = matches!(error, kad::PutRecordError::Timeout { .. });
            }
            _ => {}
        }
        if last {
            let query = self.queries.remove(place);
            self.on_query_ended(core, query, stats, timed_out, stored);
        }
    }

    /// A peer has answered with a record, which may be a lie.
    fn record_found(&mut self, core: &mut Core, place: usize, found: &PeerRecord) {
        let config = &core.context.config.kad;
        let (quorum, life_max_ms) = (config.read_quorum, config.record_ttl.as_millis_u64());
        let query = &mut self.queries[place];
        let asked: Option<IdentityId> = query.about.parse().ok();
        let key = asked.map(|identity| address_key(&identity));
        let key = key.as_ref().map_or(&[][..], |key| key.as_ref());
        let now_ms = wall_clock_ms();
        match AddressRecord::check(key, &found.record.value, now_ms, life_max_ms) {
            Ok(record) => {
                query.valid += 1;
                let held = query.newest.as_ref().map(|newest| newest.version);
                if held.is_none_or(|held| held < record.version) {
                    query.newest = Some(record);
                    query.peers.clear();
                    query.peers.extend(found.peer);
                } else if held == Some(record.version) {
                    query.peers.extend(found.peer);
                }
                let (enough, id) = (query.valid >= quorum, query.id);
                if enough
                    && let Some(mut under_way) = table(core).and_then(|table| table.query_mut(&id))
                {
                    under_way.finish();
                }
            }
            Err(error) => {
                query.wrong = true;
                if let Some(peer) = &found.peer {
                    refused(core, peer, error.name());
                }
            }
        }
    }

    fn on_query_ended(
        &mut self,
        core: &mut Core,
        query: Query,
        stats: &QueryStats,
        timed_out: bool,
        stored: bool,
    ) {
        let answers = stats.num_successes();
        core.emit(&Event::QueryEnded {
            query: query.id.to_string(),
            purpose: query.purpose.name().to_owned(),
            about: query.about,
            requests: stats.num_requests(),
            answers,
            timed_out,
            peers: query.peers.clone(),
        });
        let peers = || Reply::Peers {
            peers: query.peers.clone(),
        };
        match query.purpose {
            Purpose::Find(identity) => {
                let miss = match &query.newest {
                    Some(record) if record.addresses.is_empty() => Miss::NoAddress,
                    Some(record) => {
                        return core.raise(Signal::Found {
                            identity,
                            by: LookupMethod::Kad,
                            at: (record.peer, record.addresses.clone()),
                        });
                    }
                    None if timed_out => Miss::TimedOut,
                    None if query.wrong => Miss::Wrong,
                    None if answers == 0 => Miss::NobodyToAsk,
                    None => Miss::Absent,
                };
                core.raise(Signal::NotFound {
                    identity,
                    by: LookupMethod::Kad,
                    reason: miss,
                });
            }
            Purpose::Renew => self.publish_address(core, query.newest.as_ref()),
            Purpose::Publish => self.address_published(core, stored),
            Purpose::Closest(reply) | Purpose::Providers(reply) => answer(reply, Ok(peers())),
            Purpose::Provide(reply) => {
                let done = if timed_out {
                    Err(CommandError::invalid(&"nobody has taken note in time"))
                } else {
                    Ok(Reply::Done)
                };
                answer(reply, done);
            }
        }
    }
}

/// Tells whoever asked that a query did not begin.
fn refuse(begun: Result<(), (Purpose, NotBegun)>) {
    if let Err((purpose, reason)) = begun
        && let Purpose::Closest(reply) | Purpose::Provide(reply) | Purpose::Providers(reply) =
            purpose
    {
        answer(reply, Err(reason.into()));
    }
}

fn service_name(name: &str, reply: ReplySender) -> Option<(String, ReplySender)> {
    let name = name.trim();
    if name.is_empty() || name.len() > SERVICE_BYTES_MAX {
        let error = format!("a service's name has from 1 to {SERVICE_BYTES_MAX} bytes");
        answer(reply, Err(CommandError::invalid(&error)));
        return None;
    }
    Some((name.to_owned(), reply))
}
