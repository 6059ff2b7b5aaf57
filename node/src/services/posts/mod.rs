//! Own posts, and what is read of all: commands that are storage jobs and nothing else.
//!
//! A reply is given when the job has ended, and only then.

use crate::api::{self, Event, Reply};
use crate::audience::Audience;
use crate::config::Config;
use crate::core::Core;
use crate::core::replies::{ReplySender, answer};
use crate::core::signal::Signal;
use crate::identity::IdentityId;
use crate::op::OpId;
use crate::protocol::tell_ended;
use crate::store::{Cure, Granted, Store};
use crate::wall_clock::wall_clock_ms;

use super::Service;

/// Most posts in one reply.
const TIMELINE_MAX: u32 = 10_000;

/// Has no state of its own: the store keeps it.
#[derive(Debug)]
pub struct Posts;

impl Service for Posts {
    fn new(_: &Config) -> Self {
        Self
    }
}

impl Posts {
    /// Publishes `body` to its readers.
    pub fn post(
        &mut self,
        core: &mut Core,
        body: serde_json::Value,
        to: api::Audience,
        reply: ReplySender,
    ) {
        let to = Audience::from(to);
        let is_public = to == Audience::Public;
        let wall_ms = wall_clock_ms();
        core.store_job(
            "posting",
            reply,
            move |store| store.post(body, &to, wall_ms),
            move |_: &mut Self, core, reply, posted| {
                core.emit(&Event::Posted {
                    op: posted.op,
                    stamp_ms: posted.stamp_ms,
                    readers: posted.readers.clone(),
                });
                // What nobody else reads is nobody's news.
                let readers = (!is_public).then(|| posted.readers.clone());
                core.raise(Signal::Posted { readers });
                for reader in &posted.left_out {
                    core.emit(&Event::ReaderLeftOut {
                        op: posted.op,
                        reader: *reader,
                    });
                }
                let done = Reply::Posted {
                    op: posted.op,
                    seq: posted.seq,
                    left_out: posted.left_out,
                };
                answer(reply, Ok(done));
            },
        );
    }

    /// Lets `reader` read an earlier post of ours.
    pub fn grant(&mut self, core: &mut Core, op: OpId, reader: IdentityId, reply: ReplySender) {
        core.store_job(
            "granting",
            reply,
            move |store| store.grant(op, reader),
            move |_: &mut Self, core, reply, granted| {
                if granted == Granted::New {
                    core.emit(&Event::Granted { op, reader });
                    let readers = Some(vec![reader]);
                    core.raise(Signal::Posted { readers });
                }
                answer(reply, Ok(Reply::Done));
            },
        );
    }

    /// Answers with the newest readable posts.
    pub fn timeline(
        &mut self,
        core: &mut Core,
        limit: u32,
        author: Option<IdentityId>,
        reply: ReplySender,
    ) {
        core.store_job(
            "reading the timeline",
            reply,
            move |store| {
                let limit = limit.min(TIMELINE_MAX);
                let mut shown = store.timeline_at(limit, author, wall_clock_ms())?;
                let names = store.names()?;
                for post in &mut shown.posts {
                    let name = names.get(&post.author);
                    post.author_name = name.map(ToString::to_string);
                }
                Ok(shown)
            },
            |_: &mut Self, core, reply, shown| {
                if let Some(error) = &shown.damaged {
                    core.context.storage_failed("reading the timeline", error);
                }
                answer(
                    reply,
                    Ok(Reply::Timeline {
                        posts: shown.posts,
                        cut: shown.is_cut,
                        unreadable: shown.unreadable,
                    }),
                );
            },
        );
    }

    /// Rebuilds the index, which is checked as a whole first.
    pub fn reindex(&mut self, core: &mut Core, reply: ReplySender) {
        let store = core.context.store.clone();
        let job = async move {
            store.close(Cure::Check).await?;
            store.with(Store::reindex).await
        };
        core.start_job(job, move |_: &mut Self, core, done| {
            core.answer_job("reindexing", reply, done, |_, reply, done| {
                let done = Reply::Reindexed {
                    before: hex(&done.before),
                    after: hex(&done.after),
                    ops: done.ops,
                };
                answer(reply, Ok(done));
            });
        });
    }

    /// Ends all own logs that are written to.
    pub fn begin_logs(&mut self, core: &mut Core, reply: ReplySender) {
        core.store_job(
            "ending logs",
            reply,
            Store::begin_logs,
            |_: &mut Self, core, reply, ended| {
                tell_ended(&core.context.outlet, &ended);
                answer(reply, Ok(Reply::Done));
            },
        );
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    #[test]
    fn a_post_is_acknowledged_when_its_job_has_ended() {
        let (mut core, told) = fake::core(Config::default());
        let (reply, mut replied) = fake::caller();
        let body = serde_json::json!({ "type": "text", "text": "hello" });
        Posts.post(&mut core, body, api::Audience::Public, reply);
        assert_eq!(fake::reply(&mut replied), None);
        fake::run_jobs(&mut Posts, &mut core);
        let answered = fake::reply(&mut replied).expect("answered");
        assert!(matches!(answered, Ok(Reply::Posted { .. })), "{answered:?}");
        let told = told.take();
        assert!(
            told.iter()
                .any(|event| matches!(event, Event::Posted { .. }))
        );
    }

    #[test]
    fn what_nobody_else_reads_is_nobodys_news() {
        let (mut core, _) = fake::core(Config::default());
        let only_us = api::Audience::Only([core.context.keys.identity()].into());
        for (to, expected) in [
            (only_us, Some(Vec::<IdentityId>::new())),
            (api::Audience::Public, None),
        ] {
            let (reply, _replied) = fake::caller();
            let body = serde_json::json!({ "type": "text", "text": "a note" });
            Posts.post(&mut core, body, to, reply);
            fake::run_jobs(&mut Posts, &mut core);
            let raised = fake::raised(&mut core);
            let is_expected = |signal: &Signal| matches!(signal, Signal::Posted { readers } if *readers == expected);
            assert!(raised.len() == 1 && is_expected(&raised[0]));
        }
    }
}
