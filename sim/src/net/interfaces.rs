//! Programs that watch the addresses of their host.
//!
//! Owns who is woken when a host's addresses change; `nat/topology.rs` decides what they are.

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

/// Who waits for a change of which host's addresses.
#[derive(Default)]
pub(super) struct Watchers {
    waiting: BTreeMap<HostId, Vec<Waker>>,
    /// Changes so far, of all hosts.
    changes: u64,
    /// How often each host has come to another network.
    networks: BTreeMap<HostId, u64>,
}

/// The addresses of a host as a stream that does not end: first those that it has, then what
/// changes, the lost address of a family before the new one. A host that comes to another network
/// loses its address and gets one, even if they are alike, as private ones often are. Changes that
/// follow each other before anybody looks are told as one.
#[derive(Debug)]
pub struct Interfaces {
    host: HostId,
    /// What was told, by family, and in which of its networks the host was then.
    told: [Option<(IpAddr, u64)>; 2],
    /// Who waits since how many changes: programs are polled far more often than hosts move.
    waits: Option<(Waker, u64)>,
}

impl Interfaces {
    /// Watches `host` from now on.
    pub fn of(host: HostId) -> Self {
        Self {
            host,
            told: [None; 2],
            waits: None,
        }
    }

    /// As [`Self::of`], of whose addresses those of now are known already.
    pub fn changes_of(host: HostId) -> Self {
        let network = with(|net| net.watchers.network(host));
        let told = FAMILIES.map(|like| Some((crate::host::ip_like(host, like), network)));
        Self {
            host,
            told,
            waits: None,
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
        let network = with(|net| net.watchers.network(host));
        for (told, like) in self.told.iter_mut().zip(FAMILIES) {
            let now = (crate::host::ip_like(host, like), network);
            match *told {
                Some(before) if before == now => {}
                Some((before, _)) => {
                    *told = None;
                    return Poll::Ready(Some(AddressChange::Down(before)));
                }
                None => {
                    *told = Some(now);
                    return Poll::Ready(Some(AddressChange::Up(now.0)));
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

    /// In which of its networks the host is, counted.
    fn network(&self, host: HostId) -> u64 {
        self.networks.get(&host).copied().unwrap_or(0)
    }

    /// Nobody waits on the host any more: its programs have ended.
    pub(super) fn forget(&mut self, host: HostId) -> Option<Vec<Waker>> {
        self.waiting.remove(&host)
    }
}

impl Net {
    /// The host has come to another network, and may have other addresses than before.
    pub(super) fn addresses_changed(&mut self, host: HostId) {
        self.watchers.changes += 1;
        *self.watchers.networks.entry(host).or_default() += 1;
        let waiting = self.watchers.forget(host);
        self.wake.extend(waiting.into_iter().flatten());
    }
}
