//! What is configured: a model and llama.cpp's settings for it.

mod config;
mod model;
mod settings;

pub use config::Config;
pub use model::{Attention, Layout, Model, TokenCost};
pub use settings::{
    CacheType, Compute, FlashAttention, LazyMode, LoadMode, Loading, Numa, Override, Process,
    SplitMode, Word,
};
