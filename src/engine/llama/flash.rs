//! Flash attention: whether a context uses it, by what its log says.

use super::logs::LogLine;
use crate::setup::FlashAttention;

/// Whether a new context uses flash attention: as asked, unless its log says otherwise.
pub(super) fn flash_attention(asked: FlashAttention, lines: &[LogLine]) -> Option<bool> {
    let says = |words: &str| lines.iter().any(|line| line.text.contains(words));
    if says("Flash Attention not supported") || says("flash_attn is not compatible") {
        return Some(false);
    }
    let on = says("Flash Attention enabled") || says("enabling flash_attn");
    match asked {
        FlashAttention::On => Some(true),
        FlashAttention::Off => Some(false),
        FlashAttention::Auto => on.then_some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::super::logs::Level;
    use super::*;

    #[test]
    fn flash_attention_is_what_the_log_says() {
        use FlashAttention::{Auto, Off, On};
        let log = |text: &str| [LogLine { level: Level::Info, text: text.to_owned() }];
        let enabled = log("resolve_fused_ops: Flash Attention enabled");
        let refused = log("resolve_fused_ops: Flash Attention not supported, set to disabled");
        let implied = log("enabling flash_attn since it is required for quantized V cache");
        assert_eq!(flash_attention(Auto, &enabled), Some(true));
        assert_eq!(flash_attention(Auto, &refused), Some(false));
        assert_eq!(flash_attention(Auto, &implied), Some(true));
        assert_eq!(flash_attention(Auto, &[]), None);
        assert_eq!(flash_attention(On, &[]), Some(true));
        assert_eq!(flash_attention(Off, &[]), Some(false));
    }
}
