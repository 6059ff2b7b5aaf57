//! What hosts sent and what was dropped: within the measured time, and in the whole run.
//!
//! Owns the counts of the network at the two ends of the measured time. The network counts from its
//! beginning and knows nothing of a measured time. Taking a count changes nothing of a run.

use crate::testbed::Traffic;

/// What came after `earlier` until `now`. Reasons for which nothing was dropped are left out.
fn since(now: &Traffic, earlier: &Traffic) -> Traffic {
    let drops = now.drops.iter().map(|(reason, count)| {
        let before = earlier.drops.get(reason).copied().unwrap_or(0);
        (*reason, count - before)
    });
    Traffic {
        bytes: now.bytes - earlier.bytes,
        packets: now.packets - earlier.packets,
        drops: drops.filter(|(_, count)| *count > 0).collect(),
    }
}

/// The counts at the ends of the measured time, as far as the run has come.
#[derive(Debug, Default)]
pub struct Window {
    begin: Option<Traffic>,
    end: Option<Traffic>,
}

impl Window {
    /// The measured time begins.
    pub fn begins(&mut self, now: Traffic) {
        self.begin.get_or_insert(now);
    }

    /// The measured time ends.
    pub fn ends(&mut self, now: Traffic) {
        self.end.get_or_insert(now);
    }

    /// What came within it, in a run that has counted `whole`: nothing if it did not come so far.
    pub fn within(&self, whole: &Traffic) -> Traffic {
        let end = self.end.as_ref().unwrap_or(whole);
        let begin = self.begin.as_ref();
        begin.map_or_else(Traffic::default, |begin| since(end, begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(bytes: u64, drops: &[(&'static str, u64)]) -> Traffic {
        Traffic {
            bytes,
            packets: bytes / 100,
            drops: drops.iter().copied().collect(),
        }
    }

    #[test]
    fn the_window_leaves_out_what_came_before_and_after() {
        let mut window = Window::default();
        let whole = counted(900, &[("loss", 7), ("no-route", 2)]);
        assert_eq!(window.within(&whole), Traffic::default(), "it never began");
        window.begins(counted(200, &[("no-route", 2)]));
        assert_eq!(window.within(&whole), counted(700, &[("loss", 7)]));
        window.ends(counted(600, &[("loss", 4), ("no-route", 2)]));
        window.begins(whole.clone());
        assert_eq!(window.within(&whole), counted(400, &[("loss", 4)]));
    }
}
