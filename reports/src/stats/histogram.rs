//! HDR histograms as text: base64 of the V2 encoding, whole, so that others can merge them.

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2Serializer},
};

use crate::Error;

/// Greatest sample kept apart: 2⁴² µs are 51 days, 2⁴² B are 4 TiB.
pub(super) const SAMPLE_MAX: u64 = 1 << 42;

/// Encodes a histogram of three significant digits.
pub fn encode(histogram: &Histogram<u64>) -> String {
    STANDARD.encode(v2_bytes(histogram))
}

/// Decodes what [`encode`], or any other HDR library, made.
///
/// # Errors
/// [`Error::Histogram`] if the text is not base64 or not a V2 histogram.
pub fn decode(text: &str) -> Result<Histogram<u64>, Error> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| Error::Histogram(error.to_string()))?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| Error::Histogram(format!("{error:?}")))
}

/// Pours histograms together; the order does not matter.
///
/// # Errors
/// [`Error::Histogram`] if one of them cannot be decoded, or two do not fit together.
pub fn merge<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Histogram<u64>, Error> {
    let mut whole = empty();
    for text in texts {
        whole
            .add(decode(text)?)
            .map_err(|error| Error::Histogram(format!("{error:?}")))?;
    }
    Ok(whole)
}

/// The value below which a share `q` of all samples lies, never above the greatest sample.
pub fn quantile(histogram: &Histogram<u64>, q: f64) -> u64 {
    histogram.value_at_quantile(q).min(histogram.max())
}

/// A histogram that grows with its samples and keeps them apart to 0.1 %.
pub(super) fn empty() -> Histogram<u64> {
    Histogram::new(3).expect("three significant digits are allowed")
}

fn v2_bytes(histogram: &Histogram<u64>) -> Vec<u8> {
    // Bounds are part of the encoding: equal samples shall give equal bytes, however they came.
    let mut canonical = Histogram::new_with_bounds(1, SAMPLE_MAX, 3).expect("valid bounds");
    canonical.auto(true);
    canonical
        .add(histogram)
        .expect("a resizing histogram takes every sample");
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(&canonical, &mut bytes)
        .expect("a vector takes every byte, and counts fit the format's integers");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> String {
        let mut histogram = Histogram::new(3).expect("valid");
        for value in values {
            histogram.record(value).expect("resizes");
        }
        encode(&histogram)
    }

    #[test]
    fn text_round_trips() {
        let text = of([1, 5, 5, 900_000, 3_000_000_000]);
        let back = decode(&text).expect("valid");
        assert_eq!(back.len(), 5);
        assert_eq!(encode(&back), text);
    }

    #[test]
    fn merging_equals_recording_together_in_any_order() {
        let (low, high) = (of(1..=500), of(501..=1000));
        let together = merge([low.as_str(), high.as_str()]).expect("fits");
        let turned = merge([high.as_str(), low.as_str()]).expect("fits");
        assert_eq!(together, turned);
        assert_eq!(together.len(), 1000);
        assert_eq!(quantile(&together, 0.5), 500);
        assert_eq!(quantile(&together, 0.99), 990);
        assert_eq!(quantile(&together, 1.0), 1000);
    }

    #[test]
    fn nonsense_is_a_typed_error() {
        for text in ["", "!!", "AAAA", "HISTFAAAAAAAAAAA"] {
            assert!(matches!(decode(text), Err(Error::Histogram(_))), "{text:?}");
        }
    }
}
