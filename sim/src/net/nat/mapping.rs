//! Mapping behaviour (RFC 4787 §4.1): which outside port stands for an inside endpoint,
//! towards which remotes.
//!
//! Owns the bindings and how they are found from either side. When they end is decided
//! by the sessions that use them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::sessions::Protocol;

/// Names a binding; never used twice.
pub(super) type BindingId = u64;

/// What counts of the remote that a binding is for; `None` if it is for all.
pub(super) type Scope = Option<SocketAddr>;

/// One inside endpoint's outside port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) protocol: Protocol,
    pub(super) inside: SocketAddr,
    /// The remote, as far as the mapping depends on it.
    pub(super) scope: Scope,
    pub(super) port: u16,
    /// Which other mappings may not have the port: all, or those of the same inside endpoint.
    pub(super) port_scope: Scope,
}

/// All bindings of a NAT.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    all: BTreeMap<BindingId, Binding>,
    by_inside: BTreeMap<(Protocol, SocketAddr, Scope), BindingId>,
    by_port: BTreeMap<(Protocol, u16, Scope), BindingId>,
    /// How many there are of UDP and of TCP.
    counts: [usize; 2],
    next: BindingId,
}

impl Bindings {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many there are of `protocol`.
    pub(super) fn count(&self, protocol: Protocol) -> usize {
        self.counts[protocol as usize]
    }

    pub(super) fn add(&mut self, binding: Binding) -> BindingId {
        let Binding {
            protocol,
            inside,
            scope,
            port,
            port_scope,
        } = binding;
        let id = self.next;
        self.next += 1;
        self.counts[protocol as usize] += 1;
        self.all.insert(id, binding);
        self.by_inside.insert((protocol, inside, scope), id);
        self.by_port.insert((protocol, port, port_scope), id);
        id
    }

    /// Removes all; their names are not used again.
    pub(super) fn clear(&mut self) {
        *self = Self {
            next: self.next,
            ..Self::default()
        };
    }

    pub(super) fn remove(&mut self, id: BindingId) {
        let Some(gone) = self.all.remove(&id) else {
            return;
        };
        self.counts[gone.protocol as usize] -= 1;
        self.by_inside
            .remove(&(gone.protocol, gone.inside, gone.scope));
        self.by_port
            .remove(&(gone.protocol, gone.port, gone.port_scope));
    }

    /// That of an inside endpoint towards `scope`.
    pub(super) fn of_inside(
        &self,
        protocol: Protocol,
        inside: SocketAddr,
        scope: Scope,
    ) -> Option<(BindingId, Binding)> {
        let id = *self.by_inside.get(&(protocol, inside, scope))?;
        Some((id, *self.all.get(&id)?))
    }

    /// That of an outside port towards `scope`.
    pub(super) fn of_port(
        &self,
        protocol: Protocol,
        port: u16,
        scope: Scope,
    ) -> Option<(BindingId, Binding)> {
        let id = *self.by_port.get(&(protocol, port, scope))?;
        Some((id, *self.all.get(&id)?))
    }
}
