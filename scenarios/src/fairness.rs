//! How equally something is shared: Jain's index.

/// Jain's fairness index of shares (Jain, Chiu and Hawe 1984): 1 if all are equal, 1/n if one has
/// everything. `NaN` where there is nothing to share.
pub fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|&share| share as f64).sum();
    let squares: f64 = shares.iter().map(|&share| (share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_are_fair_and_one_taker_is_not() {
        let check = |shares: &[u64], expected: f64| {
            let index = jain(shares);
            assert!((index - expected).abs() < 1e-12, "{shares:?}: {index}");
        };
        check(&[7, 7, 7], 1.0);
        check(&[5, 0, 0, 0], 0.25);
        check(&[1, 2, 3], 36.0 / 42.0);
        assert!(jain(&[0, 0]).is_nan() && jain(&[]).is_nan());
    }
}
