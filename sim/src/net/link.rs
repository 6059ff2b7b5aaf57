//! Access links: what a host's packets go through before the core, and after it.

use std::time::Duration;

use super::stage::{Delay, Jitter, Loss, Mtu, QueueLimit, RateQueue, Spread, Stage};
use crate::units::{Rate, Ratio};

/// One direction of an access link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSpec {
    /// Bits per second; unlimited if absent.
    pub rate: Option<Rate>,
    /// Bytes that may wait for a limited rate; more are dropped.
    pub queue_bytes: u64,
    /// Constant one-way delay.
    pub delay: Duration,
    /// Additional delay that varies; packets keep their order.
    pub jitter: Option<Spread>,
    /// Share of packets lost, independently of each other.
    pub loss: Ratio,
    /// Largest IP packet in bytes.
    pub mtu: u16,
}

/// Both directions of an access link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// From the host to the core.
    pub up: LinkSpec,
    /// From the core to the host.
    pub down: LinkSpec,
}

impl Default for LinkSpec {
    /// A wire without limits, loss or delay, for packets as Ethernet has them.
    fn default() -> Self {
        Self {
            rate: None,
            queue_bytes: 256 << 10,
            delay: Duration::ZERO,
            jitter: None,
            loss: Ratio::ZERO,
            mtu: 1500,
        }
    }
}

impl LinkSpec {
    /// The stages of the link, in the order in which packets meet them: none
    /// that reorders comes before one that needs order.
    pub(super) fn stages(&self) -> Vec<Box<dyn Stage>> {
        let mut stages: Vec<Box<dyn Stage>> = vec![Box::new(Mtu::new(self.mtu.into()))];
        if self.loss > Ratio::ZERO {
            stages.push(Box::new(Loss::new(self.loss)));
        }
        if let Some(rate) = self.rate {
            stages.push(Box::new(RateQueue::new(
                rate,
                QueueLimit::bytes(self.queue_bytes),
            )));
        }
        if self.delay > Duration::ZERO {
            stages.push(Box::new(Delay::new(self.delay)));
        }
        if let Some(spread) = self.jitter {
            stages.push(Box::new(Jitter::in_order(spread)));
        }
        stages
    }
}
