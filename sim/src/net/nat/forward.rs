//! How packets pass gateways.
//!
//! A host's links lead to the core or to the inside of a gateway, and a gateway's links
//! lead on in the same way. A packet climbs by uplinks until it comes to where its
//! destination's address means something, and goes down from there. Owns that way, and
//! asks the gateway's parts on it what becomes of the packet.

use std::collections::BTreeMap;

use super::firewall::Firewall;
use super::translator::{Refusal, Translator};
use super::unsolicited::{self, Unsolicited};
use crate::kernel::{self, Class, HostId};
use crate::net::DropReason;
use crate::net::packet::Packet;
use crate::net::pcapng::Direction;
use crate::net::stage::Condition;
use crate::net::transit::Transit;
use crate::net::{LinkDirection, Net};

/// What a gateway does, apart from its place and links.
#[derive(Debug, Default)]
pub(super) struct Gateway {
    pub(super) nat: Option<Translator>,
    pub(super) firewall: Option<Firewall>,
}

/// All gateways of a world.
#[derive(Debug, Default)]
pub(in crate::net) struct Gateways(pub(super) BTreeMap<HostId, Gateway>);

impl Gateways {
    /// Forgets what a gateway knows of its hosts' sessions; nothing for other hosts.
    pub(in crate::net) fn restart(&mut self, host: HostId) {
        if let Some(gateway) = self.0.get_mut(&host) {
            if let Some(nat) = &mut gateway.nat {
                nat.restart();
            }
            if let Some(firewall) = &mut gateway.firewall {
                firewall.restart();
            }
        }
    }

    fn nat(&mut self, gateway: HostId) -> Option<&mut Translator> {
        self.0.get_mut(&gateway)?.nat.as_mut()
    }

    /// The part that decides over what is not translated.
    fn firewall(&mut self, gateway: HostId) -> Option<&mut Firewall> {
        self.0.get_mut(&gateway)?.firewall.as_mut()
    }
}

impl Net {
    /// A packet has left the uplink of `child`, which is behind a gateway.
    pub(in crate::net) fn ascend(
        &mut self,
        child: HostId,
        condition: Condition,
        mut packet: Box<Transit>,
    ) {
        let Some(gateway) = self.fabric.place(child).behind else {
            // It has moved while the packet was on its link.
            self.fabric.count_drop(DropReason::NoRoute);
            return;
        };
        if !self.fabric.is_up(gateway) {
            self.fabric.count_drop(DropReason::ReceiverDown);
            return;
        }
        note_passage(gateway, &packet);
        let (now, to) = (kernel::now(), packet.dst.ip());
        if let Some(to) = self.fabric.owner_behind(gateway, to) {
            if self.fabric.partitions.passes(child, to) {
                self.go_down(gateway, to, condition, packet);
            } else {
                self.fabric.count_drop(DropReason::Partition);
            }
            return;
        }
        let own = self.fabric.owns(gateway, to);
        let outside = self.fabric.address(gateway, to);
        let refused = if to.is_ipv4()
            && let Some(nat) = self.gateways.nat(gateway)
        {
            if own {
                self.hairpin(gateway, condition, packet);
                return;
            }
            let passed = nat.translate_out(now, outside, &mut packet);
            passed.err().map(DropReason::from)
        } else if own {
            self.deliver_local(gateway, condition, &packet);
            return;
        } else {
            let firewall = self.gateways.firewall(gateway);
            let passed = firewall.map_or(Ok(()), |firewall| firewall.pass_out(now, &packet));
            passed.err().map(DropReason::from)
        };
        match refused {
            None => self.go_up(gateway, condition, packet),
            Some(reason) => self.fabric.count_drop(reason),
        }
    }

    /// A packet has left the downlink of a gateway.
    pub(in crate::net) fn pass_gateway(
        &mut self,
        gateway: HostId,
        condition: Condition,
        mut packet: Box<Transit>,
    ) {
        if !self.fabric.note_received(gateway, &packet) {
            return;
        }
        self.observe(gateway, Direction::Inbound, &packet);
        note_passage(gateway, &packet);
        let (now, to) = (kernel::now(), packet.dst.ip());
        if self.fabric.owns(gateway, to) {
            if to.is_ipv4()
                && let Some(nat) = self.gateways.nat(gateway)
            {
                match nat.translate_in(now, &mut packet) {
                    Ok(()) => self.bring_inside(gateway, condition, packet),
                    Err(refusal) => self.refuse(gateway, condition, &packet, refusal),
                }
            } else {
                self.deliver_local(gateway, condition, &packet);
            }
            return;
        }
        let Some(to) = self.fabric.owner_behind(gateway, to) else {
            self.fabric.count_drop(DropReason::NoRoute);
            return;
        };
        if let Some(firewall) = self.gateways.firewall(gateway)
            && let Err(blocked) = firewall.pass_in(now, &packet)
        {
            let answers = firewall.spec.unsolicited == Unsolicited::Reset;
            self.fabric.count_drop(blocked.into());
            if answers && let Some(reset) = unsolicited::reset(&packet) {
                self.go_up(gateway, Condition::Intact, Transit::new(reset));
            }
            return;
        }
        self.go_down(gateway, to, condition, packet);
    }

    /// A packet from inside has come to the outside address of its own NAT.
    fn hairpin(&mut self, gateway: HostId, condition: Condition, mut packet: Box<Transit>) {
        let (now, inside, outside) = (kernel::now(), packet.src, packet.dst.ip());
        let Some(nat) = self.gateways.nat(gateway) else {
            return;
        };
        let hairpinning = nat.spec.hairpinning;
        if hairpinning.source(inside, inside).is_none() {
            self.fabric.count_drop(DropReason::NatHairpin);
            return;
        }
        if let Err(refusal) = nat.translate_out(now, outside, &mut packet) {
            self.fabric.count_drop(refusal.into());
            return;
        }
        if let Err(refusal) = nat.translate_in(now, &mut packet) {
            self.refuse(gateway, condition, &packet, refusal);
            return;
        }
        packet.src = hairpinning.source(inside, packet.src).unwrap_or(inside);
        self.bring_inside(gateway, condition, packet);
    }

    /// A packet has come to an outside address and is for no host inside.
    fn refuse(&mut self, gateway: HostId, condition: Condition, packet: &Packet, refusal: Refusal) {
        let Some(nat) = self.gateways.nat(gateway) else {
            return;
        };
        // Only what was not asked for is answered: want of room is not told.
        let unsolicited = matches!(refusal, Refusal::NoBinding | Refusal::Filtered);
        match nat.spec.unsolicited {
            Unsolicited::Gateway if unsolicited => {
                nat.claim(kernel::now(), packet);
                self.deliver_local(gateway, condition, packet);
            }
            Unsolicited::Reset if unsolicited && let Some(reset) = unsolicited::reset(packet) => {
                self.fabric.count_drop(refusal.into());
                self.send(gateway, reset);
            }
            _ => self.fabric.count_drop(refusal.into()),
        }
    }

    /// Hands a packet to the host behind `gateway` whose inside address it now has.
    fn bring_inside(&mut self, gateway: HostId, condition: Condition, packet: Box<Transit>) {
        match self.fabric.owner_behind(gateway, packet.dst.ip()) {
            Some(to) => self.go_down(gateway, to, condition, packet),
            // It has moved since.
            None => self.fabric.count_drop(DropReason::NoRoute),
        }
    }

    /// Sends a packet towards a host behind `gateway`.
    fn go_down(&mut self, gateway: HostId, to: HostId, condition: Condition, packet: Box<Transit>) {
        match self.fabric.next_towards(to, Some(gateway)) {
            Some(next) => self.arrive(next, condition, packet),
            None => self.fabric.count_drop(DropReason::NoRoute),
        }
    }

    /// Sends a packet on from a gateway, away from the hosts behind it.
    fn go_up(&mut self, gateway: HostId, condition: Condition, packet: Box<Transit>) {
        self.observe(gateway, Direction::Outbound, &packet);
        let now = kernel::now();
        match self.fabric.forward(now, gateway, &packet, condition) {
            Some(hop) => packet.schedule_hop(&hop),
            None => self.check_uplink(gateway, &packet),
        }
        self.drain_link(gateway, LinkDirection::Up);
    }
}

/// Enters a packet that has come to a gateway into the trace hash, whatever becomes of it.
fn note_passage(gateway: HostId, packet: &Packet) {
    kernel::with(|kernel| {
        kernel.record(Class::Packet, gateway, |encoding| {
            packet.digest_into(encoding);
        });
    });
}
