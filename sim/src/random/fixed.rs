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

/// log₂ of a value from 1 to 2 whose leading one is bit 63.
fn log2_fraction(mantissa: u64) -> u64 {
    // The next 8 bits choose a table entry, the next 24 interpolate.
    let index = ((mantissa >> (63 - TABLE_BITS)) & ((1 << TABLE_BITS) - 1)) as usize;
    let between = (mantissa >> (63 - TABLE_BITS - 24)) & ((1 << 24) - 1);
    let low = LOG2[index];
    low + (((LOG2[index + 1] - low) * between) >> 24)
}

/// −ln((uniform + 1) / 2⁶⁴), so from 0 to 64 ln 2, within 3·10⁻⁶.
pub(super) fn minus_ln(uniform: u64) -> u64 {
    if uniform == u64::MAX {
        return 0;
    }
    let value = uniform + 1;
    let zeros = value.leading_zeros();
    let fraction = log2_fraction(value << zeros);
    // log₂(value / 2⁶⁴) = 63 − zeros + fraction − 64.
    let minus_log2 = (u64::from(zeros + 1) << FRACTION_BITS) - fraction;
    ((u128::from(minus_log2) * u128::from(LN_2)) >> 64) as u64
}

/// 2^(i/256) with 63 fraction bits.
static EXP2: [u64; TABLE_LEN] = exp2_table();

const fn exp2_table() -> [u64; TABLE_LEN] {
    // 2^(1/2), 2^(1/4) … 2^(1/256) are roots of roots; their products are all of the table.
    let mut roots = [0_u128; TABLE_BITS as usize];
    let mut root = 2_u128 << 62;
    let mut bit = 0;
    while bit < TABLE_BITS {
        root = (root << 62).isqrt();
        roots[bit as usize] = root;
        bit += 1;
    }
    let mut table = [0; TABLE_LEN];
    let mut i = 0;
    while i < TABLE_LEN {
        let mut value = 1_u128 << 62;
        let mut bit = 0;
        while bit < TABLE_BITS {
            if i & (1 << (TABLE_BITS - 1 - bit)) != 0 {
                value = (value * roots[bit as usize]) >> 62;
            }
            bit += 1;
        }
        table[i] = if i == TABLE_LEN - 1 {
            u64::MAX
        } else {
            (value << 1) as u64
        };
        i += 1;
    }
    table
}

/// log₂ of `value`, which is above zero and has 32 fraction bits, within 3·10⁻⁶.
pub(super) fn log2(value: u64) -> i64 {
    let zeros = value.leading_zeros();
    let fraction = log2_fraction(value << zeros);
    ((31 - i64::from(zeros)) << FRACTION_BITS) + fraction as i64
}

/// `nanos · 2^exponent`, rounded down, at most `u64::MAX`; the power is right to 2·10⁻⁶ of itself.
pub(super) fn scale_exp2(nanos: u64, exponent: i64) -> u64 {
    if nanos == 0 {
        return 0;
    }
    let whole = exponent >> FRACTION_BITS;
    let fraction = exponent as u32;
    let index = (fraction >> (FRACTION_BITS - TABLE_BITS)) as usize;
    let between = fraction & ((1 << (FRACTION_BITS - TABLE_BITS)) - 1);
    let low = EXP2[index];
    let step = u128::from(EXP2[index + 1] - low) * u128::from(between);
    let power = low + (step >> (FRACTION_BITS - TABLE_BITS)) as u64;
    let product = u128::from(nanos) * u128::from(power);
    // 63 fraction bits, moved by the whole part.
    let scaled = match 63 - whole {
        right @ 0..=127 => product >> right,
        128.. => 0,
        left => match product.checked_shl((-left) as u32) {
            Some(shifted) if (shifted >> -left) == product => shifted,
            _ => u128::MAX,
        },
    };
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// The product of two fixed-point values.
pub(super) fn product(a: i64, b: i64) -> i64 {
    ((i128::from(a) * i128::from(b)) >> FRACTION_BITS) as i64
}

/// log₂ e, with 32 fraction bits.
pub(super) const LOG2_E: i64 = 0x1_7154_7653;

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
    fn powers_and_logarithms_of_two_match_floating_point() {
        for value in [1e-9, 0.001, 0.3, 0.999, 1.0, 1.5, 2.0, 3.7, 1e3, 4e9] {
            let got = log2((value * 2f64.powi(32)) as u64) as f64 / 2f64.powi(32);
            let value = (value * 2f64.powi(32)).floor() / 2f64.powi(32);
            assert!((got - value.log2()).abs() < 4e-6, "{value}: {got}");
        }
        for exponent in [-40.0, -3.3, -0.001, 0.0, 0.5, 0.999_999, 1.0, 7.77, 20.0] {
            let fixed = (exponent * 2f64.powi(32)) as i64;
            let got = scale_exp2(1_000_000_000_000, fixed) as f64;
            let expected = 1e12 * exponent.exp2();
            assert!(
                (got - expected).abs() < expected * 2e-6 + 1.0,
                "{exponent}: {got}"
            );
        }
        assert_eq!(scale_exp2(3, 2 << 32), 12);
        assert_eq!(scale_exp2(u64::MAX, 1 << 32), u64::MAX);
        assert_eq!(scale_exp2(1, 200 << 32), u64::MAX);
        assert_eq!(scale_exp2(u64::MAX, -200 << 32), 0);
        assert_eq!(scale_exp2(0, 200 << 32), 0);
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
