//! Collects the samples of one metric during a run.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{
    histogram::{self, SAMPLE_MAX},
    round9,
};
use crate::record::Metric;

/// Width of a timeline bucket at first, in simulated seconds.
pub const BUCKET_S: u64 = 10;

/// Most buckets of a timeline; when a run outlasts them, their width doubles.
pub const BUCKETS_MAX: usize = 512;

const NS_PER_S: u64 = 1_000_000_000;

/// Collects samples into a histogram and a timeline, in integers.
///
/// ```
/// use orrery_reports::stats::Recorder;
/// let mut latency = Recorder::of_microseconds();
/// latency.record(12_000_000_000, 84_000); // at 12 s of the run: 84 ms
/// let metric = latency.finish();
/// # assert!(matches!(metric, orrery_reports::record::Metric::Distribution { count: 1, p50, .. } if p50 == 84.0));
/// ```
#[derive(Debug, Clone)]
pub struct Recorder {
    unit: String,
    /// Samples per reported unit: 1,000 where microseconds are reported as milliseconds.
    scale: u32,
    histogram: Histogram<u64>,
    sum: u128,
    min: u64,
    max: u64,
    saturated: u64,
    width_s: u64,
    buckets: BTreeMap<u64, (u64, u128)>,
}

impl Recorder {
    /// For durations: samples in microseconds, reported in `ms`.
    pub fn of_microseconds() -> Self {
        Self::of("ms")
    }

    /// For anything else: samples are whole numbers of `unit`, such as `B` or `1`; microseconds
    /// where `unit` is `ms`.
    pub fn of(unit: &str) -> Self {
        let scale = scale_of(unit);
        Self {
            unit: unit.to_owned(),
            scale,
            histogram: histogram::empty(),
            sum: 0,
            min: u64::MAX,
            max: 0,
            saturated: 0,
            width_s: BUCKET_S,
            buckets: BTreeMap::new(),
        }
    }

    /// Adds a sample that belongs to `at_ns` of the run, in simulated nanoseconds.
    pub fn record(&mut self, at_ns: u64, sample: u64) {
        if sample > SAMPLE_MAX {
            self.saturated += 1;
        }
        add(&mut self.histogram, sample.min(SAMPLE_MAX));
        self.sum += u128::from(sample);
        self.min = self.min.min(sample);
        self.max = self.max.max(sample);
        let start_s = at_ns / NS_PER_S / self.width_s * self.width_s;
        let bucket = self.buckets.entry(start_s).or_default();
        bucket.0 += 1;
        bucket.1 += u128::from(sample);
        while self.buckets.len() > BUCKETS_MAX {
            self.widen();
        }
    }

    /// Samples beyond what the histogram tells apart; they count in mean and maximum as they are.
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Samples so far.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The metric, with its whole histogram and its timeline by ascending second.
    pub fn finish(&self) -> Metric {
        let timeline = self
            .buckets
            .iter()
            .map(|(start_s, (count, sum))| (*start_s as f64, *count, self.reported(*sum, *count)))
            .collect();
        let mean = self.reported(self.sum, self.count());
        let scaled = |sample: u64| sample as f64 / f64::from(self.scale);
        let min = (self.count() > 0).then(|| scaled(self.min));
        let ends = (min, scaled(self.max));
        distribution(&self.unit, &self.histogram, mean, ends, timeline)
    }

    fn reported(&self, sum: u128, count: u64) -> f64 {
        if count == 0 {
            return 0.0;
        }
        round9(sum as f64 / count as f64 / f64::from(self.scale))
    }

    fn widen(&mut self) {
        self.width_s *= 2;
        let mut wider: BTreeMap<u64, (u64, u128)> = BTreeMap::new();
        for (start_s, (count, sum)) in &self.buckets {
            let bucket = wider
                .entry(start_s / self.width_s * self.width_s)
                .or_default();
            bucket.0 += count;
            bucket.1 += sum;
        }
        self.buckets = wider;
    }
}

fn add(histogram: &mut Histogram<u64>, sample: u64) {
    histogram
        .record(sample)
        .expect("a resizing histogram takes every sample below its bound");
}

/// A distribution whose percentiles come from a histogram, and whose mean, minimum and maximum are
/// known exactly.
pub(super) fn distribution(
    unit: &str,
    whole: &Histogram<u64>,
    mean: f64,
    (min, max): (Option<f64>, f64),
    timeline: Vec<(f64, u64, f64)>,
) -> Metric {
    let scale = scale_of(unit);
    // A histogram answers with the upper end of a bucket, which may lie above every sample.
    let at = |q| round9(histogram::quantile(whole, q) as f64 / f64::from(scale)).min(max);
    Metric::Distribution {
        unit: unit.to_owned(),
        count: whole.len(),
        mean,
        p50: at(0.50),
        p90: at(0.90),
        p95: at(0.95),
        p99: at(0.99),
        max,
        min,
        histogram: Some(histogram::encode(whole)),
        timeline,
    }
}

/// Histogram steps per reported unit: milliseconds are kept in microseconds.
pub(crate) fn scale_of(unit: &str) -> u32 {
    if unit == "ms" { 1_000 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut recorder = Recorder::of_microseconds();
        for sample in 1..=100_000 {
            recorder.record(0, sample * 10);
        }
        let Metric::Distribution {
            count,
            mean,
            p50,
            p99,
            max,
            min,
            ..
        } = recorder.finish()
        else {
            panic!("not a distribution");
        };
        assert_eq!(count, 100_000);
        assert!((mean - 500.005).abs() < 1e-9, "{mean}");
        assert!((p50 / 500.0 - 1.0).abs() < 1e-3, "{p50}");
        assert!((p99 / 990.0 - 1.0).abs() < 1e-3, "{p99}");
        assert!((max - 1000.0).abs() < 1e-9, "{max}");
        assert_eq!(min, Some(0.01));
    }

    #[test]
    fn an_empty_recorder_reports_zeros() {
        let metric = Recorder::of("B").finish();
        assert!(matches!(metric, Metric::Distribution { count: 0, p99, .. } if p99 == 0.0));
    }

    #[test]
    fn a_long_run_widens_its_buckets_and_loses_no_sample() {
        let mut recorder = Recorder::of("1");
        for second in 0..20_000 {
            recorder.record(second * NS_PER_S, 1);
        }
        let Metric::Distribution { timeline, .. } = recorder.finish() else {
            panic!("not a distribution");
        };
        assert!(timeline.len() <= BUCKETS_MAX);
        assert_eq!(timeline.iter().map(|bucket| bucket.1).sum::<u64>(), 20_000);
        assert!((timeline[1].0 - 40.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_sample_beyond_the_bound_is_counted_as_such() {
        let mut recorder = Recorder::of("B");
        recorder.record(0, SAMPLE_MAX);
        assert_eq!(recorder.saturated(), 0);
        recorder.record(0, u64::MAX);
        assert_eq!(recorder.saturated(), 1);
        assert_eq!(recorder.count(), 2);
    }
}
