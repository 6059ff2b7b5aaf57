//! Access links: what a host's packets go through before the core, and after it.

use std::sync::Arc;
use std::time::Duration;

use super::stage::{
    BurstLoss, Codel, Controlled, Corrupt, Delay, Duplicate, GilbertElliott, HeldQueue, Jitter,
    Loss, Mtu, Pace, Police, Policing, QueueLimit, RateQueue, RateTrace, Reorder, Reordering,
    Spread, Stage,
};
use crate::units::{Rate, Ratio};

/// One direction of an access link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSpec {
    /// Bits per second; unlimited if absent.
    pub rate: Option<Rate>,
    /// Rates over time. With a constant rate beside it, the lower of both holds at every
    /// instant.
    pub trace: Option<Arc<RateTrace>>,
    /// Bytes that may wait for a limited rate; more are dropped.
    pub queue_bytes: u64,
    /// `CoDel` on that queue. Without a limited rate there is none.
    pub codel: Option<Controlled>,
    /// Packets beyond this are dropped before they reach the queue.
    pub policing: Option<Policing>,
    /// Constant one-way delay.
    pub delay: Duration,
    /// Additional delay that varies; packets keep their order.
    pub jitter: Option<Spread>,
    /// Share of packets lost, independently of each other.
    pub loss: Ratio,
    /// Packets lost in bursts, beside the former.
    pub burst_loss: Option<BurstLoss>,
    /// Share of packets that arrive with a wrong checksum.
    pub corruption: Ratio,
    /// Share of packets that are followed by a copy.
    pub duplication: Ratio,
    /// Packets that are held back, so that others overtake.
    pub reordering: Option<Reordering>,
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
            trace: None,
            queue_bytes: 256 << 10,
            codel: None,
            policing: None,
            delay: Duration::ZERO,
            jitter: None,
            loss: Ratio::ZERO,
            burst_loss: None,
            corruption: Ratio::ZERO,
            duplication: Ratio::ZERO,
            reordering: None,
            mtu: 1500,
        }
    }
}

impl LinkSpec {
    /// The stages of the link, in the order in which packets meet them: none
    /// that reorders comes before one that needs order. What is lost or
    /// damaged on the way has taken its time on the link before; copies take
    /// theirs. A link that `changes` holds what waits, so that a change meets it.
    pub(super) fn stages(&self, changes: bool) -> Vec<Box<dyn Stage>> {
        let mut stages: Vec<Box<dyn Stage>> = vec![Box::new(Mtu::new(self.mtu.into()))];
        if let Some(policing) = self.policing {
            stages.push(Box::new(Police::new(policing)));
        }
        if self.duplication > Ratio::ZERO {
            stages.push(Box::new(Duplicate::new(self.duplication)));
        }
        stages.extend(self.queue(changes));
        if self.loss > Ratio::ZERO {
            stages.push(Box::new(Loss::new(self.loss)));
        }
        if let Some(bursts) = self.burst_loss {
            stages.push(Box::new(GilbertElliott::new(bursts)));
        }
        if self.corruption > Ratio::ZERO {
            stages.push(Box::new(Corrupt::new(self.corruption)));
        }
        if self.delay > Duration::ZERO {
            stages.push(Box::new(Delay::new(self.delay)));
        }
        if let Some(spread) = self.jitter {
            stages.push(Box::new(Jitter::in_order(spread)));
        }
        if let Some(reordering) = self.reordering {
            stages.push(Box::new(Reorder::new(reordering)));
        }
        stages
    }

    /// Serialisation and the queue before it, if the rate is limited or may come to be.
    fn queue(&self, changes: bool) -> Option<Box<dyn Stage>> {
        let limit = QueueLimit::bytes(self.queue_bytes);
        if changes || self.trace.is_some() {
            let queue = HeldQueue::new(Pace::of(self.rate, self.trace.as_ref()), limit);
            return Some(Box::new(match self.codel {
                Some(settings) => queue.managed(settings, self.mtu.into()),
                None => queue,
            }));
        }
        let rate = self.rate?;
        Some(match self.codel {
            Some(settings) => Box::new(Codel::new(rate, limit, settings, self.mtu.into())),
            None => Box::new(RateQueue::new(rate, limit)),
        })
    }
}
