//! Programs that watch the addresses of their host.
//!
//! Owns which tasks are woken when a host's addresses change; `nat/topology.rs` decides what they are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::Stream;

use super::{Net, with};
use crate::kernel::HostId;

/// A change of a host's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressChange {
    /// The host has this address from now on.
    Up(IpAddr),
    /// The host has lost this address.
    Down(IpAddr),
}

/// Which tasks wait for a change of which host's addresses.
#[derive(Default)]
pub(super) struct Watchers {
    waiting: BTreeMap<HostId, Vec<Waker>>,
    /// Changes so far, of all hosts.
    changes: u64,
    /// How often each interface has come to another network, or up or down.
    networks: BTreeMap<HostId, u64>,
}

/// What was told of an interface, by family, and in which of its networks it was then.
type KnownAddresses = [Option<(IpAddr, u64)>; 2];

/// The addresses of a host as a stream that does not end: first those that it has, then what
/// changes, the lost address of a family before the new one, by interface in their order. An
/// interface that is down has none. One that comes to another network
/// loses its address and gets one, even if they are alike, as private ones often are. Changes that
/// follow each other before a watcher is polled are told as one.
#[derive(Debug)]
pub struct Interfaces {
    host: HostId,
    /// What was told, by interface.
    told: Vec<KnownAddresses>,
    /// Which tasks wait, since how many changes: programs are polled far more often than hosts move.
    waits: Option<(Waker, u64)>,
}

impl Interfaces {
    /// Watches `host` from now on.
    pub fn of(host: HostId) -> Self {
        Self {
            host,
            told: Vec::new(),
            waits: None,
        }
    }

    /// As [`Self::of`], of whose addresses those of now are known already.
    pub fn changes_of(host: HostId) -> Self {
        let told = with(|net| {
            net.interfaces_of(host)
                .into_iter()
                .map(|at| net.present(at))
                .collect()
        });
        Self {
            host,
            told,
            waits: None,
        }
    }
}

impl Interfaces {
    /// Takes in what an interface has now of a family, or one step towards it. Returns what is to
    /// be told of that.
    fn take_in(
        &mut self,
        (place, family): (usize, usize),
        now: Option<(IpAddr, u64)>,
    ) -> Option<AddressChange> {
        loop {
            let before = self.told[place][family];
            if before == now {
                return None;
            }
            self.told[place][family] = if before.is_some() { None } else { now };
            let (ip, _) = before.or(now)?;
            // Two networks may give a host the same private address.
            let mut others = self.told.iter().enumerate();
            let is_elsewhere = others.any(|(other, told)| {
                other != place && told[family].is_some_and(|(told, _)| told == ip)
            });
            if !is_elsewhere {
                let is_lost = before.is_some();
                return Some(if is_lost {
                    AddressChange::Down(ip)
                } else {
                    AddressChange::Up(ip)
                });
            }
        }
    }
}

/// An address of each family.
const FAMILIES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
];

impl Stream for Interfaces {
    type Item = AddressChange;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<AddressChange>> {
        let host = self.host;
        let changes = with(|net| net.watchers.changes);
        let knows =
            |(waker, since): &(Waker, u64)| *since == changes && waker.will_wake(cx.waker());
        if self.waits.as_ref().is_some_and(knows) {
            return Poll::Pending;
        }
        for (place, interface) in with(|net| net.interfaces_of(host)).into_iter().enumerate() {
            if self.told.len() <= place {
                self.told.push([None; 2]);
            }
            let present = with(|net| net.present(interface));
            for (family, now) in present.into_iter().enumerate() {
                if let Some(change) = self.take_in((place, family), now) {
                    return Poll::Ready(Some(change));
                }
            }
        }
        with(|net| net.watchers.wait(host, cx.waker()));
        self.waits = Some((cx.waker().clone(), changes));
        Poll::Pending
    }
}

impl Watchers {
    fn wait(&mut self, host: HostId, waker: &Waker) {
        let waiting = self.waiting.entry(host).or_default();
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }

    /// In which of its networks an interface is, counted.
    fn network(&self, interface: HostId) -> u64 {
        self.networks.get(&interface).copied().unwrap_or(0)
    }

    /// No task waits on the host any more: its programs have ended.
    pub(super) fn forget(&mut self, host: HostId) -> Option<Vec<Waker>> {
        self.waiting.remove(&host)
    }
}

impl Net {
    /// The addresses of an interface now; none while it is down.
    fn present(&self, interface: HostId) -> KnownAddresses {
        let network = self.watchers.network(interface);
        let is_up = self.fabric.is_attached(interface);
        let address = |like| (self.fabric.address(interface, like), network);
        FAMILIES.map(|like| is_up.then(|| address(like)))
    }

    /// An interface has come to another network, or up or down, and its host may have other
    /// addresses than before.
    pub(super) fn addresses_changed(&mut self, interface: HostId) {
        self.watchers.changes += 1;
        *self.watchers.networks.entry(interface).or_default() += 1;
        let waiting = self
            .watchers
            .forget(self.fabric.multihomed.owner(interface));
        self.wake.extend(waiting.into_iter().flatten());
    }
}
