//! Partitions: packets from one set of hosts to another that do not pass.

use crate::kernel::HostId;

/// Names a partition while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionId(u32);

/// One-way cuts that can be in force at the same time.
pub const CUTS_MAX: u32 = 128;

/// All cuts in force. Whether a packet passes costs one AND.
#[derive(Default)]
pub struct Partitions {
    /// Bit i of `from` and `to`: the host is on the sending, receiving side of cut i.
    sides: Vec<(u128, u128)>,
    dropped: Vec<u64>,
    /// Cuts of a partition: one bit if one-way, two if not.
    in_force: Vec<(PartitionId, u128)>,
    next: u32,
}

/// All cuts are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {CUTS_MAX} one-way partitions at the same time")]
pub struct TooManyCuts;

impl Partitions {
    /// Stops packets from `a` to `b`, and from `b` to `a` if `both_ways`.
    ///
    /// # Errors
    /// [`TooManyCuts`].
    pub fn cut(
        &mut self,
        a: &[HostId],
        b: &[HostId],
        both_ways: bool,
    ) -> Result<PartitionId, TooManyCuts> {
        let id = PartitionId(self.next);
        let forth = self.free_bit(0)?;
        self.set(forth, a, b);
        let mut bits = forth;
        if both_ways {
            let back = self.free_bit(forth)?;
            self.set(back, b, a);
            bits |= back;
        }
        self.next += 1;
        self.in_force.push((id, bits));
        Ok(id)
    }

    /// Lets packets pass again. Returns how many were stopped.
    pub fn heal(&mut self, id: PartitionId) -> u64 {
        let Some(at) = self.in_force.iter().position(|cut| cut.0 == id) else {
            return 0;
        };
        let bits = self.in_force.remove(at).1;
        for sides in &mut self.sides {
            sides.0 &= !bits;
            sides.1 &= !bits;
        }
        (0..CUTS_MAX)
            .filter(|bit| bits & (1 << bit) != 0)
            .map(|bit| self.dropped.get_mut(bit as usize).map_or(0, std::mem::take))
            .sum()
    }

    /// Whether a packet may pass; counts it if not.
    pub fn passes(&mut self, from: HostId, to: HostId) -> bool {
        let Some((sending, _)) = self.sides.get(from.index()) else {
            return true;
        };
        let Some((_, receiving)) = self.sides.get(to.index()) else {
            return true;
        };
        let cuts = sending & receiving;
        if cuts == 0 {
            return true;
        }
        let bit = cuts.trailing_zeros() as usize;
        if self.dropped.len() <= bit {
            self.dropped.resize(bit + 1, 0);
        }
        self.dropped[bit] += 1;
        false
    }

    fn free_bit(&self, taken: u128) -> Result<u128, TooManyCuts> {
        let used = self.in_force.iter().fold(taken, |used, cut| used | cut.1);
        let free = used.trailing_ones();
        if free < CUTS_MAX {
            Ok(1 << free)
        } else {
            Err(TooManyCuts)
        }
    }

    fn set(&mut self, bit: u128, from: &[HostId], to: &[HostId]) {
        let last = from
            .iter()
            .chain(to)
            .map(|host| host.index() + 1)
            .max()
            .unwrap_or(0);
        if self.sides.len() < last {
            self.sides.resize(last, (0, 0));
        }
        for host in from {
            self.sides[host.index()].0 |= bit;
        }
        for host in to {
            self.sides[host.index()].1 |= bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: HostId = HostId(0);
    const B: HostId = HostId(1);
    const C: HostId = HostId(2);

    #[test]
    fn a_partition_stops_its_two_sides_and_nobody_else() {
        let mut partitions = Partitions::default();
        let id = partitions.cut(&[A], &[B], true).expect("one of 128");
        assert!(!partitions.passes(A, B));
        assert!(!partitions.passes(B, A));
        assert!(partitions.passes(A, C) && partitions.passes(C, B));
        assert!(partitions.passes(A, HostId(77)));
        assert_eq!(partitions.heal(id), 2);
        assert!(partitions.passes(A, B));
        assert_eq!(partitions.heal(id), 0);
    }

    #[test]
    fn a_one_way_partition_lets_answers_pass() {
        let mut partitions = Partitions::default();
        partitions.cut(&[A, C], &[B], false).expect("one of 128");
        assert!(!partitions.passes(A, B) && !partitions.passes(C, B));
        assert!(partitions.passes(B, A));
    }

    #[test]
    fn partitions_overlap_and_heal_apart() {
        let mut partitions = Partitions::default();
        let first = partitions.cut(&[A], &[B], true).expect("two of 128");
        let second = partitions.cut(&[A], &[B, C], true).expect("four of 128");
        partitions.heal(first);
        assert!(!partitions.passes(A, B));
        assert_eq!(partitions.heal(second), 1);
        assert!(partitions.passes(A, B));
    }

    #[test]
    fn the_bound_on_cuts_is_an_error() {
        let mut partitions = Partitions::default();
        for _ in 0..CUTS_MAX / 2 {
            partitions.cut(&[A], &[B], true).expect("within the bound");
        }
        assert_eq!(partitions.cut(&[A], &[C], false), Err(TooManyCuts));
    }
}
