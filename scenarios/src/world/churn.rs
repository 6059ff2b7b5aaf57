//! Who is online when, where hosts come and go by laws.
//!
//! Owns the draws. A host's sessions and absences alternate, each drawn by its law; at the
//! beginning it is in the midst of one or the other, as often as they last long, so that the
//! population is in its steady state from the first moment on (see
//! [`orrery_sim::random::law`]).

use std::time::Duration;

use orrery_sim::random::Stream;
use orrery_sim::random::law::{Law, residual};
use orrery_sim::units::Ratio;

use super::draw;
use crate::fault::{Churn, Lives};
use crate::format::reading::law::LawSpec;
use crate::profiles::{DAY_NS, Nights};

/// Parts of all absences that a [`Churn`] counts.
pub const PARTS: u32 = 1_000_000;

/// A time online or away, from and to nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Whether the host is online.
    pub online: bool,
    /// Its beginning; 0 if it began earlier.
    pub from_ns: u64,
    /// Its end.
    pub to_ns: u64,
}

/// Sessions and absences of one host, from the beginning on and without end.
#[derive(Debug)]
pub struct Lifetimes {
    online: Box<dyn Law>,
    offline: Box<dyn Law>,
    stream: Stream,
    last: Option<Lifetime>,
}

impl Lifetimes {
    /// Those of `host` in the world of `seed`; `None` if `churn` has none, but a trace or nights.
    pub fn of(churn: &Churn, seed: u64, host: u32) -> Option<Self> {
        let Lives::Laws { online, offline } = &churn.lives else {
            return None;
        };
        Some(Self {
            online: online.build().ok()?,
            offline: offline.build().ok()?,
            stream: Stream::new(seed, &format!("churn {}", churn.group), host),
            last: None,
        })
    }

    fn law(&self, online: bool) -> &dyn Law {
        if online {
            &*self.online
        } else {
            &*self.offline
        }
    }
}

impl Iterator for Lifetimes {
    type Item = Lifetime;

    fn next(&mut self) -> Option<Lifetime> {
        let mut stream = self.stream.clone();
        let (online, from_ns, length) = if let Some(last) = self.last {
            let online = !last.online;
            (online, last.to_ns, self.law(online).draw(&mut stream))
        } else {
            let online = stream.chance(share_online(&*self.online, &*self.offline));
            (online, 0, residual(self.law(online), &mut stream))
        };
        self.stream = stream;
        let next = Lifetime {
            online,
            from_ns,
            to_ns: from_ns.saturating_add(nanos(length).max(1)),
        };
        self.last = Some(next);
        Some(next)
    }
}

/// The share of hosts that are online at any moment.
pub fn share_online(online: &dyn Law, offline: &dyn Law) -> Ratio {
    let (online, offline) = (online.mean().as_nanos(), offline.mean().as_nanos());
    let billion = u128::from(Ratio::ONE.ppb());
    let ppb = (online * billion).checked_div(online + offline);
    ppb.and_then(|ppb| Ratio::from_ppb(ppb as u32))
        .unwrap_or(Ratio::ONE)
}

/// A session and an absence together, on average, in nanoseconds.
pub fn mean_cycle_ns(online: &LawSpec, offline: &LawSpec) -> u64 {
    let mean = |law: &LawSpec| law.build().map_or(0, |law| nanos(law.mean()));
    mean(online).saturating_add(mean(offline))
}

/// The absences of a host that `churn` makes within the run, from and to nanoseconds, ascending.
pub fn absences(churn: &Churn, seed: u64, host: u32, duration_ns: u64) -> Vec<(u64, u64)> {
    let mut how = Stream::new(seed, &format!("churn leave {}", churn.group), host);
    let away: Vec<(u64, u64)> = match &churn.lives {
        Lives::Laws { .. } => {
            let within = |lifetime: &Lifetime| lifetime.from_ns < duration_ns;
            let lifetimes = Lifetimes::of(churn, seed, host).into_iter().flatten();
            lifetimes
                .take_while(within)
                .filter(|lifetime| !lifetime.online)
                .map(|lifetime| (lifetime.from_ns, lifetime.to_ns.min(duration_ns)))
                .collect()
        }
        Lives::Nights(drawn) => {
            let mut stream = Stream::new(seed, &format!("churn {}", churn.group), host);
            nights(drawn, &mut stream, duration_ns)
        }
        Lives::Trace(sessions) => {
            let sessions = sessions.get(&host).map_or(&[][..], Vec::as_slice);
            between(sessions, duration_ns)
        }
    };
    away.into_iter()
        .filter(|_| churn.parts.contains(&(how.below(u64::from(PARTS)) as u32)))
        .collect()
}

/// Nights within the run, apart from each other; the first may have begun on the day before.
fn nights(drawn: &Nights, stream: &mut Stream, duration_ns: u64) -> Vec<(u64, u64)> {
    let mut nights: Vec<(u64, u64)> = Vec::new();
    let days = (duration_ns / DAY_NS as u64) as i64;
    for day in -1..=days {
        let begin_ns = day * DAY_NS + draw::positive(drawn.begin_ns, stream) as i64;
        let end_ns = begin_ns + draw::positive(drawn.length_ns, stream) as i64;
        let before_ns = nights.last().map_or(0, |(_, to_ns)| *to_ns);
        let from_ns = (begin_ns.max(0) as u64).max(before_ns);
        let to_ns = (end_ns.max(0) as u64).min(duration_ns);
        if from_ns < to_ns {
            nights.push((from_ns, to_ns));
        }
    }
    nights
}

/// The times before, between and after sessions, within the run.
fn between(sessions: &[(u64, u64)], duration_ns: u64) -> Vec<(u64, u64)> {
    let begins = [0]
        .into_iter()
        .chain(sessions.iter().map(|(_, to_ns)| *to_ns));
    let ends = sessions
        .iter()
        .map(|(from_ns, _)| *from_ns)
        .chain([duration_ns]);
    begins
        .zip(ends)
        .map(|(from_ns, to_ns)| (from_ns, to_ns.min(duration_ns)))
        .filter(|(from_ns, to_ns)| from_ns < to_ns)
        .collect()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_NS: u64 = 60_000_000_000;

    fn churn(parts: std::ops::Range<u32>) -> Churn {
        Churn {
            group: "g".to_owned(),
            lives: Lives::Laws {
                online: LawSpec::Exponential(10 * MINUTE_NS),
                offline: LawSpec::Exponential(30 * MINUTE_NS),
            },
            parts,
        }
    }

    #[test]
    fn sessions_and_absences_alternate_without_gaps() {
        let lifetimes = Lifetimes::of(&churn(0..PARTS), 1, 3).unwrap();
        let lifetimes: Vec<_> = lifetimes.take(100).collect();
        assert_eq!(lifetimes[0].from_ns, 0);
        for pair in lifetimes.windows(2) {
            assert_eq!(pair[0].to_ns, pair[1].from_ns);
            assert_ne!(pair[0].online, pair[1].online);
            assert!(pair[0].from_ns < pair[0].to_ns);
        }
    }

    #[test]
    fn a_quarter_is_online_at_any_moment() {
        let online_at = |moment_ns: u64| {
            let is_there = |host: &u32| {
                let lifetimes = Lifetimes::of(&churn(0..PARTS), 1, *host).unwrap();
                let mut now = lifetimes.skip_while(|lifetime| lifetime.to_ns <= moment_ns);
                now.next().is_some_and(|lifetime| lifetime.online)
            };
            (0..4_000).filter(is_there).count()
        };
        for moment_ns in [0, MINUTE_NS, 100 * MINUTE_NS] {
            let online = online_at(moment_ns);
            assert!((890..1_110).contains(&online), "{online}");
        }
    }

    #[test]
    fn ways_of_leaving_share_the_absences() {
        let of = |parts| absences(&churn(parts), 1, 3, 10_000 * MINUTE_NS);
        let (mut some, rest) = (of(0..300_000), of(300_000..PARTS));
        assert!(some.len() > 30 && rest.len() > 100, "{}", some.len());
        some.extend(rest);
        some.sort_unstable();
        assert_eq!(some, of(0..PARTS));
        assert!(some.iter().all(|(_, to)| *to <= 10_000 * MINUTE_NS));
    }

    #[test]
    fn nights_come_each_day_and_the_first_may_have_begun_before() {
        let hour_ns = 60 * MINUTE_NS;
        let drawn = Nights::read("normal(23h, 30m)", "normal(8h, 30m)").expect("they are sound");
        let churn = Churn {
            lives: Lives::Nights(drawn),
            ..churn(0..PARTS)
        };
        let mut away_ns = 0;
        for host in 0..200 {
            let nights = absences(&churn, 1, host, 80 * hour_ns);
            assert_eq!(nights.len(), 4, "{nights:?}");
            assert!(nights[0].0 < 2 * hour_ns);
            assert!(nights.iter().all(|(from, to)| from < to));
            assert!(
                nights
                    .windows(2)
                    .all(|two| two[1].0 - two[0].1 > 12 * hour_ns)
            );
            away_ns += nights.iter().map(|(from, to)| to - from).sum::<u64>();
        }
        let share = away_ns as f64 / (200 * 80 * hour_ns) as f64;
        assert!((0.37..0.40).contains(&share), "{share}");
    }

    #[test]
    fn a_trace_says_who_is_away_when() {
        let sessions = [(3, vec![(0, 5), (9, 12), (20, 99)]), (4, vec![(2, 4)])];
        let churn = Churn {
            lives: Lives::Trace(sessions.into_iter().collect()),
            ..churn(0..PARTS)
        };
        let away = |host| absences(&churn, 1, host, 30);
        assert_eq!(away(3), [(5, 9), (12, 20)]);
        assert_eq!(away(4), [(0, 2), (4, 30)]);
        assert_eq!(away(5), [(0, 30)], "the trace lacks it");
    }
}
