//! Looking for people: what the arguments mean, and the outcome in plain words.
//!
//! Data, such as addresses, go to standard output; how they were found, and why
//! nobody was, to standard error. As JSON, the whole outcome is data.

use orrery_node::api::{Command, LookupMethod, Miss, Missed, Path, Reply, Unreached};

use super::Failure;
use super::args::Format;
use super::names::{card, identity};
use super::print::{print_json, print_line, tell};

/// Has a node find `who`, an identity or a card.
pub fn look_up(who: &str, by: Vec<LookupMethod>) -> Result<Command, Failure> {
    let (identity, peer) = match card(who)? {
        Some(card) => (card.identity(), Some(card.peer)),
        None => (identity(who)?, None),
    };
    Ok(Command::Lookup {
        identity,
        peer,
        by,
        wait: true,
    })
}

/// Has a node connect to `who`, an identity or a card.
pub fn reach(who: &str) -> Result<Command, Failure> {
    let (identity, peer, addresses) = match card(who)? {
        Some(card) => (
            card.identity(),
            Some(card.peer),
            card.addresses.iter().map(ToString::to_string).collect(),
        ),
        None => (identity(who)?, None, Vec::new()),
    };
    Ok(Command::Reach {
        identity,
        peer,
        addresses,
        wait: true,
    })
}

/// Prints the outcome of a search; one that found nobody is a failure.
pub fn show(outcome: &Reply, format: Format) -> Result<(), Failure> {
    let failure = match outcome {
        Reply::NotFound { .. } => Some("no method found an address of theirs".to_owned()),
        Reply::NotReached { reason, .. } => Some(unreached(*reason).to_owned()),
        _ => None,
    };
    match format {
        Format::Json => print_json(outcome)?,
        Format::Text => show_text(outcome)?,
    }
    failure.map_or(Ok(()), |why| Err(Failure::Other(why)))
}

fn show_text(outcome: &Reply) -> Result<(), Failure> {
    match outcome {
        Reply::Found { by, addresses, .. } => {
            tell(&format!("found by {}", by.name()));
            let mut addresses = addresses.iter();
            addresses.try_for_each(|address| print_line(address))
        }
        Reply::Reached {
            path, by, took_us, ..
        } => print_line(&reached(*path, *by, *took_us)),
        Reply::NotFound { missed } => {
            tell_why(missed);
            Ok(())
        }
        Reply::NotReached {
            missed, last_error, ..
        } => {
            tell_why(missed);
            if let Some(error) = last_error {
                tell(&format!("the last dial failed: {error}"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn tell_why(missed: &[Missed]) {
    for missed in missed {
        tell(&why(*missed));
    }
}

fn reached(path: Path, by: Option<LookupMethod>, took_us: u64) -> String {
    let (path, took) = (way(path), millis(took_us));
    match by {
        Some(by) => format!("{path}, found by {}, in {took}", by.name()),
        None if took_us == 0 => format!("{path}, connected already"),
        None => format!("{path}, connected meanwhile, in {took}"),
    }
}

/// How a peer is connected, in a word.
pub const fn way(path: Path) -> &'static str {
    match path {
        Path::Direct => "direct",
        Path::HolePunched => "hole-punched",
        Path::Relayed => "relayed",
    }
}

/// Microseconds as `12.3 ms`.
pub fn millis(took_us: u64) -> String {
    format!("{}.{} ms", took_us / 1_000, took_us / 100 % 10)
}

const fn unreached(reason: Unreached) -> &'static str {
    match reason {
        Unreached::NotFound => "not reached: no method found an address of theirs",
        Unreached::NotConnected => "not reached: no address that was found could be dialled",
        Unreached::TimedOut => "not reached within `reach.timeout`",
    }
}

fn why(missed: Missed) -> String {
    let why = match (missed.by, missed.reason) {
        (LookupMethod::Known, Miss::Off) => "switched off",
        (LookupMethod::Mdns, Miss::Off) => "switched off; set mdns.enabled = true",
        (LookupMethod::Kad, Miss::Off) => {
            "switched off; set kad.enabled = true and kad.walk = true"
        }
        (LookupMethod::Rendezvous, Miss::Off) => "switched off; set rendezvous.client = true",
        (LookupMethod::Friends, Miss::Off) => "switched off; set friends_lookup.enabled = true",
        (LookupMethod::Relay, Miss::Off) => "switched off; set relay_client.enabled = true",
        (LookupMethod::Known, Miss::Absent) => "no card of theirs is kept here",
        (LookupMethod::Relay, Miss::Absent) => "no card of theirs is kept here, or given",
        (LookupMethod::Mdns | LookupMethod::Rendezvous, Miss::Absent) => {
            "they are not there, or no card of theirs is kept here, or given"
        }
        (LookupMethod::Kad | LookupMethod::Friends, Miss::Absent) => {
            "no peer that was asked knows them"
        }
        (LookupMethod::Relay, Miss::NoAddress) => "no relay is known; name one in bootstrap.peers",
        (_, Miss::NoAddress) => "they are known, but none of their addresses",
        (LookupMethod::Kad | LookupMethod::Rendezvous, Miss::NobodyToAsk) => {
            "there was no peer to ask; name a node in bootstrap.peers"
        }
        (LookupMethod::Friends, Miss::NobodyToAsk) => "no friend is connected who could be asked",
        (_, Miss::NobodyToAsk) => "there was no peer to ask",
        (_, Miss::Wrong) => "the answers were wrong, or not signed by them",
        (_, Miss::Busy) => "too much to do at this moment; try again",
        (_, Miss::TimedOut) => "no answer in time",
    };
    format!("{}: {why}", missed.by.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_peer_was_reached_is_one_line() {
        let check = |path, by, took_us, expected| assert_eq!(reached(path, by, took_us), expected);
        let direct = "direct, found by known, in 12.3 ms";
        check(Path::Direct, Some(LookupMethod::Known), 12_345, direct);
        let relayed = "relayed, found by relay, in 1500.0 ms";
        check(Path::Relayed, Some(LookupMethod::Relay), 1_500_049, relayed);
        check(Path::Relayed, None, 0, "relayed, connected already");
        let punched = "hole-punched, connected meanwhile, in 0.4 ms";
        check(Path::HolePunched, None, 400, punched);
    }

    #[test]
    fn a_method_that_is_off_names_its_setting() {
        let config = include_str!("config.toml");
        for by in LookupMethod::ALL
            .into_iter()
            .filter(|by| *by != LookupMethod::Known)
        {
            let reason = Miss::Off;
            let told = why(Missed { by, reason });
            let settings = told.split_once("set ").expect(&told).1;
            for setting in settings.split(" and ") {
                let (section, field) = setting.split_once('.').expect(setting);
                let field = field.replace("true", "false");
                let section = config.split_once(&format!("\n[{section}]\n"));
                let section = section.expect(setting).1;
                let section = section.split_once("\n[").map_or(section, |(own, _)| own);
                assert!(section.contains(&format!("#:{field}")), "{setting}");
            }
        }
    }

    #[test]
    fn cards_stand_for_whom_they_name() {
        let check = |who: &str, expected: &str| {
            for command in [look_up(who, vec![]), reach(who)] {
                let error = command.expect_err(who);
                assert_eq!(error.exit_code(), 2);
                assert!(error.to_string().contains(expected), "{who}: {error}");
            }
        };
        check("orrery1nonsense", "card");
        let keys = orrery_node::keys::Keys::generate(Some([1; 32]));
        let address = "/ip4/192.0.2.7/tcp/4150";
        let card = keys.card(&[address.parse().expect("an address")]);
        let card = card.expect("keys in memory always sign").to_string();
        let identity = keys.identity();
        let found = Command::Lookup {
            identity,
            peer: Some(keys.peer()),
            by: vec![],
            wait: true,
        };
        assert_eq!(look_up(&card, vec![]).ok(), Some(found));
        let expected = Command::Reach {
            identity,
            peer: Some(keys.peer()),
            addresses: vec![address.to_owned()],
            wait: true,
        };
        assert_eq!(reach(&card).ok(), Some(expected));
    }
}
