//! What testbeds can do: the names of it, and what each says of itself.

/// Something that a scenario may ask of a testbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Nodes' connections without Noise and Yamux: the fidelity `flow`.
    PlainFidelity,
    /// Rates and losses between regions, beside delays.
    RegionPaths,
    /// Settings of TCP.
    TcpSettings,
    /// Wall clocks that are ahead, behind, too fast or too slow.
    Clocks,
    /// Wall clocks that are set.
    ClockSteps,
    /// NATs and firewalls.
    Gateways,
    /// NATs and firewalls that start again, or change addresses or lifetimes.
    GatewayChanges,
    /// Local networks.
    Lans,
    /// Further interfaces of hosts.
    Interfaces,
    /// QUIC between nodes.
    Quic,
    /// TCP of hosts for workloads beside nodes.
    TcpSockets,
    /// UDP of hosts for workloads beside nodes.
    UdpSockets,
    /// Hosts without nodes.
    HostsWithoutNodes,
    /// Peers that misbehave.
    HostilePeers,
    /// Rates of access links, constant or as a trace has them.
    Rates,
    /// Jitter of access links.
    Jitter,
    /// Losses and corruption on access links.
    Losses,
    /// Packets that arrive twice.
    Duplicates,
    /// Packets that overtake each other.
    Reordering,
    /// Policing by access links.
    Policing,
    /// Access links with another delay up than down.
    DelaysByDirection,
    /// Sets of hosts between which nothing passes.
    Partitions,
    /// Hosts that lose their power.
    PowerCuts,
    /// Programs that end in good order and start again.
    Stops,
    /// Programs that stand still.
    Pauses,
    /// Hosts that sleep.
    Sleeps,
    /// Links that change.
    LinkChanges,
    /// Interfaces that go down.
    InterfaceChanges,
    /// Hosts that move to other networks.
    Moves,
    /// Counts of what wires carried and dropped.
    WireCounts,
    /// Seeing what libraries tell in trace events.
    Watching,
}

impl Capability {
    /// What there is of it, as refusals name it.
    pub const fn what(self) -> &'static str {
        match self {
            Self::PlainFidelity => "fidelity \"flow\"",
            Self::RegionPaths => "rates or losses between regions",
            Self::TcpSettings => "settings of TCP",
            Self::Clocks => "offset or drift of clocks",
            Self::ClockSteps => "steps of clocks",
            Self::Gateways => "NATs and firewalls",
            Self::GatewayChanges => "changes of NATs and firewalls",
            Self::Lans => "local networks",
            Self::Interfaces => "further interfaces",
            Self::Quic => "listening by QUIC",
            Self::TcpSockets => "TCP beside nodes",
            Self::UdpSockets => "UDP beside nodes",
            Self::HostsWithoutNodes => "hosts without nodes",
            Self::HostilePeers => "hostile peers",
            Self::Rates => "rates",
            Self::Jitter => "jitter",
            Self::Losses => "losses",
            Self::Duplicates => "duplicates",
            Self::Reordering => "packets out of order",
            Self::Policing => "policing",
            Self::DelaysByDirection => "delays that differ by direction",
            Self::Partitions => "partitions",
            Self::PowerCuts => "power cuts",
            Self::Stops => "stops of programs",
            Self::Pauses => "pauses of programs",
            Self::Sleeps => "hosts that sleep",
            Self::LinkChanges => "changes of links",
            Self::InterfaceChanges => "changes of interfaces",
            Self::Moves => "moves of hosts",
            Self::WireCounts => "counts of what wires carried",
            Self::Watching => "trace events of libraries",
        }
    }
}

/// What a testbed says of itself.
#[derive(Debug)]
pub struct Capabilities {
    /// Its name, that of its engine.
    pub name: &'static str,
    /// Why it has not something; `None` if it has.
    pub lacks: fn(Capability) -> Option<&'static str>,
    /// Hosts at most; `None` for as many as a scenario may have.
    pub hosts_max: Option<u32>,
}

impl Capabilities {
    /// Whether it has something.
    pub fn has(&self, capability: Capability) -> bool {
        (self.lacks)(capability).is_none()
    }

    /// Why it cannot play `what`, such as `fault "stop"`, which needs all of `needs`; `None` if it
    /// can.
    pub fn refusal(&self, what: &str, needs: &[Capability]) -> Option<String> {
        let why = needs.iter().find_map(|&need| (self.lacks)(need))?;
        Some(format!("no {what} on {}: {why}", self.name))
    }
}
