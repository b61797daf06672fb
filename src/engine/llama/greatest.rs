//! Greatest of many numbers: what greedy sampling looks for, in vector instructions.

/// Index of the greatest number; the first of equals. `None` where there is no number at all.
pub(super) fn greatest(values: &[f32]) -> Option<usize> {
    const LANES: usize = 32;
    let (chunks, rest) = values.as_chunks::<LANES>();
    // Plain comparisons in fixed lanes become vector instructions, and are false for NaN.
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (best, value) in lanes.iter_mut().zip(chunk) {
            *best = if *value > *best { *value } else { *best };
        }
    }
    let best = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    #[allow(clippy::float_cmp)] // it is one of them, bit for bit, or an equal zero
    let is_best = |value: &f32| *value == best;
    let holds_best = |chunk: &[f32; LANES]| chunk.iter().fold(false, |a, v| a | is_best(v));
    let start = chunks.iter().position(holds_best).unwrap_or(chunks.len()) * LANES;
    let offset = values.get(start..)?.iter().position(is_best)?;
    Some(start + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_logit_is_found_past_nan() {
        let mut values: Vec<f32> = (0_u8..100).map(|i| f32::from(i % 50)).collect();
        assert_eq!(greatest(&values), Some(49));
        values[3] = f32::NAN;
        values[97] = 50.0;
        assert_eq!(greatest(&values), Some(97));
        values[64] = f32::INFINITY;
        assert_eq!(greatest(&values), Some(64));
        assert_eq!(greatest(&[f32::NEG_INFINITY; 40]), Some(0));
        assert_eq!(greatest(&[f32::NAN; 40]), None);
        assert_eq!(greatest(&[]), None);
    }
}
