//! Turns a scenario's settings of TCP into the simulator's.

use std::time::Duration;

use orrery_sim::tcp;

use crate::format::scenario::tcp_settings::{Congestion, DelayedAck, RtoMin, TcpSettings};

/// The TCP of a host with these settings and this MTU in bytes.
pub fn resolve(settings: &TcpSettings, mtu: u16) -> tcp::Config {
    let mut config = tcp::Config {
        mtu,
        ..tcp::Config::default()
    };
    match settings.congestion {
        Some(Congestion::Cubic) => config.congestion = tcp::Congestion::Cubic,
        Some(Congestion::NewReno) => config.congestion = tcp::Congestion::NewReno,
        None => {}
    }
    match settings.delayed_ack {
        Some(DelayedAck::Off) => config.delayed_ack = None,
        Some(DelayedAck::Within(ns)) => config.delayed_ack = Some(Duration::from_nanos(ns)),
        None => {}
    }
    match settings.rto_min {
        Some(RtoMin::AboveRtt(ns)) => {
            config.rto_floor = tcp::RtoFloor::AboveRtt(Duration::from_nanos(ns));
        }
        Some(RtoMin::Rfc6298) => {
            config.rto_floor = tcp::RtoFloor::Total(Duration::from_secs(1));
        }
        None => {}
    }
    if let Some(idle_ns) = settings.keepalive_ns {
        config.keepalive = Some(tcp::Keepalive {
            idle: Duration::from_nanos(idle_ns),
            ..tcp::Keepalive::default()
        });
    }
    let set = |field: &mut usize, bytes: Option<u64>| {
        if let Some(bytes) = bytes {
            *field = bytes as usize;
        }
    };
    set(&mut config.send_buffer_bytes, settings.send_buffer_bytes);
    set(
        &mut config.receive_buffer_bytes,
        settings.receive_buffer_bytes,
    );
    set(&mut config.backlog, settings.backlog.map(u64::from));
    config.sack = settings.sack.unwrap_or(config.sack);
    config.initial_window_segments = settings
        .initial_window
        .unwrap_or(config.initial_window_segments);
    config.user_timeout = settings
        .user_timeout_ns
        .map_or(config.user_timeout, Duration::from_nanos);
    config
}
