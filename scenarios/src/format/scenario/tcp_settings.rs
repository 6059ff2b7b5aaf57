//! Settings of hosts' TCP: for all of them in `[network.tcp]`, for a group in its `tcp`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::{bytes, time_ns};
use crate::format::reading::reader::{Reader, fields_of};

/// Settings of TCP. What is absent is as on a Linux host.
#[derive(JsonSchema)]
pub struct TcpFields {
    /// Congestion control: `cubic` (RFC 9438, if absent) or `new-reno` (RFC 5681, RFC 6582).
    pub congestion: Option<CongestionName>,
    /// Whether selective acknowledgements are offered (RFC 2018); `true` if absent.
    pub sack: Option<bool>,
    /// Longest delay of an acknowledgement, such as `40ms` (if absent), or `off`.
    pub delayed_ack: Option<String>,
    /// The least by which a retransmission timeout exceeds the round trip, as Linux has it
    /// (`200ms` if absent), or `rfc6298`: no timeout below one second.
    pub rto_min: Option<String>,
    /// Initial congestion window in segments; 10 (RFC 6928) if absent.
    pub initial_window: Option<u32>,
    /// Bytes that a connection holds until they are acknowledged; `1MiB` if absent.
    pub send_buffer: Option<String>,
    /// Bytes that a connection holds until the program reads them; `2MiB` if absent.
    pub receive_buffer: Option<String>,
    /// Connections that wait for a listener, handshakes included; 1024 if absent.
    pub backlog: Option<u32>,
    /// How long data or probes may go unanswered (RFC 5482); about 15 minutes if absent.
    pub user_timeout: Option<String>,
    /// Silence after which the other side is asked whether it is still there, and then nine times
    /// more in 75 s each; never if absent.
    pub keepalive: Option<String>,
}

/// Congestion control.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CongestionName {
    /// RFC 9438.
    Cubic,
    /// RFC 5681 and RFC 6582.
    NewReno,
}

/// Congestion control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Congestion {
    /// RFC 9438.
    Cubic,
    /// RFC 5681 and RFC 6582.
    NewReno,
}

/// Something that may be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DelayedAck {
    /// Every segment is acknowledged at once.
    Off,
    /// Longest delay in nanoseconds.
    Within(u64),
}

/// The least retransmission timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RtoMin {
    /// Nanoseconds above the smoothed round trip, at least.
    AboveRtt(u64),
    /// One second in all, at least (RFC 6298 §2.4).
    Rfc6298,
}

/// Settings of TCP; what is `None` is as on a Linux host, or as the network's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSettings {
    /// Congestion control.
    pub congestion: Option<Congestion>,
    /// Whether selective acknowledgements are offered.
    pub sack: Option<bool>,
    /// Delay of acknowledgements.
    pub delayed_ack: Option<DelayedAck>,
    /// The least retransmission timeout.
    pub rto_min: Option<RtoMin>,
    /// Initial congestion window in segments.
    pub initial_window: Option<u32>,
    /// Send buffer in bytes.
    pub send_buffer_bytes: Option<u64>,
    /// Receive buffer in bytes.
    pub receive_buffer_bytes: Option<u64>,
    /// Connections that wait for a listener.
    pub backlog: Option<u32>,
    /// User timeout in nanoseconds.
    pub user_timeout_ns: Option<u64>,
    /// Silence before the first keepalive probe, in nanoseconds.
    pub keepalive_ns: Option<u64>,
}

/// Buffers of this size and below hold less than two segments.
const BUFFER_MIN_BYTES: i64 = 4 * 1024;
/// The largest window that TCP can tell (RFC 7323 §2.3).
const BUFFER_MAX_BYTES: i64 = 1 << 30;

impl TcpSettings {
    /// These settings, and `base` where they say nothing.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        Self {
            congestion: self.congestion.or(base.congestion),
            sack: self.sack.or(base.sack),
            delayed_ack: self.delayed_ack.or(base.delayed_ack),
            rto_min: self.rto_min.or(base.rto_min),
            initial_window: self.initial_window.or(base.initial_window),
            send_buffer_bytes: self.send_buffer_bytes.or(base.send_buffer_bytes),
            receive_buffer_bytes: self.receive_buffer_bytes.or(base.receive_buffer_bytes),
            backlog: self.backlog.or(base.backlog),
            user_timeout_ns: self.user_timeout_ns.or(base.user_timeout_ns),
            keepalive_ns: self.keepalive_ns.or(base.keepalive_ns),
        }
    }

    /// Reads the table `tcp` of a network or a group; nothing is set if there is none.
    pub fn read(outer: &Reader<'_>, problems: &mut Problems) -> Self {
        let Some(table) = outer.table("tcp", problems) else {
            return Self::default();
        };
        let what = format!("\"tcp\" of {}", outer.what);
        let reader = Reader::new(table, &what, &fields_of::<TcpFields>(), problems);
        let algorithms = [
            ("cubic", Congestion::Cubic),
            ("new-reno", Congestion::NewReno),
        ];
        Self {
            congestion: reader.choice("congestion", &algorithms, problems),
            sack: reader.flag("sack", problems),
            delayed_ack: match reader.value("delayed_ack").and_then(|v| v.as_text()) {
                Some("off") => Some(DelayedAck::Off),
                _ => read_span(&reader, "delayed_ack", problems).map(DelayedAck::Within),
            },
            rto_min: match reader.value("rto_min").and_then(|v| v.as_text()) {
                Some("rfc6298") => Some(RtoMin::Rfc6298),
                _ => read_span(&reader, "rto_min", problems).map(RtoMin::AboveRtt),
            },
            initial_window: reader
                .whole("initial_window", 1..=1_000, problems)
                .map(|segments| segments as u32),
            send_buffer_bytes: read_buffer(&reader, "send_buffer", problems),
            receive_buffer_bytes: read_buffer(&reader, "receive_buffer", problems),
            backlog: reader
                .whole("backlog", 1..=65_535, problems)
                .map(|connections| connections as u32),
            user_timeout_ns: read_span(&reader, "user_timeout", problems),
            keepalive_ns: read_span(&reader, "keepalive", problems),
        }
    }
}

/// A time above 0.
fn read_span(reader: &Reader<'_>, key: &str, problems: &mut Problems) -> Option<u64> {
    let span = reader.quantity(key, time_ns, problems)?;
    if span <= 0 {
        problems.push(
            reader.span(key),
            format!("\"{key}\": expected a time above 0s"),
        );
        return None;
    }
    Some(span as u64)
}

fn read_buffer(reader: &Reader<'_>, key: &str, problems: &mut Problems) -> Option<u64> {
    let size = reader.quantity(key, bytes, problems)?;
    if !(BUFFER_MIN_BYTES..=BUFFER_MAX_BYTES).contains(&size) {
        let message = format!("\"{key}\": expected 4KiB to 1GiB");
        problems.push(reader.span(key), message);
        return None;
    }
    Some(size as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    fn text(tcp: &str) -> String {
        format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\ntcp = {{ {tcp} }}\n\
             [[group]]\nname='g'\ncount=1\ntcp = {{ sack = false }}\n"
        )
    }

    #[test]
    fn a_group_overrides_the_network() {
        let all = "congestion='new-reno', sack=true, delayed_ack='off', rto_min='rfc6298', \
                   send_buffer='64KiB', keepalive='5s'";
        let plan = read("t", &text(all), None, &[]).unwrap_or_else(|error| panic!("{error}"));
        let scenario = &plan.cases[0].scenario;
        let settings = scenario.groups[0].tcp.over(&scenario.network.tcp);
        assert_eq!(settings.congestion, Some(Congestion::NewReno));
        assert_eq!(settings.sack, Some(false));
        assert_eq!(settings.delayed_ack, Some(DelayedAck::Off));
        assert_eq!(settings.rto_min, Some(RtoMin::Rfc6298));
        assert_eq!(settings.send_buffer_bytes, Some(64 * 1024));
        assert_eq!(settings.keepalive_ns, Some(5_000_000_000));
        assert_eq!(settings.backlog, None);
    }

    #[test]
    fn wrong_settings_are_named() {
        let check = |tcp: &str, expected: &str| {
            let problems = read("t", &text(tcp), None, &[]).expect_err(tcp).to_string();
            assert!(problems.contains(expected), "{tcp}: {problems}");
        };
        check("congestion='reno'", "unknown congestion \"reno\"");
        check("sack='yes'", "\"sack\": expected true or false");
        check(
            "delayed_ack='0ms'",
            "\"delayed_ack\": expected a time above 0s",
        );
        check("rto_min='1'", "\"rto_min\": expected a time");
        check(
            "send_buffer='1KiB'",
            "\"send_buffer\": expected 4KiB to 1GiB",
        );
        check("backlog=0", "\"backlog\": expected a whole number from 1");
        check("pacing=true", "has no field \"pacing\"");
    }
}
