//! Fixed-point logarithm and square root for distributions.
//!
//! Owns arithmetic that gives the same bits on every platform, which the
//! platform's `ln` does not. Values carry [`FRACTION_BITS`] fraction bits.

/// Fraction bits of the fixed-point values of this module.
pub(super) const FRACTION_BITS: u32 = 32;

/// ln 2 with 64 fraction bits: ⌊ln 2 · 2⁶⁴⌋.
const LN_2: u64 = 0xB172_17F7_D1CF_79AB;

const TABLE_BITS: u32 = 8;
const TABLE_LEN: usize = (1 << TABLE_BITS) + 1;

/// log₂(1 + i/256) with 32 fraction bits.
static LOG2: [u64; TABLE_LEN] = log2_table();

const fn log2_table() -> [u64; TABLE_LEN] {
    let mut table = [0; TABLE_LEN];
    let mut i = 0;
    while i < TABLE_LEN {
        table[i] = log2_of_mantissa((1 << 32) + ((i as u64) << (32 - TABLE_BITS)));
        i += 1;
    }
    table
}

/// log₂ of `mantissa`, a value in [1, 2] with 32 fraction bits, by repeated
/// squaring: each squaring yields one bit of the logarithm.
const fn log2_of_mantissa(mantissa: u64) -> u64 {
    if mantissa == 2 << 32 {
        return 1 << FRACTION_BITS;
    }
    // 62 fraction bits keep the error of 32 squarings far below one unit.
    let mut value = (mantissa as u128) << 30;
    let mut log = 0;
    let mut bit = 0;
    while bit < FRACTION_BITS {
        value = (value * value) >> 62;
        log <<= 1;
        if value >= 2 << 62 {
            value >>= 1;
            log |= 1;
        }
        bit += 1;
    }
    log
}

/// −ln((uniform + 1) / 2⁶⁴), so from 0 to 64 ln 2, within 3·10⁻⁶.
pub(super) fn minus_ln(uniform: u64) -> u64 {
    if uniform == u64::MAX {
        return 0;
    }
    let value = uniform + 1;
    let zeros = value.leading_zeros();
    // The leading one becomes bit 63; the next 8 bits choose a table entry,
    // the next 24 interpolate.
    let mantissa = value << zeros;
    let index = ((mantissa >> (63 - TABLE_BITS)) & ((1 << TABLE_BITS) - 1)) as usize;
    let between = (mantissa >> (63 - TABLE_BITS - 24)) & ((1 << 24) - 1);
    let low = LOG2[index];
    let step = LOG2[index + 1] - low;
    let fraction = low + ((step * between) >> 24);
    // log₂(value / 2⁶⁴) = 63 − zeros + fraction − 64.
    let minus_log2 = (u64::from(zeros + 1) << FRACTION_BITS) - fraction;
    ((u128::from(minus_log2) * u128::from(LN_2)) >> 64) as u64
}

/// `x · √(−2 ln s / s)`: `square` is s with 62 fraction bits, `x` has 31.
pub(super) fn polar_factor(square: u64, x: u64) -> u64 {
    // s as a fraction of 2⁶⁴ is `square << 2`.
    let twice_ln = minus_ln((square << 2) - 1) * 2;
    // 32 fraction bits over 62 leave −30; 94 more make the radicand's 64.
    let radicand = (u128::from(twice_ln) << 62) / u128::from(square);
    // `radicand` has 32 fraction bits and its root, once shifted, 32 too.
    let root = (radicand << 32).isqrt();
    ((root * u128::from(x)) >> 31) as u64
}

/// `nanos` times a fixed-point `factor`, saturating.
pub(super) fn scale(nanos: u64, factor: u64) -> u64 {
    let product = (u128::from(nanos) * u128::from(factor)) >> FRACTION_BITS;
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_ln(uniform: u64) {
        let expected = -((uniform as f64 + 1.0) / 2f64.powi(64)).ln();
        let got = minus_ln(uniform) as f64 / 2f64.powi(32);
        assert!((got - expected).abs() < 4e-6, "{uniform}: {got} {expected}");
    }

    #[test]
    fn logarithm_matches_floating_point() {
        for shift in 0..64 {
            check_ln(1 << shift);
            check_ln(u64::MAX >> shift);
            check_ln(0x9E37_79B9_7F4A_7C15 >> shift);
        }
        check_ln(0);
    }

    #[test]
    fn polar_factor_matches_floating_point() {
        for (s, x) in [(0.5, 0.5), (0.999_999, 0.7), (1e-6, 1e-4), (0.01, 0.1)] {
            let s: f64 = s;
            let expected = x * (-2.0 * s.ln() / s).sqrt();
            let square = (s * 2f64.powi(62)) as u64;
            let got = polar_factor(square, (x * 2f64.powi(31)) as u64);
            let got = got as f64 / 2f64.powi(32);
            assert!((got - expected).abs() < 2e-3, "{s} {x}: {got} {expected}");
        }
    }
}
