//! Access links: what lies between a host and the core of the network.

use serde::{Deserialize, Serialize};

use super::{ProfileError, from_toml};
use crate::format::amount::Amount;
use crate::format::quantity::{bits_per_second, bytes, share_ppm, time_ns};

/// An access link, up and down apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccessProfile {
    /// Its name.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// Where the figures come from.
    pub source: String,
    /// From the host to the core.
    pub up: Direction,
    /// From the core to the host.
    pub down: Direction,
    /// Largest packet in bytes, headers included.
    pub mtu_bytes: u32,
}

/// One direction of an access link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direction {
    /// Rate in bits per second; unlimited if absent.
    pub rate_bps: Option<u64>,
    /// Fixed one-way delay.
    pub delay_ns: u64,
    /// Additional delay, drawn for each packet.
    pub jitter_ns: Amount,
    /// Share of packets lost, in parts per million.
    pub loss_ppm: u32,
    /// Bytes that wait for the link at most, before the tail is dropped.
    pub queue_bytes: u64,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            rate_bps: None,
            delay_ns: 0,
            jitter_ns: Amount::constant(0),
            loss_ppm: 0,
            queue_bytes: QUEUE_BYTES,
        }
    }
}

/// A queue whose profile does not say.
const QUEUE_BYTES: u64 = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    summary: String,
    source: String,
    #[serde(default, rename = "observed_on")]
    _observed_on: Option<String>,
    #[serde(default)]
    up: DirectionText,
    #[serde(default)]
    down: DirectionText,
    #[serde(default)]
    mtu: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DirectionText {
    rate: Option<String>,
    delay: Option<String>,
    jitter: Option<String>,
    loss: Option<String>,
    queue: Option<String>,
}

/// Reads an access profile.
pub(super) fn parse(file: &str, text: &str) -> Result<AccessProfile, ProfileError> {
    let raw: File = from_toml(file, text)?;
    let wrong = |message: String| ProfileError::new(format!("profile {file}: {message}"));
    let mtu_bytes = raw.mtu.unwrap_or(1500);
    // RFC 8200: a link of IPv6 carries at least 1280 bytes.
    if !(1280..=65_535).contains(&mtu_bytes) {
        return Err(wrong(format!(
            "mtu: expected 1280 to 65535 bytes, found {mtu_bytes}"
        )));
    }
    Ok(AccessProfile {
        up: direction(&raw.up).map_err(|message| wrong(format!("up.{message}")))?,
        down: direction(&raw.down).map_err(|message| wrong(format!("down.{message}")))?,
        name: raw.name,
        summary: raw.summary,
        source: raw.source,
        mtu_bytes,
    })
}

fn direction(text: &DirectionText) -> Result<Direction, String> {
    let mut direction = Direction::default();
    if let Some(rate) = &text.rate {
        let rate = bits_per_second(rate).map_err(|expected| format!("rate: {}", expected.0))?;
        direction.rate_bps = Some(rate);
    }
    if let Some(delay) = &text.delay {
        let delay = time_ns(delay).map_err(|expected| format!("delay: {}", expected.0))?;
        direction.delay_ns = u64::try_from(delay).map_err(|_| "delay: expected at least 0s")?;
    }
    if let Some(jitter) = &text.jitter {
        let jitter =
            Amount::read(jitter, time_ns).map_err(|expected| format!("jitter: {expected}"))?;
        if jitter.bounds().is_some_and(|(low, _)| low < 0) {
            return Err("jitter: expected at least 0s".to_owned());
        }
        direction.jitter_ns = jitter;
    }
    if let Some(loss) = &text.loss {
        direction.loss_ppm = share_ppm(loss).map_err(|expected| format!("loss: {}", expected.0))?;
    }
    if let Some(queue) = &text.queue {
        let queue = bytes(queue).map_err(|expected| format!("queue: {}", expected.0))?;
        direction.queue_bytes = queue as u64;
    }
    Ok(direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_named() {
        let check = |line: &str, expected: &str| {
            let text = format!("name='x'\nsummary='s'\nsource='q'\n{line}\n");
            let error = parse("x", &text).expect_err(line);
            assert!(error.message.contains(expected), "{line}: {error}");
        };
        check("up = { rate = 'fast' }", "up.rate: expected a link rate");
        check(
            "down = { delay = '-1ms' }",
            "down.delay: expected at least 0s",
        );
        check("up = { loss = '120%' }", "up.loss: expected a share");
        check(
            "up = { jitter = 'uniform(-1ms, 1ms)' }",
            "up.jitter: expected at least",
        );
        check("up = { queue = '64' }", "up.queue: expected a size");
        check("mtu = 100", "mtu: expected 1280");
    }
}
