//! Engine: what a worker needs of an engine: two traits, two implementations.
//!
//! An [`Engine`] owns the backends and at most one loaded model; a [`Session`] is one context on it. The
//! measurements in [`crate::worker`] are generic over both, so the loop that times llama.cpp is the very
//! loop that the tests drive with [`scripted`].

#[cfg(feature = "llama")]
pub mod llama;
pub mod remarks;
pub mod scripted;

use std::path::Path;

use crate::machine::{Description, Link, Roof};
use crate::models::making::Quantizing;
use crate::record::{DeviceMemory, Loaded, MemorySplit};
use crate::setup::Config;
use crate::units::Nanos;
use crate::work::Extent;

/// Why the engine could not do what it was asked: one sentence for people. The engine's own log is kept
/// apart, see [`Engine::log_tail`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// A token of the model's vocabulary.
pub type Token = i32;

/// Backends, devices, and at most one loaded model.
pub trait Engine {
    /// One context on the loaded model. It keeps the model alive.
    type Session: Session;

    /// What this build found on this machine.
    fn describe(&mut self) -> Description;

    /// What the device of this name can do at best, with `n_threads` threads if it is the CPU.
    ///
    /// # Errors
    /// When there is no such device, or it has no room.
    fn roof(&mut self, device: &str, n_threads: u32) -> Result<Roof, EngineError>;

    /// Measures the link to an RPC server.
    ///
    /// # Errors
    /// When it has no devices, or no room. One that goes away ends the process.
    fn link(&mut self, endpoint: &str) -> Result<Link, EngineError>;

    /// The tokens of each text, as the vocabulary of a model file has them, with those that it wants at the
    /// beginning of a text. Leaves a loaded model alone.
    ///
    /// # Errors
    /// When the file cannot be read, or has no vocabulary for text.
    fn tokenize(&mut self, model: &Path, texts: &[String]) -> Result<Vec<Vec<Token>>, EngineError>;

    /// Writes a model's file anew, its weights in other types. Leaves a loaded model alone.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the engine cannot quantize such a model.
    fn quantize(&mut self, order: &Quantizing) -> Result<(), EngineError>;

    /// Loads the model of `config` with its load axes, after freeing any other. Where it is to be fitted
    /// into free memory, a context of this extent has room beside it.
    ///
    /// # Errors
    /// When the file cannot be read, the architecture is unknown, or memory runs out.
    fn load(&mut self, config: &Config, extent: Extent) -> Result<Loaded, EngineError>;

    /// What a load and a context would take of each device, without loading anything.
    ///
    /// # Errors
    /// As for [`Engine::load`] and [`Engine::open`], memory aside.
    fn predict(&mut self, config: &Config, extent: Extent)
    -> Result<Vec<MemorySplit>, EngineError>;

    /// What the loaded model and the latest context take of each device, by the engine's own account.
    fn memory_split(&self) -> Vec<MemorySplit>;

    /// Creates a context of this extent on the loaded model, with the context axes of `config`.
    ///
    /// # Errors
    /// When no model is loaded, the settings do not go together, or memory runs out.
    fn open(&mut self, config: &Config, extent: Extent) -> Result<Self::Session, EngineError>;

    /// Memory of each offload device, `used` being counted from before the load.
    fn device_memory(&self) -> Vec<DeviceMemory>;

    /// Peak resident memory of this process since the last call of [`Engine::reset_peak_rss`].
    fn peak_rss(&self) -> Option<crate::units::Bytes>;

    /// Starts a new peak.
    fn reset_peak_rss(&mut self);

    /// What it has said, since it was asked last, of settings that it did not take as they were asked for.
    fn remarks(&mut self) -> Vec<String>;

    /// Last lines of the engine's log, oldest first.
    fn log_tail(&self) -> Vec<String>;

    /// Reading of the clock that times everything.
    fn now(&self) -> Nanos;

    /// Waits, on that same clock.
    fn rest(&mut self, duration: Nanos);
}

/// One context: what can be timed. Every call returns when the device is done.
pub trait Session {
    /// Tokens the context holds, as allocated.
    fn n_ctx(&self) -> u32;

    /// Whether flash attention is in use, where the engine tells.
    fn flash_attn(&self) -> Option<bool>;

    /// Forgets all tokens.
    fn clear(&mut self);

    /// Has prompts begin with these tokens instead of random ones from now on.
    fn use_text(&mut self, tokens: &[Token]);

    /// Processes `n` random tokens in batches of the configured size, with the logits of each batch's
    /// last token: for each of the context's sequences, or for one alone where they share it.
    ///
    /// # Errors
    /// When the engine reports a failed decode.
    fn prompt(&mut self, n: u32) -> Result<(), EngineError>;

    /// Gives all sequences the prompt of the first, where they share it. Leaves no logits behind.
    ///
    /// # Errors
    /// As [`Session::prompt`].
    fn share_prompt(&mut self) -> Result<(), EngineError>;

    /// Brings every sequence further by the same `n` random tokens, before anything is timed.
    ///
    /// # Errors
    /// As [`Session::prompt`].
    fn fill(&mut self, n: u32) -> Result<(), EngineError>;

    /// Gets ready to generate: what must be done once before [`Session::step`].
    fn begin_generation(&mut self);

    /// Processes one random token of each sequence.
    ///
    /// # Errors
    /// When the engine reports a failed decode.
    fn step(&mut self) -> Result<(), EngineError>;

    /// The most likely next token after the last prompt or step.
    ///
    /// # Errors
    /// When there are no logits.
    fn sample_greedy(&mut self) -> Result<Token, EngineError>;

    /// The tokens of a text in the model's vocabulary, with those that it wants at the beginning. Names of special
    /// tokens in it are text like any other.
    ///
    /// # Errors
    /// When the model has no vocabulary for text.
    fn tokens_of(&self, text: &str) -> Result<Vec<Token>, EngineError>;

    /// The token that opens a text, where the vocabulary wants one.
    fn opening_token(&self) -> Option<Token>;

    /// Processes tokens of one sequence from an empty context, and hands over the logits behind each from `first` on,
    /// in order: its place, and a number for every token of the vocabulary.
    ///
    /// # Errors
    /// As [`Session::prompt`], and where the model gives no logits.
    fn score(
        &mut self,
        tokens: &[Token],
        first: usize,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), EngineError>;

    /// Copies the state of all tokens so far; `None` when the engine cannot.
    fn save(&mut self) -> Option<Vec<u8>>;

    /// Puts a saved state back; `false` when it does not fit this context.
    fn restore(&mut self, state: &[u8]) -> bool;

    /// Reading of the clock that times everything. Called inside the timed loop: cheap.
    fn now(&self) -> Nanos;
}
