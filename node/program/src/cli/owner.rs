//! What the owner should know whatever is logged: losses, forks, and keys that do not count any more.
//!
//! Such things are told once, by the process that meets them. A command that starts the node for itself
//! says them on standard error, for no other process will.

use orrery_node::api::Event;

use super::print;

/// Says what of `event` the owner should know, if it is of that kind.
pub fn tell(event: &Event) {
    if let Some(words) = words(event) {
        print::tell(&words);
    }
}

/// What the owner is told of `event`; nothing if it is not for them, or they have asked for it.
fn words(event: &Event) -> Option<String> {
    if let Event::LimitReached { limit } = event
        && limit == "bytes-per-author"
    {
        let no_room =
            "there is no room for more posts of an author; `sync.max_bytes_per_author` bounds them";
        return Some(no_room.to_owned());
    }
    if !event.is_for_owner() {
        return None;
    }
    let told = match event {
        Event::IndexRebuilt {
            reason,
            proofs_lost,
            ..
        } => {
            let lost = if *proofs_lost {
                "; what they have signed of their keys is lost: ask who has changed keys for a new card"
            } else {
                ""
            };
            format!(
                "the index was made anew from the files ({reason}): posts of others are pulled again{lost}"
            )
        }
        Event::PostSetAside { reason, .. } => format!(
            "an own post is set aside, and its log written no more: {reason}; the text, if it is there, \
             can be posted anew"
        ),
        Event::GrantSetAside { seq, reason, .. } => format!(
            "the file that opens an own post (place {seq} of its log) to one more reader is set aside: \
             {reason}; `grant` the post anew to whom it was for"
        ),
        Event::PostsWithoutKey { posts } => format!(
            "{posts} own posts are sealed to a key that these keys lack, being from before it was made: \
             you have their text, and no reader who lacks them can be sent them; put the newer key file back \
             if there is one, then reindex"
        ),
        Event::OwnLogEnded { reason, .. } if reason == "asked" => return None,
        Event::OwnLogEnded { reason, .. } => format!(
            "an own log is written no more ({reason}): others hold more of it, or something else; posts \
             go on in another"
        ),
        Event::Forked { author, seq } => format!(
            "two different posts of {author} claim place {seq} of a log; nothing after it is taken"
        ),
        Event::KeysAreOld { .. } => {
            "friends know newer keys of this identity than these, which were \
             restored from before: stop the node and run `orrery-node keys rotate`"
                .to_owned()
        }
        Event::StorageFailed { doing, reason, .. } => {
            format!("the store failed while {doing}: {reason}")
        }
        Event::PostsMissing { author, missing } => {
            format!(
                "{missing} posts of {author} exist for you and have not come; they are asked for again"
            )
        }
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_node::identity::IdentityId;
    use orrery_node::op::LogId;

    #[test]
    fn each_event_for_the_owner_is_told_in_words() {
        let author = IdentityId([1; 32]);
        let log = LogId([1; 16]);
        let events = [
            (
                Event::IndexRebuilt {
                    reason: "there was none".to_owned(),
                    contacts: 1,
                    blocked: 0,
                    forks: 0,
                    proofs_lost: true,
                },
                "new card",
            ),
            (
                Event::PostSetAside {
                    log,
                    seq: 1,
                    reason: "00000001.op is damaged".to_owned(),
                },
                "00000001.op",
            ),
            (
                Event::GrantSetAside {
                    log,
                    seq: 1,
                    reason: "00000001.grant-00000003 is damaged".to_owned(),
                },
                "grant-00000003",
            ),
            (Event::PostsWithoutKey { posts: 2 }, "2 own posts"),
            (
                Event::OwnLogEnded {
                    log,
                    seq: 1,
                    reason: "old-copy".to_owned(),
                },
                "old-copy",
            ),
            (Event::Forked { author, seq: 3 }, "place 3"),
            (
                Event::KeysAreOld {
                    serial: 1,
                    newer: 2,
                },
                "keys rotate",
            ),
            (Event::PostsMissing { author, missing: 4 }, "4 posts"),
            (
                Event::StorageFailed {
                    doing: "posting".to_owned(),
                    reason: "the disk is full".to_owned(),
                    damaged: false,
                },
                "while posting: the disk is full",
            ),
        ];
        for (event, part) in events {
            assert!(event.is_for_owner(), "{event:?}");
            let told = words(&event).expect("told");
            assert!(told.contains(part) && !told.starts_with('{'), "{told}");
        }
        let asked = Event::OwnLogEnded {
            log,
            seq: 1,
            reason: "asked".to_owned(),
        };
        assert_eq!(words(&asked), None);
        let full = Event::LimitReached {
            limit: "bytes-per-author".to_owned(),
        };
        assert!(words(&full).is_some_and(|told| told.contains("max_bytes_per_author")));
        let other = Event::Listening {
            address: "x".to_owned(),
        };
        assert_eq!(words(&other), None);
    }
}
