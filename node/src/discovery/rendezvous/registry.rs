//! Who is registered at a point, under which names.
//!
//! Owns what is kept, for how long, and how much of one peer and of one machine or home. A registration
//! takes the place of what the same peer had under the same name, and of that nothing stays. What is
//! registered has been verified before.
//!
//! Registrations are numbered in the order in which they came, and a cookie is the number of the last that
//! was told: so the next question is answered with what has come since, and nothing is kept of who asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::response::PAGE_BYTES_MAX;
use super::{Registration, Status};
use crate::config::Rendezvous;
use crate::entropy;
use crate::entry::Site;

/// How long a registration stands for which no time is asked: that of the specification.
const TTL_DEFAULT: Duration = Duration::from_hours(2);
/// Of all that is kept, what one site may have is this part.
const SITE_PART: u32 = 4;
/// Of a cookie's first eight bytes these count registrations: enough for a thousand a second over 34
/// years. Those above tell one life of the point from another.
const NUMBER_BITS: u32 = 40;
/// A cookie's first bytes; the name follows.
const COOKIE_NUMBER_BYTES: usize = 8;

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Times that a registration may stand, in seconds.
    ttl_s: (u64, u64),
    /// Registrations in all, at least 1.
    total: u32,
    /// Those of one peer.
    of_peer: u32,
    /// Those of one machine or home.
    of_site: u32,
}

impl Bounds {
    /// As they are configured.
    pub fn of(config: &Rendezvous) -> Self {
        let total = config.max_registrations;
        Self {
            ttl_s: (
                config.min_ttl.get().as_secs(),
                config.max_ttl.get().as_secs(),
            ),
            total,
            of_peer: config.max_per_peer,
            of_site: total.div_ceil(SITE_PART),
        }
    }
}

/// One who is registered.
#[derive(Debug)]
struct Held {
    namespace: String,
    peer: PeerId,
    site: Option<Site>,
    record: Arc<[u8]>,
    ends: Instant,
}

/// Somebody who is to be registered.
#[derive(Debug)]
pub struct Newcomer {
    /// The name.
    pub namespace: String,
    /// The peer, whose record it is.
    pub peer: PeerId,
    /// Where a stranger is. Of others no share is counted.
    pub site: Option<Site>,
    /// A signed envelope.
    pub record: Vec<u8>,
    /// For so many seconds.
    pub ttl_s: Option<u64>,
}

/// All who are registered.
#[derive(Debug)]
pub struct Registry {
    bounds: Bounds,
    /// Differs from that of another life of the point; of the highest bits of a cookie's number.
    life: u64,
    /// The number of the last registration.
    last: u64,
    held: BTreeMap<u64, Held>,
    numbers: BTreeMap<(PeerId, String), u64>,
    named: BTreeMap<String, BTreeSet<u64>>,
    of_peers: BTreeMap<PeerId, u32>,
    of_sites: BTreeMap<Site, u32>,
    ends: BTreeSet<(Instant, u64)>,
}

impl Registry {
    /// Nobody is registered yet.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            life: u64::from_be_bytes(entropy::bytes()) >> NUMBER_BITS,
            last: 0,
            held: BTreeMap::new(),
            numbers: BTreeMap::new(),
            named: BTreeMap::new(),
            of_peers: BTreeMap::new(),
            of_sites: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }

    /// Registers somebody; for how many seconds.
    ///
    /// # Errors
    /// The [`Status`] for which they are not; what they had before stays then.
    pub fn register(&mut self, newcomer: Newcomer, now: Instant) -> Result<u64, Status> {
        self.expire(now);
        let ttl_s = newcomer.ttl_s.unwrap_or(TTL_DEFAULT.as_secs());
        let (shortest, longest) = self.bounds.ttl_s;
        if !(shortest..=longest).contains(&ttl_s) {
            return Err(Status::InvalidTtl);
        }
        let Newcomer {
            namespace,
            peer,
            site,
            record,
            ..
        } = newcomer;
        let key = (peer, namespace);
        let before = self.numbers.get(&key).copied();
        if !self.has_room(before, peer, site.as_ref()) {
            return Err(Status::Unavailable);
        }
        if let Some(before) = before {
            self.remove(before);
        }
        self.last += 1;
        let number = self.last;
        let (_, namespace) = key.clone();
        self.numbers.insert(key, number);
        let named = self.named.entry(namespace.clone()).or_default();
        named.insert(number);
        *self.of_peers.entry(peer).or_default() += 1;
        if let Some(site) = &site {
            *self.of_sites.entry(site.clone()).or_default() += 1;
        }
        let ends = now + Duration::from_secs(ttl_s);
        self.ends.insert((ends, number));
        let record = record.into();
        let held = Held {
            namespace,
            peer,
            site,
            record,
            ends,
        };
        self.held.insert(number, held);
        Ok(ttl_s)
    }

    /// Whether one more of `peer` at `site` finds room when the one `before` has gone.
    fn has_room(&self, before: Option<u64>, peer: PeerId, site: Option<&Site>) -> bool {
        let before = before.and_then(|number| self.held.get(&number));
        let total = self.held.len() - usize::from(before.is_some());
        let of_peer = self.of_peers.get(&peer).copied().unwrap_or_default();
        let of_peer = of_peer - u32::from(before.is_some());
        let of_site = site.map_or(0, |site| {
            let there = self.of_sites.get(site).copied().unwrap_or_default();
            there - u32::from(before.is_some_and(|held| held.site.as_ref() == Some(site)))
        });
        total < self.bounds.total as usize
            && of_peer < self.bounds.of_peer
            && of_site < self.bounds.of_site
    }

    /// Forgets what `peer` has under a name.
    pub fn unregister(&mut self, namespace: String, peer: PeerId) {
        if let Some(number) = self.numbers.get(&(peer, namespace)).copied() {
            self.remove(number);
        }
    }

    /// At most `limit` of those who are registered, those first who came first, and the cookie for those
    /// that follow.
    ///
    /// # Errors
    /// [`Status::InvalidCookie`] for one that is none, or is for another name.
    pub fn discover(
        &mut self,
        namespace: Option<&str>,
        cookie: Option<&[u8]>,
        limit: Option<u64>,
        now: Instant,
    ) -> Result<(Vec<Registration>, Vec<u8>), Status> {
        self.expire(now);
        let after = match cookie {
            Some(cookie) => self.number_of(namespace, cookie)?,
            None => 0,
        };
        let named = namespace.map(|name| self.named.get(name));
        let numbers: Box<dyn Iterator<Item = &u64>> = match named {
            None => Box::new(self.held.range(after + 1..).map(|(number, _)| number)),
            Some(Some(named)) => Box::new(named.range(after + 1..)),
            Some(None) => Box::new(std::iter::empty()),
        };
        let limit = limit.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX));
        let (mut page, mut bytes, mut told) = (Vec::new(), 0, after);
        for number in numbers.take(limit) {
            let held = &self.held[number];
            let left = held.ends.saturating_duration_since(now);
            let one = Registration {
                namespace: held.namespace.clone(),
                record: Arc::clone(&held.record),
                ttl_s: left.as_millis().div_ceil(1_000) as u64,
            };
            bytes += one.bytes();
            if bytes > PAGE_BYTES_MAX {
                break;
            }
            page.push(one);
            told = *number;
        }
        Ok((page, self.cookie(namespace, told)))
    }

    /// What has been told to whoever was told up to a registration. libp2p's clients want eight bytes,
    /// and a name.
    fn cookie(&self, namespace: Option<&str>, told: u64) -> Vec<u8> {
        let number = self.life << NUMBER_BITS | told;
        let name = namespace.unwrap_or_default().as_bytes();
        [number.to_be_bytes().as_slice(), name].concat()
    }

    /// Up to which registration the holder of a cookie has been told; of one from before a restart
    /// nothing is known.
    fn number_of(&self, namespace: Option<&str>, cookie: &[u8]) -> Result<u64, Status> {
        let (number, name) = cookie
            .split_first_chunk::<COOKIE_NUMBER_BYTES>()
            .ok_or(Status::InvalidCookie)?;
        if !name.is_empty() && namespace.map(str::as_bytes) != Some(name) {
            return Err(Status::InvalidCookie);
        }
        let number = u64::from_be_bytes(*number);
        if number >> NUMBER_BITS != self.life {
            return Ok(0);
        }
        Ok(number & ((1 << NUMBER_BITS) - 1))
    }

    /// When the next registration ends.
    pub fn next_time(&self) -> Option<Instant> {
        self.ends.first().map(|(ends, _)| *ends)
    }

    /// Forgets those that have ended.
    pub fn expire(&mut self, now: Instant) {
        while let Some((ends, number)) = self.ends.first().copied()
            && ends <= now
        {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(held) = self.held.remove(&number) else {
            return;
        };
        self.ends.remove(&(held.ends, number));
        if let Some(named) = self.named.get_mut(&held.namespace) {
            named.remove(&number);
            if named.is_empty() {
                self.named.remove(&held.namespace);
            }
        }
        take_one(&mut self.of_peers, &held.peer);
        if let Some(site) = &held.site {
            take_one(&mut self.of_sites, site);
        }
        self.numbers.remove(&(held.peer, held.namespace));
    }
}

/// One less is counted of `key`.
fn take_one<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
