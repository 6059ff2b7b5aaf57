//! LAN segments of a scenario's hosts, and the node's local discovery on them.
//!
//! Owns which hosts share a segment, and how good their ports are. What a segment and a port do
//! to packets is the simulator's.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::BoxStream;
use orrery_node::discovery::local::{GROUP, LocalNetwork, LocalSocket};
use orrery_node::quic::{InterfaceChange, UdpNetwork};
use orrery_sim::net::lan::LanSpec;
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::{HostId, host};

use super::machine::Machines;
use super::quic::HostUdp;
use super::{interfaces, steps};
use crate::fault::LinkChange;
use crate::profiles::AccessProfile;

/// The port of multicast DNS.
const PORT: u16 = 5353;

/// What tells local networks apart: a name, or a group and the number of a home in it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Network<'a> {
    Named(&'a str),
    OfHome(usize, u32),
}

/// Takes the hosts that share a local network to its segment: a switch that is faster than
/// anything behind it, with ports as their groups say.
pub fn join_lans(machines: &Machines) {
    let mut segments = BTreeMap::new();
    for plan in &machines.world.hosts {
        let group = &machines.scenario.groups[plan.group];
        let Some(lan) = &group.lan else {
            continue;
        };
        let network = match &lan.name {
            Some(name) => Network::Named(name),
            None => Network::OfHome(
                plan.group,
                (plan.host - group.first_host) / lan.hosts_each.max(1),
            ),
        };
        let segment = *segments
            .entry(network)
            .or_insert_with(|| host::add_lan(LanSpec::default()));
        let host = HostId(plan.host);
        host::join_lan(host, segment);
        if let Some(port) = port_of(machines, plan.host) {
            host::set_lan_port(host, &steps::access(port, &LinkChange::default()));
        }
    }
    for plan in &machines.world.hosts {
        let group = &machines.scenario.groups[plan.group];
        for (place, interface) in (1..).zip(&group.interfaces) {
            let (Some(lan), Some(name)) = (&interface.lan, interface.lan_name()) else {
                continue;
            };
            let segment = *segments
                .entry(Network::Named(name))
                .or_insert_with(|| host::add_lan(LanSpec::default()));
            let member = interfaces::of(plan.host, place).host();
            host::join_lan(member, segment);
            host::set_lan_port(member, &steps::access(&lan.port, &LinkChange::default()));
        }
    }
}

/// What a host's port on its local network is without faults; `None` without such a network.
pub fn port_of(machines: &Machines, machine: u32) -> Option<&AccessProfile> {
    let lan = machines.scenario.group_of(machine).lan.as_ref();
    lan.map(|lan| &lan.port)
}

/// The networks of a machine, one by each interface. Without a segment it has no neighbours.
pub struct HostLan(pub HostId);

impl LocalNetwork for HostLan {
    fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>> {
        HostUdp(self.0).interfaces()
    }

    fn open(&self, address: Ipv4Addr) -> io::Result<Box<dyn LocalSocket>> {
        let receive = UdpSocket::bind_at(self.0, address.into(), PORT)?;
        receive.join(GROUP.into())?;
        let send = UdpSocket::bind_at(self.0, address.into(), 0)?;
        Ok(Box::new(HostSocket { receive, send }))
    }
}

struct HostSocket {
    receive: UdpSocket,
    send: UdpSocket,
}

impl LocalSocket for HostSocket {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.receive.poll_recv_from(cx).map_ok(|(from, payload)| {
            let length = payload.len().min(buffer.len());
            buffer[..length].copy_from_slice(&payload[..length]);
            (length, from)
        })
    }

    fn poll_send(&mut self, _: &mut Context<'_>, packet: &[u8]) -> Poll<io::Result<()>> {
        let group = SocketAddr::from((GROUP, PORT));
        Poll::Ready(self.send.send_to(group, Bytes::copy_from_slice(packet)))
    }
}
