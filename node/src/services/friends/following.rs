//! Commands about whom the owner follows and knows: following with its outcome, names, and the list.
//!
//! Owns who waits to hear whether a friend can be connected with, and for how long. A friend counts as
//! connected once it has proved who it is.

use std::time::{Duration, Instant};

use crate::api::Reply;
use crate::card::Card;
use crate::config::Config;
use crate::core::CommandError;
use crate::core::Core;
use crate::core::replies::{ReplySender, answer, parsed, parsed_or_answer};
use crate::core::signal::Signal;
use crate::identity::IdentityId;
use crate::petname::Petname;
use crate::wall_clock::wall_clock_ms;

use super::Friends;

/// Commands that wait at once.
const AWAITED_MAX: usize = 256;
/// What is told of a friend that neither came nor could be found missing in time.
const NO_ANSWER: &str =
    "they have not proved who they are in time; they are dialled again and again";

/// A command that waits.
#[derive(Debug)]
struct Waiting {
    identity: IdentityId,
    reply: ReplySender,
    /// When it has waited long enough.
    until: Instant,
}

/// Who waits for whom, the longest waiting first.
#[derive(Debug, Default)]
pub(super) struct Awaited(Vec<Waiting>);

impl Awaited {
    /// Answers those who wait for `identity`: it is connected, or it cannot be for this reason.
    pub(super) fn ends(&mut self, core: &Core, identity: IdentityId, reason: Option<&str>) {
        self.answer(core, reason, |waiting| waiting.identity == identity);
    }

    /// Answers those who have waited long enough.
    pub(super) fn give_up(&mut self, core: &Core, now: Instant) {
        self.answer(core, Some(NO_ANSWER), |waiting| waiting.until <= now);
    }

    /// When somebody has waited long enough next.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.0.iter().map(|waiting| waiting.until).min()
    }

    fn answer(
        &mut self,
        core: &Core,
        reason: Option<&str>,
        mut which: impl FnMut(&Waiting) -> bool,
    ) {
        for waiting in self.0.extract_if(.., |waiting| which(waiting)) {
            let followed = followed(core, waiting.identity, reason);
            answer(waiting.reply, Ok(followed));
        }
    }

    /// Whether one more may wait. Whose caller has gone waits no longer.
    fn has_room(&mut self) -> bool {
        self.0.retain(|waiting| !waiting.reply.is_canceled());
        self.0.len() < AWAITED_MAX
    }
}

/// How long it may take until it shows whether a friend can be connected with: a dial, looking for
/// them by all other ways, and the proof of who is there.
fn patience(config: &Config) -> Duration {
    let dial = config.connections.upgrade_timeout.get();
    dial + config.reach.timeout.get() + config.auth.timeout.get()
}

impl Friends {
    /// Follows the one whose card this is, and calls them by `name` if there is one. Answers at
    /// `reply` when that is kept, or, if it is to `wait`, when it shows whether they can be connected
    /// with.
    pub fn follow(
        &mut self,
        core: &mut Core,
        card: String,
        name: Option<String>,
        wait: bool,
        reply: ReplySender,
    ) {
        let Some(reply) = core.needs_feed(reply) else {
            return;
        };
        let Some((card, reply)) = parsed_or_answer::<Card>(&card, reply) else {
            return;
        };
        let name = match name.as_deref().map(parsed::<Petname>).transpose() {
            Ok(name) => name,
            Err(error) => return answer(reply, Err(error)),
        };
        if wait && !self.awaited.has_room() {
            core.context.limit_reached("awaited-friends");
            return answer(reply, Err(CommandError::Busy));
        }
        let kept = card.clone();
        let wall_ms = wall_clock_ms();
        core.store_job(
            "following",
            reply,
            move |store| {
                let identity = kept.identity();
                if let Some(name) = &name {
                    store.check_name(identity, name)?;
                }
                store.follow_newer(&kept, wall_ms)?;
                if name.is_some() {
                    store.set_name(identity, name)?;
                }
                Ok(())
            },
            move |friends: &mut Self, core, reply, ()| {
                let identity = card.identity();
                let waiting = if wait {
                    Some(reply)
                } else {
                    answer(reply, Ok(Reply::Done));
                    None
                };
                friends.befriend(core, card);
                if let Some(reply) = waiting {
                    friends.wait_for(core, identity, reply);
                }
                // The first pull need not wait for its turn.
                core.raise(Signal::PullWanted(identity));
            },
        );
    }

    /// Answers at once if nothing is to be waited for.
    fn wait_for(&mut self, core: &Core, identity: IdentityId, reply: ReplySender) {
        let reason = if core.context.is_blocked(&identity) {
            Some("they are blocked here; `unblock` them to be connected")
        } else if core.friends.contains(&identity) {
            None
        } else {
            Some("there are too many friends to keep connections with all")
        };
        if reason.is_some() || core.links.of_identity(identity).is_some() {
            answer(reply, Ok(followed(core, identity, reason)));
        } else {
            self.awaited.0.push(Waiting {
                identity,
                reply,
                until: Instant::now() + patience(&core.context.config),
            });
        }
    }

    /// Calls somebody by a name, or by none.
    pub fn call(
        &mut self,
        core: &mut Core,
        identity: IdentityId,
        name: Option<String>,
        reply: ReplySender,
    ) {
        let name = match name.as_deref().map(parsed::<Petname>).transpose() {
            Ok(name) => name,
            Err(error) => return answer(reply, Err(error)),
        };
        core.store_job(
            "naming",
            reply,
            move |store| store.set_name(identity, name),
            |_: &mut Self, _, reply, _| answer(reply, Ok(Reply::Done)),
        );
    }

    /// Answers with everybody known.
    pub fn contacts(&mut self, core: &mut Core, reply: ReplySender) {
        core.store_job(
            "reading the contacts",
            reply,
            |store| store.contacts(),
            |_: &mut Self, _, reply, contacts| answer(reply, Ok(Reply::Contacts { contacts })),
        );
    }
}

/// How it stands with a friend.
fn followed(core: &Core, identity: IdentityId, reason: Option<&str>) -> Reply {
    Reply::Followed {
        identity,
        link: core.link_with(identity),
        reason: reason.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::services::{Service, fake};

    #[test]
    fn who_follows_hears_whether_the_friend_is_there() {
        let (mut core, _) = fake::core(Config::default());
        let mut friends = Friends::default();
        let ada = fake::card(1, Some("/ip4/192.0.2.1/tcp/1"));
        let identity = ada.identity();
        follow(&mut friends, &mut core, &ada);
        let (reply, mut replied) = fake::caller();
        friends.wait_for(&core, identity, reply);
        assert_eq!(fake::reply(&mut replied), None);
        let reason = "refused".to_owned();
        friends.on_signal(&mut core, &Signal::FriendAway { identity, reason });
        let Some(Ok(Reply::Followed {
            link: None, reason, ..
        })) = fake::reply(&mut replied)
        else {
            panic!("not answered");
        };
        assert_eq!(reason.as_deref(), Some("refused"));
        core.context.set_blocked(identity, true);
        let (reply, mut replied) = fake::caller();
        friends.wait_for(&core, identity, reply);
        let told = fake::reply(&mut replied);
        assert!(
            matches!(
                told,
                Some(Ok(Reply::Followed {
                    reason: Some(_),
                    ..
                }))
            ),
            "{told:?}"
        );
    }

    #[test]
    fn who_follows_waits_no_longer_than_reaching_the_friend_may_take() {
        let (mut core, _) = fake::core(Config::default());
        let mut friends = Friends::default();
        let ada = fake::card(1, Some("/ip4/192.0.2.1/tcp/1"));
        follow(&mut friends, &mut core, &ada);
        let (reply, mut replied) = fake::caller();
        let begun = Instant::now();
        friends.wait_for(&core, ada.identity(), reply);
        let (gone, left) = fake::caller();
        friends.wait_for(&core, ada.identity(), gone);
        drop(left);
        assert!(friends.awaited.has_room());
        assert_eq!(friends.awaited.0.len(), 1, "whose caller has gone waits");
        // As when somebody is there who proves nothing: no dial ever fails.
        let patience = patience(&core.context.config);
        let (early, late) = (begun + patience / 2, Instant::now() + patience);
        friends.on_timer(&mut core, early);
        assert_eq!(fake::reply(&mut replied), None);
        assert!(friends.next_time().is_some_and(|time| time <= late));
        while friends.next_time().is_some_and(|time| time <= late) {
            friends.on_timer(&mut core, late);
        }
        let told = fake::reply(&mut replied);
        let Some(Ok(Reply::Followed {
            link: None, reason, ..
        })) = told
        else {
            panic!("not answered: {told:?}");
        };
        assert_eq!(reason.as_deref(), Some(NO_ANSWER));
    }

    fn follow(friends: &mut Friends, core: &mut Core, card: &Card) {
        friends.on_signal(core, &Signal::Follow(Box::new(card.clone())));
    }
}
