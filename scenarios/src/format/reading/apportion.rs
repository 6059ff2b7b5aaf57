//! Splits a whole number by shares: the method of largest remainder.

/// Splits `total` by `shares_ppm`, in parts per million that sum to a million (±1).
/// Ties go to the earlier share, so the result is the same everywhere.
pub fn largest_remainder(total: u32, shares_ppm: &[u32]) -> Vec<u32> {
    let sum: u64 = shares_ppm.iter().map(|&share| u64::from(share)).sum();
    if sum == 0 {
        return vec![0; shares_ppm.len()];
    }
    let exact = |share: u32| u64::from(total) * u64::from(share);
    let mut parts: Vec<u32> = shares_ppm
        .iter()
        .map(|&share| (exact(share) / sum) as u32)
        .collect();
    let mut order: Vec<usize> = (0..shares_ppm.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(exact(shares_ppm[index]) % sum));
    let missing = total - parts.iter().sum::<u32>();
    for &index in order.iter().take(missing as usize) {
        parts[index] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn remainders_go_to_the_largest() {
        assert_eq!(
            largest_remainder(40, &[400_000, 400_000, 200_000]),
            [16, 16, 8]
        );
        assert_eq!(
            largest_remainder(10, &[333_333, 333_333, 333_334]),
            [3, 3, 4]
        );
        assert_eq!(largest_remainder(1, &[500_000, 500_000]), [1, 0]);
        assert_eq!(largest_remainder(5, &[]), Vec::<u32>::new());
    }

    proptest! {
        #[test]
        fn parts_sum_and_stay_within_one_of_their_share(
            total in 0_u32..100_000,
            shares in prop::collection::vec(1_u32..1_000_000, 1..20),
        ) {
            let parts = largest_remainder(total, &shares);
            prop_assert_eq!(parts.iter().sum::<u32>(), total);
            let sum: u64 = shares.iter().map(|&s| u64::from(s)).sum();
            for (part, share) in parts.iter().zip(&shares) {
                let floor = u64::from(total) * u64::from(*share) / sum;
                prop_assert!(u64::from(*part) == floor || u64::from(*part) == floor + 1);
            }
        }
    }
}
