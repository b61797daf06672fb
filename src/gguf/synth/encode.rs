//! Numbers to blocks of the plain types: one scale for each block, every value rounded to the nearest.
//!
//! ggml's own quantizers search for the scale with the least error. Speed does not depend on the error,
//! so rounding is enough here: the blocks are valid and their values spread as real ones do.

use half::{bf16, f16};

use super::kquants;
use super::rounding::{furthest, inverse, level, nearest, nearest_iq4, put_half, range};
use crate::gguf::types::GgmlType;

/// `values` as data of the type: whole blocks, one after the other; what does not fill a block at the
/// end is left out. `None` for a type that synthetic models do not use.
pub fn encode(ty: GgmlType, values: &[f32]) -> Option<Vec<u8>> {
    let encode_block: fn(&[f32], &mut Vec<u8>) = match ty {
        GgmlType::F32 => |x, out| out.extend(x[0].to_le_bytes()),
        GgmlType::F16 => |x, out| out.extend(f16::from_f32(x[0]).to_le_bytes()),
        GgmlType::Bf16 => |x, out| out.extend(bf16::from_f32(x[0]).to_le_bytes()),
        GgmlType::Q4_0 => q4_0,
        GgmlType::Q4_1 => q4_1,
        GgmlType::Q5_0 => q5_0,
        GgmlType::Q5_1 => q5_1,
        GgmlType::Q8_0 => q8_0,
        GgmlType::Iq4Nl => iq4_nl,
        GgmlType::Q2K => kquants::q2_k,
        GgmlType::Q3K => kquants::q3_k,
        GgmlType::Q4K => kquants::q4_k,
        GgmlType::Q5K => kquants::q5_k,
        GgmlType::Q6K => kquants::q6_k,
        GgmlType::Iq4Xs => kquants::iq4_xs,
        _ => return None,
    };
    let elements = usize::try_from(ty.block_elements()).ok()?;
    let mut out = Vec::new();
    for block in values.chunks_exact(elements) {
        encode_block(block, &mut out);
    }
    Some(out)
}

/// Appends levels of four bits: the first half of them below, the second half above.
fn put_nibbles(out: &mut Vec<u8>, levels: &[u8]) {
    let (low, high) = levels.split_at(levels.len() / 2);
    out.extend(low.iter().zip(high).map(|(low, high)| (low & 15) | (high & 15) << 4));
}

/// Appends the fifth bits of 32 levels.
fn put_fifth_bits(out: &mut Vec<u8>, levels: &[u8]) {
    let bits = (0_u32..).zip(levels).fold(0, |bits, (i, q)| bits | u32::from(q >> 4 & 1) << i);
    out.extend(bits.to_le_bytes());
}

fn levels(values: &[f32], to_level: impl Fn(f32) -> u8) -> Vec<u8> {
    values.iter().map(|&x| to_level(x)).collect()
}

fn q4_0(values: &[f32], out: &mut Vec<u8>) {
    let scale = inverse(put_half(out, furthest(values) / -8.0));
    put_nibbles(out, &levels(values, |x| level(x * scale + 8.0, 15)));
}

fn q4_1(values: &[f32], out: &mut Vec<u8>) {
    let (low, high) = range(values);
    let scale = inverse(put_half(out, (high - low) / 15.0));
    let low = put_half(out, low);
    put_nibbles(out, &levels(values, |x| level((x - low) * scale, 15)));
}

fn q5_0(values: &[f32], out: &mut Vec<u8>) {
    let scale = inverse(put_half(out, furthest(values) / -16.0));
    let levels = levels(values, |x| level(x * scale + 16.0, 31));
    put_fifth_bits(out, &levels);
    put_nibbles(out, &levels);
}

fn q5_1(values: &[f32], out: &mut Vec<u8>) {
    let (low, high) = range(values);
    let scale = inverse(put_half(out, (high - low) / 31.0));
    let low = put_half(out, low);
    let levels = levels(values, |x| level((x - low) * scale, 31));
    put_fifth_bits(out, &levels);
    put_nibbles(out, &levels);
}

fn q8_0(values: &[f32], out: &mut Vec<u8>) {
    let scale = inverse(put_half(out, furthest(values).abs() / 127.0));
    out.extend(values.iter().map(|&x| {
        // It lies between -127 and 127; a byte holds its low eight bits.
        nearest(x * scale, -127, 127).to_le_bytes()[0]
    }));
}

fn iq4_nl(values: &[f32], out: &mut Vec<u8>) {
    let scale = inverse(put_half(out, furthest(values) / -127.0));
    put_nibbles(out, &levels(values, |x| nearest_iq4(x * scale)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::filetype::FileType;

    #[test]
    fn every_type_in_use_has_an_encoder_of_the_right_size() {
        let values: Vec<f32> = (0..512_i16).map(|i| (f32::from(i) * 0.7).sin() * 0.05).collect();
        let also = [GgmlType::F16, GgmlType::Q5_0, GgmlType::Q5_1, GgmlType::Iq4Nl];
        for ty in FileType::all().map(FileType::base).chain(also) {
            let bytes = encode(ty, &values).unwrap();
            assert_eq!(bytes.len() as u64, ty.row_bytes(512).unwrap(), "{ty}");
        }
        assert_eq!(encode(GgmlType::Iq2Xxs, &values), None);
    }

    #[test]
    fn zeros_and_constants_give_blocks_too() {
        for ty in FileType::all().map(FileType::base) {
            for constant in [0.0, 1.0, -1.0] {
                let bytes = encode(ty, &[constant; 256]).unwrap();
                assert_eq!(bytes.len() as u64, ty.row_bytes(256).unwrap(), "{ty}");
            }
        }
    }

    #[test]
    fn plain_blocks_round_to_the_nearest() {
        let mut values = [0.0; 32];
        values[0] = -8.0;
        values[1] = 3.4;
        values[31] = 7.0;
        let q4_0 = encode(GgmlType::Q4_0, &values).unwrap();
        assert_eq!(q4_0[..2], f16::from_f32(1.0).to_le_bytes());
        assert_eq!((q4_0[2], q4_0[3], q4_0[17]), (0x80, 0x8b, 0xf8));
    }
}
