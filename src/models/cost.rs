//! Cost of a token: what a token costs, read off the tensor table.

use crate::gguf::{Header, TensorInfo};
use crate::setup::{Attention, TokenCost};
use crate::units::Bytes;

/// Tables of which one row is looked up for a token.
const TABLES: [&str; 4] = [
    "token_embd.weight",
    "position_embd.weight",
    "token_types.weight",
    "per_layer_token_embd.weight",
];

/// What a token costs; `None` where the experts or the output layer cannot be told.
pub fn token_cost(header: &Header) -> Option<TokenCost> {
    let output = tensor(header, "output.weight");
    let tied = tensor(header, "token_embd.weight").filter(|_| output.is_none());
    let (mut bytes, mut params) = (0_u64, 0_u64);
    let blocks = generating_blocks(header);
    for tensor in &header.tensors {
        let skipped = block_of(&tensor.name).is_some_and(|block| block >= blocks);
        if TABLES.contains(&tensor.name.as_str()) || tensor.name == "output.weight" || skipped {
            continue;
        }
        let (used, of) = if tensor.name.contains("_exps.") { experts(header)? } else { (1, 1) };
        bytes = bytes.saturating_add(share(tensor.bytes, used, of));
        // A vector is added or scaled with: nothing beside the matrices.
        if tensor.shape.iter().filter(|&&n| n > 1).count() > 1 {
            params = params.saturating_add(share(tensor.elements(), used, of));
        }
    }
    let output = output.or(tied)?;
    Some(TokenCost {
        weight_bytes: Bytes(bytes.saturating_add(output.bytes)),
        body_params: params,
        output_params: output.elements(),
        attention: attention(header, blocks),
    })
}

/// Blocks that take part in ordinary generation: not those that predict further tokens.
fn generating_blocks(header: &Header) -> u64 {
    let extra = header.arch_count("nextn_predict_layers").unwrap_or(0);
    u64::from(header.n_layers()).saturating_sub(extra)
}

/// Experts that a token goes through, and all there are; `None` where the header does not tell.
fn experts(header: &Header) -> Option<(u64, u64)> {
    let used = header.arch_count("expert_used_count")?;
    let of = header.arch_count("expert_count")?;
    (used > 0 && used <= of).then_some((used, of))
}

fn share(total: u64, used: u64, of: u64) -> u64 {
    let part = u128::from(total) * u128::from(used) / u128::from(of.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// The attention of all blocks together; `None` where any block has another kind (a compressed cache, a
/// recurrent state) or its tensors do not show the widths.
fn attention(header: &Header, blocks: u64) -> Option<Attention> {
    let window = header.arch_count("attention.sliding_window").filter(|&window| window > 0);
    let mut sum = Attention { k: 0, v: 0, q: 0, out: 0, window };
    for block in 0..blocks {
        let part = |name: &str| tensor(header, &format!("blk.{block}.{name}.weight"));
        let rows = |tensor: &TensorInfo| tensor.shape.get(1).copied();
        let out = part("attn_output")?.shape.first().copied()?;
        let apart = (part("attn_q"), part("attn_k"), part("attn_v"));
        let (q, k, v) = if let (Some(q), Some(k), Some(v)) = apart {
            (rows(q)?, rows(k)?, rows(v)?)
        } else {
            // All three in one: the results are as wide as the queries, K and V share the rest.
            let each = rows(part("attn_qkv")?)?.checked_sub(out)? / 2;
            (out, each, each)
        };
        sum.q = sum.q.saturating_add(q);
        sum.k = sum.k.saturating_add(k);
        sum.v = sum.v.saturating_add(v);
        sum.out = sum.out.saturating_add(out);
    }
    (blocks > 0).then_some(sum)
}

fn tensor<'a>(header: &'a Header, name: &str) -> Option<&'a TensorInfo> {
    header.tensors.iter().find(|tensor| tensor.name == name)
}

fn block_of(name: &str) -> Option<u64> {
    name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}
