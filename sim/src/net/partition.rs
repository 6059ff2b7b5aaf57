//! Partitions: packets from one set of hosts to another that do not pass.
//!
//! Partitions in force are a union: what any of them stops does not pass, and counts for each
//! that would have stopped it alone. Knows hosts by number only; where packets are stopped, and
//! which gateways are cut off with their hosts, is said by the caller.

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
    in_force: Vec<Partition>,
    next: u32,
}

struct Partition {
    id: PartitionId,
    /// The bits of its cuts: one if one-way, two if not.
    forth: u128,
    back: u128,
    /// Hosts that it was asked for, on either side.
    named: [Vec<HostId>; 2],
    stopped: u64,
}

/// All cuts are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {CUTS_MAX} one-way partitions at the same time")]
pub struct TooManyCuts;

impl Partitions {
    /// Stops packets from `a` to `b`, and from `b` to `a` if `both_ways`, once
    /// [`Self::lay_out`] has said which hosts are cut off with them.
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
        let back = if both_ways { self.free_bit(forth)? } else { 0 };
        self.next += 1;
        self.in_force.push(Partition {
            id,
            forth,
            back,
            named: [a.to_vec(), b.to_vec()],
            stopped: 0,
        });
        Ok(id)
    }

    /// Lets packets pass again. Returns how many were stopped.
    pub fn heal(&mut self, id: PartitionId) -> u64 {
        let Some(at) = self.in_force.iter().position(|one| one.id == id) else {
            return 0;
        };
        let healed = self.in_force.remove(at);
        let bits = healed.forth | healed.back;
        for sides in &mut self.sides {
            sides.0 &= !bits;
            sides.1 &= !bits;
        }
        healed.stopped
    }

    /// Puts hosts on the sides of all partitions anew. `with` tells which hosts are cut off with a host
    /// that a partition names, itself among them.
    pub fn lay_out<I: IntoIterator<Item = HostId>>(&mut self, with: impl Fn(HostId) -> I) {
        self.sides.fill((0, 0));
        for partition in &self.in_force {
            let Partition { forth, back, .. } = *partition;
            let bits = [(forth, back), (back, forth)];
            for (named, (sending, receiving)) in partition.named.iter().zip(bits) {
                for host in named.iter().flat_map(|&host| with(host)) {
                    if self.sides.len() <= host.index() {
                        self.sides.resize(host.index() + 1, (0, 0));
                    }
                    let sides = &mut self.sides[host.index()];
                    sides.0 |= sending;
                    sides.1 |= receiving;
                }
            }
        }
    }

    /// Whether a partition in force names the host.
    pub fn names(&self, host: HostId) -> bool {
        let mut named = self.in_force.iter().flat_map(|one| &one.named);
        named.any(|side| side.contains(&host))
    }

    /// Whether a packet may pass; counts it if not.
    #[inline]
    pub fn passes(&mut self, from: HostId, to: HostId) -> bool {
        let cuts = self.between(from, to);
        if cuts == 0 {
            return true;
        }
        for partition in &mut self.in_force {
            partition.stopped += u64::from((partition.forth | partition.back) & cuts != 0);
        }
        false
    }

    /// Whether any partition stops packets from one host to another.
    pub fn separates(&self, from: HostId, to: HostId) -> bool {
        self.between(from, to) != 0
    }

    #[inline]
    fn between(&self, from: HostId, to: HostId) -> u128 {
        let Some((sending, _)) = self.sides.get(from.index()) else {
            return 0;
        };
        let Some((_, receiving)) = self.sides.get(to.index()) else {
            return 0;
        };
        sending & receiving
    }

    fn free_bit(&self, taken: u128) -> Result<u128, TooManyCuts> {
        let used = self.in_force.iter();
        let used = used.fold(taken, |used, one| used | one.forth | one.back);
        let free = used.trailing_ones();
        if free < CUTS_MAX {
            Ok(1 << free)
        } else {
            Err(TooManyCuts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: HostId = HostId(0);
    const B: HostId = HostId(1);
    const C: HostId = HostId(2);

    fn cut(partitions: &mut Partitions, a: &[HostId], b: &[HostId], both: bool) -> PartitionId {
        let id = partitions.cut(a, b, both).expect("within the bound");
        partitions.lay_out(|host| [host]);
        id
    }

    #[test]
    fn a_partition_stops_its_two_sides_and_no_others() {
        let mut partitions = Partitions::default();
        let id = cut(&mut partitions, &[A], &[B], true);
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
        cut(&mut partitions, &[A, C], &[B], false);
        assert!(!partitions.passes(A, B) && !partitions.passes(C, B));
        assert!(partitions.passes(B, A));
    }

    #[test]
    fn a_packet_that_several_stop_counts_for_each() {
        let mut partitions = Partitions::default();
        let outer = cut(&mut partitions, &[A], &[B, C], true);
        let inner = cut(&mut partitions, &[A], &[B], true);
        assert!(!partitions.passes(A, B) && !partitions.passes(C, A));
        assert_eq!(partitions.heal(inner), 1);
        assert!(!partitions.passes(A, B));
        assert_eq!(partitions.heal(outer), 3);
        assert!(partitions.passes(A, B));
    }

    #[test]
    fn who_is_cut_off_with_a_host_can_change() {
        let mut partitions = Partitions::default();
        let id = cut(&mut partitions, &[A], &[B], true);
        assert!(partitions.names(A) && !partitions.names(C));
        partitions.lay_out(|host| if host == A { vec![A, C] } else { vec![host] });
        assert!(partitions.separates(C, B) && partitions.separates(B, C));
        partitions.lay_out(|host| [host]);
        assert!(partitions.passes(C, B));
        assert_eq!(partitions.heal(id), 0);
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
