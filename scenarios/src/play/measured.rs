//! Counts and times that the node declares of its events (`node/src/api/measure.rs`), as nodes give
//! them within the measured time.

use std::collections::BTreeMap;

use libp2p::PeerId;
use orrery_node::api::{Event, MEASURES, Measure, MeasureKind, Sample};
use orrery_node::config::Config;
use orrery_reports::stats::Recorder;

use super::verdict::metrics::Metrics;
use crate::metrics;

/// What events have given so far.
#[derive(Debug, Default)]
pub struct Measured {
    /// Counts by the figure's name.
    counts: BTreeMap<&'static str, u64>,
    /// Of those with a label, counts by its value.
    labelled: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Times by the figure's name.
    times: BTreeMap<&'static str, Recorder>,
}

impl Measured {
    /// Takes what an event within the measured time gives; `is_teller` knows the peer of the node that
    /// tells it.
    pub fn note(&mut self, is_teller: &dyn Fn(&PeerId) -> bool, now_ns: u64, event: &Event) {
        event.measure(is_teller, &mut |measure, sample| match sample {
            Sample::One => *self.counts.entry(measure.name).or_default() += 1,
            Sample::Labelled(value) => {
                *self.counts.entry(measure.name).or_default() += 1;
                let values = self.labelled.entry(measure.name).or_default();
                *values.entry(value.to_owned()).or_default() += 1;
            }
            Sample::TookUs(took_us) => {
                let times = self.times.entry(measure.name);
                times
                    .or_insert_with(Recorder::of_microseconds)
                    .record(now_ns, took_us);
            }
        });
    }

    /// How many samples a figure has.
    pub fn count(&self, measure: &Measure) -> u64 {
        match measure.kind {
            MeasureKind::Count => self.counts.get(measure.name).copied().unwrap_or(0),
            MeasureKind::Time => self.times.get(measure.name).map_or(0, Recorder::count),
        }
    }

    /// Records each figure that nodes with any of these settings may give.
    ///
    /// # Panics
    /// As [`Metrics::samples`].
    pub fn collect<'a>(
        &self,
        configs: &(impl Iterator<Item = &'a Config> + Clone),
        metrics: &mut Metrics,
    ) {
        for measure in MEASURES {
            if !configs.clone().any(measure.of.by) {
                continue;
            }
            let metric = metrics::find(measure.name).expect("all of them are in the registry");
            match measure.kind {
                MeasureKind::Count => metrics.count(metric, &[], self.count(measure)),
                MeasureKind::Time => {
                    let none = Recorder::of_microseconds();
                    let times = self.times.get(measure.name).unwrap_or(&none);
                    metrics.samples(metric, &[], times);
                }
            }
            let values = self.labelled.get(measure.name).into_iter().flatten();
            for (value, count) in values {
                let label = metric.labels[0];
                metrics.count(metric, &[(label, value)], *count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orrery_node::api::measure::{RELAY_LOST, RELAY_RENEWED, RELAY_RESERVATION_TIME};
    use orrery_node::relay::ReservationEnd::{Refused, TimedOut};
    use orrery_reports::record::Metric;

    use super::*;

    #[test]
    fn a_figure_is_there_as_a_whole_and_by_its_label_if_some_node_may_give_it() {
        let me = PeerId::random();
        let mut measured = Measured::default();
        for reason in [TimedOut, TimedOut, Refused] {
            let event = Event::RelayReservationLost {
                relay: me,
                reason,
                last: true,
            };
            measured.note(&|_| false, 1, &event);
        }
        assert_eq!(measured.count(&RELAY_LOST), 3);
        assert_eq!(measured.count(&RELAY_RENEWED), 0);
        assert_eq!(measured.count(&RELAY_RESERVATION_TIME), 0);
        let values = |settings: &str| {
            let config = Config::from_toml(settings).expect("it is sound");
            let mut metrics = Metrics::default();
            measured.collect(&[&config].into_iter(), &mut metrics);
            let all = metrics.all.into_iter();
            let values = all.filter_map(|(key, metric)| match metric {
                Metric::Value { value, .. } => Some((key.to_string(), value as u64)),
                Metric::Distribution { .. } => None,
            });
            values.collect::<BTreeMap<String, u64>>()
        };
        let with = values("relay_client.enabled = true");
        assert_eq!(with["relay.lost"], 3);
        assert_eq!(with["relay.lost{reason=timed-out}"], 2);
        assert_eq!(with["relay.renewed"], 0);
        let off = "relay_client.enabled = false\nrelay.enabled = false\nmdns.enabled = false";
        assert_eq!(values(off), BTreeMap::new());
    }
}
