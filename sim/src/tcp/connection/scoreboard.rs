//! What the peer has told by selective acknowledgements, and what follows for
//! the repair of losses (RFC 2018, RFC 6675).
//!
//! Owns the ranges that the peer holds beyond a gap and how far they have been
//! repaired. It decides what is lost and what comes next; whether it may be sent
//! is the connection's business. Offsets as everywhere: half-open ranges.

/// Ranges remembered; further ones are taken for missing, which costs their
/// repetition and nothing else.
const RANGES_MAX: usize = 1_024;

/// Segments above a gap that prove it lost (RFC 6675 §2's `DupThresh`).
const DUPLICATES: usize = 3;

/// The peer's ranges, and the progress of the repair.
#[derive(Debug, Default)]
pub(super) struct Scoreboard {
    /// Ascending, neither overlapping nor touching, all beyond SND.UNA.
    ranges: Vec<(u64, u64)>,
    /// `HighRxt`: the repair has repeated what is missing before this offset.
    repeated: u64,
    /// Whether the repair has made its rescue retransmission.
    rescued: bool,
}

impl Scoreboard {
    /// Whether the peer holds nothing beyond a gap.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Bytes of memory held beside itself.
    pub(super) fn memory_bytes(&self) -> usize {
        self.ranges.capacity() * size_of::<(u64, u64)>()
    }

    /// The peer holds `start..end`; true if that is news.
    pub(super) fn insert(&mut self, start: u64, end: u64) -> bool {
        let first = self.ranges.partition_point(|range| range.1 < start);
        let last = self.ranges.partition_point(|range| range.0 <= end);
        let Some(touching) = self.ranges.get(first..last).filter(|all| !all.is_empty()) else {
            let fits = self.ranges.len() < RANGES_MAX;
            if fits {
                self.ranges.insert(first, (start, end));
            }
            return fits;
        };
        let known = touching
            .iter()
            .any(|range| range.0 <= start && end <= range.1);
        let joined = (
            start.min(touching[0].0),
            end.max(touching[touching.len() - 1].1),
        );
        self.ranges[first] = joined;
        self.ranges.drain(first + 1..last);
        !known
    }

    /// Everything before `una` is acknowledged.
    pub(super) fn release(&mut self, una: u64) {
        if self.ranges.is_empty() {
            return;
        }
        let gone = self.ranges.partition_point(|range| range.1 <= una);
        self.ranges.drain(..gone);
        match self.ranges.first_mut() {
            Some(first) => first.0 = first.0.max(una),
            None => self.ranges = Vec::new(),
        }
    }

    /// A repair begins at `una`.
    pub(super) fn begin(&mut self, una: u64) {
        self.repeated = una;
        self.rescued = false;
    }

    /// The repair has repeated what was missing before `until`.
    pub(super) fn note_repeated(&mut self, until: u64) {
        self.repeated = self.repeated.max(until);
    }

    /// The retransmission timer fired at `una`. What the peer holds stays known,
    /// unless it claims to hold the very segment that it does not acknowledge:
    /// then it has thrown away what it had told of (RFC 2018 §8).
    pub(super) fn on_timeout(&mut self, una: u64) {
        if self.ranges.first().is_some_and(|first| first.0 <= una) {
            self.ranges = Vec::new();
        }
    }

    /// Bytes of `from..until` that the peer is not known to hold.
    pub(super) fn missing(&self, from: u64, until: u64) -> u64 {
        let held: u64 = self.ranges[self.after(from)..]
            .iter()
            .take_while(|range| range.0 < until)
            .map(|range| range.1.min(until) - range.0.max(from))
            .sum();
        until.saturating_sub(from) - held
    }

    /// Bytes between `una` and `max` that are still in the network
    /// (RFC 6675 §4, `SetPipe`).
    pub(super) fn pipe(&self, una: u64, max: u64, mss: u64) -> u64 {
        let repeated = self.missing(una, self.repeated.clamp(una, max));
        let not_lost = self.missing(self.lost_edge(mss).clamp(una, max), max);
        repeated + not_lost
    }

    /// What is missing before this offset is lost (RFC 6675 §4, `IsLost`); 0 if
    /// nothing is.
    pub(super) fn lost_edge(&self, mss: u64) -> u64 {
        let mut held = 0;
        for (count, range) in self.ranges.iter().rev().enumerate() {
            held += range.1 - range.0;
            if count + 1 >= DUPLICATES || held > (DUPLICATES as u64 - 1) * mss {
                return range.0;
            }
        }
        0
    }

    /// The first gap that is lost and was not repeated (RFC 6675 §4,
    /// `NextSeg` rule 1).
    pub(super) fn next_lost(&self, una: u64, mss: u64) -> Option<(u64, u64)> {
        self.next_gap(una, self.lost_edge(mss))
    }

    /// The first gap before the last range that was not repeated, lost or not
    /// (rule 3).
    pub(super) fn next_doubtful(&self, una: u64) -> Option<(u64, u64)> {
        self.next_gap(una, self.ranges.last()?.0)
    }

    fn next_gap(&self, una: u64, until: u64) -> Option<(u64, u64)> {
        let start = self.skip(self.repeated.max(una));
        let end = self.gap_end(start).min(until);
        (start < end).then_some((start, end))
    }

    /// The last gap, once in a repair and unless it was repeated (rule 4): the
    /// tail of `una..max` may have been lost, and nothing else would tell.
    pub(super) fn rescue(&mut self, una: u64, max: u64) -> Option<(u64, u64)> {
        if self.rescued {
            return None;
        }
        let mut gap = (una, max);
        for range in self.ranges.iter().rev() {
            if range.1 < gap.1 {
                gap.0 = range.1;
                break;
            }
            gap.1 = range.0;
        }
        gap.0 = gap.0.max(self.repeated);
        self.rescued = gap.0 < gap.1;
        self.rescued.then_some(gap)
    }

    /// The first offset from `at` on that the peer is not known to hold.
    pub(super) fn skip(&self, at: u64) -> u64 {
        match self.ranges.get(self.after(at)) {
            Some(range) if range.0 <= at => range.1,
            _ => at,
        }
    }

    /// Where the gap at `at` ends; `u64::MAX` if nothing is held beyond.
    pub(super) fn gap_end(&self, at: u64) -> u64 {
        let following = self.ranges[self.after(at)..]
            .iter()
            .find(|range| range.0 > at);
        following.map_or(u64::MAX, |range| range.0)
    }

    /// Index of the first range that ends after `at`.
    fn after(&self, at: u64) -> usize {
        self.ranges.partition_point(|range| range.1 <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MSS: u64 = 10;

    fn board(ranges: &[(u64, u64)]) -> Scoreboard {
        let mut board = Scoreboard::default();
        for &(start, end) in ranges {
            board.insert(start, end);
        }
        board
    }

    #[test]
    fn touching_ranges_become_one() {
        let check = |ranges: &[(u64, u64)], expected: &[(u64, u64)]| {
            assert_eq!(board(ranges).ranges, expected);
        };
        check(&[(20, 30), (40, 50)], &[(20, 30), (40, 50)]);
        check(&[(20, 30), (30, 50)], &[(20, 50)]);
        check(&[(40, 50), (20, 30), (25, 45)], &[(20, 50)]);
        check(&[(20, 30), (40, 50), (60, 70), (10, 65)], &[(10, 70)]);
    }

    #[test]
    fn only_news_is_news() {
        let mut board = board(&[(20, 40)]);
        assert!(!board.insert(20, 40));
        assert!(!board.insert(25, 30));
        assert!(board.insert(35, 41));
        assert!(board.insert(50, 60));
    }

    #[test]
    fn three_segments_above_prove_a_loss() {
        // By bytes: more than two segments; by ranges: three of any size.
        assert_eq!(board(&[(20, 40)]).lost_edge(MSS), 0);
        assert_eq!(board(&[(20, 41)]).lost_edge(MSS), 20);
        assert_eq!(board(&[(20, 21), (30, 31)]).lost_edge(MSS), 0);
        assert_eq!(board(&[(20, 21), (30, 31), (40, 41)]).lost_edge(MSS), 20);
        assert_eq!(board(&[(20, 50), (60, 70)]).lost_edge(MSS), 20);
    }

    #[test]
    fn the_pipe_counts_what_is_in_the_network() {
        // Ten segments, the first two and the fifth missing.
        let mut board = board(&[(20, 40), (50, 100)]);
        board.begin(0);
        assert_eq!(board.pipe(0, 100, MSS), 0, "all gaps are lost");
        board.note_repeated(10);
        assert_eq!(board.pipe(0, 100, MSS), 10);
        board.note_repeated(50);
        assert_eq!(board.pipe(0, 100, MSS), 30);
        assert_eq!(board.pipe(0, 130, MSS), 60, "new data is not lost");
    }

    #[test]
    fn gaps_are_repeated_once_and_in_order() {
        let mut board = board(&[(20, 40), (50, 100)]);
        board.begin(0);
        assert_eq!(board.next_lost(0, MSS), Some((0, 20)));
        board.note_repeated(10);
        assert_eq!(board.next_lost(0, MSS), Some((10, 20)));
        board.note_repeated(20);
        assert_eq!(board.next_lost(0, MSS), Some((40, 50)));
        board.note_repeated(50);
        assert_eq!(board.next_lost(0, MSS), None);
        assert_eq!(board.next_doubtful(0), None);
    }

    #[test]
    fn gaps_near_the_end_are_doubtful_and_the_tail_is_rescued_once() {
        let mut board = board(&[(10, 50), (60, 70)]);
        board.begin(0);
        board.note_repeated(10);
        assert_eq!(board.next_lost(0, MSS), None);
        assert_eq!(board.next_doubtful(0), Some((50, 60)));
        board.note_repeated(60);
        assert_eq!(board.rescue(0, 100), Some((70, 100)));
        assert_eq!(board.rescue(0, 100), None);
        board.begin(0);
        board.note_repeated(60);
        assert_eq!(board.rescue(0, 70), None, "that gap was repeated");
    }

    #[test]
    fn acknowledged_ranges_are_forgotten_with_their_memory() {
        let mut board = board(&[(20, 40), (50, 100)]);
        board.release(45);
        assert_eq!(board.ranges, [(50, 100)]);
        board.release(60);
        assert_eq!(board.ranges, [(60, 100)]);
        board.release(100);
        assert!(board.is_empty() && board.ranges.capacity() == 0);
    }

    #[test]
    fn a_peer_that_reneges_is_not_believed_after_a_timeout() {
        let mut board = board(&[(20, 40), (50, 100)]);
        board.on_timeout(10);
        assert_eq!(board.ranges.len(), 2);
        board.release(20);
        board.on_timeout(20);
        assert!(board.is_empty());
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let mut board = Scoreboard::default();
        for at in 0..2 * RANGES_MAX as u64 {
            board.insert(2 * at, 2 * at + 1);
        }
        assert_eq!(board.ranges.len(), RANGES_MAX);
        assert!(board.insert(1, 2), "what joins ranges still counts");
        assert_eq!(board.ranges.len(), RANGES_MAX - 1);
    }

    proptest! {
        #[test]
        fn the_board_agrees_with_a_bitmap(
            inserts in prop::collection::vec((0u64..200, 1u64..30), 0..40),
            una in 0u64..200,
            window in (0u64..230, 0u64..230),
        ) {
            let mut held = [false; 256];
            let mut board = Scoreboard::default();
            for (start, len) in inserts {
                let fresh = (start..start + len).any(|at| !held[at as usize]);
                prop_assert_eq!(board.insert(start, start + len), fresh);
                held[start as usize..(start + len) as usize].fill(true);
            }
            board.release(una);
            held[..una as usize].fill(false);
            let (from, until) = (window.0.min(window.1), window.0.max(window.1));
            let missing = (from..until).filter(|&at| !held[at as usize]).count();
            prop_assert_eq!(board.missing(from, until), missing as u64);
            let next = (from..256).find(|&at| !held[at as usize]);
            prop_assert_eq!(Some(board.skip(from)), next);
            let end = (from + 1..256).find(|&at| held[at as usize] && !held[at as usize - 1]);
            if !held[from as usize] {
                prop_assert_eq!(board.gap_end(from), end.unwrap_or(u64::MAX));
            }
        }
    }
}
