//! A host's TCP: ports, listeners, and the connections with their timeouts.
//!
//! The protocol itself is [`crate::tcp::Connection`]; here its segments become
//! packets, its timeouts events, and its progress wakes programs.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;

use super::Net;
use super::flow_table::{FlowTable, Tuple};
use super::packet::Packet;
use super::transit::TcpTimeout;
use crate::kernel::queue::Ticket;
use crate::kernel::{self, Class, Event, HostId, Sleeper};
use crate::net::DropReason;
use crate::prefetch::prefetch;
use crate::random::Stream;
use crate::tcp::{Config, Connection, Segment};
use crate::time::SimTime;

/// The dynamic ports (RFC 6335 §6).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 49_152..=u16::MAX;

/// Names one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowRef {
    pub(super) host: HostId,
    slot: u32,
    /// Differs for every connection of a host's slot.
    generation: u32,
}

/// The TCP of one host.
pub(crate) struct TcpStack {
    config: Arc<Config>,
    stream: Stream,
    listeners: BTreeMap<u16, Listener>,
    flows: Vec<FlowSlot>,
    free: Vec<u32>,
    by_tuple: FlowTable,
    next_port: u16,
}

/// Names a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listens {
    /// The host, or the interface that it is bound to.
    host: HostId,
    port: u16,
}

struct Listener {
    /// Of a host with several interfaces it is bound to the first.
    is_bound: bool,
    ready: VecDeque<FlowRef>,
    /// Connections on their way to `ready`.
    handshakes: usize,
    waker: Option<Waker>,
}

#[derive(Default)]
struct FlowSlot {
    generation: u32,
    flow: Option<Box<Flow>>,
}

/// One end of a connection.
pub(super) struct Flow {
    pub(super) tcp: Connection,
    pub(super) reader: Option<Sleeper>,
    pub(super) writer: Option<Waker>,
    /// Its event in the kernel's queue, and when it is due as the host counts time.
    timeout: Option<(Ticket, SimTime)>,
    owner: Owner,
}

/// What answers for a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// A listener, until the handshake is complete.
    Handshake(Listens),
    /// A listener's queue.
    Backlog(Listens),
    /// A program.
    Program,
    /// None: the program has closed it, the protocol brings it to its end.
    Released,
}

impl TcpStack {
    pub(super) fn new(mut stream: Stream) -> Self {
        let span = u64::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let next_port = EPHEMERAL.start() + stream.below(span) as u16;
        Self {
            config: Arc::new(Config::default()),
            stream,
            listeners: BTreeMap::new(),
            flows: Vec::new(),
            free: Vec::new(),
            by_tuple: FlowTable::default(),
            next_port,
        }
    }

    /// Prefetches where its connections are found.
    pub(super) fn prefetch_tables(&self) {
        prefetch(&self.by_tuple);
        prefetch(&self.flows);
    }

    /// Prefetches the connection that a segment belongs to, after [`Self::prefetch_tables`].
    pub(super) fn prefetch_targets(&self, port: u16, remote: SocketAddr) {
        let slot = self.by_tuple.get(&(port, remote));
        let flow = slot.and_then(|slot| self.flows[slot as usize].flow.as_deref());
        flow.into_iter().for_each(prefetch);
    }

    /// Takes this host's timeouts out of the event queue.
    pub(super) fn cancel_timeouts(&self) {
        let waiting = self
            .flows
            .iter()
            .filter_map(|slot| slot.flow.as_ref()?.timeout);
        for (ticket, _) in waiting {
            kernel::with(|kernel| kernel.cancel(ticket));
        }
    }

    /// The stack after a loss of power: nothing is open, the settings stay, and
    /// ports and sequence numbers differ from those before, which peers may
    /// still take for living (RFC 9293 §3.4.1).
    pub(super) fn restarted(&self) -> Self {
        let config = Arc::clone(&self.config);
        Self {
            config,
            ..Self::new(self.stream.clone())
        }
    }

    pub(crate) fn set_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    /// How many connections are established.
    pub(super) fn established(&self) -> usize {
        let flows = self.flows.iter().filter_map(|slot| slot.flow.as_deref());
        flows
            .filter(|flow| flow.tcp.is_established() && !flow.tcp.is_closed())
            .count()
    }

    pub(super) fn flow_mut(&mut self, flow: FlowRef) -> Option<&mut Flow> {
        let slot = self.flows.get_mut(flow.slot as usize)?;
        if slot.generation == flow.generation {
            slot.flow.as_deref_mut()
        } else {
            None
        }
    }

    fn insert(&mut self, host: HostId, flow: Flow) -> FlowRef {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.flows.push(FlowSlot::default());
            self.flows.len() as u32 - 1
        });
        self.by_tuple.insert(tuple(&flow.tcp), slot);
        let entry = &mut self.flows[slot as usize];
        entry.flow = Some(Box::new(flow));
        FlowRef {
            host,
            slot,
            generation: entry.generation,
        }
    }

    fn remove(&mut self, flow: FlowRef) {
        let slot = &mut self.flows[flow.slot as usize];
        let Some(gone) = slot.flow.take() else { return };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(flow.slot);
        self.by_tuple.remove(&tuple(&gone.tcp));
        if let Some((ticket, _)) = gone.timeout {
            kernel::with(|kernel| kernel.cancel(ticket));
        }
    }

    pub(super) fn find(&self, host: HostId, port: u16, remote: SocketAddr) -> Option<FlowRef> {
        let slot = self.by_tuple.get(&(port, remote))?;
        Some(FlowRef {
            host,
            slot,
            generation: self.flows[slot as usize].generation,
        })
    }

    /// A dynamic port from which `remote` is not yet connected.
    fn free_port(&mut self, remote: SocketAddr) -> Option<u16> {
        let span = usize::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        (0..span).find_map(|_| {
            let port = self.next_port;
            self.next_port = if port == *EPHEMERAL.end() {
                *EPHEMERAL.start()
            } else {
                port + 1
            };
            let taken =
                self.listeners.contains_key(&port) || self.by_tuple.contains(&(port, remote));
            (!taken).then_some(port)
        })
    }

    /// Connections of a listener that no program has accepted.
    fn flows_of(&self, host: HostId, listens: Listens) -> Vec<FlowRef> {
        (0..self.flows.len() as u32)
            .filter_map(|slot| {
                let entry = &self.flows[slot as usize];
                let owner = entry.flow.as_ref()?.owner;
                let orphan = owner == Owner::Handshake(listens) || owner == Owner::Backlog(listens);
                orphan.then_some(FlowRef {
                    host,
                    slot,
                    generation: entry.generation,
                })
            })
            .collect()
    }

    fn initial_sequence(&mut self) -> u32 {
        self.stream.next_u32()
    }

    /// Begins to listen; `is_bound` to the first of several interfaces alone.
    pub(super) fn listen(&mut self, port: u16, is_bound: bool) -> io::Result<u16> {
        let port = match port {
            0 => {
                let any_remote = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0);
                self.free_port(any_remote).ok_or(io::ErrorKind::AddrInUse)?
            }
            port if self.listeners.contains_key(&port) => {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            port => port,
        };
        let listener = Listener {
            is_bound,
            ready: VecDeque::new(),
            handshakes: 0,
            waker: None,
        };
        self.listeners.insert(port, listener);
        Ok(port)
    }
}

impl Net {
    pub(crate) fn tcp(&mut self, host: HostId) -> &mut TcpStack {
        &mut self.tcp[host.index()]
    }

    /// Starts a connection from `port`, or from a free one.
    ///
    /// # Errors
    /// `NetworkDown`; `NetworkUnreachable` without an interface that is up; `AddrInUse` if the
    /// connection exists or ports are exhausted.
    pub(super) fn tcp_connect(
        &mut self,
        host: HostId,
        remote: SocketAddr,
        port: Option<u16>,
    ) -> io::Result<FlowRef> {
        if !self.fabric.is_up(host) {
            return Err(io::ErrorKind::NetworkDown.into());
        }
        let host = self.route(host, remote.ip());
        let host = host.ok_or(io::ErrorKind::NetworkUnreachable)?;
        let own = self.fabric.address(host, remote.ip());
        let stack = self.tcp(host);
        let port = match port {
            Some(port) if stack.by_tuple.contains(&(port, remote)) => None,
            Some(port) => Some(port),
            None => stack.free_port(remote),
        };
        let port = port.ok_or(io::ErrorKind::AddrInUse)?;
        let local = SocketAddr::new(own, port);
        let sequence = stack.initial_sequence();
        let tcp = Connection::connect(
            kernel::host_time(host),
            &stack.config,
            local,
            remote,
            sequence,
        );
        let flow = stack.insert(host, Flow::new(tcp, Owner::Program));
        self.tcp_drive(flow);
        Ok(flow)
    }

    /// The listener to which a connection to `port` by an interface comes: one that is bound to it,
    /// or one of its host.
    fn tcp_listens(&mut self, interface: HostId, port: u16) -> Option<Listens> {
        let host = self.fabric.multihomed.owner(interface);
        let [own, of_host] = [interface, host].map(|host| Listens { host, port });
        if self.listener(own).is_some() {
            return Some(own);
        }
        let shared = self.listener(of_host)?;
        (!shared.is_bound).then_some(of_host)
    }

    fn listener(&mut self, listens: Listens) -> Option<&mut Listener> {
        self.tcp(listens.host).listeners.get_mut(&listens.port)
    }

    /// The next connection of a listener; the waker is kept if there is none.
    pub(super) fn tcp_accept(&mut self, host: HostId, port: u16, waker: &Waker) -> Option<FlowRef> {
        loop {
            let listener = self.listener(Listens { host, port })?;
            let Some(flow) = listener.ready.pop_front() else {
                let known = listener.waker.as_ref();
                if !known.is_some_and(|known| known.will_wake(waker)) {
                    listener.waker = Some(waker.clone());
                }
                return None;
            };
            // A connection that ended while it waited has left its slot.
            if let Some(entry) = self.tcp(flow.host).flow_mut(flow) {
                entry.owner = Owner::Program;
                return Some(flow);
            }
        }
    }

    /// A segment has reached the host.
    pub(super) fn tcp_segment(
        &mut self,
        host: HostId,
        local: SocketAddr,
        remote: SocketAddr,
        segment: &Segment,
    ) {
        let now = kernel::host_time(host);
        let stack = self.tcp(host);
        let mut known = stack.find(host, local.port(), remote);
        if let Some(flow) = known
            && stack
                .flow_mut(flow)
                .is_some_and(|entry| entry.tcp.may_be_replaced_by(segment))
        {
            stack.remove(flow);
            known = None;
        }
        if let Some(flow) = known {
            if let Some(entry) = stack.flow_mut(flow) {
                entry
                    .reader
                    .as_ref()
                    .into_iter()
                    .for_each(Sleeper::prefetch);
                entry.tcp.on_segment(now, segment.clone());
            }
            self.tcp_drive(flow);
            return;
        }
        if segment.is_connection_request()
            && let Some(listens) = self.tcp_listens(host, local.port())
        {
            let backlog = self.tcp(host).config.backlog;
            let Some(listener) = self.listener(listens) else {
                return;
            };
            if listener.handshakes + listener.ready.len() >= backlog {
                self.fabric.count_drop(DropReason::BacklogFull);
                return;
            }
            listener.handshakes += 1;
            let stack = self.tcp(host);
            let sequence = stack.initial_sequence();
            let tcp = Connection::accept(now, &stack.config, local, remote, sequence, segment);
            let owner = Owner::Handshake(listens);
            let flow = stack.insert(host, Flow::new(tcp, owner));
            self.tcp_drive(flow);
            return;
        }
        if let Some(reset) = segment.reset_reply() {
            self.send(host, Packet::tcp(local, remote, reset));
        }
    }

    pub(super) fn tcp_timeout(&mut self, flow: FlowRef) {
        let Some(entry) = self.tcp(flow.host).flow_mut(flow) else {
            return;
        };
        entry.timeout = None;
        kernel::with(|kernel| kernel.record(Class::Transport, flow.host, |_| {}));
        if kernel::with(|kernel| kernel.is_asleep(flow.host)) {
            return kernel::with(|kernel| kernel.note_held_timer(flow.host));
        }
        // After a sleep it may be too early; then nothing is due, and the timeout is set anew.
        entry.tcp.on_timer(kernel::host_time(flow.host));
        self.tcp_drive(flow);
    }

    /// A host has woken: timeouts that came meanwhile wait for what was left of them.
    pub(super) fn tcp_resume(&mut self, host: HostId) {
        let stack = self.tcp(host);
        let held: Vec<FlowRef> = (0..)
            .zip(&stack.flows)
            .filter(|(_, slot)| {
                slot.flow
                    .as_ref()
                    .is_some_and(|flow| flow.timeout.is_none())
            })
            .map(|(slot, entry)| FlowRef {
                host,
                slot,
                generation: entry.generation,
            })
            .collect();
        for flow in held {
            self.tcp_drive(flow);
        }
    }

    /// After anything has happened to a connection: sends what it has to send,
    /// sets its next timeout, wakes its program, and removes it at its end.
    pub(super) fn tcp_drive(&mut self, flow: FlowRef) {
        let now = kernel::host_time(flow.host);
        loop {
            let Some(entry) = self.tcp(flow.host).flow_mut(flow) else {
                return;
            };
            let Some(segment) = entry.tcp.poll_transmit(now) else {
                break;
            };
            let packet = Packet::tcp(entry.tcp.local(), entry.tcp.remote(), segment);
            self.send(flow.host, packet);
        }
        let Self { tcp, wake, .. } = self;
        let stack = &mut tcp[flow.host.index()];
        let Some(entry) = stack.flow_mut(flow) else {
            return;
        };
        entry.set_timeout(flow);
        entry.wake_program(wake);
        let (owner, established, closed) = (
            entry.owner,
            entry.tcp.is_established(),
            entry.tcp.is_closed(),
        );
        if let Owner::Handshake(listens) = owner
            && (established || closed)
            && let Some(listener) = tcp[listens.host.index()].listeners.get_mut(&listens.port)
        {
            listener.handshakes -= 1;
            if established {
                listener.ready.push_back(flow);
                wake.extend(listener.waker.take());
                if let Some(entry) = tcp[flow.host.index()].flow_mut(flow) {
                    entry.owner = Owner::Backlog(listens);
                }
            }
        }
        if closed && owner != Owner::Program {
            tcp[flow.host.index()].remove(flow);
        }
    }

    /// The program has dropped its end.
    pub(super) fn tcp_release(&mut self, flow: FlowRef) {
        let Some(entry) = self.tcp(flow.host).flow_mut(flow) else {
            return;
        };
        entry.owner = Owner::Released;
        (entry.reader, entry.writer) = (None, None);
        entry.tcp.close(kernel::host_time(flow.host));
        self.tcp_drive(flow);
    }

    /// Ends a listener; connections that were not accepted are reset.
    pub(super) fn tcp_unlisten(&mut self, host: HostId, port: u16) {
        if self.tcp(host).listeners.remove(&port).is_none() {
            return;
        }
        let listens = Listens { host, port };
        // Connections are where their interfaces are.
        let interfaces = self.interfaces_of(host).into_iter();
        let orphans: Vec<FlowRef> = interfaces
            .flat_map(|at| self.tcp(at).flows_of(at, listens))
            .collect();
        for flow in orphans {
            if let Some(entry) = self.tcp(flow.host).flow_mut(flow) {
                entry.owner = Owner::Released;
                entry.tcp.abort();
            }
            self.tcp_drive(flow);
        }
    }
}

/// What tells the connections of a host apart.
fn tuple(tcp: &Connection) -> Tuple {
    (tcp.local().port(), tcp.remote())
}

impl Flow {
    fn new(tcp: Connection, owner: Owner) -> Self {
        Self {
            tcp,
            reader: None,
            writer: None,
            timeout: None,
            owner,
        }
    }

    fn set_timeout(&mut self, flow: FlowRef) {
        let next = self.tcp.next_timeout();
        let host = flow.host;
        match (self.timeout, next) {
            (Some((_, at)), Some(next)) if at == next => {}
            (Some((ticket, _)), Some(next)) => {
                kernel::with(|k| {
                    let at = k.when_host_has(host, next);
                    k.reschedule(ticket, at, Class::Transport, host)
                });
                self.timeout = Some((ticket, next));
            }
            (None, Some(next)) => {
                let event = Event::Other(Box::new(TcpTimeout(flow)));
                let ticket = kernel::with(|k| {
                    let at = k.when_host_has(host, next);
                    k.schedule(at, Class::Transport, host, event)
                });
                self.timeout = Some((ticket, next));
            }
            (Some((ticket, _)), None) => {
                kernel::with(|kernel| kernel.cancel(ticket));
                self.timeout = None;
            }
            (None, None) => {}
        }
    }

    fn wake_program(&mut self, wake: &mut Vec<Waker>) {
        let tcp = &self.tcp;
        let over = tcp.is_closed();
        if self.reader.is_some() && (tcp.readable() > 0 || tcp.eof() || over) {
            wake.extend(self.reader.take().map(Sleeper::into_waker));
        }
        // A writer waits for room or, while it connects, for the handshake.
        if self.writer.is_some() && (tcp.writable() > 0 && tcp.is_established() || over) {
            wake.extend(self.writer.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    /// What an idle end of a connection costs: itself, its place in the tables,
    /// and its congestion control. Its buffers have given their memory back,
    /// which tests of theirs show.
    #[test]
    fn an_idle_end_of_a_connection_takes_less_than_a_kibibyte() {
        // A table is at least 7/16 full, a vector half.
        let tuple = (size_of::<(Tuple, u32)>() + 1) * 16 / 7;
        let slot = 2 * size_of::<FlowSlot>();
        let congestion = Config::default().congestion.size_bytes();
        let total = size_of::<Flow>() + tuple + slot + congestion;
        assert!(total <= 1_024, "{total}");
    }
}
