//! Whether a loss is being repaired, and how far: fast retransmit and recovery
//! (RFC 5681 §3.2), by duplicate acknowledgements (RFC 6582, RFC 3042) or by
//! selective ones (RFC 6675).
//!
//! Owns the counting and, without SACK, the window's inflation meanwhile. What
//! the peer holds is the scoreboard's, the congestion window belongs to the
//! congestion control.

/// Duplicate acknowledgements that prove a loss (RFC 5681 §3.2).
const DUPLICATES: u32 = 3;

/// What an acknowledgement asks of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// Nothing special.
    None,
    /// A loss was found: retransmit the first segment.
    Begin,
    /// Another segment of the same window is missing: retransmit it too. The
    /// flag says whether it is the first such acknowledgement.
    Continue(bool),
    /// Everything is repaired.
    Finish,
}

/// State of the repair.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recovery {
    active: bool,
    duplicates: u32,
    /// Offset after what was sent when the last loss was noticed (RFC 6582's
    /// "recover").
    recover: u64,
    /// Bytes by which the window is larger than the congestion window.
    inflation: i64,
    partial_seen: bool,
}

impl Recovery {
    /// Whether a loss found by acknowledgements is being repaired.
    pub(super) fn is_active(&self) -> bool {
        self.active
    }

    /// Whether a part of what was lost has been repaired.
    pub(super) fn has_advanced(&self) -> bool {
        self.active && self.partial_seen
    }

    /// Whether what is sent at `una` left after the window was last reduced: one
    /// reduction for each window of data.
    pub(super) fn is_past(&self, una: u64) -> bool {
        una >= self.recover
    }

    /// The window to use without SACK, given the congestion window.
    pub(super) fn window(&self, congestion_window: u64, mss: u64) -> u64 {
        congestion_window
            .saturating_add_signed(self.inflation)
            .max(mss)
    }

    /// An acknowledgement of `acked` new bytes up to `una`.
    pub(super) fn on_new_ack(&mut self, una: u64, acked: u64, mss: u64) -> Repair {
        self.duplicates = 0;
        if !self.active {
            self.inflation = 0;
            return Repair::None;
        }
        if una >= self.recover {
            // RFC 6582 §3.2 step 3, full acknowledgement.
            self.active = false;
            self.inflation = 0;
            return Repair::Finish;
        }
        // Partial acknowledgement: deflate by what left the network.
        self.inflation -= acked as i64;
        if acked >= mss {
            self.inflation += mss as i64;
        }
        let first = !self.partial_seen;
        self.partial_seen = true;
        Repair::Continue(first)
    }

    /// A duplicate acknowledgement at `una` with data sent up to `max`.
    pub(super) fn on_duplicate(&mut self, una: u64, max: u64, mss: u64) -> Repair {
        self.duplicates += 1;
        if self.active {
            // RFC 6582 §3.2 step 2: a segment has left the network.
            self.inflation += mss as i64;
            return Repair::None;
        }
        if self.duplicates < DUPLICATES {
            // RFC 3042: a new segment for each of the first two.
            self.inflation += mss as i64;
        } else if self.duplicates == DUPLICATES && una > self.recover {
            self.begin(max);
            // RFC 5681 §3.2 step 3.
            self.inflation = i64::from(DUPLICATES) * mss as i64;
            return Repair::Begin;
        }
        Repair::None
    }

    /// With SACK, an acknowledgement at `una` told of segments beyond a gap.
    pub(super) fn on_sack(&mut self) {
        self.duplicates += 1;
    }

    /// With SACK: begins a repair if a loss is proved, be it that the scoreboard
    /// says `lost` (RFC 6675 §5).
    pub(super) fn begin_if_lost(&mut self, una: u64, max: u64, lost: bool) -> bool {
        let proved = lost || self.duplicates >= DUPLICATES;
        let begins = proved && !self.active && una < max && self.is_past(una);
        if begins {
            self.begin(max);
        }
        begins
    }

    fn begin(&mut self, max: u64) {
        self.active = true;
        self.partial_seen = false;
        self.recover = max;
    }

    /// The retransmission timer fired with data sent up to `max`: duplicates
    /// that its retransmissions cause mean nothing (RFC 6582 §3.2 step 4).
    pub(super) fn on_timeout(&mut self, max: u64) {
        *self = Self {
            recover: max,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1_000;

    fn duplicates(recovery: &mut Recovery, count: usize) -> Vec<Repair> {
        (0..count)
            .map(|_| recovery.on_duplicate(1, 10_001, MSS))
            .collect()
    }

    #[test]
    fn the_third_duplicate_begins_the_repair() {
        let mut recovery = Recovery::default();
        let repairs = duplicates(&mut recovery, 4);
        assert_eq!(
            repairs,
            [Repair::None, Repair::None, Repair::Begin, Repair::None]
        );
        assert_eq!(recovery.window(5_000, MSS), 5_000 + 4 * MSS);
    }

    #[test]
    fn partial_acknowledgements_deflate_and_continue() {
        let mut recovery = Recovery::default();
        duplicates(&mut recovery, 9);
        assert_eq!(
            recovery.on_new_ack(4_001, 4_000, MSS),
            Repair::Continue(true)
        );
        assert_eq!(recovery.window(5_000, MSS), 11_000);
        assert_eq!(
            recovery.on_new_ack(6_001, 2_000, MSS),
            Repair::Continue(false)
        );
        assert_eq!(recovery.on_new_ack(10_001, 4_000, MSS), Repair::Finish);
        assert_eq!(recovery.window(5_000, MSS), 5_000);
    }

    #[test]
    fn duplicates_after_a_timeout_begin_nothing() {
        let mut recovery = Recovery::default();
        recovery.on_timeout(10_001);
        assert!(!duplicates(&mut recovery, 5).contains(&Repair::Begin));
    }

    #[test]
    fn selective_acknowledgements_begin_one_repair_a_window() {
        let mut recovery = Recovery::default();
        assert!(!recovery.begin_if_lost(1, 10_001, false));
        assert!(recovery.begin_if_lost(1, 10_001, true));
        assert!(!recovery.begin_if_lost(1, 12_001, true), "it is under way");
        assert_eq!(recovery.on_new_ack(10_001, 10_000, MSS), Repair::Finish);
        assert!(recovery.begin_if_lost(10_001, 12_001, true));
        recovery.on_timeout(14_001);
        (0..3).for_each(|_| recovery.on_sack());
        assert!(!recovery.begin_if_lost(13_001, 14_001, true));
        assert!(recovery.begin_if_lost(14_001, 15_001, false));
    }

    #[test]
    fn the_window_never_falls_below_a_segment() {
        let mut recovery = Recovery::default();
        duplicates(&mut recovery, 3);
        recovery.on_new_ack(9_001, 9_000, MSS);
        assert_eq!(recovery.window(2_000, MSS), MSS);
    }
}
