//! What hosts behind a NAT or firewall may send out, as files and scenarios say it.
//!
//! Owns the wording. What becomes of a packet is the simulator's
//! ([`orrery_sim::net::nat::egress`]).

use std::ops::RangeInclusive;

use orrery_sim::net::nat::{Egress, RemotePorts};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Value;

/// What may go out, by remote port. What others began passes both ways once it was let in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressText {
    /// Connections: `all` (if absent), `blocked`, or remote ports such as `[80, 443, "8000-8100"]`.
    #[schemars(with = "Option<PortsText>")]
    tcp: Option<Value>,
    /// Datagrams, likewise: `[53]`, or `blocked`.
    #[schemars(with = "Option<PortsText>")]
    udp: Option<Value>,
}

/// `all`, `blocked`, or remote ports.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it documents what is read from a value by hand, for its messages"
)]
enum PortsText {
    /// `all` or `blocked`.
    Word(String),
    /// These alone.
    Only(Vec<PortText>),
}

/// A port, or a range such as `8000-8100`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it documents what is read from a value by hand, for its messages"
)]
enum PortText {
    /// One port.
    One(u16),
    /// From the first to the last.
    Range(String),
}

/// Ranges of ports of one protocol at most.
const RANGES_MAX: usize = 1_000;

impl EgressText {
    /// The rule.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self) -> Result<Egress, String> {
        Ok(Egress {
            tcp: ports("tcp", self.tcp.as_ref())?,
            udp: ports("udp", self.udp.as_ref())?,
        })
    }
}

fn ports(protocol: &str, value: Option<&Value>) -> Result<RemotePorts, String> {
    let wrong = |found: &str| {
        format!(
            "allow_out.{protocol}: expected \"all\", \"blocked\", or a list of ports from 1 to \
             65535 and ranges such as [80, 443, \"8000-8100\"], found {found}"
        )
    };
    match value {
        None => Ok(RemotePorts::All),
        Some(Value::String(word)) if word == "all" => Ok(RemotePorts::All),
        Some(Value::String(word)) if word == "blocked" => Ok(RemotePorts::Only(Vec::new())),
        Some(Value::Array(items)) if items.len() <= RANGES_MAX => {
            let ranges = items.iter().map(|item| {
                let range = range(item);
                range.ok_or_else(|| wrong(&item.to_string()))
            });
            Ok(RemotePorts::Only(ranges.collect::<Result<_, _>>()?))
        }
        Some(Value::Array(_)) => Err(wrong(&format!("more than {RANGES_MAX} of them"))),
        Some(other) => Err(wrong(&other.to_string())),
    }
}

/// One port, or a range of them.
fn range(item: &Value) -> Option<RangeInclusive<u16>> {
    let (first, last) = match item {
        Value::Integer(port) => {
            let port = u16::try_from(*port).ok()?;
            (port, port)
        }
        Value::String(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            (first.trim().parse().ok()?, last.trim().parse().ok()?)
        }
        _ => return None,
    };
    (first > 0 && first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Egress, String> {
        let text: EgressText = toml::from_str(text).map_err(|error| error.to_string())?;
        text.read()
    }

    #[test]
    fn words_and_lists_are_read() {
        let check = |text: &str, tcp: RemotePorts, udp: RemotePorts| {
            assert_eq!(read(text), Ok(Egress { tcp, udp }), "{text}");
        };
        let only = |ranges: &[RangeInclusive<u16>]| RemotePorts::Only(ranges.to_vec());
        check("", RemotePorts::All, RemotePorts::All);
        check("udp = 'blocked'", RemotePorts::All, only(&[]));
        check(
            "tcp = [80, 443, '8000-8100']\nudp = [53]",
            only(&[80..=80, 443..=443, 8_000..=8_100]),
            only(&[53..=53]),
        );
        check("tcp = 'all'\nudp = []", RemotePorts::All, only(&[]));
    }

    #[test]
    fn what_is_no_port_is_named() {
        for wrong in ["'web'", "80", "[0]", "[65536]", "['9-8']", "[[80]]", "true"] {
            let told = read(&format!("tcp = {wrong}")).expect_err(wrong);
            assert!(
                told.starts_with("allow_out.tcp: expected \"all\""),
                "{told}"
            );
        }
        assert!(
            read("icmp = 'all'")
                .expect_err("no such field")
                .contains("icmp")
        );
    }
}
