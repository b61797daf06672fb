//! Names of a model's tensors, and what settings find among them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Override;

/// Names of a model's tensors.
#[derive(Debug, Clone, Default)]
pub struct Tensors(Option<Arc<TensorNames>>);

#[derive(Debug)]
struct TensorNames {
    all: Vec<String>,
    /// What was looked for already: a sweep asks for the same again and again.
    found: Mutex<HashMap<Vec<Override>, Vec<bool>>>,
}

/// They follow from the header, and a model is its header.
impl PartialEq for Tensors {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Tensors {}

impl Tensors {
    /// The tensors of these names.
    pub fn new(all: Vec<String>) -> Self {
        Self(Some(Arc::new(TensorNames { all, found: Mutex::default() })))
    }

    /// For each override, whether it places any tensor: it matches one that none before it does. `None` where
    /// nobody knows the tensors.
    pub fn placed_by(&self, overrides: &[Override]) -> Option<Vec<bool>> {
        let names = self.0.as_ref()?;
        let mut found = names.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(placed) = found.get(overrides) {
            return Some(placed.clone());
        }
        let placed = names.placed_by(overrides);
        found.insert(overrides.to_vec(), placed.clone());
        Some(placed)
    }

    /// Of the first `blocks` blocks, those up to the last that has experts; `None` where nobody knows.
    pub fn blocks_with_experts(&self, blocks: u32) -> Option<u32> {
        let of_expert = |name: &String| {
            let (block, part) = name.strip_prefix("blk.")?.split_once('.')?;
            // As the engine's own pattern has it.
            let part = part.strip_prefix("ffn_")?;
            let kinds = ["up", "down", "gate", "gate_up"].into_iter();
            let is_expert = kinds
                .filter_map(|kind| part.strip_prefix(kind))
                .any(|rest| rest.starts_with("_exps") || rest.starts_with("_chexps"));
            block.parse::<u32>().ok().filter(|block| is_expert && *block < blocks)
        };
        let last = self.0.as_ref()?.all.iter().filter_map(of_expert).max();
        Some(last.map_or(0, |last| last + 1))
    }
}

impl TensorNames {
    fn placed_by(&self, overrides: &[Override]) -> Vec<bool> {
        // C++ knows `[[:alpha:]]`, which JavaScript does not. What cannot be read here is left to the engine, as if it
        // placed something.
        let readable = |pattern: &str| !pattern.contains("[:") && !pattern.contains("[.");
        let patterns: Vec<_> = overrides
            .iter()
            .map(|one| Some(&one.pattern).filter(|text| readable(text)))
            .map(|text| text.and_then(|text| regress::Regex::new(text).ok()))
            .collect();
        let mut placed: Vec<_> = patterns.iter().map(Option::is_none).collect();
        for name in &self.all {
            let first = patterns.iter().position(|pattern| {
                pattern.as_ref().is_some_and(|pattern| pattern.find(name).is_some())
            });
            if let Some(first) = first {
                placed[first] = true;
            }
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(patterns: &[&str]) -> Vec<bool> {
        let names = ["token_embd.weight", "blk.0.attn_q.weight", "blk.1.ffn_up_exps.weight"];
        let tensors = Tensors::new(names.map(String::from).to_vec());
        let one = |pattern: &&str| Override { pattern: (*pattern).into(), buffer: "CPU".into() };
        tensors.placed_by(&patterns.iter().map(one).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn patterns_are_looked_for_as_the_engine_does() {
        for (pattern, is_found) in [
            ("exps", true),
            (r"blk\.(0|7)\.attn_.*", true),
            (r"^attn", false),
            (r"blk\.[2-9]\.", false),
            (r"blk\.(?!0)\d+\.", true),
            (r"(f)\1n", true),
            ("EXPS", false),
            (r"ssm_\w+$", false),
            // Left to the engine.
            ("[[:digit:]]x", true),
        ] {
            assert_eq!(placed(&[pattern]), [is_found], "{pattern}");
        }
    }

    #[test]
    fn the_first_match_counts() {
        assert_eq!(placed(&["blk", "exps", "token"]), [true, false, true]);
        assert_eq!(placed(&["exps", "blk"]), [true, true]);
        assert_eq!(Tensors::default().placed_by(&[]), None);
    }

    #[test]
    fn experts_are_counted_by_their_blocks() {
        let names =
            ["blk.3.ffn_gate_exps.weight", "blk.4.ffn_up_shexp.weight", "blk.5.ffn_up.weight"];
        let tensors = Tensors::new(names.map(String::from).to_vec());
        let counts: Vec<_> =
            [2, 3, 4, 99].map(|blocks| tensors.blocks_with_experts(blocks).unwrap()).to_vec();
        assert_eq!(counts, [0, 0, 4, 4]);
        assert_eq!(Tensors::default().blocks_with_experts(4), None);
    }
}
