//! NATs and firewalls: what stands between a host and the core beside its link.
//!
//! Owns what such a profile says and reads its file. The axes and what they do to packets
//! are the simulator's ([`orrery_sim::net::nat`]).

use std::time::Duration;

use orrery_sim::net::nat::{
    Block, Dependence, Egress, FirewallSpec, Hairpinning, Lifetimes, NatSpec, PortAssignment,
    Refresh, Unsolicited,
};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::egress::EgressText;
use super::error::{ProfileError, from_toml, line};
use crate::format::reading::quantity::time_ns;

/// What stands before a host: a NAT, a firewall, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatProfile {
    /// Its name.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// Where it comes from.
    pub source: String,
    /// Translates IPv4.
    pub nat: Option<NatSpec>,
    /// Filters what is not translated.
    pub firewall: Option<FirewallSpec>,
}

impl NatProfile {
    /// From now on this alone may go out.
    pub fn allow_out(&mut self, egress: &Egress) {
        if let Some(nat) = &mut self.nat {
            nat.allow_out = egress.clone();
        }
        if let Some(firewall) = &mut self.firewall {
            firewall.allow_out = egress.clone();
        }
    }
}

/// A NAT, a firewall, or both, by the axes of RFC 4787 and RFC 5382.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A NAT profile of Orrery")]
struct File {
    /// Its name, which is also the file's.
    name: String,
    /// What it is, in a sentence.
    summary: String,
    /// Where it comes from; what is assumed says so.
    source: String,
    /// Where the behaviour was observed.
    #[serde(default, rename = "observed_on")]
    _observed_on: Option<String>,
    /// Translates IPv4. Hosts behind it have private addresses.
    #[schemars(with = "Option<NatText>")]
    nat: Option<Spanned<NatText>>,
    /// Filters IPv6, and IPv4 if there is no NAT. Without it, all of that passes.
    #[schemars(with = "Option<FirewallText>")]
    firewall: Option<Spanned<FirewallText>>,
    /// What hosts behind it may send out, translated or not; all if absent.
    #[schemars(with = "Option<EgressText>")]
    allow_out: Option<Spanned<EgressText>>,
}

/// The translator. What is absent is as RFC 4787 and RFC 5382 recommend.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NatText {
    /// Addresses inside: `home` (192.168.0.0/16), `office` (10.0.0.0/8) or `carrier`
    /// (100.64.0.0/10); `home` if absent.
    #[schemars(with = "Option<String>")]
    inside: Option<Block>,
    /// On what an outside port depends: `endpoint-independent`, `address-dependent` or
    /// `address-and-port-dependent`.
    #[schemars(with = "String")]
    mapping: Dependence,
    /// From whom packets are let in, with the same three grades.
    #[schemars(with = "String")]
    filtering: Dependence,
    /// Which outside port a binding gets: `preserving` (if absent), `sequential`, `random` or
    /// `overloading`.
    #[schemars(with = "Option<String>")]
    ports: Option<PortAssignment>,
    /// The first and the last outside port; `[1024, 65535]` if absent.
    port_range: Option<[u16; 2]>,
    /// How long a UDP session lasts after its last packet; `5m` if absent.
    #[schemars(with = "Option<String>")]
    udp: Option<Spanned<String>>,
    /// How long a TCP connection is remembered that is partly open, closed or reset; `4m` if
    /// absent.
    #[schemars(with = "Option<String>")]
    tcp_transitory: Option<Spanned<String>>,
    /// How long an established TCP connection is remembered; `124m` if absent.
    #[schemars(with = "Option<String>")]
    tcp_established: Option<Spanned<String>>,
    /// Which UDP packets renew a session: `outbound` (if absent), `inbound`, `both`, or `none`:
    /// then it ends that long after its first packet.
    #[schemars(with = "Option<String>")]
    refresh: Option<Refresh>,
    /// What becomes of packets from inside to its own outside address: `none`,
    /// `internal-source`, or `external-source` (if absent).
    #[schemars(with = "Option<String>")]
    hairpinning: Option<Hairpinning>,
    /// The answer to an unsolicited TCP SYN: `drop` (if absent), `reset` or `gateway`.
    #[schemars(with = "Option<String>")]
    unsolicited: Option<Unsolicited>,
    /// Sessions that it can remember; 65536 if absent.
    sessions_max: Option<u32>,
}

/// The firewall.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FirewallText {
    /// From whom packets are let in, with the grades of a NAT's.
    #[schemars(with = "String")]
    filtering: Dependence,
    /// How long a UDP session lasts after its last packet; `5m` if absent.
    #[schemars(with = "Option<String>")]
    udp: Option<Spanned<String>>,
    /// How long a TCP connection is remembered that is partly open, closed or reset; `4m` if
    /// absent.
    #[schemars(with = "Option<String>")]
    tcp_transitory: Option<Spanned<String>>,
    /// How long an established TCP connection is remembered; `124m` if absent.
    #[schemars(with = "Option<String>")]
    tcp_established: Option<Spanned<String>>,
    /// Which UDP packets renew a session: `outbound`, `inbound`, `both` (if absent) or `none`.
    #[schemars(with = "Option<String>")]
    refresh: Option<Refresh>,
    /// The answer to an unsolicited TCP SYN: `drop` (if absent) or `reset`.
    #[schemars(with = "Option<String>")]
    unsolicited: Option<Unsolicited>,
    /// Sessions that it can remember; 65536 if absent.
    sessions_max: Option<u32>,
}

/// Something wrong with a value: where in the text, and what.
type Wrong = (usize, String);

/// The JSON Schema of a NAT profile.
pub fn schema() -> Schema {
    schemars::schema_for!(File)
}

/// Reads a NAT profile.
pub(super) fn parse(file: &str, text: &str) -> Result<NatProfile, ProfileError> {
    let raw: File = from_toml(file, text)?;
    read(raw).map_err(|(byte, message)| {
        let line = line(text, byte);
        ProfileError::new(format!("profile {file}, line {line}: {message}"))
    })
}

fn read(raw: File) -> Result<NatProfile, Wrong> {
    if raw.nat.is_none() && raw.firewall.is_none() {
        let message = "expected a [nat], a [firewall] or both, or nothing is there";
        return Err((0, message.to_owned()));
    }
    let nat = raw.nat.map(|text| {
        let at = text.span().start;
        let spec = nat(text.get_ref())?;
        match spec.check() {
            Ok(()) => Ok(spec),
            Err(error) => Err((at, format!("nat: {error}"))),
        }
    });
    let firewall = raw.firewall.map(|text| {
        let at = text.span().start;
        let spec = firewall(text.get_ref())?;
        match spec.check() {
            Ok(()) => Ok(spec),
            Err(error) => Err((at, format!("firewall: {error}"))),
        }
    });
    let mut profile = NatProfile {
        name: raw.name,
        summary: raw.summary,
        source: raw.source,
        nat: nat.transpose()?,
        firewall: firewall.transpose()?,
    };
    if let Some(text) = raw.allow_out {
        let egress = text.get_ref().read();
        profile.allow_out(&egress.map_err(|wrong| (text.span().start, wrong))?);
    }
    Ok(profile)
}

fn nat(text: &NatText) -> Result<NatSpec, Wrong> {
    let usual = NatSpec::default();
    Ok(NatSpec {
        inside: text.inside.unwrap_or(usual.inside),
        mapping: text.mapping,
        filtering: text.filtering,
        ports: text.ports.unwrap_or(usual.ports),
        port_range: text
            .port_range
            .map_or(usual.port_range, |[first, last]| first..=last),
        lifetimes: lifetimes(
            "nat",
            [&text.udp, &text.tcp_transitory, &text.tcp_established],
        )?,
        refresh: text.refresh.unwrap_or(usual.refresh),
        hairpinning: text.hairpinning.unwrap_or(usual.hairpinning),
        unsolicited: text.unsolicited.unwrap_or(usual.unsolicited),
        allow_out: usual.allow_out,
        sessions_max: text
            .sessions_max
            .map_or(usual.sessions_max, |max| max as usize),
    })
}

fn firewall(text: &FirewallText) -> Result<FirewallSpec, Wrong> {
    let usual = FirewallSpec::default();
    Ok(FirewallSpec {
        filtering: text.filtering,
        lifetimes: lifetimes(
            "firewall",
            [&text.udp, &text.tcp_transitory, &text.tcp_established],
        )?,
        refresh: text.refresh.unwrap_or(usual.refresh),
        unsolicited: text.unsolicited.unwrap_or(usual.unsolicited),
        allow_out: usual.allow_out,
        sessions_max: text
            .sessions_max
            .map_or(usual.sessions_max, |max| max as usize),
    })
}

fn lifetimes(
    table: &str,
    [udp, transitory, established]: [&Option<Spanned<String>>; 3],
) -> Result<Lifetimes, Wrong> {
    let usual = Lifetimes::default();
    let time = |field: &str, text: &Option<Spanned<String>>, usual: Duration| {
        let Some(text) = text else {
            return Ok(usual);
        };
        let wrong = |message: &str| (text.span().start, format!("{table}.{field}: {message}"));
        let nanos = time_ns(text.get_ref()).map_err(|expected| wrong(expected.0))?;
        let nanos = u64::try_from(nanos).map_err(|_| wrong("expected more than 0s"))?;
        Ok(Duration::from_nanos(nanos))
    };
    Ok(Lifetimes {
        udp: time("udp", udp, usual.udp)?,
        tcp_transitory: time("tcp_transitory", transitory, usual.tcp_transitory)?,
        tcp_established: time("tcp_established", established, usual.tcp_established)?,
    })
}

#[cfg(test)]
mod tests {
    use orrery_sim::net::nat::RemotePorts;

    use super::*;

    const HEAD: &str = "name='x'\nsummary='s'\nsource='q'\n";
    const NAT: &str = "[nat]\nmapping='endpoint-independent'\nfiltering='address-dependent'\n";

    #[test]
    fn what_is_absent_is_as_the_rfcs_recommend() {
        let profile = parse("x", &format!("{HEAD}{NAT}")).expect("it is sound");
        assert_eq!(profile.nat, Some(NatSpec::default()));
        assert_eq!(profile.firewall, None);
    }

    #[test]
    fn every_field_is_read() {
        let text = format!(
            "{HEAD}allow_out={{ tcp=[80, 443], udp='blocked' }}\n{NAT}inside='carrier'\nports='random'\nport_range=[9, 10]\nudp='30s'\n\
             tcp_transitory='10s'\ntcp_established='1h'\nrefresh='both'\nhairpinning='none'\n\
             unsolicited='gateway'\nsessions_max=7\n\
             [firewall]\nfiltering='endpoint-independent'\nudp='1s'\nrefresh='inbound'\n\
             unsolicited='reset'\nsessions_max=8\n"
        );
        let profile = parse("x", &text).expect("it is sound");
        let allow_out = Egress {
            tcp: RemotePorts::Only(vec![80..=80, 443..=443]),
            udp: RemotePorts::Only(Vec::new()),
        };
        let nat = NatSpec {
            inside: Block::Carrier,
            mapping: Dependence::EndpointIndependent,
            filtering: Dependence::AddressDependent,
            ports: PortAssignment::Random,
            port_range: 9..=10,
            lifetimes: Lifetimes {
                udp: Duration::from_secs(30),
                tcp_transitory: Duration::from_secs(10),
                tcp_established: Duration::from_hours(1),
            },
            refresh: Refresh::Both,
            hairpinning: Hairpinning::None,
            unsolicited: Unsolicited::Gateway,
            allow_out: allow_out.clone(),
            sessions_max: 7,
        };
        assert_eq!(profile.nat, Some(nat));
        let firewall = FirewallSpec {
            filtering: Dependence::EndpointIndependent,
            lifetimes: Lifetimes {
                udp: Duration::from_secs(1),
                ..Lifetimes::default()
            },
            refresh: Refresh::Inbound,
            unsolicited: Unsolicited::Reset,
            allow_out,
            sessions_max: 8,
        };
        assert_eq!(profile.firewall, Some(firewall));
    }

    #[test]
    fn wrong_and_contradictory_axes_are_named_with_their_line() {
        let check = |lines: &str, expected: &str| {
            let error = parse("x", &format!("{HEAD}{lines}")).expect_err(lines);
            let expected = format!("profile x, line {expected}");
            assert!(error.message.starts_with(&expected), "{lines}: {error}");
        };
        check("", "1: expected a [nat], a [firewall] or both");
        check(
            "[nat]\nmapping='cone'\n",
            "5: unknown variant `cone`, expected one of `endpoint-independent`",
        );
        check(&format!("{NAT}udp='soon'\n"), "7: nat.udp: expected a time");
        check(
            &format!("allow_out={{ tcp=[0] }}\n{NAT}"),
            "4: allow_out.tcp: expected \"all\"",
        );
        check(
            &format!("{NAT}udp='-1s'\n"),
            "7: nat.udp: expected more than 0s",
        );
        check(&format!("{NAT}udp='0s'\n"), "4: nat: a lifetime is zero");
        check(
            &format!("{NAT}ports='overloading'\n"),
            "4: nat: ports are overloaded, but mapping does not depend on the remote",
        );
        check(
            "[firewall]\nfiltering='address-dependent'\nunsolicited='gateway'\n",
            "4: firewall: a firewall cannot let its own system answer",
        );
    }
}
