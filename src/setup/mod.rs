//! Setup: what is configured before anything is measured, for each kind of thing that can be measured.

mod config;
mod model;
mod settings;
mod tensors;

use serde::{Deserialize, Serialize};

pub use config::Config;
pub use model::{Attention, Layout, Model, ModelKind, TokenCost};
pub use settings::{
    CacheType, Compute, FlashAttention, LazyMode, LoadMode, Loading, Numa, Override, Process,
    SplitMode, Word,
};
pub use tensors::Tensors;

/// What a job is measured under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setup {
    /// A model file in llama.cpp, in a process of lbench's own.
    Llama(Box<Config>),
}

impl From<Config> for Setup {
    fn from(config: Config) -> Self {
        Self::Llama(Box::new(config))
    }
}

impl Setup {
    /// The model file, where there is one.
    pub fn model(&self) -> Option<&Model> {
        match self {
            Self::Llama(config) => Some(&config.model),
        }
    }

    /// What is measured under it, in the words of the table's first column.
    pub fn subject(&self) -> &str {
        match self {
            Self::Llama(config) => &config.model.label,
        }
    }

    /// RPC servers that it uses.
    pub fn servers(&self) -> &[String] {
        match self {
            Self::Llama(config) => &config.rpc,
        }
    }

    /// Whether what is loaded for the one serves the other too.
    pub fn same_load(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Llama(own), Self::Llama(other)) => own.same_load(other),
        }
    }
}
