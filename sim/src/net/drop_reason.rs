//! Why packets are dropped, wherever that is: in stages, in the core, at gateways and hosts.

/// The registry: a reason and its name in metrics.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident $name:literal;)+) => {
        /// Why a packet was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum DropReason {
            $($(#[$doc])* $reason,)+
        }

        impl DropReason {
            /// Every reason, in the order of the counters.
            pub const ALL: &'static [Self] = &[$(Self::$reason),+];

            /// The reason as metrics name it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)+
                }
            }
        }
    };
}

reasons! {
    /// Lost at random.
    Loss "loss";
    /// No room in a queue.
    QueueFull "queue-full";
    /// Larger than the link takes.
    TooLarge "too-large";
    /// Beyond what a policer lets pass.
    Policed "policed";
    /// Dropped by `CoDel` to signal that waits are too long.
    Codel "codel";
    /// Lost on the path between two regions.
    PathLoss "path-loss";
    /// No room before the path between two regions.
    PathQueueFull "path-queue-full";
    /// A partition is between the two hosts.
    Partition "partition";
    /// No host has the address, or none can be reached by it.
    NoRoute "no-route";
    /// The sender has no power, or sleeps.
    SenderDown "sender-down";
    /// The receiver, or a gateway on the way, has no power, or sleeps.
    ReceiverDown "receiver-down";
    /// The interface is down.
    InterfaceDown "interface-down";
    /// The sender has the source address no more.
    StaleSource "stale-source";
    /// Damaged on the way; the checksum tells.
    Corrupted "corrupted";
    /// No room among the connections that wait to be accepted.
    BacklogFull "backlog-full";
    /// No socket has the port.
    NoSocket "no-socket";
    /// Too much waits in the socket already.
    SocketBufferFull "socket-buffer-full";
    /// An ICMP error too many to the same network.
    IcmpRateLimit "icmp-rate-limit";
    /// An ICMP error about a packet that the host did not send.
    IcmpUnasked "icmp-unasked";
    /// A NAT does not hairpin.
    NatHairpin "nat-hairpin";
    /// No inside endpoint has the outside port.
    NatNoBinding "nat-no-binding";
    /// The inside endpoint did not send to this remote.
    NatFiltered "nat-filtered";
    /// Hosts behind the NAT may not send there.
    NatEgress "nat-egress";
    /// The NAT has no outside port left.
    NatPortsExhausted "nat-ports-exhausted";
    /// The NAT can remember no further session.
    NatTableFull "nat-table-full";
    /// No host behind the firewall has asked for it.
    FirewallFiltered "firewall-filtered";
    /// Hosts behind the firewall may not send there.
    FirewallEgress "firewall-egress";
    /// The firewall can remember no further session.
    FirewallTableFull "firewall-table-full";
}
