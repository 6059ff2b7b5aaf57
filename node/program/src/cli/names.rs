//! Whom a word on the command line means: an identity, a card, or what the owner calls somebody.
//!
//! Owns that question alone. Names are the node's own; it is asked only where a word is one.

use std::collections::BTreeMap;

use orrery_node::api::{Command, Contact, Reply};
use orrery_node::card::Card;
use orrery_node::identity::IdentityId;
use orrery_node::real;

use super::Failure;
use super::args::{Action, ChatAction};
use super::ask::{Answered, answer, not_running};
use super::folder::Folder;

/// How a card begins, which no identity does.
const CARD_PREFIX: &str = "orrery1";

/// Puts identities in the place of names in `action`.
pub async fn resolve(folder: &Folder, action: &mut Action) -> Result<(), Failure> {
    let needs_running = matches!(
        action,
        Action::Lookup { .. } | Action::Reach { .. } | Action::Closest { .. }
    );
    let mut names: Vec<&mut String> = words(action);
    names.retain(|word| is_name(word));
    if names.is_empty() {
        return Ok(());
    }
    let known = match answer(folder, Command::Contacts).await? {
        Answered::Alone(_) if needs_running => return Err(not_running()),
        Answered::ByNode(reply) | Answered::Alone(reply) => of_reply(reply),
    };
    for name in names {
        let mut fits = known.iter();
        let found = fits.find(|contact| contact.name.as_deref() == Some(name.trim()));
        let found = found.ok_or_else(|| {
            Failure::Input(format!(
                "`{name}` is neither an identity nor a name of a contact; `contacts` lists them"
            ))
        })?;
        *name = found.identity.to_string();
    }
    Ok(())
}

fn of_reply(reply: Reply) -> Vec<Contact> {
    match reply {
        Reply::Contacts { contacts } => contacts,
        _ => Vec::new(),
    }
}

/// What those are called whom the owner has named, as far as a node that runs tells.
pub async fn called(folder: &Folder) -> BTreeMap<IdentityId, String> {
    let asked = real::ask(folder.path(), &Command::Contacts).await;
    let contacts = asked.ok().flatten().and_then(Result::ok).map(of_reply);
    let named = contacts.into_iter().flatten();
    let named = named.filter_map(|contact| Some((contact.identity, contact.name?)));
    named.collect()
}

/// The words of `action` that mean somebody.
fn words(action: &mut Action) -> Vec<&mut String> {
    match action {
        Action::Unfollow { id }
        | Action::Block { id }
        | Action::Unblock { id }
        | Action::Closest { id }
        | Action::Name { id, .. } => vec![id],
        Action::Grant { reader, .. } => vec![reader],
        Action::Chat(
            ChatAction::Send { to: with, .. }
            | ChatAction::Read { with }
            | ChatAction::Show { with, .. },
        ) => vec![with],
        Action::Pull { id } => id.iter_mut().collect(),
        Action::Timeline { author, .. } => author.iter_mut().collect(),
        Action::Lookup { who, .. } | Action::Reach { who, .. } => vec![who],
        Action::Post { to, .. } => to
            .iter_mut()
            .filter(|who| !matches!(who.as_str(), "public" | "friends"))
            .collect(),
        Action::Init
        | Action::Run { .. }
        | Action::Card
        | Action::Follow { .. }
        | Action::Following { .. }
        | Action::Blocked { .. }
        | Action::Contacts { .. }
        | Action::Reindex { .. }
        | Action::BeginLogs
        | Action::Dial { .. }
        | Action::Provide { .. }
        | Action::Providers { .. }
        | Action::Join { .. }
        | Action::Leave { .. }
        | Action::Publish { .. }
        | Action::Chat(ChatAction::List { .. })
        | Action::Keys(_)
        | Action::Status { .. } => Vec::new(),
    }
}

/// Whether a word can only be what the owner calls somebody.
fn is_name(word: &str) -> bool {
    !word.trim().starts_with(CARD_PREFIX) && word.trim().parse::<IdentityId>().is_err()
}

/// The identity that `word` is.
pub fn identity(word: &str) -> Result<IdentityId, Failure> {
    let parsed = word.trim().parse::<IdentityId>();
    parsed.map_err(|error| Failure::Input(error.to_string()))
}

/// The card that `word` is, if it begins like one.
pub fn card(word: &str) -> Result<Option<Card>, Failure> {
    if !word.trim().starts_with(CARD_PREFIX) {
        return Ok(None);
    }
    let card = word.trim().parse::<Card>();
    card.map(Some)
        .map_err(|error| Failure::Input(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_and_cards_are_no_names() {
        let identity = IdentityId([1; 32]).to_string();
        for (word, expected) in [
            ("Ada", true),
            ("orrery1abc", false),
            (identity.as_str(), false),
            (" orrery1abc", false),
        ] {
            assert_eq!(is_name(word), expected, "{word}");
        }
    }

    #[test]
    fn audiences_are_not_looked_for_among_contacts() {
        let mut post = Action::Post {
            text: None,
            json: None,
            to: vec!["public".to_owned(), "Ada".to_owned()],
        };
        assert_eq!(words(&mut post), ["Ada"]);
    }
}
