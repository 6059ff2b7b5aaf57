//! The file of an access profile: its fields, their documentation, and reading it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use toml::Spanned;

use super::{AccessProfile, Direction, LossBursts, Police, Queueing, Reordering};
use crate::format::reading::amount::Amount;
use crate::format::reading::quantity::{Expected, bits_per_second, bytes, share_ppm, time_ns};
use crate::profiles::error::{ProfileError, from_toml_at, line};
use crate::profiles::rate_trace::{self, SharedTrace};

/// Largest burst of a policer.
const BURST_BYTES_MAX: u64 = 1 << 30;

/// An access link: what a host's packets go through before and after the core of the network.
/// They meet the impairments in this order: `mtu`, `police`, `duplicate`, `rate` or
/// `rate_trace` with `queue` and `codel`, `loss`, `loss_bursts`, `corrupt`, `delay`, `jitter`, `reorder`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "An access profile of Orrery")]
struct File {
    /// Its name, which is also the file's.
    name: String,
    /// What it is, in a sentence.
    summary: String,
    /// Where the figures come from; what is assumed says so.
    source: String,
    /// When the figures were measured.
    #[serde(default, rename = "observed_on")]
    _observed_on: Option<String>,
    /// From the host to the core.
    #[serde(default)]
    up: DirectionText,
    /// From the core to the host.
    #[serde(default)]
    down: DirectionText,
    /// Largest packet in bytes, headers included: 1280 to 65535, 1500 if absent. Larger ones are
    /// dropped.
    #[serde(default)]
    #[schemars(with = "Option<u32>")]
    mtu: Option<Spanned<u32>>,
}

/// One direction of the link. What is absent does nothing.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DirectionText {
    /// Rate, such as `20Mbit/s`; unlimited if absent. Counts IP packets.
    rate: Option<Text>,
    /// A file with the rate over time, beside the profile or scenario or built in
    /// (`lte-trace.csv`), in place of `rate`: in mahimahi's form, a line of whole milliseconds for each opportunity to deliver 1,500 bytes,
    /// or a table with a header such as `s,mbps` and rows of a time and a rate. It begins with the
    /// run and repeats when it ends. A link fault's rate holds where it is the lower one.
    rate_trace: Option<Text>,
    /// Which column of such a table has the rate, such as `down` for `down_mbps`; the first one
    /// behind the time if absent.
    rate_column: Option<Text>,
    /// One-way delay, such as `8ms`.
    delay: Option<Text>,
    /// Additional delay of each packet, such as `uniform(0ms, 5ms)`. Packets keep their order.
    jitter: Option<Text>,
    /// Share of packets lost, independently of each other, such as `0.1%`.
    loss: Option<Text>,
    /// Most bytes that wait for the rate, `256KiB` if absent; more are dropped.
    queue: Option<Text>,
    /// Manages the queue by the wait of packets (`CoDel`, RFC 8289). Needs a rate or a trace.
    #[schemars(with = "Option<CodelText>")]
    codel: Option<Spanned<CodelText>>,
    /// Losses in bursts (Gilbert and Elliott): a chain with a good and a bad state, which moves with
    /// each packet. Beside `loss`.
    loss_bursts: Option<LossBurstsText>,
    /// Share of packets that arrive damaged and are dropped by the receiving host.
    corrupt: Option<Text>,
    /// Share of packets that are followed by a copy.
    duplicate: Option<Text>,
    /// Holds a share of the packets back, so that others overtake them.
    reorder: Option<ReorderText>,
    /// Drops at once what exceeds a rate and a burst (a token bucket).
    police: Option<PoliceText>,
}

/// `CoDel`'s two times.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CodelText {
    /// Wait that is acceptable in the long run; `5ms` if absent.
    target: Option<Text>,
    /// How long waits may stay above it, about the largest round trip; `100ms` if absent.
    interval: Option<Text>,
}

/// The chain's four probabilities. The bad state lasts 1/r packets in the mean; (r·(1−k) +
/// p·(1−h)) / (p+r) of the packets are lost.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LossBurstsText {
    /// From the good to the bad state, at each packet.
    p: Text,
    /// From the bad to the good state, at each packet; above 0.
    r: Text,
    /// That a packet passes in the bad state; `0%` if absent.
    h: Option<Text>,
    /// That a packet passes in the good state; `100%` if absent.
    k: Option<Text>,
}

/// Who is held back, and for how long.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReorderText {
    /// Share of the packets, such as `0.5%`.
    share: Text,
    /// How long, such as `3ms`.
    by: Text,
}

/// The bucket.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PoliceText {
    /// Rate that passes in the long run.
    rate: Text,
    /// What passes at once after a silence, such as `64KiB`; at least the largest packet.
    burst: Text,
}

/// A value as it is written, and where.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text(Spanned<String>);

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// The JSON Schema of an access profile, for editors.
pub fn schema() -> Schema {
    schemars::schema_for!(File)
}

/// The schema as it is committed.
///
/// # Panics
/// Never: a schema is plain JSON.
pub fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).expect("a schema is plain JSON");
    text.push('\n');
    text
}

/// Something wrong with a value: where in the text, and what.
type WrongAt = (usize, String);

/// What is wrong with a profile.
pub enum Wrong {
    /// Something in its text, at this byte.
    At(usize, String),
    /// Something in a file that it names.
    Elsewhere(ProfileError),
}

/// The text of a trace beside the profile.
pub type TraceText<'a> = &'a dyn Fn(&str) -> Result<String, ProfileError>;

/// Reads an access profile; `trace_text` gives the text of the traces that it names.
///
/// # Errors
/// It is wrong, or a trace of it.
pub fn parse(
    file: &str,
    text: &str,
    trace_text: TraceText<'_>,
) -> Result<AccessProfile, ProfileError> {
    parse_own(text, trace_text).map_err(|wrong| match wrong {
        Wrong::At(byte, message) => {
            let line = line(text, byte);
            ProfileError::new(format!("profile {file}, line {line}: {message}"))
        }
        Wrong::Elsewhere(error) => error,
    })
}

/// As [`parse`], of a text that is no file.
///
/// # Errors
/// It is wrong, or a trace of it.
pub fn parse_own(text: &str, trace_text: TraceText<'_>) -> Result<AccessProfile, Wrong> {
    let at = |(byte, message)| Wrong::At(byte, message);
    let raw: File = from_toml_at(text).map_err(at)?;
    let traces = [
        trace("up", &raw.up, trace_text).map_err(Wrong::Elsewhere)?,
        trace("down", &raw.down, trace_text).map_err(Wrong::Elsewhere)?,
    ];
    read(raw, traces).map_err(at)
}

/// The trace of a direction, if it has one.
fn trace(
    name: &str,
    direction: &DirectionText,
    text: TraceText<'_>,
) -> Result<Option<SharedTrace>, ProfileError> {
    let Some(file) = &direction.rate_trace else {
        return Ok(None);
    };
    let column = direction
        .rate_column
        .as_ref()
        .map(|column| column.0.get_ref().as_str());
    let file = file.0.get_ref();
    let trace = rate_trace::parse(file, &text(file)?, column);
    let trace = trace.map_err(|error| ProfileError {
        message: format!("{name}.rate_trace: {}", error.message),
        ..error
    })?;
    Ok(Some(trace))
}

fn read(raw: File, [up, down]: [Option<SharedTrace>; 2]) -> Result<AccessProfile, WrongAt> {
    let mtu_bytes = raw.mtu.as_ref().map_or(1500, |mtu| *mtu.get_ref());
    if let Some(mtu) = &raw.mtu {
        // RFC 8200: a link of IPv6 carries at least 1280 bytes.
        if !(1280..=65_535).contains(&mtu_bytes) {
            let message = format!("mtu: expected 1280 to 65535 bytes, found {mtu_bytes}");
            return Err((mtu.span().start, message));
        }
    }
    let direction = |name, text, trace| {
        direction(text, trace, mtu_bytes)
            .map_err(|(byte, message)| (byte, format!("{name}.{message}")))
    };
    Ok(AccessProfile {
        up: direction("up", &raw.up, up)?,
        down: direction("down", &raw.down, down)?,
        name: raw.name,
        summary: raw.summary,
        source: raw.source,
        mtu_bytes,
    })
}

fn direction(
    text: &DirectionText,
    trace: Option<SharedTrace>,
    mtu_bytes: u32,
) -> Result<Direction, WrongAt> {
    let mut direction = Direction {
        rate_trace: trace,
        ..Direction::default()
    };
    if let (Some(rate), Some(_)) = (&text.rate, &text.rate_trace) {
        return Err(rate.wrong("rate: a link has a \"rate\" or a \"rate_trace\", not both"));
    }
    if let (Some(column), None) = (&text.rate_column, &text.rate_trace) {
        return Err(column.wrong("rate_column: expected a \"rate_trace\" beside it"));
    }
    if let Some(rate) = &text.rate {
        direction.rate_bps = Some(rate.read("rate", bits_per_second)?);
    }
    if let Some(delay) = &text.delay {
        direction.delay_ns = delay.time("delay", 0)?;
    }
    if let Some(jitter) = &text.jitter {
        direction.jitter_ns = jitter.amount("jitter")?;
    }
    if let Some(queue) = &text.queue {
        direction.queue_bytes = queue.read("queue", bytes)? as u64;
    }
    for (field, text, ppm) in [
        ("loss", &text.loss, &mut direction.loss_ppm),
        ("corrupt", &text.corrupt, &mut direction.corrupt_ppm),
        ("duplicate", &text.duplicate, &mut direction.duplicate_ppm),
    ] {
        if let Some(text) = text {
            *ppm = text.read(field, share_ppm)?;
        }
    }
    if let Some(text) = &text.codel {
        if direction.rate_bps.is_none() && direction.rate_trace.is_none() {
            let message = "codel: expected a \"rate\" beside it, for nothing waits without one";
            return Err((text.span().start, message.to_owned()));
        }
        direction.codel = Some(codel(text.get_ref())?);
    }
    direction.loss_bursts = text.loss_bursts.as_ref().map(loss_bursts).transpose()?;
    if let Some(reorder) = &text.reorder {
        direction.reorder = Some(Reordering {
            share_ppm: reorder.share.read("reorder.share", share_ppm)?,
            by_ns: reorder.by.time("reorder.by", 1)?,
        });
    }
    if let Some(police) = &text.police {
        let rate_bps = police.rate.read("police.rate", bits_per_second)?;
        let burst = police.burst.read("police.burst", bytes)? as u64;
        if !(u64::from(mtu_bytes)..=BURST_BYTES_MAX).contains(&burst) {
            let message = format!(
                "police.burst: expected the {mtu_bytes} bytes of the largest packet to 1GiB"
            );
            return Err(police.burst.wrong(&message));
        }
        direction.police = Some(Police {
            rate_bps,
            burst_bytes: burst as u32,
        });
    }
    Ok(direction)
}

fn codel(text: &CodelText) -> Result<Queueing, WrongAt> {
    // RFC 8289 §4.2 and §4.3.
    let mut codel = Queueing {
        target_ns: 5_000_000,
        interval_ns: 100_000_000,
    };
    if let Some(target) = &text.target {
        codel.target_ns = target.time("codel.target", 0)?;
    }
    if let Some(interval) = &text.interval {
        codel.interval_ns = interval.time("codel.interval", 1)?;
    }
    Ok(codel)
}

fn loss_bursts(text: &LossBurstsText) -> Result<LossBursts, WrongAt> {
    let share = |field: &str, text: &Option<Text>, default| {
        text.as_ref()
            .map_or(Ok(default), |text| text.read(field, share_ppm))
    };
    let bursts = LossBursts {
        p_ppm: text.p.read("loss_bursts.p", share_ppm)?,
        r_ppm: text.r.read("loss_bursts.r", share_ppm)?,
        h_ppm: share("loss_bursts.h", &text.h, 0)?,
        k_ppm: share("loss_bursts.k", &text.k, 1_000_000)?,
    };
    if bursts.r_ppm == 0 {
        return Err(text
            .r
            .wrong("loss_bursts.r: expected more than 0, or the bad state never ends"));
    }
    Ok(bursts)
}

impl Text {
    fn wrong(&self, message: &str) -> WrongAt {
        (self.0.span().start, message.to_owned())
    }

    fn read<T>(&self, field: &str, unit: fn(&str) -> Result<T, Expected>) -> Result<T, WrongAt> {
        unit(self.0.get_ref()).map_err(|expected| self.wrong(&format!("{field}: {}", expected.0)))
    }

    /// A time of at least `least_ns`.
    fn time(&self, field: &str, least_ns: i64) -> Result<u64, WrongAt> {
        let time = self.read(field, time_ns)?;
        if time < least_ns {
            let least = if least_ns == 0 {
                "at least"
            } else {
                "more than"
            };
            return Err(self.wrong(&format!("{field}: expected {least} 0s")));
        }
        Ok(time as u64)
    }

    fn amount(&self, field: &str) -> Result<Amount, WrongAt> {
        let amount = Amount::read(self.0.get_ref(), time_ns)
            .map_err(|expected| self.wrong(&format!("{field}: {expected}")))?;
        if amount.bounds().is_some_and(|(low, _)| low < 0) {
            return Err(self.wrong(&format!("{field}: expected at least 0s")));
        }
        Ok(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::reading::schema::fields_of;

    const HEAD: &str = "name='x'\nsummary='s'\nsource='q'\n";

    #[test]
    fn wrong_values_are_named_with_their_line() {
        let check = |line: &str, expected: &str| {
            let error = parse("x", &format!("{HEAD}{line}\n"), &|_| {
                Ok("s,mbps\n0,1\n".to_owned())
            })
            .expect_err(line);
            let expected = format!("profile x, line 4: {expected}");
            assert!(error.message.starts_with(&expected), "{line}: {error}");
        };
        check("up = { rate = 'fast' }", "up.rate: expected a link rate");
        check(
            "down = { delay = '-1ms' }",
            "down.delay: expected at least 0s",
        );
        check("up = { loss = '120%' }", "up.loss: expected a share");
        check("up = { corrupt = '2' }", "up.corrupt: expected a share");
        check("up = { duplicate = 'x' }", "up.duplicate: expected a share");
        check(
            "up = { jitter = 'uniform(-1ms, 1ms)' }",
            "up.jitter: expected at least",
        );
        check("up = { queue = '64' }", "up.queue: expected a size");
        check("mtu = 100", "mtu: expected 1280");
        check(
            "up = { codel = { target = '5ms' } }",
            "up.codel: expected a \"rate\"",
        );
        check(
            "up = { rate = '1Mbit/s', codel = { interval = '0s' } }",
            "up.codel.interval: expected more than 0s",
        );
        check("up = { loss_bursts = { p = '1%' } }", "missing field `r`");
        check(
            "up = { loss_bursts = { p = '1%', r = '0%' } }",
            "up.loss_bursts.r: expected more than 0",
        );
        check(
            "up = { loss_bursts = { p = '1%', r = '9%', h = '-1' } }",
            "up.loss_bursts.h: expected a share",
        );
        check(
            "down = { reorder = { share = '1%', by = '0s' } }",
            "down.reorder.by: expected more than 0s",
        );
        check(
            "up = { police = { rate = '1Mbit/s', burst = '1kB' } }",
            "up.police.burst: expected the 1500 bytes",
        );
        check("up = { codl = {} }", "unknown field `codl`");
        check(
            "up = { rate = '1Mbit/s', rate_trace = 'x.csv' }",
            "up.rate: a link has a \"rate\" or a \"rate_trace\"",
        );
        check(
            "up = { rate_column = 'x' }",
            "up.rate_column: expected a \"rate_trace\"",
        );
    }

    #[test]
    fn every_impairment_is_read() {
        let line = "down = { rate = '8Mbit/s', codel = { target = '10ms' }, \
                    loss_bursts = { p = '0.1%', r = '25%', h = '10%' }, corrupt = '10ppm', \
                    duplicate = '0.2%', reorder = { share = '1%', by = '3ms' }, \
                    police = { rate = '10Mbit/s', burst = '64KiB' } }";
        let profile = parse("x", &format!("{HEAD}{line}\n"), &|_| {
            Ok("s,mbps\n0,1\n".to_owned())
        })
        .expect("it is sound");
        let expected = Direction {
            rate_bps: Some(8_000_000),
            codel: Some(Queueing {
                target_ns: 10_000_000,
                interval_ns: 100_000_000,
            }),
            loss_bursts: Some(LossBursts {
                p_ppm: 1_000,
                r_ppm: 250_000,
                h_ppm: 100_000,
                k_ppm: 1_000_000,
            }),
            corrupt_ppm: 10,
            duplicate_ppm: 2_000,
            reorder: Some(Reordering {
                share_ppm: 10_000,
                by_ns: 3_000_000,
            }),
            police: Some(Police {
                rate_bps: 10_000_000,
                burst_bytes: 65_536,
            }),
            ..Direction::default()
        };
        assert_eq!(profile.down, expected);
        assert_eq!(profile.up, Direction::default());
    }

    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/access.schema.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == schema_text(),
            "schema/access.schema.json is stale: write it anew with `orrery explain access-schema`"
        );
    }

    #[test]
    fn every_field_is_documented() {
        let fields = fields_of(&schema());
        assert!(fields.len() > 40);
        for field in fields {
            assert!(!field.meaning.is_empty(), "{} has no meaning", field.path);
        }
    }
}
