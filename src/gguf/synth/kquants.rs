//! Numbers to super-blocks of 256: each has a scale of half precision, and its sub-blocks have small
//! integer multiples of it. As in `encode`, values are rounded to the nearest and nothing is searched.

use super::rounding::{furthest, inverse, level, nearest, nearest_iq4, put_half, range};

/// Bits of levels, packed as ggml does: within each stretch of `stretch` bytes, the first as many
/// values have the lowest bits, the next as many the bits above.
fn pack(out: &mut Vec<u8>, levels: &[u8], bits: usize, stretch: usize) {
    for chunk in levels.chunks_exact(stretch * 8 / bits) {
        let start = out.len();
        out.resize(start + stretch, 0);
        for (lane, values) in chunk.chunks_exact(stretch).enumerate() {
            for (byte, value) in out[start..].iter_mut().zip(values) {
                *byte |= (value & ((1 << bits) - 1)) << (lane * bits);
            }
        }
    }
}

/// Scale and negated minimum of a sub-block whose levels go up to `high`; a minimum above zero counts
/// as zero, because only subtraction is stored.
fn scale_and_min(values: &[f32], high: u8) -> (f32, f32) {
    let (low, top) = range(values);
    let low = low.min(0.0);
    ((top - low).max(0.0) / f32::from(high), -low)
}

/// Sub-blocks with scale and minimum: the two integers of each, the levels, and the two halves that
/// multiply the integers.
struct Affine {
    scales: Vec<u8>,
    mins: Vec<u8>,
    levels: Vec<u8>,
    halves: Vec<u8>,
}

fn affine(values: &[f32], width: usize, level_max: u8, scale_max: u8) -> Affine {
    let parts: Vec<_> =
        values.chunks_exact(width).map(|part| scale_and_min(part, level_max)).collect();
    let largest = parts
        .iter()
        .fold((0.0_f32, 0.0_f32), |(scale, min), part| (scale.max(part.0), min.max(part.1)));
    let mut halves = Vec::new();
    let scale = put_half(&mut halves, largest.0 / f32::from(scale_max));
    let min = put_half(&mut halves, largest.1 / f32::from(scale_max));
    let scales: Vec<_> =
        parts.iter().map(|part| level(part.0 * inverse(scale), scale_max)).collect();
    let mins: Vec<_> = parts.iter().map(|part| level(part.1 * inverse(min), scale_max)).collect();
    let mut levels = Vec::new();
    for ((part, &s), &m) in values.chunks_exact(width).zip(&scales).zip(&mins) {
        let (factor, offset) = (inverse(scale * f32::from(s)), min * f32::from(m));
        levels.extend(part.iter().map(|x| level((x + offset) * factor, level_max)));
    }
    Affine { scales, mins, levels, halves }
}

/// Sub-blocks with a signed scale alone: the integer of each, and the half that multiplies them. The
/// furthest value of a sub-block divided by its scale is `extreme`.
fn signed_scales(
    values: &[f32],
    width: usize,
    extreme: f32,
    low: i8,
    high: i8,
) -> (Vec<i16>, Vec<u8>, f32) {
    let scales: Vec<_> = values.chunks_exact(width).map(|part| furthest(part) / extreme).collect();
    let mut half = Vec::new();
    let scale = put_half(&mut half, furthest(&scales) / f32::from(low));
    let factor = inverse(scale);
    let integers = scales.iter().map(|s| nearest(s * factor, low, i16::from(high))).collect();
    (integers, half, scale)
}

/// The levels of values under signed scales, counted from `low`.
fn signed_levels(values: &[f32], width: usize, scales: &[i16], scale: f32, low: i8) -> Vec<u8> {
    let mut levels = Vec::new();
    for (part, &s) in values.chunks_exact(width).zip(scales) {
        let factor = inverse(scale * f32::from(s));
        let highest = low.unsigned_abs() * 2 - 1;
        levels.extend(part.iter().map(|x| level(x * factor - f32::from(low), highest)));
    }
    levels
}

/// The high bits of 256 levels, shifted down.
fn high_bits(levels: &[u8], shift: u8) -> Vec<u8> {
    levels.iter().map(|q| q >> shift).collect()
}

pub(super) fn q2_k(values: &[f32], out: &mut Vec<u8>) {
    let block = affine(values, 16, 3, 15);
    out.extend(block.scales.iter().zip(&block.mins).map(|(s, m)| s | m << 4));
    pack(out, &block.levels, 2, 32);
    out.extend(block.halves);
}

pub(super) fn q3_k(values: &[f32], out: &mut Vec<u8>) {
    let (scales, half, scale) = signed_scales(values, 16, -4.0, -32, 31);
    let levels = signed_levels(values, 16, &scales, scale, -4);
    pack(out, &high_bits(&levels, 2), 1, 32);
    pack(out, &levels, 2, 32);
    // Sixteen scales of six bits, counted from -32: four bits each, then the two above.
    let mut packed = [0_u8; 12];
    for (index, scale) in scales.iter().enumerate() {
        let bits = u8::try_from(scale + 32).unwrap_or(0);
        packed[index % 8] |= (bits & 15) << (index / 8 * 4);
        packed[8 + index % 4] |= (bits >> 4) << (index / 4 * 2);
    }
    out.extend(packed);
    out.extend(half);
}

/// Eight scales and eight minimums of six bits in twelve bytes: the first four of each take the low six
/// bits of a byte, the others share the last four bytes and the bits left over.
fn six_bit_pairs(scales: &[u8], mins: &[u8]) -> [u8; 12] {
    let mut packed = [0; 12];
    for index in 0..4 {
        packed[index] = scales[index] | scales[index + 4] >> 4 << 6;
        packed[index + 4] = mins[index] | mins[index + 4] >> 4 << 6;
        packed[index + 8] = (scales[index + 4] & 15) | mins[index + 4] << 4;
    }
    packed
}

pub(super) fn q4_k(values: &[f32], out: &mut Vec<u8>) {
    let block = affine(values, 32, 15, 63);
    out.extend(block.halves);
    out.extend(six_bit_pairs(&block.scales, &block.mins));
    pack(out, &block.levels, 4, 32);
}

pub(super) fn q5_k(values: &[f32], out: &mut Vec<u8>) {
    let block = affine(values, 32, 31, 63);
    out.extend(block.halves);
    out.extend(six_bit_pairs(&block.scales, &block.mins));
    pack(out, &high_bits(&block.levels, 4), 1, 32);
    pack(out, &block.levels, 4, 32);
}

pub(super) fn q6_k(values: &[f32], out: &mut Vec<u8>) {
    let (scales, half, scale) = signed_scales(values, 16, -32.0, -128, 127);
    let levels = signed_levels(values, 16, &scales, scale, -32);
    pack(out, &levels, 4, 64);
    pack(out, &high_bits(&levels, 4), 2, 32);
    // They lie between -128 and 127; a byte holds their low eight bits.
    out.extend(scales.iter().map(|scale| scale.to_le_bytes()[0]));
    out.extend(half);
}

pub(super) fn iq4_xs(values: &[f32], out: &mut Vec<u8>) {
    let (scales, half, scale) = signed_scales(values, 32, -127.0, -32, 31);
    out.extend(half);
    let (mut high, mut low) = (0_u16, [0_u8; 4]);
    for (index, scale) in scales.iter().enumerate() {
        let bits = u8::try_from(scale + 32).unwrap_or(0);
        low[index / 2] |= (bits & 15) << (index % 2 * 4);
        high |= u16::from(bits >> 4) << (index * 2);
    }
    out.extend(high.to_le_bytes());
    out.extend(low);
    let mut levels = Vec::new();
    for (part, &s) in values.chunks_exact(32).zip(&scales) {
        let factor = inverse(scale * f32::from(s));
        levels.extend(part.iter().map(|x| nearest_iq4(x * factor)));
    }
    pack(out, &levels, 4, 16);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_puts_later_lanes_above() {
        let levels: Vec<u8> = (0..128_u8).map(|i| i / 32).collect();
        let mut out = Vec::new();
        pack(&mut out, &levels, 2, 32);
        assert_eq!(out, [0b1110_0100; 32]);
    }

    #[test]
    fn six_bit_pairs_keep_all_bits() {
        let scales: [u8; 8] = [1, 2, 3, 4, 61, 62, 63, 33];
        let mins: [u8; 8] = [63, 9, 8, 7, 50, 41, 32, 20];
        let packed = six_bit_pairs(&scales, &mins);
        for i in 0..4 {
            assert_eq!(packed[i] & 63, scales[i]);
            assert_eq!(packed[i + 4] & 63, mins[i]);
            assert_eq!((packed[i + 8] & 15) | packed[i] >> 6 << 4, scales[i + 4]);
            assert_eq!(packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4, mins[i + 4]);
        }
    }
}
