//! V29, V30: hosts come and go as the populations did whose measurements the profiles follow.

use super::{Measured, Row};
use crate::fault::{Churn, Lives};
use crate::format::reading::law::LawSpec;
use crate::profiles::{ChurnProfile, Pattern, Profiles};
use crate::world::churn::{Lifetime, Lifetimes, PARTS};

/// Every host begins a lifetime when the run begins.
const FRESH: &str = "churn-begins-fresh";
/// Lifetimes without memory, with the medians of the right ones.
const MEMORYLESS: &str = "churn-memoryless";
/// Sessions of another network.
const OTHERS: &str = "churn-sessions-of-kad";

pub const KAD: Row = Row {
    id: "V29",
    what: "churn kad-weibull, 20,000 hosts: median session and absence, online after 1, 60, 600 min",
    expected: "93.4 min; 191.7 min; 21.4 % each",
    tolerance: "Kolmogorov-Smirnov p > 0.01 for both; ±1 point",
    source: "Steiner, En-Najjary, Biersack: Long Term Study of Peer Behavior in the KAD DHT, 2009",
    mutations: &[FRESH, MEMORYLESS],
    run: kad,
};

pub const IPFS: Row = Row {
    id: "V30",
    what: "churn ipfs-2022, 20,000 hosts: sessions within 2, 8 and 12 h",
    expected: "50 %; 80 %; 90 %",
    tolerance: "±3 points",
    source: "ProbeLab, Request for Measurement 2, 2022",
    mutations: &[OTHERS],
    run: ipfs,
};

const HOSTS: u32 = 20_000;
const MINUTE_NS: f64 = 60e9;
/// Shape and scale in minutes, of sessions and of absences.
const LAWS: [(f64, f64); 2] = [(0.61511, 169.5385), (0.47648, 413.6765)];

fn churn(profile: ChurnProfile) -> Churn {
    Churn {
        group: "g".to_owned(),
        lives: match profile.pattern {
            Pattern::Laws { online, offline } => laws(online, offline),
            Pattern::Days(nights) => Lives::Nights(nights),
        },
        parts: 0..PARTS,
    }
}

fn laws(online: LawSpec, offline: LawSpec) -> Lives {
    Lives::Laws { online, offline }
}

fn profile(name: &str) -> Result<Churn, String> {
    let profile = Profiles::new(None).churn(name);
    profile.map(churn).map_err(|error| error.to_string())
}

fn lifetimes(churn: &Churn, host: u32) -> Result<Lifetimes, String> {
    Lifetimes::of(churn, 1, host).ok_or_else(|| "the profile has no laws".to_owned())
}

/// The first whole session and the first whole absence of each host, in minutes.
fn first_whole(churn: &Churn) -> Result<[Vec<f64>; 2], String> {
    let mut found = [Vec::new(), Vec::new()];
    for host in 0..HOSTS {
        // The first is under way at the beginning; of the next two one is a session.
        for lifetime in lifetimes(churn, host)?.skip(1).take(2) {
            let minutes = (lifetime.to_ns - lifetime.from_ns) as f64 / MINUTE_NS;
            found[usize::from(!lifetime.online)].push(minutes);
        }
    }
    for samples in &mut found {
        samples.sort_by(f64::total_cmp);
    }
    Ok(found)
}

fn kad(mutation: Option<&str>) -> Result<Measured, String> {
    let mut churn = profile("kad-weibull")?;
    if mutation == Some(MEMORYLESS) {
        let [online, offline] = LAWS.map(|(shape, scale)| {
            let median = scale * std::f64::consts::LN_2.powf(1.0 / shape);
            LawSpec::Exponential((median / std::f64::consts::LN_2 * MINUTE_NS) as u64)
        });
        churn.lives = laws(online, offline);
    }
    let whole = first_whole(&churn)?;
    let mut held = true;
    let mut text = Vec::new();
    for (samples, (shape, scale)) in whole.iter().zip(LAWS) {
        let distribution = |t: f64| 1.0 - (-(t / scale).powf(shape)).exp();
        let p = kolmogorov_smirnov(samples, distribution);
        held &= p > 0.01;
        text.push(format!("{:.1} min (p {p:.2})", samples[samples.len() / 2]));
    }
    for minutes in [1.0, 60.0, 600.0] {
        let moment_ns = (minutes * MINUTE_NS) as u64;
        let mut online = 0;
        for host in 0..HOSTS {
            let mut all = lifetimes(&churn, host)?;
            // Under the mutation the second lifetime begins with the run.
            let begin_ns = match mutation {
                Some(FRESH) => all.next().map_or(0, |first| first.to_ns),
                _ => 0,
            };
            let is_over = |lifetime: &Lifetime| lifetime.to_ns - begin_ns <= moment_ns;
            let now = all.find(|lifetime| !is_over(lifetime));
            online += u32::from(now.is_some_and(|lifetime| lifetime.online));
        }
        let share = f64::from(online) / f64::from(HOSTS);
        held &= (share - 0.214).abs() <= 0.01;
        text.push(format!("{:.1} %", share * 100.0));
    }
    Ok(Measured {
        text: text.join("; "),
        held,
    })
}

fn ipfs(mutation: Option<&str>) -> Result<Measured, String> {
    let mut churn = profile("ipfs-2022")?;
    if mutation == Some(OTHERS) {
        churn = profile("kad-weibull")?;
    }
    let [sessions, _] = first_whole(&churn)?;
    let shares = [120.0, 480.0, 720.0].map(|minutes| {
        let within = sessions.partition_point(|session| *session <= minutes);
        within as f64 / sessions.len() as f64
    });
    let near = |(share, expected): (f64, f64)| (share - expected).abs() <= 0.03;
    Ok(Measured {
        text: shares
            .map(|share| format!("{:.1} %", share * 100.0))
            .join("; "),
        held: shares.into_iter().zip([0.5, 0.8, 0.9]).all(near),
    })
}

/// How likely samples of this distribution are as far from it as the ascending `samples` are, or
/// further.
///
/// The asymptotic law with the correction for finite samples by Stephens (1970), as in Press et al.,
/// Numerical Recipes, §14.3.
fn kolmogorov_smirnov(samples: &[f64], distribution: impl Fn(f64) -> f64) -> f64 {
    let n = samples.len() as f64;
    let mut distance: f64 = 0.0;
    for (index, sample) in samples.iter().enumerate() {
        let (below, share) = (index as f64 / n, distribution(*sample));
        let off = (share - below).abs().max((below + 1.0 / n - share).abs());
        distance = distance.max(off);
    }
    let root = n.sqrt();
    let lambda = (root + 0.12 + 0.11 / root) * distance;
    let term = |k: i32| {
        let exponent = -2.0 * f64::from(k * k) * lambda * lambda;
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * exponent.exp()
    };
    // For a small distance the series does not end; there it is 1.
    if lambda < 0.2 {
        return 1.0;
    }
    (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0)
}
