//! Bounds of the numbers in a header that are counted with: what no model has is refused before anything overflows,
//! here or in the engine.

use super::header::Header;
use super::{HeaderError, MetadataValue};

/// Most blocks: the engine's own limit is far below.
const MAX_BLOCKS: u64 = u16::MAX as u64;
/// What the engine counts in 32 bits.
const MAX_COUNT: u64 = u32::MAX as u64;

/// Keys behind the architecture's name, and the most that any model may say there.
const KEYS: [(&str, u64); 16] = [
    ("block_count", MAX_BLOCKS),
    ("decoder_block_count", MAX_BLOCKS),
    ("nextn_predict_layers", MAX_BLOCKS),
    ("leading_dense_block_count", MAX_BLOCKS),
    ("attention.head_count", 1 << 20),
    ("attention.head_count_kv", 1 << 20),
    ("attention.key_length", 1 << 24),
    ("attention.value_length", 1 << 24),
    ("attention.sliding_window", MAX_COUNT),
    ("embedding_length", 1 << 24),
    ("feed_forward_length", 1 << 28),
    ("expert_count", 1 << 20),
    ("expert_used_count", 1 << 20),
    ("context_length", MAX_COUNT),
    ("rope.dimension_count", 1 << 24),
    // The engine counts tokens with a sign.
    ("vocab_size", i32::MAX as u64),
];

/// Refuses a header that has a number beyond its bounds.
pub(super) fn check(header: &Header) -> Result<(), HeaderError> {
    for (key, most) in KEYS {
        let name = format!("{}.{key}", header.architecture);
        let wrong = match header.metadata.get(&name) {
            Some(MetadataValue::Unsigned(n)) if *n > most => n.to_string(),
            Some(MetadataValue::Signed(n)) if u64::try_from(*n).is_ok_and(|n| n > most) => {
                n.to_string()
            }
            // -1 stands for nothing in some of them, and for as much as there is in others.
            Some(MetadataValue::Signed(n)) if *n < -1 => n.to_string(),
            _ => continue,
        };
        let text = format!("{name} is {wrong}, and can be {most} at most");
        return Err(HeaderError::Corrupt(text));
    }
    let blocks = u64::from(header.n_layers());
    if blocks > MAX_BLOCKS {
        let text = format!("a tensor is of block {}, and there can be {MAX_BLOCKS}", blocks - 1);
        return Err(HeaderError::Corrupt(text));
    }
    Ok(())
}
