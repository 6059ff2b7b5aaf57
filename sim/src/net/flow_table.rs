//! Which connection a segment belongs to.
//!
//! A hash table: a host may have thousands of connections, and every segment asks.
//! It is never iterated, and its hash has no random key, so that nothing depends
//! on its order.

use std::net::{IpAddr, SocketAddr};

use hashbrown::HashTable;

/// A connection as one of its hosts tells it from the others: its own port, and the
/// other end.
pub(super) type Tuple = (u16, SocketAddr);

/// The slots of a host's connections by their tuples.
#[derive(Default)]
pub(super) struct FlowTable(HashTable<(Tuple, u32)>);

impl FlowTable {
    pub(super) fn get(&self, tuple: &Tuple) -> Option<u32> {
        let entry = self.0.find(hash(tuple), |entry| entry.0 == *tuple);
        entry.map(|entry| entry.1)
    }

    pub(super) fn contains(&self, tuple: &Tuple) -> bool {
        self.get(tuple).is_some()
    }

    /// Adds a tuple that is not there.
    pub(super) fn insert(&mut self, tuple: Tuple, slot: u32) {
        debug_assert!(!self.contains(&tuple));
        self.0
            .insert_unique(hash(&tuple), (tuple, slot), |entry| hash(&entry.0));
    }

    pub(super) fn remove(&mut self, tuple: &Tuple) {
        if let Ok(entry) = self.0.find_entry(hash(tuple), |entry| entry.0 == *tuple) {
            entry.remove();
        }
    }
}

/// Every segment asks, so this is short: the bits of the tuple in one word, and the finalizer
/// of MurmurHash3 (Appleby, 2011), each bit of which depends on all of them.
fn hash(&(port, remote): &Tuple) -> u64 {
    let address = match remote.ip() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let ports = u64::from(port) << 48 | u64::from(remote.port()) << 32;
    let mut word = ports ^ address as u64 ^ ((address >> 64) as u64).rotate_left(32);
    word = (word ^ word >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ word >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ word >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tuple_has_its_slot_until_it_is_removed() {
        let tuple = |number: u16| (number % 3, SocketAddr::from(([10, 0, 0, 1], number)));
        let mut table = FlowTable::default();
        for number in 0..1_000 {
            table.insert(tuple(number), u32::from(number));
        }
        for number in (0..1_000).step_by(2) {
            table.remove(&tuple(number));
        }
        for number in 0..1_000 {
            let slot = (number % 2 == 1).then_some(u32::from(number));
            assert_eq!(table.get(&tuple(number)), slot);
        }
    }
}
