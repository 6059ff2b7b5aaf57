//! What the node does when it is told to.
//!
//! Commands that touch the store become storage jobs; their reply is given
//! when the job has ended, and only then.

use std::collections::BTreeSet;
use std::time::Instant;

use libp2p::PeerId;

use crate::api::{self, Command, Event, Reply};
use crate::audience::Audience;
use crate::card::Card;
use crate::identity::{IdentityId, SignError};
use crate::op::OpId;
use crate::protocol::tell_ended;
use crate::store::{Granted, Store, StoreError};
use crate::wall_clock::wall_clock_ms;

use super::CommandError;
use super::agenda::Errand;
use super::driver::{Driver, JOBS_MAX, Then};
use super::waiters::ReplySender;

/// Peers that are denied at most on account of one blocked identity: it may have as many as it
/// likes.
const DENIED_MAX: usize = 64;

/// Most posts in one reply.
pub const TIMELINE_MAX: u32 = 10_000;

/// What comes of a command's storage job: a reply, and what the loop does then.
type Outcome = Result<(Reply, Then), CommandError>;

fn nothing() -> Then {
    Box::new(|_| {})
}

impl Driver {
    /// Does `command`, and answers at `reply`.
    pub(super) fn command(&mut self, command: Command, reply: ReplySender) {
        if self.jobs.len() >= JOBS_MAX || self.waiters.len() >= JOBS_MAX {
            self.context.limit_reached("commands");
            answer(reply, Err(CommandError::Busy));
            return;
        }
        let feed_is_needed = matches!(command, Command::Follow { .. } | Command::Pull { .. });
        if feed_is_needed && !self.context.config.feed.enabled {
            let error = "feeds are off; set feed.enabled = true to exchange them";
            answer(reply, Err(CommandError::invalid(&error)));
            return;
        }
        match command {
            Command::Post { body, to } => self.post(body, &to, reply),
            Command::Follow { card } => self.follow(&card, reply),
            Command::Unfollow { identity } => self.unfollow(&identity, reply),
            Command::Block { identity } => self.block(&identity, reply),
            Command::Unblock { identity } => self.unblock(&identity, reply),
            Command::Grant { op, reader } => self.grant(&op, &reader, reply),
            Command::Pull { from } => self.pull(from.as_deref(), reply),
            Command::Timeline { limit, author } => {
                self.timeline(limit, author.as_deref(), reply);
            }
            Command::Reindex => self.reindex(reply),
            Command::BeginLogs => self.begin_logs(reply),
            Command::Card => answer(reply, self.card()),
            Command::Status => answer(reply, Ok(self.status())),
            Command::Dial { address } => {
                let done = self.dial_address(&address);
                answer(reply, done);
            }
            Command::DialPeer { addresses } => {
                let done = self.dial_peer(&addresses);
                answer(reply, done);
            }
            Command::Reach {
                identity,
                peer,
                addresses,
                wait,
            } => self.reach(&identity, peer.as_deref(), &addresses, wait, reply),
            Command::Lookup { identity, by, wait } => self.look_up(&identity, by, wait, reply),
            Command::Closest { identity } => self.closest(&identity, reply),
            Command::Provide { service } => self.provide(&service, reply),
            Command::Providers { service } => self.providers(&service, reply),
            Command::Join { topic } => {
                let done = self.join(&topic);
                answer(reply, done);
            }
            Command::Leave { topic } => {
                let done = self.leave(&topic);
                answer(reply, done);
            }
            Command::Publish { topic, data } => {
                let done = self.publish(&topic, data);
                answer(reply, done);
            }
        }
    }

    /// Runs `work` on the store; `finish` turns its result into the outcome.
    fn store_job<T: Send + 'static>(
        &mut self,
        doing: &'static str,
        reply: ReplySender,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
        finish: impl FnOnce(&Driver, T) -> Outcome + Send + 'static,
    ) {
        let shelf = self.context.shelf.clone();
        self.start_job(async move {
            let result = shelf.with(work).await;
            let then: Then = Box::new(move |driver| match result {
                Ok(Ok(value)) => match finish(driver, value) {
                    Ok((done, then)) => {
                        answer(reply, Ok(done));
                        then(driver);
                    }
                    Err(error) => answer(reply, Err(error)),
                },
                Ok(Err(error)) => {
                    if error.is_storage() {
                        driver.context.storage_failed(doing, &error);
                    }
                    answer(reply, Err(error.into()));
                }
                Err(error) => {
                    driver.context.storage_unreached(doing, &error.to_string());
                    answer(reply, Err(error.into()));
                }
            });
            then
        });
    }

    fn post(&mut self, body: serde_json::Value, to: &api::Audience, reply: ReplySender) {
        let to = match Audience::try_from(to) {
            Ok(to) => to,
            Err(error) => return answer(reply, Err(CommandError::invalid(&error))),
        };
        let wall_ms = wall_clock_ms();
        self.store_job(
            "posting",
            reply,
            move |store| store.post(body, &to, wall_ms),
            |driver, posted| {
                driver.emit(&Event::Posted {
                    op: posted.op.to_string(),
                    stamp_ms: posted.stamp_ms,
                    readers: posted.readers.iter().map(ToString::to_string).collect(),
                });
                for reader in &posted.left_out {
                    driver.emit(&Event::ReaderLeftOut {
                        op: posted.op.to_string(),
                        reader: reader.to_string(),
                    });
                }
                let done = Reply::Posted {
                    op: posted.op.to_string(),
                    seq: posted.seq,
                };
                Ok((done, nothing()))
            },
        );
    }

    fn follow(&mut self, card: &str, reply: ReplySender) {
        let card: Card = match card.trim().parse() {
            Ok(card) => card,
            Err(error) => return answer(reply, Err(CommandError::invalid(&error))),
        };
        let kept = card.clone();
        let wall_ms = wall_clock_ms();
        self.store_job(
            "following",
            reply,
            move |store| store.follow_newer(&kept, wall_ms),
            move |_, _| {
                let then: Then = Box::new(move |driver| {
                    let identity = card.identity();
                    driver.befriend(card);
                    // The first pull need not wait for its turn.
                    driver.want_pull(identity);
                });
                Ok((Reply::Done, then))
            },
        );
    }

    fn unfollow(&mut self, identity: &str, reply: ReplySender) {
        let Some((identity, reply)) = parsed::<IdentityId>(identity, reply) else {
            return;
        };
        self.store_job(
            "unfollowing",
            reply,
            move |store| store.unfollow(identity),
            move |_, was_followed| {
                if !was_followed {
                    return Err(CommandError::invalid(&format!(
                        "{identity} is not followed"
                    )));
                }
                let then: Then = Box::new(move |driver| driver.unfriend(identity));
                Ok((Reply::Done, then))
            },
        );
    }

    fn block(&mut self, identity: &str, reply: ReplySender) {
        let Some((identity, reply)) = parsed::<IdentityId>(identity, reply) else {
            return;
        };
        self.store_job(
            "blocking",
            reply,
            move |store| {
                store.block(identity)?;
                store.card_of(identity)
            },
            move |_, card| {
                let then: Then = Box::new(move |driver| {
                    driver.context.set_blocked(identity, true);
                    let mut peers: BTreeSet<_> =
                        driver.links.peers_of(identity).into_iter().collect();
                    peers.extend(card.filter(Card::is_signed_by_peer).map(|card| card.peer));
                    driver.unfriend(identity);
                    driver.deny(identity, peers);
                });
                Ok((Reply::Done, then))
            },
        );
    }

    fn unblock(&mut self, identity: &str, reply: ReplySender) {
        let Some((identity, reply)) = parsed::<IdentityId>(identity, reply) else {
            return;
        };
        self.store_job(
            "unblocking",
            reply,
            move |store| {
                let was_blocked = store.unblock(identity)?;
                let mut following = store.following()?;
                following.retain(|card| card.identity() == identity);
                Ok((was_blocked, following.pop()))
            },
            move |_, (was_blocked, followed)| {
                if !was_blocked {
                    return Err(CommandError::invalid(&format!("{identity} is not blocked")));
                }
                let then: Then = Box::new(move |driver| {
                    driver.context.set_blocked(identity, false);
                    for peer in driver.denied.remove(&identity).unwrap_or_default() {
                        driver.permit(peer);
                    }
                    if let Some(card) = followed {
                        driver.befriend(card);
                    }
                });
                Ok((Reply::Done, then))
            },
        );
    }

    /// Denies connections with `peers`, which proved or signed that they speak for a blocked
    /// identity, and closes those there are. A friend's peer is never denied, whoever else
    /// claims it.
    pub(super) fn deny(&mut self, identity: IdentityId, peers: BTreeSet<PeerId>) {
        let denied = self.denied.entry(identity).or_default();
        for peer in peers {
            if self.friend_peers.contains_key(&peer) || denied.contains(&peer) {
                continue;
            }
            if denied.len() >= DENIED_MAX {
                self.context.limit_reached("denied-peers");
                // It is refused by its proof, each time.
                let _ = self.swarm.disconnect_peer_id(peer);
                continue;
            }
            denied.insert(peer);
            self.swarm.behaviour_mut().denied.block_peer(peer);
        }
    }

    /// Lets a peer connect, whoever it spoke for before.
    pub(super) fn permit(&mut self, peer: PeerId) {
        for peers in self.denied.values_mut() {
            peers.remove(&peer);
        }
        self.swarm.behaviour_mut().denied.unblock_peer(peer);
    }

    fn grant(&mut self, op: &str, reader: &str, reply: ReplySender) {
        let Some((op, reply)) = parsed::<OpId>(op, reply) else {
            return;
        };
        let Some((reader, reply)) = parsed::<IdentityId>(reader, reply) else {
            return;
        };
        self.store_job(
            "granting",
            reply,
            move |store| store.grant(op, reader),
            move |driver, granted| {
                if granted == Granted::New {
                    driver.emit(&Event::Granted {
                        op: op.to_string(),
                        reader: reader.to_string(),
                    });
                }
                Ok((Reply::Done, nothing()))
            },
        );
    }

    fn pull(&mut self, from: Option<&str>, reply: ReplySender) {
        let (friends, reply) = match from {
            None => (self.friends.keys().copied().collect(), reply),
            Some(name) => {
                let Some((friend, reply)) = parsed::<IdentityId>(name, reply) else {
                    return;
                };
                if !self.friends.contains_key(&friend) {
                    let error = format!("{friend} is not followed, or is blocked");
                    return answer(reply, Err(CommandError::invalid(&error)));
                }
                (vec![friend], reply)
            }
        };
        let waiter = self.waiters.add(reply, &friends, self.next_pull);
        for friend in friends {
            if self.links.of_identity(friend).is_none() {
                self.dial(friend);
            }
            self.want_pull(friend);
        }
        if self.waiters.contains(waiter) {
            let patience = self.context.config.sync.timeout.get();
            self.agenda
                .set(Errand::GiveUp(waiter), Instant::now() + patience);
        }
    }

    fn timeline(&mut self, limit: u32, author: Option<&str>, reply: ReplySender) {
        let (author, reply) = match author {
            None => (None, reply),
            Some(name) => match parsed::<IdentityId>(name, reply) {
                Some((author, reply)) => (Some(author), reply),
                None => return,
            },
        };
        self.store_job(
            "reading the timeline",
            reply,
            move |store| store.timeline_at(limit.min(TIMELINE_MAX), author, wall_clock_ms()),
            |driver, shown| {
                if let Some(error) = &shown.damaged {
                    let context = &driver.context;
                    context.storage_failed("reading the timeline", error);
                }
                Ok((Reply::Timeline { posts: shown.posts }, nothing()))
            },
        );
    }

    fn reindex(&mut self, reply: ReplySender) {
        self.store_job("reindexing", reply, Store::reindex, |_, done| {
            let done = Reply::Reindexed {
                before: hex(&done.before),
                after: hex(&done.after),
                ops: done.ops,
            };
            Ok((done, nothing()))
        });
    }

    fn begin_logs(&mut self, reply: ReplySender) {
        self.store_job("ending logs", reply, Store::begin_logs, |driver, ended| {
            tell_ended(&driver.context.outlet, &ended);
            Ok((Reply::Done, nothing()))
        });
    }

    fn card(&self) -> Result<Reply, CommandError> {
        let card = self.own_card();
        let card = card.map_err(|error| CommandError::invalid(&error))?;
        Ok(Reply::Card {
            card: card.to_string(),
        })
    }

    /// A card with our addresses of this moment.
    pub(super) fn own_card(&self) -> Result<Card, SignError> {
        self.context.keys.card(&self.own_addresses())
    }

    fn status(&self) -> Reply {
        let mut connections: Vec<_> = self
            .swarm
            .connected_peers()
            .map(ToString::to_string)
            .collect();
        connections.sort();
        Reply::Status {
            identity: self.context.keys.identity().to_string(),
            peer: self.context.keys.peer().to_string(),
            listening: self.swarm.listeners().map(ToString::to_string).collect(),
            connections,
            counters: self.context.outlet.counters(),
        }
    }
}

/// Gives a reply; whoever asked may have gone.
pub(super) fn answer(reply: ReplySender, result: Result<Reply, CommandError>) {
    let _ = reply.send(result);
}

/// Reads a name, or answers that it is none.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    reply: ReplySender,
) -> Option<(T, ReplySender)> {
    match name.trim().parse() {
        Ok(value) => Some((value, reply)),
        Err(error) => {
            answer(reply, Err(CommandError::invalid(&error)));
            None
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
