//! Chance on a link: a stream for each kind of decision.
//!
//! Owns which impairment draws from which stream, so that one impairment more or less
//! shifts no draw of another, and the *n*-th packet that meets an impairment
//! meets its *n*-th draw. It draws nothing itself.

use crate::prefetch::prefetch;
use crate::random::Stream;

/// What a link leaves to chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Which packets are lost, each on its own.
    Loss,
    /// Which packets are lost in bursts.
    BurstLoss,
    /// Which packets are duplicated.
    Duplication,
    /// Which packets are corrupted.
    Corruption,
    /// Which packets are held back.
    Reordering,
    /// How long packets are delayed.
    Jitter,
}

impl Purpose {
    const COUNT: usize = 6;

    /// Part of the stream's name: a changed one is another world.
    const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::BurstLoss => "burst loss",
            Self::Duplication => "duplication",
            Self::Corruption => "corruption",
            Self::Reordering => "reordering",
            Self::Jitter => "jitter",
        }
    }
}

/// The streams of one link. They outlive its stages, so that a changed link
/// goes on drawing where it was.
///
/// ```
/// use orrery_sim::net::stage::{Draws, Purpose};
///
/// let mut uplink = Draws::new(1, "uplink", 3);
/// let mut same = Draws::new(1, "uplink", 3);
/// same.of(Purpose::Jitter).next_u64();
/// let loss = uplink.of(Purpose::Loss).next_u64();
/// assert_eq!(loss, same.of(Purpose::Loss).next_u64());
/// ```
#[derive(Debug, Clone)]
pub struct Draws {
    seed: u64,
    link: &'static str,
    host: u32,
    /// Where in `streams` that of each purpose is, from 1 on; 0 if it is not there.
    places: [u8; Purpose::COUNT],
    /// Made when first asked for: most links leave little to chance. Side by side, since
    /// what is far apart is far from the processor.
    streams: Box<[Stream]>,
}

impl Draws {
    /// The streams of the link called `link` of `host`.
    pub fn new(seed: u64, link: &'static str, host: u32) -> Self {
        Self {
            seed,
            link,
            host,
            places: [0; Purpose::COUNT],
            streams: Box::default(),
        }
    }

    /// The stream of this purpose.
    #[inline]
    pub fn of(&mut self, purpose: Purpose) -> &mut Stream {
        let place = usize::from(self.places[purpose as usize]);
        let place = place.checked_sub(1).unwrap_or_else(|| self.add(purpose));
        &mut self.streams[place]
    }

    /// Prefetches what the next packet will draw from.
    #[inline]
    pub(in crate::net) fn prefetch(&self) {
        prefetch(&*self.streams);
    }

    /// Makes the stream of a purpose; returns its place.
    #[cold]
    fn add(&mut self, purpose: Purpose) -> usize {
        let name = format!("{} {}", self.link, purpose.name());
        let mut streams = std::mem::take(&mut self.streams).into_vec();
        streams.push(Stream::new(self.seed, &name, self.host));
        self.places[purpose as usize] = streams.len() as u8;
        self.streams = streams.into();
        self.streams.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_link_and_host_draws_its_own() {
        let all = [
            Purpose::Loss,
            Purpose::BurstLoss,
            Purpose::Duplication,
            Purpose::Corruption,
            Purpose::Reordering,
            Purpose::Jitter,
        ];
        let mut firsts = Vec::new();
        for (link, host) in [("uplink", 1), ("uplink", 2), ("downlink", 1)] {
            let mut draws = Draws::new(1, link, host);
            firsts.extend(all.map(|purpose| draws.of(purpose).next_u64()));
        }
        assert_eq!(firsts.len(), 3 * Purpose::COUNT);
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 3 * Purpose::COUNT);
    }
}
