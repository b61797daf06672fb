//! A loaded model: the handle, and what the engine says about it.

use std::ffi::CString;
use std::path::Path;
use std::ptr::NonNull;
use std::rc::Rc;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2 as sys;

use super::{logs, params, reason};
use crate::engine::{EngineError, Token};
use crate::record::Fit;
use crate::setup::Config;
use crate::work::Extent;

/// A model in memory. Freed when the engine and the last session have let go of it.
pub(super) struct LoadedModel {
    handle: NonNull<sys::llama_model>,
    /// What was chosen where the model was fitted into free memory.
    pub(super) fit: Option<Fit>,
    // After the model: the backends must outlive it.
    _backend: Rc<LlamaBackend>,
}

impl LoadedModel {
    /// Loads the model of `config`, for a context of this extent where it is fitted; `simulated`,
    /// without its weights. The first part of a split file brings in the others.
    pub(super) fn load(
        backend: Rc<LlamaBackend>,
        config: &Config,
        extent: Extent,
        simulated: bool,
    ) -> Result<Self, EngineError> {
        let path = c_path(&config.model.path)?;
        let mut load = params::model(config)?;
        let fit = if config.loading.fits() {
            Some(params::fit(&path, &mut load, config, extent)?)
        } else {
            None
        };
        logs::begin();
        load.params.no_alloc = simulated;
        if simulated {
            load.params.load_mode = sys::LLAMA_LOAD_MODE_NONE;
        }
        // SAFETY: the path is NUL-terminated and outlives the call, as does what the parameters point to;
        // the backends are initialised, as `backend` shows.
        let handle = unsafe { sys::llama_model_load_from_file(path.as_ptr(), load.params) };
        match NonNull::new(handle) {
            Some(handle) => Ok(Self { handle, fit, _backend: backend }),
            None => Err(reason::failure("the model did not load")),
        }
    }

    /// The vocabulary of a model file, without its weights.
    pub(super) fn vocabulary(backend: Rc<LlamaBackend>, path: &Path) -> Result<Self, EngineError> {
        let path = c_path(path)?;
        logs::begin();
        // SAFETY: takes nothing, returns plain data.
        let mut params = unsafe { sys::llama_model_default_params() };
        params.vocab_only = true;
        // SAFETY: as in `load`; the parameters point to nothing.
        let handle = unsafe { sys::llama_model_load_from_file(path.as_ptr(), params) };
        match NonNull::new(handle) {
            Some(handle) => Ok(Self { handle, fit: None, _backend: backend }),
            None => Err(reason::failure("the vocabulary did not load")),
        }
    }

    /// The tokens of a text, with those that the vocabulary wants at its beginning; names of special
    /// tokens in it stand for these where `special` says so.
    pub(super) fn tokenize(&self, text: &str, special: bool) -> Result<Vec<Token>, EngineError> {
        let too_long = |_| EngineError("a text is too long".into());
        let length = i32::try_from(text.len()).map_err(too_long)?;
        // A token stands for a byte or more, but for a few that are added.
        let mut tokens = vec![0; text.len() + 8];
        let room = i32::try_from(tokens.len()).map_err(too_long)?;
        // SAFETY: a live model, whose vocabulary lives as long; text and tokens are as long as is said.
        let count = unsafe {
            let vocabulary = sys::llama_model_get_vocab(self.handle());
            if sys::llama_vocab_type(vocabulary) == sys::LLAMA_VOCAB_TYPE_NONE {
                return Err(EngineError(
                    "it has no vocabulary for texts, as a model with random weights".into(),
                ));
            }
            let text = text.as_ptr().cast();
            sys::llama_tokenize(vocabulary, text, length, tokens.as_mut_ptr(), room, true, special)
        };
        let count = usize::try_from(count)
            .map_err(|_| EngineError("its vocabulary cannot take the text apart".into()))?;
        tokens.truncate(count);
        Ok(tokens)
    }

    /// The handle, for the calls of a session. Valid as long as this value.
    pub(super) fn handle(&self) -> *mut sys::llama_model {
        self.handle.as_ptr()
    }

    /// llama.cpp's own description, e.g. `llama 3B Q6_K`.
    pub(super) fn description(&self) -> String {
        let mut buffer = [0_u8; 256];
        // SAFETY: the engine writes at most `len` bytes, the closing NUL included.
        unsafe {
            sys::llama_model_desc(self.handle(), buffer.as_mut_ptr().cast(), buffer.len());
        }
        let text = buffer.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// Bytes of all tensors.
    pub(super) fn tensor_bytes(&self) -> u64 {
        // SAFETY: a live model.
        unsafe { sys::llama_model_size(self.handle()) }
    }

    /// Parameters.
    pub(super) fn n_params(&self) -> u64 {
        // SAFETY: a live model.
        unsafe { sys::llama_model_n_params(self.handle()) }
    }

    /// Layers that can be offloaded: the blocks, those for multi-token prediction too, and the output.
    pub(super) fn max_gpu_layers(&self) -> u32 {
        // SAFETY: a live model.
        let blocks = unsafe {
            sys::llama_model_n_layer(self.handle()) + sys::llama_model_n_layer_nextn(self.handle())
        };
        u32::try_from(blocks).unwrap_or(0) + 1
    }

    /// Size of the vocabulary.
    pub(super) fn n_vocab(&self) -> u32 {
        // SAFETY: a live model, and its vocabulary lives as long.
        let n = unsafe { sys::llama_vocab_n_tokens(sys::llama_model_get_vocab(self.handle())) };
        u32::try_from(n).unwrap_or(0)
    }

    /// Whether it has an encoder, and whether it has a decoder.
    pub(super) fn halves(&self) -> (bool, bool) {
        // SAFETY: a live model.
        unsafe {
            let model = self.handle();
            (sys::llama_model_has_encoder(model), sys::llama_model_has_decoder(model))
        }
    }

    /// Whether it keeps a state, in all layers or in some, that cannot give a token back.
    pub(super) fn has_state(&self) -> bool {
        // SAFETY: a live model.
        unsafe {
            sys::llama_model_is_recurrent(self.handle())
                || sys::llama_model_is_hybrid(self.handle())
        }
    }

    /// The token that its decoder begins with, behind an encoder.
    pub(super) fn start_token(&self) -> Token {
        // SAFETY: a live model.
        let start = unsafe { sys::llama_model_decoder_start_token(self.handle()) };
        // -1 stands for none.
        if start >= 0 { start } else { self.opening_token().unwrap_or(0) }
    }

    /// The token that opens a text, where the vocabulary wants one.
    pub(super) fn opening_token(&self) -> Option<Token> {
        // SAFETY: a live model, and its vocabulary lives as long.
        unsafe {
            let vocab = sys::llama_model_get_vocab(self.handle());
            sys::llama_vocab_get_add_bos(vocab).then(|| sys::llama_vocab_bos(vocab))
        }
    }
}

impl Drop for LoadedModel {
    fn drop(&mut self) {
        // SAFETY: made by a load, freed only here; sessions hold an `Rc` of this value, so none is left.
        unsafe { sys::llama_model_free(self.handle()) }
    }
}

/// A path as the engine takes it.
pub(super) fn c_path(path: &Path) -> Result<CString, EngineError> {
    CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| EngineError(format!("the path {} has a zero byte", path.display())))
}
