//! The settings of llama.cpp: every load and context axis at one value.

use serde::{Deserialize, Serialize};

use super::{CacheType, Compute, FlashAttention, Loading, Model, SplitMode};

/// Every load and context axis at one value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The model.
    pub model: Model,
    /// Layers to offload, as asked; negative means all.
    pub n_gpu_layers: i32,
    /// How the model is spread over several devices.
    #[serde(default)]
    pub split_mode: SplitMode,
    /// The device for what is not spread.
    #[serde(default)]
    pub main_gpu: u32,
    /// Shares of the devices, in hundredths; empty leaves them to the engine.
    #[serde(default)]
    pub tensor_split: Vec<u32>,
    /// Devices to use, by the engine's names; empty is all of them, and `none` none.
    #[serde(default)]
    pub devices: Vec<String>,
    /// Logical batch: most tokens of a prompt handed over at once.
    pub n_batch: u32,
    /// Physical batch: most tokens computed at once.
    pub n_ubatch: u32,
    /// Element type of the K cache.
    pub type_k: CacheType,
    /// Element type of the V cache.
    pub type_v: CacheType,
    /// When to use flash attention.
    pub flash_attn: FlashAttention,
    /// Threads, for prompts and for generation.
    pub n_threads: u32,
    /// RPC servers whose devices are used besides the local ones, `host:port` each.
    #[serde(default)]
    pub rpc: Vec<String>,
    /// Least size of the context, in tokens: for memory figures of a context that is really used.
    #[serde(default)]
    pub reserve_ctx: u32,
    /// How the weights get into memory.
    #[serde(default)]
    pub loading: Loading,
    /// How a context computes.
    #[serde(default)]
    pub compute: Compute,
}

impl Config {
    /// Layers that really go to a device: `n_gpu_layers` within the model's layers plus one, or zero
    /// where no device can take any.
    pub fn effective_gpu_layers(&self, can_offload: bool) -> u32 {
        if (!can_offload && self.rpc.is_empty()) || self.devices == ["none"] {
            return 0;
        }
        let all = self.model.n_layers + 1;
        u32::try_from(self.n_gpu_layers).map_or(all, |asked| asked.min(all))
    }

    /// Whether both configurations use the same devices in the same way.
    pub fn same_devices(&self, other: &Self) -> bool {
        self.split_mode == other.split_mode
            && self.main_gpu == other.main_gpu
            && self.tensor_split == other.tensor_split
            && self.devices == other.devices
            && self.rpc == other.rpc
    }

    /// Whether both configurations are served by one loaded model.
    pub fn same_load(&self, other: &Self) -> bool {
        self.model == other.model
            && self.n_gpu_layers == other.n_gpu_layers
            && self.loading == other.loading
            // What is fitted is fitted to each context.
            && !self.loading.fits()
            && self.same_devices(other)
    }
}
