//! The documented fields of faults: what `orrery explain fault` and the JSON Schema say.

use schemars::JsonSchema;

use crate::format::reading::amount::AmountText;
use crate::format::scenario::access::AccessText;
use crate::format::scenario::workload::HostsText;

/// `[[fault]]`: what goes wrong. Every fault ends with the run at the latest: it heals before
/// the drain. What a host meets is at every moment the sum of all faults in force, whatever
/// their order and kinds; no fault undoes another, and when the last has ended all is as before
/// the first. A run in which a declared fault had no effect fails.
#[derive(JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultFields {
    /// No packet passes between two sets of hosts, wherever they move. Packets are stopped where
    /// they leave the core, so what is under way when it begins is stopped too. Several are a
    /// union. Its effects are the packets that it stops; one that several stop counts for each.
    Partition {
        /// When it begins.
        at: AmountText,
        /// How long it lasts.
        #[serde(rename = "for")]
        length: AmountText,
        /// It comes again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
        /// The two sides.
        between: [HostsText; 2],
        /// `both` (if absent), or `a-to-b`: only packets from the first to the second side go.
        direction: Option<DirectionName>,
    },
    /// Hosts lose power: memory and everything not yet synced to disk is gone. A host is off
    /// while any power cut is in force, and its programs start once, when the last power cut and
    /// stop has ended. An effect is a host whose programs it ends or keeps from running, alone or
    /// with others.
    PowerCut {
        /// Who.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// How long until they start again.
        #[serde(rename = "for")]
        length: AmountText,
        /// It comes again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
    },
    /// Programs of hosts end in good order, as on SIGTERM, and start again: connections are
    /// closed, and disks keep everything. What has not ended when they start again is ended
    /// then. The host keeps its power, so that it refuses what comes, unless a power cut is in
    /// force as well. An effect is a host whose programs it ends or keeps from running, alone or with
    /// others.
    Stop {
        /// Who.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// How long until they start again.
        #[serde(rename = "for")]
        length: AmountText,
        /// It comes again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
    },
    /// Links of hosts change for a while; of several interfaces, those of the primary one. Of several
    /// faults on a link, the lowest rate and the largest delay count, and their losses are
    /// independent of each other; each replaces what the access link has of it in the network that
    /// the host is in then, or its port on the local network. Its effects are packets that meet
    /// the link while the fault changes its rate or delay, and else those that its loss takes.
    Link {
        /// Whose.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// How long; to the end of the run if absent.
        #[serde(rename = "for")]
        length: Option<AmountText>,
        /// The change comes again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
        /// New rate up, such as `1Mbit/s`.
        up: Option<String>,
        /// New rate down.
        down: Option<String>,
        /// New one-way delay of the access link.
        delay: Option<String>,
        /// New share of packets lost, each way.
        loss: Option<String>,
        /// Which of their links: `access` (if absent); `lan`, the ports by which hosts that have a
        /// local network reach each other there; or `all`, both.
        on: Option<LinksName>,
    },
    /// Wall clocks are set. Steps add up. An effect is a clock that is set.
    ClockStep {
        /// Whose.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// By how much; negative sets back. Every host draws its own, anew each time.
        by: AmountText,
        /// They are set again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
    },
    /// NATs and firewalls start again: they forget all sessions at once. Its effects are the
    /// sessions forgotten, and addresses that change.
    NatRestart {
        /// Whose: what these hosts stand behind directly, each once.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each.
        at: AmountText,
        /// Whether they have their outside address again: `kept` (if absent) or `changed`.
        address: Option<AddressName>,
        /// They start again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
    },
    /// NATs and firewalls get another outside address, and keep their sessions. An effect is an
    /// address that changes.
    NatAddress {
        /// Whose: what these hosts stand behind directly, each once.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each.
        at: AmountText,
        /// They get another each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
    },
    /// NATs and firewalls remember sessions for longer or shorter, from the next packet that
    /// renews them. Of several on a NAT, the shortest of each lifetime counts, and that of TCP
    /// connections partly open is never above that of established ones. Its effects are the
    /// sessions that begin or are renewed while it decides over their lifetime.
    NatLifetime {
        /// Whose: what these hosts stand behind directly, each once.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each.
        at: AmountText,
        /// How long; to the end of the run if absent.
        #[serde(rename = "for")]
        length: Option<AmountText>,
        /// It comes again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
        /// New lifetime of UDP sessions.
        udp: Option<String>,
        /// New lifetime of TCP connections that are partly open, closed or reset.
        tcp_transitory: Option<String>,
        /// New lifetime of established TCP connections.
        tcp_established: Option<String>,
    },
    /// Hosts move to another network, each to one of its own, and perhaps back; of several
    /// interfaces, the primary one moves and the others stay. Of several moves
    /// of a host in force, the one that began last says where it is, of those that began together
    /// the later in the file; without any it is at home, on its local network and with the
    /// addresses that it has there. It moves also while it is off. An effect is a host that it
    /// takes to its network.
    Move {
        /// Who.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// How long until they are back; for good if absent.
        #[serde(rename = "for")]
        length: Option<AmountText>,
        /// They move again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
        /// The NAT profile of the other network, or `public`.
        to: String,
        /// The access link there; as before if absent.
        access: Option<AccessText>,
    },
    /// Interfaces of hosts go down: they lose their addresses, which programs are told, and nothing
    /// leaves or comes by them. Hosts send by others that they have; connections of a lost address
    /// are silent until it is back or they time out. An interface is down while any such fault is
    /// in force. Its effects are the packets that cannot leave by it, also where they leave by
    /// another interface instead, those that come to it in vain, and the TCP connections that it
    /// had when it went down; what several stop counts for each.
    Interface {
        /// Whose.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// How long; to the end of the run if absent.
        #[serde(rename = "for")]
        length: Option<AmountText>,
        /// It comes again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
        /// Which interface: a name in the `interfaces` of their group, or `primary` (if absent),
        /// the one that the group's own fields describe.
        name: Option<String>,
    },
}

/// Which links of a host change.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinksName {
    /// The access link.
    Access,
    /// The port on its local network.
    Lan,
    /// Both.
    All,
}

/// Which address a NAT has when it starts again.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AddressName {
    /// That which it had.
    Kept,
    /// Another one.
    Changed,
}

/// Which way a partition cuts.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DirectionName {
    /// Both ways.
    Both,
    /// Only from the first side to the second.
    AToB,
}
