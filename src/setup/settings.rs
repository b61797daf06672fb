//! Settings that are more than a number, with llama.cpp's own words for them.

use serde::{Deserialize, Serialize};

use crate::gguf::GgmlType;

/// A setting that is one of a few words.
pub trait Word: Copy + 'static {
    /// Every one, in the order that help texts list them.
    const ALL: &'static [Self];

    /// llama.cpp's name of it, as flags take it.
    fn name(self) -> &'static str;
}

/// Element type of the KV cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names are ggml's
pub enum CacheType {
    F32,
    #[default]
    F16,
    Bf16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    #[serde(rename = "iq4_nl")]
    Iq4Nl,
}

impl Word for CacheType {
    const ALL: &'static [Self] = &[
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Iq4Nl,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Q5_0 => "q5_0",
            Self::Q5_1 => "q5_1",
            Self::Iq4Nl => "iq4_nl",
        }
    }
}

impl CacheType {
    /// The type in ggml's own table.
    pub fn ggml_type(self) -> GgmlType {
        match self {
            Self::F32 => GgmlType::F32,
            Self::F16 => GgmlType::F16,
            Self::Bf16 => GgmlType::Bf16,
            Self::Q8_0 => GgmlType::Q8_0,
            Self::Q4_0 => GgmlType::Q4_0,
            Self::Q4_1 => GgmlType::Q4_1,
            Self::Q5_0 => GgmlType::Q5_0,
            Self::Q5_1 => GgmlType::Q5_1,
            Self::Iq4Nl => GgmlType::Iq4Nl,
        }
    }

    /// Bytes of an element, its share of the block's scale included.
    pub fn element_bytes(self) -> f64 {
        self.ggml_type().element_bytes()
    }
}

/// When to use flash attention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlashAttention {
    /// llama.cpp decides when it builds the context (its default).
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always; a context that cannot is a failed row.
    On,
}

impl FlashAttention {
    /// The number llama-bench writes into its `flash_attn` field.
    pub fn number(self) -> i64 {
        match self {
            Self::Auto => -1,
            Self::Off => 0,
            Self::On => 1,
        }
    }
}

/// How a model is spread over several devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitMode {
    /// One device has all of it.
    None,
    /// Each device has whole layers.
    #[default]
    Layer,
    /// Each device has rows of every matrix.
    Row,
    /// Each device has a part of every tensor, and all compute at once.
    Tensor,
}

impl Word for SplitMode {
    const ALL: &'static [Self] = &[Self::None, Self::Layer, Self::Row, Self::Tensor];

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Layer => "layer",
            Self::Row => "row",
            Self::Tensor => "tensor",
        }
    }
}

/// How the model file gets into memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadMode {
    /// llama.cpp goes by what the devices can do.
    #[default]
    Auto,
    /// Read into memory of its own.
    None,
    /// Mapped: pages come as they are touched.
    Mmap,
    /// Read, and locked in memory.
    Mlock,
    /// Mapped, and locked in memory.
    MmapMlock,
    /// Read past the system's file cache.
    Dio,
}

impl Word for LoadMode {
    const ALL: &'static [Self] =
        &[Self::Auto, Self::None, Self::Mmap, Self::Mlock, Self::MmapMlock, Self::Dio];

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Mmap => "mmap",
            Self::Mlock => "mlock",
            Self::MmapMlock => "mmap+mlock",
            Self::Dio => "dio",
        }
    }
}

/// Which tensors of a mapped file are read row by row, when a row is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LazyMode {
    /// Those that the architecture marks.
    On,
    /// Those of them that are larger than 4 GiB.
    #[default]
    Auto,
    /// None.
    Off,
}

impl Word for LazyMode {
    const ALL: &'static [Self] = &[Self::On, Self::Auto, Self::Off];

    fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Auto => "auto",
            Self::Off => "off",
        }
    }
}

/// Tensors that are placed by hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Override {
    /// Regular expression that a tensor's name must match somewhere.
    pub pattern: String,
    /// Buffer type that it goes to, by ggml's name, e.g. `CPU`, `CUDA0`.
    pub buffer: String,
}

/// How the weights get into memory, devices aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loading {
    /// Blocks whose experts stay on the CPU, from the first on.
    pub n_cpu_moe: u32,
    /// How the file is read.
    pub mode: LoadMode,
    /// Which tensors are read when they are needed.
    pub lazy: LazyMode,
    /// Tensors placed by hand, the first match counting.
    pub overrides: Vec<Override>,
    /// Whether weights on the host go past the devices' own host memory.
    pub no_host: bool,
    /// Whether weights may be stored in another order that suits the CPU's kernels.
    pub repack: bool,
    /// Memory to leave free on each device, in MiB, by placing fewer layers there; with
    /// [`Loading::fit_ctx`] 0 too, nothing is fitted.
    pub fit_target: u32,
    /// Least size of the context when fitting, in tokens.
    pub fit_ctx: u32,
}

impl Default for Loading {
    fn default() -> Self {
        Self {
            n_cpu_moe: 0,
            mode: LoadMode::Auto,
            lazy: LazyMode::Auto,
            overrides: Vec::new(),
            no_host: false,
            repack: true,
            fit_target: 0,
            fit_ctx: 0,
        }
    }
}

impl Loading {
    /// Whether the engine chooses layers and shares by the memory that is free.
    pub fn fits(&self) -> bool {
        self.fit_target > 0 || self.fit_ctx > 0
    }

    /// Whether single tensors are placed otherwise than their layers.
    pub fn places_tensors(&self) -> bool {
        self.n_cpu_moe > 0 || !self.overrides.is_empty()
    }
}

/// How a context computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of llama.cpp's
pub struct Compute {
    /// Whether embeddings are computed besides logits.
    pub embeddings: bool,
    /// Whether operations on weights of the host stay there.
    pub no_op_offload: bool,
    /// Whether the KV cache stays on the host.
    pub no_kv_offload: bool,
    /// CPUs that the threads may run on, in hexadecimal as typed; all zero is any.
    pub cpu_mask: String,
    /// Whether each thread is tied to one CPU of the mask.
    pub cpu_strict: bool,
    /// How hard idle threads look for work, from 0 (sleep at once) to 100 (spin).
    pub poll: u32,
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            embeddings: false,
            no_op_offload: false,
            no_kv_offload: false,
            cpu_mask: "0x0".into(),
            cpu_strict: false,
            poll: 50,
        }
    }
}

/// Where threads and memory go on a machine with several NUMA nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numa {
    /// Threads on all nodes alike.
    Distribute,
    /// Threads on the node where the process started.
    Isolate,
    /// As numactl has set it up.
    Numactl,
}

impl Word for Numa {
    const ALL: &'static [Self] = &[Self::Distribute, Self::Isolate, Self::Numactl];

    fn name(self) -> &'static str {
        match self {
            Self::Distribute => "distribute",
            Self::Isolate => "isolate",
            Self::Numactl => "numactl",
        }
    }
}

/// How the process runs that measures: for a whole run, no axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Where threads and memory go; `None` is left to the system.
    pub numa: Option<Numa>,
    /// Priority of process and threads: -1 low, 0 normal, 1 medium, 2 high, 3 realtime.
    pub priority: i32,
}

impl Process {
    /// The system's nice value that llama.cpp has for this priority.
    pub fn nice(self) -> i32 {
        match self.priority {
            ..0 => 5,
            0 => 0,
            1 => -5,
            2 => -10,
            _ => -20,
        }
    }
}
