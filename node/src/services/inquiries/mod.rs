//! Inquiries: asking friends where somebody is, and answering theirs.
//!
//! Owns which questions are under way, how they are passed on, and what they may cost. A
//! question is answered by the one who is sought, with a card of that moment, or by a
//! friend of theirs, with the card that the friend has; it is passed on to friends alone.
//! Each question carries a budget, which is split among those to whom it is passed on, so
//! that all questions which follow from one are never more than that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::request_response::{
    Event as RequestEvent, Message, OutboundFailure, OutboundRequestId, ResponseChannel,
};

use crate::api::{LookupMethod, Miss};
use crate::card::Card;
use crate::config::Config;
use crate::core::Core;
use crate::core::friends::FRIENDS_MAX;
use crate::core::signal::Signal;
use crate::core::timers::Timers;
use crate::discovery::friends::{Answer, PROTOCOL, Question, QuestionId};
use crate::entropy;
use crate::identity::IdentityId;
use crate::protocol::Reason;
use crate::protocol::one_frame::{Asked, Unreadable};
use crate::window_counts::{WhenFull, WindowCounts};

use super::Service;

/// Questions that are remembered, so that one which comes again is not passed on again.
const SEEN_MAX: usize = 4_096;
/// The time over which a friend's questions are counted.
const PERIOD: Duration = Duration::from_mins(1);

/// The bound on questions that are refused.
const REFUSED: &str = "friends-questions";

/// What happens on the protocol's substreams.
type FriendsEvent = RequestEvent<Asked<Question>, Answer>;

/// The counter of cards that are not told because of a private address in them.
const KEPT_BACK: &str = "friends-answers-kept-back";

/// Who waits for an inquiry.
enum Asker {
    /// A look-up.
    Ourselves,
    /// The friend of this peer, who gets the answer there.
    Friend(PeerId, ResponseChannel<Answer>),
}

/// A question that was passed on.
struct Inquiry {
    whom: IdentityId,
    asker: Asker,
    /// Friends who have not answered.
    asked: BTreeSet<OutboundRequestId>,
    /// What somebody has who is not the sought.
    heard: Option<Box<Card>>,
}

/// All inquiries of a node.
pub struct Inquiries {
    open: BTreeMap<u64, Inquiry>,
    /// Inquiries by the questions that were sent for them.
    sent: BTreeMap<OutboundRequestId, u64>,
    next: u64,
    seen: BTreeSet<QuestionId>,
    /// The same, the oldest first.
    seen_order: VecDeque<QuestionId>,
    /// Questions of each friend.
    counts: WindowCounts<IdentityId>,
    /// When waiting for an inquiry's answers ends.
    timers: Timers<u64>,
}

impl Service for Inquiries {
    fn new(_: &Config) -> Self {
        Self {
            open: BTreeMap::new(),
            sent: BTreeMap::new(),
            next: 0,
            seen: BTreeSet::new(),
            seen_order: VecDeque::new(),
            counts: WindowCounts::new(PERIOD, FRIENDS_MAX, WhenFull::TurnAway),
            timers: Timers::default(),
        }
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::FriendRemoved { identity, .. } => self.counts.forget(identity),
            Signal::Seek {
                identity,
                by: LookupMethod::Friends,
                ..
            } => self.seek(core, *identity),
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.timers.next_time()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        if let Some(number) = self.timers.take_due(now) {
            self.give_up(core, number);
        }
    }
}

impl Inquiries {
    /// Remembers a question; whether it is new.
    fn note(&mut self, id: QuestionId) -> bool {
        if !self.seen.insert(id) {
            return false;
        }
        self.seen_order.push_back(id);
        if self.seen_order.len() > SEEN_MAX
            && let Some(oldest) = self.seen_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

/// How many friends a question is passed on to, and the budget of each.
fn split(budget: u32, fanout: u32, friends: usize) -> (usize, u32) {
    let count = fanout
        .min(budget)
        .min(u32::try_from(friends).unwrap_or(u32::MAX));
    if count == 0 {
        return (0, 0);
    }
    (count as usize, (budget - count) / count)
}

impl Inquiries {
    /// The method `friends`: everybody whom we follow and are connected with.
    fn seek(&mut self, core: &mut Core, identity: IdentityId) {
        let config = &core.context.config.friends_lookup;
        if !config.enabled {
            return core.raise(missed(identity, Miss::Off));
        }
        if self.open.len() >= config.max_open as usize {
            core.context.limit_reached("inquiries");
            return core.raise(missed(identity, Miss::Busy));
        }
        let question = Question {
            id: entropy::bytes(),
            whom: identity,
            hops: config.hops,
            budget: config.budget,
        };
        self.note(question.id);
        if let Err(Asker::Ourselves) = self.pass_on(core, question, None, Asker::Ourselves) {
            core.raise(missed(identity, Miss::NobodyToAsk));
        }
    }

    /// Acts on what happens on the protocol's substreams.
    pub fn on_friends(&mut self, core: &mut Core, event: FriendsEvent) {
        match event {
            RequestEvent::Message { peer, message, .. } => match message {
                Message::Request {
                    request, channel, ..
                } => match request {
                    Ok(question) => self.on_asked(core, peer, question, channel),
                    // Without its channel it gets no answer.
                    Err(Unreadable) => core.refuse(peer, &PROTOCOL, REFUSED, Reason::Malformed),
                },
                Message::Response {
                    request_id,
                    response,
                } => self.on_answered(core, peer, request_id, response),
            },
            RequestEvent::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                if let OutboundFailure::Io(error) = &error {
                    tracing::info!(%peer, %error, "a friend's answer cannot be read");
                    core.context
                        .refused(&peer, PROTOCOL.as_ref(), Reason::Malformed);
                }
                self.knows_nothing(core, request_id);
            }
            RequestEvent::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "an answer cannot be sent");
            }
            RequestEvent::ResponseSent { .. } => {}
        }
    }

    /// Answers a question, or passes it on.
    fn on_asked(
        &mut self,
        core: &mut Core,
        peer: PeerId,
        question: Question,
        channel: ResponseChannel<Answer>,
    ) {
        let friend = match self.may_ask(core, &peer) {
            Ok(friend) => friend,
            Err(reason) => {
                core.refuse(peer, &PROTOCOL, REFUSED, reason);
                return tell(core, Asker::Friend(peer, channel), Answer::Refused(reason));
            }
        };
        core.context.outlet.add("friends-questions-received", 1);
        let whom = question.whom;
        if whom == core.context.keys.identity() {
            // The asker may hand it on to anybody.
            let card = core.context.keys.card(&core.public_addresses());
            let answer = match card {
                Ok(card) => Answer::Here(Box::new(card)),
                Err(error) => {
                    tracing::warn!(%error, "cannot tell where we are");
                    Answer::Unknown
                }
            };
            return tell(core, Asker::Friend(peer, channel), answer);
        }
        // It came another way before, and is answered there.
        let is_new = self.note(question.id);
        let config = &core.context.config.friends_lookup;
        let question = Question {
            // Nobody has us spend more than we would spend for ourselves.
            hops: question.hops.min(config.hops.saturating_sub(1)),
            budget: question.budget.min(config.budget),
            ..question
        };
        let room = self.open.len() < config.max_open as usize;
        if !room {
            core.context.limit_reached("inquiries");
        }
        let asker = Asker::Friend(peer, channel);
        let asker = if is_new && room && question.hops > 0 && !core.context.is_blocked(&whom) {
            match self.pass_on(core, question, Some(friend), asker) {
                Ok(()) => return,
                Err(asker) => asker,
            }
        } else {
            asker
        };
        let answer = what_we_know(core, whom);
        tell(core, asker, answer);
    }

    /// Whether a peer may ask, as which friend.
    fn may_ask(&mut self, core: &mut Core, peer: &PeerId) -> Result<IdentityId, Reason> {
        let identity = core.links.identity_of(peer);
        let identity = identity.ok_or(Reason::Unauthenticated)?;
        if !core.friends.contains(&identity) {
            return Err(Reason::Stranger);
        }
        let limit = core.context.config.friends_lookup.max_per_minute;
        if !self.counts.admits(identity, limit, Instant::now()) {
            return Err(Reason::Busy);
        }
        Ok(identity)
    }

    /// Passes a question on: to the one who is sought, if they are connected, or else to
    /// some friends. Gives the asker back if there is nobody.
    fn pass_on(
        &mut self,
        core: &mut Core,
        question: Question,
        from: Option<IdentityId>,
        asker: Asker,
    ) -> Result<(), Asker> {
        let whom = question.whom;
        let ours = |identity: &IdentityId| core.friends.contains(identity);
        let mut here: Vec<(IdentityId, PeerId)> = core.links.identities();
        here.retain(|(identity, _)| ours(identity) && Some(*identity) != from);
        if let Some(sought) = here.iter().find(|(identity, _)| *identity == whom) {
            here = vec![*sought];
        }
        let fanout = core.context.config.friends_lookup.fanout;
        let (count, budget) = split(question.budget, fanout, here.len());
        if count == 0 {
            return Err(asker);
        }
        // Not always the same ones.
        let first = rand::random_range(0..here.len());
        here.rotate_left(first);
        let Some(protocol) = core.swarm.behaviour_mut().friends.as_mut() else {
            return Err(asker);
        };
        let passed_on = Question {
            hops: question.hops.saturating_sub(1),
            budget,
            ..question
        };
        let asked: BTreeSet<_> = here
            .iter()
            .take(count)
            .map(|(_, peer)| protocol.send_request(peer, Ok(passed_on)))
            .collect();
        core.context
            .outlet
            .add("friends-questions-sent", asked.len() as u64);
        let number = self.next;
        self.next += 1;
        let sent = asked.iter().map(|request| (*request, number));
        self.sent.extend(sent);
        let inquiry = Inquiry {
            whom,
            asker,
            asked,
            heard: None,
        };
        self.open.insert(number, inquiry);
        // Whoever is asked gives up one hop's time earlier than whoever asks.
        let patience = core.context.config.friends_lookup.hop_timeout.get() * question.hops;
        self.timers.set(number, Instant::now() + patience);
        Ok(())
    }

    /// A friend has answered.
    fn on_answered(
        &mut self,
        core: &mut Core,
        peer: PeerId,
        request: OutboundRequestId,
        answer: Answer,
    ) {
        let Some(number) = self.sent.get(&request).copied() else {
            return;
        };
        let Some(inquiry) = self.open.get_mut(&number) else {
            return;
        };
        let whom = inquiry.whom;
        match answer {
            Answer::Here(card) if card.identity() == whom => {
                return self.end(core, number, Answer::Here(card));
            }
            Answer::Heard(card) if card.identity() == whom => {
                // What we have ourselves does not help whoever could not reach it.
                let ours = core.friends.card(&whom);
                if ours.is_none_or(|ours| ours.addresses != card.addresses) {
                    inquiry.heard.get_or_insert(card);
                }
            }
            Answer::Here(_) | Answer::Heard(_) => {
                core.context
                    .refused(&peer, PROTOCOL.as_ref(), Reason::Forged);
            }
            Answer::Unknown | Answer::Refused(_) => {}
        }
        self.knows_nothing(core, request);
    }

    /// One of those who were asked does not know more. When it was the last, we tell what we know.
    fn knows_nothing(&mut self, core: &mut Core, request: OutboundRequestId) {
        let Some(number) = self.sent.remove(&request) else {
            return;
        };
        let Some(inquiry) = self.open.get_mut(&number) else {
            return;
        };
        inquiry.asked.remove(&request);
        if inquiry.asked.is_empty() {
            self.give_up(core, number);
        }
    }

    /// The sought has not answered in time, or nobody can ask them: what somebody has is told.
    fn give_up(&mut self, core: &mut Core, number: u64) {
        let Some(inquiry) = self.open.get_mut(&number) else {
            return;
        };
        let whom = inquiry.whom;
        let answer = match (inquiry.heard.take(), &inquiry.asker) {
            (Some(card), _) => Answer::Heard(card),
            (None, Asker::Friend(..)) => what_we_know(core, whom),
            (None, Asker::Ourselves) => Answer::Unknown,
        };
        self.end(core, number, answer);
    }

    fn end(&mut self, core: &mut Core, number: u64, answer: Answer) {
        self.timers.cancel(number);
        let Some(inquiry) = self.open.remove(&number) else {
            return;
        };
        for request in &inquiry.asked {
            self.sent.remove(request);
        }
        match (inquiry.asker, answer) {
            (Asker::Ourselves, Answer::Here(card) | Answer::Heard(card)) => {
                core.raise(Signal::Found {
                    identity: inquiry.whom,
                    by: LookupMethod::Friends,
                    at: (card.peer, card.addresses),
                });
            }
            (Asker::Ourselves, _) => core.raise(missed(inquiry.whom, Miss::Absent)),
            (asker, answer) => tell(core, asker, answer),
        }
    }
}

/// The card that we hold of a friend.
fn what_we_know(core: &Core, whom: IdentityId) -> Answer {
    let card = core.friends.card(&whom).cloned();
    card.map_or(Answer::Unknown, |card| Answer::Heard(Box::new(card)))
}

/// Answers who asks. A card that has an address which is not to be known where they are is not told:
/// it is signed as it is.
fn tell(core: &mut Core, asker: Asker, answer: Answer) {
    let Asker::Friend(peer, channel) = asker else {
        return;
    };
    let scope = core.links.scope_of_peer(&peer);
    let answer = match answer {
        Answer::Here(card) | Answer::Heard(card)
            if !card.addresses.iter().all(|address| scope.may_know(address)) =>
        {
            core.context.outlet.add(KEPT_BACK, 1);
            Answer::Unknown
        }
        answer => answer,
    };
    if let Some(protocol) = core.swarm.behaviour_mut().friends.as_mut() {
        // A friend that has gone meanwhile needs no answer.
        let _ = protocol.send_response(channel, answer);
    }
}

/// The method has not found `identity`.
fn missed(identity: IdentityId, reason: Miss) -> Signal {
    Signal::NotFound {
        identity,
        by: LookupMethod::Friends,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    /// Questions that follow from one with `budget` where everybody has `friends`.
    fn spread(budget: u32, fanout: u32, friends: usize, hops: u32) -> u64 {
        let (count, each) = split(budget, fanout, friends);
        if hops == 0 || count == 0 {
            return 0;
        }
        count as u64 * (1 + spread(each, fanout, friends, hops - 1))
    }

    #[test]
    fn all_questions_that_follow_from_one_are_within_its_budget() {
        assert_eq!(spread(64, 8, 3, 1), 3);
        assert_eq!(spread(3, 8, 100, 1), 3);
        for budget in 0..200 {
            for fanout in 1..20 {
                for hops in 0..6 {
                    assert!(spread(budget, fanout, 50, hops) <= budget.into());
                }
            }
        }
        // The bound is not met by asking nobody.
        assert!(spread(64, 4, 50, 3) >= 52);
    }

    #[test]
    fn a_question_that_comes_again_is_known_until_many_others_came() {
        let id = |number: u64| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            id
        };
        let mut inquiries = Inquiries::new(&Config::default());
        assert!(inquiries.note(id(0)));
        assert!(!inquiries.note(id(0)));
        for number in 1..=2 * SEEN_MAX as u64 {
            assert!(inquiries.note(id(number)));
        }
        assert_eq!(inquiries.seen.len(), SEEN_MAX);
        assert!(inquiries.note(id(0)));
    }

    #[test]
    fn without_a_connected_friend_there_is_nobody_to_ask() {
        let check = |enabled, expected| {
            let mut config = Config::default();
            config.friends_lookup.enabled = enabled;
            let (mut core, _) = fake::core(config);
            fake::friend(&mut core, fake::card(1, None));
            let seek = Signal::Seek {
                identity: IdentityId([1; 32]),
                by: LookupMethod::Friends,
                given: None,
            };
            Inquiries::new(&Config::default()).on_signal(&mut core, &seek);
            let raised = fake::raised(&mut core);
            let [Signal::NotFound { reason, .. }] = raised[..] else {
                panic!("found");
            };
            assert_eq!(reason, expected);
        };
        check(false, Miss::Off);
        check(true, Miss::NobodyToAsk);
    }
}
