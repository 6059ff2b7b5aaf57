//! Parts of a testbed that faults and topologies need, and that a testbed may lack.

use orrery_sim::net::nat::{Lifetimes, OutsideAddress, Renewed};
use orrery_sim::net::stage::LinkCounts;

use crate::fault::LinkChange;
use crate::format::scenario::selector::Hosts;
use crate::profiles::AccessProfile;

/// Power, programs and clocks of hosts.
pub trait Power: Send + Sync {
    /// Cuts the power of a host: nothing leaves it any more, its programs vanish, and its disk keeps
    /// what was synced.
    fn cut(&self, host: u32);
    /// Gives a host without power an empty disk.
    fn replace_disk(&self, host: u32);
    /// Gives a host power again. Nothing runs on it until it is booted.
    fn restore(&self, host: u32);
    /// Ends all programs of a host; connections are closed, and its disk keeps everything.
    fn stop_programs(&self, host: u32);
    /// Lets the programs of a host stand still, or go on.
    fn set_paused(&self, host: u32, is_paused: bool);
    /// How often so far a task of a host was to go on and did not, since its programs stood still.
    fn held_turns(&self, host: u32) -> u64;
    /// Lets a host sleep, or wakes it: asleep it answers nothing, and nothing on it goes on.
    fn set_asleep(&self, host: u32, is_asleep: bool);
    /// What a host has missed asleep so far.
    fn slept_through(&self, host: u32) -> u64;
    /// Sets the wall clock of a host forward (or back) by `by_ns`.
    fn step_clock(&self, host: u32, by_ns: i64);
}

/// Links of hosts, the networks that hosts are in, and partitions.
pub trait Links: Send + Sync {
    /// Makes the access link of a host, which is that of `profile`, ready to change: what waits for
    /// it will meet a change at once.
    fn expect_changes(&self, host: u32, profile: &AccessProfile);
    /// Gives a host the access link of `profile` as `change` leaves it, from now on.
    fn set_access(&self, host: u32, profile: &AccessProfile, change: &LinkChange);
    /// What a host's access link has done so far, up and down.
    fn access_counts(&self, host: u32) -> [LinkCounts; 2];
    /// Gives a host's port on its local network the conditions of `profile` as `change` leaves them.
    fn set_port(&self, host: u32, profile: &AccessProfile, change: &LinkChange);
    /// What a host's port on its local network has done so far, up and down.
    fn port_counts(&self, host: u32) -> [LinkCounts; 2];
    /// Makes the network that a host is in its home.
    fn set_home(&self, host: u32);
    /// Takes a host to another network, behind a gateway or none.
    fn move_to(&self, host: u32, gateway: Option<usize>);
    /// Takes a host home again.
    fn return_home(&self, host: u32);
    /// Stops what goes from `a` to `b`, and back if `both_ways`, until [`Links::heal`] ends the
    /// partition, which `partition` names.
    ///
    /// # Errors
    /// Why there cannot be so many partitions.
    fn part(&self, partition: usize, a: &Hosts, b: &Hosts, both_ways: bool) -> Result<(), String>;
    /// Ends a partition. Returns the packets that it stopped; 0 for one that is not in force.
    fn heal(&self, partition: usize) -> u64;
}

/// Interfaces of hosts, by their places, 0 for the primary one.
pub trait Interfaces: Send + Sync {
    /// How many interfaces a host has.
    fn count(&self, host: u32) -> usize;
    /// Takes an interface up or down.
    fn set_up(&self, host: u32, place: usize, is_up: bool);
    /// What each interface of a host has stopped so far while it was down: packets and connections.
    fn stopped(&self, host: u32) -> Vec<u64>;
}

/// NATs and firewalls, by their numbers in the world.
pub trait Gateways: Send + Sync {
    /// Starts a gateway again: it forgets every session.
    fn restart(&self, gateway: usize, address: OutsideAddress);
    /// Gives a gateway another outside address. It keeps its sessions.
    fn change_address(&self, gateway: usize);
    /// Sets how long sessions last from their next renewal on, in its NAT and in its firewall.
    fn set_lifetimes(&self, gateway: usize, in_nat: Lifetimes, in_firewall: Lifetimes);
    /// Sessions that it remembers.
    fn sessions(&self, gateway: usize) -> u64;
    /// Sessions that began or were renewed so far.
    fn renewed(&self, gateway: usize) -> Renewed;
}
