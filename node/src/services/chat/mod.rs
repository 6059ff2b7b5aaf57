//! Conversations with friends: sending messages, acknowledging theirs, and showing both.
//!
//! Owns when a friend is told that messages of theirs are here: a little later, for several together.
//! Messages and receipts are posts to one reader; how they come there is the business of pulls, and of
//! push, which hears of them as of any post.

mod pace;

use std::time::{Duration, Instant};

use crate::api::{Event, Reply};
use crate::config::Config;
use crate::core::replies::{ReplySender, answer};
use crate::core::signal::Signal;
use crate::core::timers::Timers;
use crate::core::{Core, StartError};
use crate::environment::Lane;
use crate::identity::IdentityId;
use crate::op::OpId;
use crate::store::{Acknowledged, StoreError, Talk};
use crate::wall_clock::wall_clock_ms;

use self::pace::Pace;
use super::Service;

/// Most messages in one reply: with the longest texts that takes 16 MiB.
const SHOWN_MAX: u32 = 1_000;
/// When a receipt is tried again that the disk has refused.
const TRIED_AGAIN: Duration = Duration::from_mins(1);

/// When friends are told that their messages are here.
#[derive(Debug, Default)]
pub struct Chat {
    timers: Timers<IdentityId>,
    pace: Pace,
}

impl Service for Chat {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_start(&mut self, core: &mut Core) -> Result<(), StartError> {
        self.acknowledge_soon(core);
        Ok(())
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::FeedPulled => self.acknowledge_soon(core),
            Signal::FriendRemoved { identity, .. } => {
                self.timers.cancel(*identity);
                self.pace.forget(identity);
            }
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.timers.next_time()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        if let Some(friend) = self.timers.take_due(now) {
            acknowledge(core, friend);
        }
    }
}

impl Chat {
    /// Sends a friend a message.
    pub fn send(
        &mut self,
        core: &mut Core,
        to: IdentityId,
        text: String,
        reply_to: Option<OpId>,
        reply: ReplySender,
    ) {
        core.store_job(
            "sending a message",
            reply,
            move |store| store.chat_send(to, text, reply_to, wall_clock_ms()),
            move |_: &mut Self, core, reply, posted| {
                core.emit(&Event::MessageSent {
                    op: posted.op,
                    to,
                    seq: posted.seq,
                    stamp_ms: posted.stamp_ms,
                });
                core.raise(Signal::Posted {
                    readers: Some(vec![to]),
                });
                let done = Reply::Posted {
                    op: posted.op,
                    seq: posted.seq,
                    left_out: posted.left_out,
                };
                answer(reply, Ok(done));
            },
        );
    }

    /// The owner has read what is here of a friend's messages.
    pub fn read(&mut self, core: &mut Core, with: IdentityId, reply: ReplySender) {
        core.store_job(
            "acknowledging messages",
            reply,
            move |store| store.acknowledge(with, true, wall_clock_ms()),
            move |chat: &mut Self, core, reply, done: Acknowledged| {
                if done.receipt.is_some() {
                    chat.timers.cancel(with);
                }
                tell(core, with, &done);
                let messages = done.newly_read;
                answer(reply, Ok(Reply::MarkedRead { messages }));
            },
        );
    }

    /// Answers with the newest messages of a conversation.
    pub fn show(&mut self, core: &mut Core, with: IdentityId, limit: u32, reply: ReplySender) {
        core.store_job(
            "reading a conversation",
            reply,
            move |store| {
                let limit = limit.min(SHOWN_MAX);
                let mut talk = store.conversation(with, limit, wall_clock_ms())?;
                let names = store.names()?;
                for message in &mut talk.shown {
                    let name = names.get(&message.author);
                    message.author_name = name.map(ToString::to_string);
                }
                Ok(talk)
            },
            |_: &mut Self, core, reply, talk| {
                let Talk {
                    shown: messages,
                    is_cut: cut,
                    unreadable,
                    damaged,
                } = talk;
                if let Some(error) = damaged {
                    core.context
                        .storage_failed("reading a conversation", &error);
                }
                let done = Reply::Messages {
                    messages,
                    cut,
                    unreadable,
                };
                answer(reply, Ok(done));
            },
        );
    }

    /// Answers with all conversations.
    pub fn list(&mut self, core: &mut Core, reply: ReplySender) {
        core.store_job(
            "listing conversations",
            reply,
            |store| {
                let mut talk = store.conversations(wall_clock_ms())?;
                let names = store.names()?;
                for conversation in &mut talk.shown {
                    let name = names.get(&conversation.with);
                    conversation.name = name.map(ToString::to_string);
                    let name = names.get(&conversation.newest.author);
                    conversation.newest.author_name = name.map(ToString::to_string);
                }
                Ok(talk)
            },
            |_: &mut Self, core, reply, talk| {
                let Talk {
                    shown: conversations,
                    is_cut: cut,
                    unreadable,
                    damaged,
                } = talk;
                if let Some(error) = damaged {
                    core.context.storage_failed("listing conversations", &error);
                }
                let done = Reply::Conversations {
                    conversations,
                    cut,
                    unreadable,
                };
                answer(reply, Ok(done));
            },
        );
    }

    /// Plans to tell friends that messages of theirs have come.
    fn acknowledge_soon(&mut self, core: &Core) {
        let settings = &core.context.config.chat;
        let at = Instant::now() + settings.receipt_delay.get();
        for friend in core.context.take_chatted() {
            if settings.receipts {
                let at = self.pace.earliest(&friend, at);
                self.timers.bring_forward(friend, at);
            }
        }
    }
}

/// Tells a friend which of their messages are here, if they do not know yet.
fn acknowledge(core: &mut Core, friend: IdentityId) {
    if !core.friends.contains(&friend) {
        return;
    }
    let store = core.context.store.clone();
    let job = async move {
        store
            .with_in(Lane::Intake, move |store| {
                store.acknowledge(friend, false, wall_clock_ms())
            })
            .await
    };
    core.start_job(job, move |chat: &mut Chat, core, done| {
        let doing = "acknowledging messages";
        match done {
            Ok(Ok(done)) => {
                if done.receipt.is_some() {
                    let now = Instant::now();
                    chat.pace.tells(friend, now);
                    if done.may_owe_more {
                        chat.timers.set(friend, chat.pace.earliest(&friend, now));
                    }
                }
                if done.is_spent {
                    core.context.limit_reached("receipts-per-friend");
                }
                return tell(core, friend, &done);
            }
            Ok(Err(error)) if !error.is_storage() => return unacknowledged(friend, &error),
            Ok(Err(error)) => core.context.storage_failed(doing, &error),
            Err(error) => core.context.storage_unreached(doing, &error.to_string()),
        }
        chat.timers.set(friend, Instant::now() + TRIED_AGAIN);
    });
}

/// A receipt is there for its reader.
fn tell(core: &mut Core, friend: IdentityId, done: &Acknowledged) {
    if done.receipt.is_some() {
        core.context.outlet.add("receipts-sent", 1);
        core.raise(Signal::Posted {
            readers: Some(vec![friend]),
        });
    }
}

/// They are no friend any more, or nothing can be signed or sealed now.
fn unacknowledged(friend: IdentityId, error: &StoreError) {
    tracing::info!(%friend, %error, "messages are not acknowledged");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::CommandError;
    use crate::keys::Keys;
    use crate::services::fake;

    #[test]
    fn a_message_is_acknowledged_when_its_job_has_ended_and_push_hears_of_it() {
        let (mut core, told) = fake::core(Config::default());
        let card = fake::card(1, None);
        let to = fake::friend(&mut core, card.clone());
        let follow = core.context.store.with(move |store| store.follow(&card));
        futures::executor::block_on(follow)
            .expect("the store is there")
            .expect("follows");
        let (reply, mut replied) = fake::caller();
        let mut chat = Chat::default();
        chat.send(&mut core, to, "hello".to_owned(), None, reply);
        assert_eq!(fake::reply(&mut replied), None);
        fake::run_jobs(&mut chat, &mut core);
        let answered = fake::reply(&mut replied).expect("answered");
        assert!(
            matches!(answered, Ok(Reply::Posted { seq: 0, .. })),
            "{answered:?}"
        );
        let told = told.take();
        let sent = |event: &Event| matches!(event, Event::MessageSent { to: of, .. } if *of == to);
        assert!(told.iter().any(sent), "{told:?}");
        let raised = fake::raised(&mut core);
        let is_for = |readers: &Vec<IdentityId>| *readers == [to];
        assert!(matches!(&raised[..], [Signal::Posted { readers: Some(of) }] if is_for(of)));
    }

    #[test]
    fn a_friend_who_writes_without_end_is_acknowledged_ever_more_together() {
        let (mut core, _) = fake::core(Config::default());
        let friend = fake::friend(&mut core, fake::card(1, None));
        let mut chat = Chat::default();
        let hears = |chat: &mut Chat, core: &mut Core| {
            core.context.chatted([friend]);
            chat.on_signal(core, &Signal::FeedPulled);
            chat.next_time().expect("is planned")
        };
        let soon = hears(&mut chat, &mut core);
        assert!(soon < Instant::now() + Duration::from_secs(2));
        chat.timers.cancel(friend);
        for _ in 0..16 {
            chat.pace.tells(friend, Instant::now());
        }
        let later = hears(&mut chat, &mut core);
        assert!(later > Instant::now() + Duration::from_mins(4));
        // Who is followed anew begins anew.
        let removed = Signal::FriendRemoved {
            identity: friend,
            peer_stays: false,
        };
        chat.on_signal(&mut core, &removed);
        assert!(hears(&mut chat, &mut core) < Instant::now() + Duration::from_secs(2));
    }

    #[test]
    fn who_is_not_followed_is_sent_nothing() {
        let (mut core, _) = fake::core(Config::default());
        let stranger = Keys::generate(Some([7; 32])).identity();
        let (reply, mut replied) = fake::caller();
        let mut chat = Chat::default();
        chat.send(&mut core, stranger, "hello".to_owned(), None, reply);
        fake::run_jobs(&mut chat, &mut core);
        let answered = fake::reply(&mut replied).expect("answered");
        assert!(
            matches!(answered, Err(CommandError::Invalid { .. })),
            "{answered:?}"
        );
    }

    #[test]
    fn several_messages_are_acknowledged_together_and_none_where_that_is_off() {
        for (receipts, expected) in [(true, true), (false, false)] {
            let settings = format!("chat.receipts = {receipts}");
            let (mut core, _) = fake::core(Config::from_toml(&settings).expect("sound"));
            let friend = fake::friend(&mut core, fake::card(1, None));
            let mut chat = Chat::default();
            core.context.chatted([friend]);
            chat.on_signal(&mut core, &Signal::FeedPulled);
            let first = chat.next_time();
            assert_eq!(first.is_some(), expected);
            core.context.chatted([friend]);
            chat.on_signal(&mut core, &Signal::FeedPulled);
            assert_eq!(chat.next_time(), first);
            assert!(core.context.take_chatted().is_empty());
        }
    }
}
