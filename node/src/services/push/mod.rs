//! Live push: friends who are connected are told at once that there is something new for them.
//!
//! Owns whom to tell and when, and what one friend may have this node do. Who is told pulls, so that
//! nothing comes but by a pull, with its checks and its order. Who refuses to is left alone for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::request_response::{Event as RequestEvent, Message, OutboundFailure};

use crate::api::Event;
use crate::config::Config;
use crate::core::Core;
use crate::core::friends::FRIENDS_MAX;
use crate::core::signal::Signal;
use crate::core::timers::Timers;
use crate::identity::IdentityId;
use crate::protocol::Reason;
use crate::protocol::one_frame::Asked;
use crate::push::{Answer, New, PROTOCOL};
use crate::window_counts::{WhenFull, WindowCounts};

use super::Service;

/// The time over which a friend's word is counted, and for which one that refuses is told nothing more.
const PERIOD: Duration = Duration::from_mins(1);

/// The bound on what is refused.
const REFUSED: &str = "push-refused";

/// What happens on the protocol's substreams.
type PushEvent = RequestEvent<Asked<New>, Answer>;

/// Whom to tell, and who has told.
pub struct Push {
    /// When each friend is to be told.
    timers: Timers<IdentityId>,
    /// How often each friend has told.
    counts: WindowCounts<IdentityId>,
    /// Friends who have refused, and are told nothing before this.
    left_alone: BTreeMap<IdentityId, Instant>,
}

impl Service for Push {
    fn new(_: &Config) -> Self {
        Self {
            timers: Timers::default(),
            counts: WindowCounts::new(PERIOD, FRIENDS_MAX, WhenFull::TurnAway),
            left_alone: BTreeMap::new(),
        }
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Posted { readers } => self.on_posted(core, readers.as_deref()),
            Signal::FriendRemoved { identity, .. } => {
                self.timers.cancel(*identity);
                self.counts.forget(identity);
                self.left_alone.remove(identity);
            }
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.timers.next_time()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        if let Some(friend) = self.timers.take_due(now) {
            self.left_alone.remove(&friend);
            tell(core, friend);
        }
    }
}

impl Push {
    /// Something has been posted for these readers; for all if it is public.
    fn on_posted(&mut self, core: &mut Core, readers: Option<&[IdentityId]>) {
        if core.swarm.behaviour_mut().push.as_mut().is_none() {
            return;
        }
        let at = Instant::now() + core.context.config.push.delay.get();
        let reads = |identity| readers.is_none_or(|readers| readers.contains(&identity));
        for (identity, _) in core.links.identities() {
            let is_friend = core.friends.contains(&identity);
            if is_friend && reads(identity) && !self.timers.contains(identity) {
                let left_alone = self.left_alone.get(&identity);
                self.timers
                    .set(identity, left_alone.map_or(at, |until| at.max(*until)));
            }
        }
    }

    /// Acts on what happens on the protocol's substreams.
    pub fn on_push(&mut self, core: &mut Core, event: PushEvent) {
        match event {
            RequestEvent::Message {
                peer,
                message:
                    Message::Request {
                        request, channel, ..
                    },
                ..
            } => {
                if request.is_err() {
                    // Without its channel it gets no answer.
                    return core.refuse(peer, &PROTOCOL, REFUSED, Reason::Malformed);
                }
                let told = self.told_by(core, &peer);
                match told {
                    Ok(friend) => core.raise(Signal::PullWanted(friend)),
                    Err(reason) => core.refuse(peer, &PROTOCOL, REFUSED, reason),
                }
                if let Some(push) = core.swarm.behaviour_mut().push.as_mut() {
                    // The peer may have gone meanwhile.
                    let _ = push.send_response(channel, told.map(|_| ()));
                }
            }
            RequestEvent::Message {
                peer,
                message: Message::Response { response, .. },
                ..
            } => {
                if let Err(reason) = response {
                    tracing::debug!(%peer, %reason, "a friend does not pull now");
                    self.leave_alone(core, &peer, Instant::now());
                }
            }
            RequestEvent::OutboundFailure { peer, error, .. } => {
                if let OutboundFailure::Io(error) = &error {
                    tracing::info!(%peer, %error, "a friend's answer cannot be read");
                    core.context
                        .refused(&peer, PROTOCOL.as_ref(), Reason::Malformed);
                }
            }
            RequestEvent::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "an answer does not reach a friend");
            }
            RequestEvent::ResponseSent { .. } => {}
        }
    }

    /// A friend's peer has refused: who goes on telling it would lose the connection.
    fn leave_alone(&mut self, core: &Core, peer: &PeerId, now: Instant) {
        let friend = core.links.identity_of(peer);
        if let Some(friend) = friend.filter(|friend| core.friends.contains(friend)) {
            self.left_alone.insert(friend, now + PERIOD);
        }
    }

    /// The friend of a peer that tells us something, if they may.
    fn told_by(&mut self, core: &Core, peer: &PeerId) -> Result<IdentityId, Reason> {
        let identity = core.links.identity_of(peer);
        let identity = identity.ok_or(Reason::Unauthenticated)?;
        if !core.friends.contains(&identity) {
            return Err(Reason::Stranger);
        }
        let limit = core.context.config.push.max_per_minute;
        if !self.counts.admits(identity, limit, Instant::now()) {
            return Err(Reason::Busy);
        }
        Ok(identity)
    }
}

/// Tells a friend, if they are still connected.
fn tell(core: &mut Core, friend: IdentityId) {
    let Some((_, peer)) = core.links.of_identity(friend) else {
        return;
    };
    let Some(push) = core.swarm.behaviour_mut().push.as_mut() else {
        return;
    };
    push.send_request(&peer, Ok(New));
    core.emit(&Event::Pushed { to: friend });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use crate::services::fake;

    fn config() -> Config {
        Config::from_toml("push = { enabled = true, max_per_minute = 2 }").expect("it is sound")
    }

    /// A friend who has proved who they are on a connection, and their peer.
    fn connected(core: &mut Core, seed: u8) -> (IdentityId, PeerId) {
        let friend = fake::friend(core, fake::card(seed, None));
        let peer = Keys::generate(Some([seed; 32])).peer();
        let connection = fake::connect(core, peer, seed.into());
        core.links.prove(connection, friend);
        (friend, peer)
    }

    #[test]
    fn readers_who_are_connected_are_told_once_for_several_posts() {
        let (mut core, told) = fake::core(config());
        let [(reader, _), (other, _)] = [1, 2].map(|seed| connected(&mut core, seed));
        let away = fake::friend(&mut core, fake::card(3, None));
        let mut push = Push::new(&core.context.config);
        let readers = vec![reader, away];
        for _ in 0..3 {
            let readers = Some(readers.clone());
            push.on_signal(&mut core, &Signal::Posted { readers });
        }
        let due = push.next_time().expect("one is to be told");
        push.on_timer(&mut core, due);
        assert_eq!(push.next_time(), None);
        assert_eq!(told.take(), [Event::Pushed { to: reader }]);
        push.on_signal(&mut core, &Signal::Posted { readers: None });
        for _ in 0..2 {
            let due = push.next_time().expect("both are to be told");
            push.on_timer(&mut core, due);
        }
        let to = |to| Event::Pushed { to };
        let mut all = told.take();
        all.sort_by_key(|event| *event != to(reader));
        assert_eq!(all, [to(reader), to(other)]);
    }

    #[test]
    fn who_refuses_is_told_no_more_for_a_minute() {
        let (mut core, told) = fake::core(config());
        let (reader, peer) = connected(&mut core, 1);
        let mut push = Push::new(&core.context.config);
        let now = Instant::now();
        push.leave_alone(&core, &peer, now);
        push.leave_alone(&core, &PeerId::random(), now);
        assert_eq!(push.left_alone.len(), 1, "a friend alone");
        for _ in 0..3 {
            push.on_signal(&mut core, &Signal::Posted { readers: None });
        }
        assert_eq!(push.next_time(), Some(now + PERIOD), "later, and once");
        push.on_timer(&mut core, now + PERIOD);
        assert_eq!(told.take(), [Event::Pushed { to: reader }]);
        push.on_signal(&mut core, &Signal::Posted { readers: None });
        let next = push.next_time().expect("as soon as ever");
        assert!(next < now + PERIOD);
    }

    #[test]
    fn only_friends_have_us_pull_and_each_no_more_often_than_is_allowed() {
        let (mut core, _) = fake::core(config());
        let (friend, peer) = connected(&mut core, 1);
        let mut push = Push::new(&core.context.config);
        assert_eq!(
            push.told_by(&core, &PeerId::random()),
            Err(Reason::Unauthenticated)
        );
        assert_eq!(push.told_by(&core, &peer), Ok(friend));
        assert_eq!(push.told_by(&core, &peer), Ok(friend));
        assert_eq!(push.told_by(&core, &peer), Err(Reason::Busy));
    }
}
