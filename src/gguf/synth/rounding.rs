//! Rounding: what all encoders of blocks share.

use half::f16;

/// Values of the non-linear 4-bit types, as ggml defines them.
pub(super) const IQ4_VALUES: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The nearest integer from `low` to `high`; `low` where the scale is no number.
#[allow(clippy::cast_possible_truncation)] // clamped first; at most eight bits are asked for
pub(super) fn nearest(x: f32, low: i8, high: i16) -> i16 {
    let (low, high) = (f32::from(low), f32::from(high));
    if x.is_nan() { low as i16 } else { x.round().clamp(low, high) as i16 }
}

/// The nearest integer from 0 to `high`.
pub(super) fn level(x: f32, high: u8) -> u8 {
    // It lies between 0 and a byte.
    u8::try_from(nearest(x, 0, i16::from(high))).unwrap_or(0)
}

/// `1 / x`, or 0 for a scale of 0: then every value rounds to 0.
pub(super) fn inverse(x: f32) -> f32 {
    if x == 0.0 { 0.0 } else { 1.0 / x }
}

/// The value furthest from zero, with its sign.
pub(super) fn furthest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |best: f32, &x| if x.abs() > best.abs() { x } else { best })
}

/// The smallest and the largest value.
pub(super) fn range(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)))
}

/// Appends `x` with half precision and returns what is left of it.
pub(super) fn put_half(out: &mut Vec<u8>, x: f32) -> f32 {
    let half = f16::from_f32(x);
    out.extend(half.to_le_bytes());
    half.to_f32()
}

/// The index of the nearest of the non-linear values.
pub(super) fn nearest_iq4(x: f32) -> u8 {
    let mut best = 0;
    for (index, &value) in (0_u8..).zip(&IQ4_VALUES) {
        if (x - f32::from(value)).abs() < (x - f32::from(IQ4_VALUES[usize::from(best)])).abs() {
            best = index;
        }
    }
    best
}
