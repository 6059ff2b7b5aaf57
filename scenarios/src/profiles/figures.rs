//! What a profile's figures are, in a line or two for people: rates, delays, losses, bindings.
//!
//! Owns wording only; the figures are those that are played.

use std::time::Duration;

use orrery_sim::net::nat::{FirewallSpec, NatSpec};
use serde::Serialize;

use super::{AccessProfile, ChurnProfile, DelayProfile, Direction, NatMix, NatProfile, Pattern};
use crate::format::reading::amount::{Amount, Draw};
use crate::format::reading::law::LawSpec;
use crate::format::reading::quantity::{show_bits, show_bytes, show_share, show_time};

/// Of a delay matrix: how many regions, and its least, median and greatest delay.
pub fn delay(profile: &DelayProfile) -> String {
    let count = profile.regions.len();
    let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
    let between = pairs.filter(|(a, b)| a != b);
    let mut delays: Vec<u64> = between.map(|(a, b)| profile.delay_ns(a, b)).collect();
    delays.sort_unstable();
    let time = |ns: u64| show_time(ns as i64);
    let (Some(&least), Some(&greatest)) = (delays.first(), delays.last()) else {
        return format!(
            "one region, {} one way within it",
            time(profile.delay_ns(0, 0))
        );
    };
    format!(
        "{count} regions; one way between them {} to {}, median {}",
        time(least),
        time(greatest),
        time(delays[delays.len() / 2])
    )
}

/// How hosts come and go.
pub fn churn(profile: &ChurnProfile) -> String {
    let mean = |law: &LawSpec| law.build().map_or(0.0, |law| law.mean().as_secs_f64());
    match &profile.pattern {
        Pattern::Laws { online, offline } => {
            let (up, away) = (mean(online), mean(offline));
            format!(
                "online: {}; offline: {}; {:.1} % are online",
                online.figures(),
                offline.figures(),
                100.0 * up / (up + away)
            )
        }
        Pattern::Days(nights) => nights.figures(),
    }
}

/// Of an access link: each direction.
pub fn access(profile: &AccessProfile) -> String {
    format!(
        "up: {}; down: {}; packets of at most {}",
        direction(&profile.up),
        direction(&profile.down),
        show_bytes(u64::from(profile.mtu_bytes))
    )
}

fn direction(link: &Direction) -> String {
    let time = |ns: u64| show_time(ns as i64);
    let mut parts = vec![match (link.rate_bps, &link.rate_trace) {
        (Some(rate), _) => show_bits(rate),
        (None, Some(_)) => "a trace of rates".to_owned(),
        (None, None) => "no bound of rate".to_owned(),
    }];
    parts.push(format!("delay {}", time(link.delay_ns)));
    if link.jitter_ns != Amount::constant(0) {
        parts.push(format!("jitter {}", amount(&link.jitter_ns)));
    }
    let mut share = |name: &str, ppm: u32| {
        if ppm > 0 {
            parts.push(format!("{name} {}", show_share(ppm)));
        }
    };
    share("loss", link.loss_ppm);
    share("corrupt", link.corrupt_ppm);
    share("duplicate", link.duplicate_ppm);
    if let Some(bursts) = &link.loss_bursts {
        parts.push(format!(
            "losses in bursts (p {}, r {}, passes {} in bad times and {} in good ones)",
            show_share(bursts.p_ppm),
            show_share(bursts.r_ppm),
            show_share(bursts.h_ppm),
            show_share(bursts.k_ppm)
        ));
    }
    if let Some(reorder) = &link.reorder {
        let share = show_share(reorder.share_ppm);
        parts.push(format!("{share} held back by {}", time(reorder.by_ns)));
    }
    if link.rate_bps.is_some() || link.rate_trace.is_some() {
        parts.push(format!("queue {}", show_bytes(link.queue_bytes)));
    }
    if let Some(codel) = &link.codel {
        parts.push(format!(
            "CoDel {} over {}",
            time(codel.target_ns),
            time(codel.interval_ns)
        ));
    }
    if let Some(police) = &link.police {
        parts.push(format!(
            "policed to {} with bursts of {}",
            show_bits(police.rate_bps),
            show_bytes(u64::from(police.burst_bytes))
        ));
    }
    parts.join(", ")
}

fn amount(amount: &Amount) -> String {
    match amount.draw {
        Draw::Constant(ns) => show_time(ns),
        Draw::Uniform(low, high) => format!("uniform({}, {})", show_time(low), show_time(high)),
        Draw::Normal(mean, deviation) => {
            format!("normal({}, {})", show_time(mean), show_time(deviation))
        }
        Draw::Exponential(mean) => format!("exponential({})", show_time(mean)),
    }
}

/// Of a NAT or firewall: its axes and lifetimes.
pub fn nat(profile: &NatProfile) -> String {
    let parts = profile.nat.iter().map(translator);
    let parts = parts.chain(profile.firewall.iter().map(firewall));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        "neither a NAT nor a firewall".to_owned()
    } else {
        parts.join("; ")
    }
}

fn translator(nat: &NatSpec) -> String {
    format!(
        "NAT: mapping {}, filtering {}, ports {}, UDP sessions {} (renewed {}), TCP {} open and {} \
         otherwise, hairpinning {}, unsolicited SYNs {}",
        name(&nat.mapping),
        name(&nat.filtering),
        name(&nat.ports),
        span(nat.lifetimes.udp),
        name(&nat.refresh),
        span(nat.lifetimes.tcp_established),
        span(nat.lifetimes.tcp_transitory),
        name(&nat.hairpinning),
        name(&nat.unsolicited)
    )
}

fn firewall(firewall: &FirewallSpec) -> String {
    format!(
        "firewall: filtering {}, UDP sessions {} (renewed {}), TCP {} open and {} otherwise, \
         unsolicited SYNs {}",
        name(&firewall.filtering),
        span(firewall.lifetimes.udp),
        name(&firewall.refresh),
        span(firewall.lifetimes.tcp_established),
        span(firewall.lifetimes.tcp_transitory),
        name(&firewall.unsolicited)
    )
}

/// Of a mix: the shares of its kinds.
pub fn nat_mix(mix: &NatMix) -> String {
    let shares = mix.shares.iter();
    let shares = shares.map(|(name, ppm)| format!("{name} {}", show_share(*ppm)));
    shares.collect::<Vec<_>>().join(", ")
}

/// A choice as profiles write it.
fn name(choice: &impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn span(time: Duration) -> String {
    show_time(time.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::Profiles;

    #[test]
    fn figures_are_those_of_the_profile() {
        let profiles = Profiles::new(None);
        let aws = profiles.delay("aws-21").expect("it is built in");
        let text = delay(&aws);
        assert!(
            text.starts_with("21 regions; one way between them "),
            "{text}"
        );
        let dsl = access(&profiles.access("dsl").expect("it is built in"));
        assert!(
            dsl.contains("up: ") && dsl.contains("Mbit/s, delay "),
            "{dsl}"
        );
        let sym = nat(&profiles.nat("sym").expect("it is built in"));
        assert!(
            sym.starts_with("NAT: mapping address-and-port-dependent, filtering "),
            "{sym}"
        );
        let mix = nat_mix(&profiles.nat_mix("ford-2005").expect("it is built in"));
        assert!(mix.contains('%'), "{mix}");
    }
}
