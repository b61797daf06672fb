//! Intake of a prompt: whether it is decoded or encoded, held against what the plan was made for.

use llama_cpp_sys_2 as sys;

use super::handles::Context;
use super::model::LoadedModel;
use crate::engine::{EngineError, Token};
use crate::setup::{Config, ModelKind};

/// How a model takes a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intake {
    /// It is decoded, in as many batches as it fills.
    Decoded,
    /// It is encoded, and that is all.
    Encoded,
    /// It is encoded, and a decoder begins with this token.
    Answered(Token),
}

impl Intake {
    /// What the engine says of a model.
    ///
    /// # Errors
    /// When that is not what the plan was made for: its tests would be of something else than they say.
    pub(super) fn of(
        model: &LoadedModel,
        context: &Context,
        config: &Config,
    ) -> Result<Self, EngineError> {
        // SAFETY: a live context.
        let (keeps_nothing, is_causal) = unsafe {
            let memory = sys::llama_get_memory(context.get());
            (memory.is_null(), sys::llama_get_causal_attn(context.get()))
        };
        let (kind, planned) = (config.model.kind, &config.model.architecture);
        let (found, intake) = match model.halves() {
            (true, true) => (ModelKind::EncoderDecoder, Self::Answered(model.start_token())),
            (_, false) => (ModelKind::Encoder, Self::Encoded),
            // The engine's decode does both: what keeps nothing is encoded.
            _ if keeps_nothing || !is_causal => (ModelKind::Encoder, Self::Decoded),
            _ => (ModelKind::Decoder, Self::Decoded),
        };
        let fits =
            (found.reads_at_once(), found.is_mute()) == (kind.reads_at_once(), kind.is_mute());
        if fits {
            return Ok(intake);
        }
        Err(EngineError(format!(
            "this engine takes {planned} for {}, and the tests were planned for {}",
            found.in_words(),
            kind.in_words()
        )))
    }
}
