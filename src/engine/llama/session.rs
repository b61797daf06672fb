//! A context, and the operations that are timed: step for step what llama-bench does between its two
//! readings of the clock, with one batch made beforehand and used again.

use std::rc::Rc;

use llama_cpp_sys_2 as sys;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::handles::{Batch, Context, SEQUENCE, Threads};
use super::logs::Line;
use super::model::Model;
use super::{affinity, logs, params, reason};
use crate::engine::{EngineError, Session, Token};
use crate::setup::{Config, FlashAttention, Process};
use crate::units::Nanos;
use crate::work::Extent;

/// Seed of the tokens: every session processes the same sequence, and goes on in it from one repetition
/// to the next, so that the samples of a row differ in their tokens and two runs do not.
const SEED: u64 = 1;

/// One context on a loaded model, with its own threads. Keeps the model in memory.
pub struct LlamaSession {
    // In the order in which they must go.
    batch: Batch,
    context: Context,
    _threads: Threads,
    model: Rc<Model>,
    flash_attn: Option<bool>,
    rng: Pcg64Mcg,
    /// Position of the next token, the same in every sequence.
    position: sys::llama_pos,
    /// The tokens that the next step processes, one for each sequence.
    tokens: Vec<Token>,
    n_vocab: Token,
    /// What prompts begin with, if it is not random.
    text: Vec<Token>,
    /// Sequences side by side.
    n_parallel: sys::llama_seq_id,
    /// Whether all sequences have one prompt, processed once.
    prompt_shared: bool,
    /// Whether the last operation left logits behind.
    has_logits: bool,
}

impl LlamaSession {
    /// Creates a context of this extent with the context axes of `config`.
    pub(super) fn open(
        model: Rc<Model>,
        config: &Config,
        extent: Extent,
        process: Process,
    ) -> Result<Self, EngineError> {
        logs::begin();
        affinity::place(config)?;
        let n_threads = params::threads(config)?;
        let n_vocab = Token::try_from(model.n_vocab()).unwrap_or(0);
        if n_vocab == 0 {
            return Err(EngineError("the model has no vocabulary".into()));
        }
        let n_parallel = sequences(config, extent.n_parallel)?;
        let context = Context::new(&model, config, extent)?;
        let flash_attn = flash_attention(config.flash_attn, &logs::lines());
        let threads = Threads::new(params::threadpool(config, process)?)?;
        // SAFETY: both are alive, and the session frees the threads after the context.
        unsafe {
            sys::llama_attach_threadpool(context.get(), threads.get(), std::ptr::null_mut());
            sys::llama_set_n_threads(context.get(), n_threads, n_threads);
        }
        Ok(Self {
            batch: Batch::new(&context)?,
            context,
            _threads: threads,
            model,
            flash_attn,
            rng: Pcg64Mcg::seed_from_u64(SEED),
            position: 0,
            n_vocab,
            text: Vec::new(),
            n_parallel,
            prompt_shared: extent.prompt_shared,
            tokens: Vec::with_capacity(extent.n_parallel as usize),
            has_logits: false,
        })
    }

    /// Any token.
    #[inline]
    fn random_token(&mut self) -> Token {
        self.rng.random_range(0..self.n_vocab)
    }

    /// The token that opens a text, or any where the vocabulary has none.
    fn first_token(&mut self) -> Token {
        match self.model.opening_token() {
            Some(token) => token,
            None => self.random_token(),
        }
    }

    /// Processes the batch, and counts the tokens in it.
    #[inline]
    fn decode(&mut self) -> Result<(), EngineError> {
        // SAFETY: both are alive, and the batch was made for this context.
        let code = unsafe {
            let decode = sys::LLAMA_PROCESS_TYPE_DECODE;
            sys::llama_process(self.context.get(), decode, self.batch.get())
        };
        self.has_logits = code == 0;
        if code == 0 { Ok(()) } else { Err(reason::decode_failure(code)) }
    }

    /// Processes a prompt of the first sequence, with the logits of each batch's last token; `text` says
    /// whether it is the one that was given.
    fn prompt_of_one(&mut self, n: u32, text: bool) -> Result<(), EngineError> {
        let mut token = self.first_token();
        let mut done = 0;
        while done < n {
            let chunk = (n - done).min(self.batch.capacity());
            self.batch.clear();
            self.find_position();
            for i in 1..=chunk {
                if text {
                    token = self.text.get((done + i - 1) as usize).copied().unwrap_or(token);
                }
                self.batch.push(token, SEQUENCE, self.position, i == chunk)?;
                self.position += 1;
                token = self.random_token();
            }
            self.decode()?;
            done += chunk;
        }
        self.synchronize();
        Ok(())
    }

    /// Processes a prompt for each of the first sequences, packed into as few batches as they fill, with
    /// the logits of each sequence's last token.
    fn prompts_of(&mut self, sequences: sys::llama_seq_id, n: u32) -> Result<(), EngineError> {
        self.find_position();
        let start = self.position;
        self.batch.clear();
        for sequence in 0..sequences {
            let mut token = self.first_token();
            self.position = start;
            for i in 1..=n {
                if self.batch.is_full() {
                    self.decode()?;
                    self.batch.clear();
                }
                token = self.text.get(i as usize - 1).copied().unwrap_or(token);
                self.batch.push(token, sequence, self.position, i == n)?;
                self.position += 1;
                token = self.random_token();
            }
        }
        self.decode()?;
        self.synchronize();
        Ok(())
    }

    /// Copies what the first sequence holds to all others. The engine copies when it next decodes, so a
    /// token goes through and is forgotten again.
    fn spread(&mut self) -> Result<(), EngineError> {
        if self.n_parallel == 1 {
            return Ok(());
        }
        // SAFETY: a live context; the sequences are below the number that it was made for.
        unsafe {
            let memory = sys::llama_get_memory(self.context.get());
            for sequence in 1..self.n_parallel {
                sys::llama_memory_seq_cp(memory, SEQUENCE, sequence, -1, -1);
            }
        }
        self.find_position();
        let end = self.position;
        let token = self.random_token();
        self.batch.clear();
        self.batch.push(token, SEQUENCE, end, true)?;
        self.decode()?;
        self.synchronize();
        // SAFETY: as above.
        unsafe {
            let memory = sys::llama_get_memory(self.context.get());
            sys::llama_memory_seq_rm(memory, SEQUENCE, end, -1);
        }
        Ok(())
    }

    /// Waits for the device.
    #[inline]
    fn synchronize(&mut self) {
        // SAFETY: a live context.
        unsafe { sys::llama_synchronize(self.context.get()) }
    }

    /// Takes the position of the next token from the context.
    fn find_position(&mut self) {
        // SAFETY: a live context; -1 stands for no token, and for no memory.
        self.position = unsafe {
            sys::llama_memory_seq_pos_max(sys::llama_get_memory(self.context.get()), SEQUENCE) + 1
        };
    }

    /// Logits of the last token.
    fn logits(&mut self) -> Result<&[f32], EngineError> {
        if !self.has_logits {
            return Err(EngineError("nothing was decoded, so there are no logits".into()));
        }
        // SAFETY: a live context; the last token of every batch is an output.
        let logits = unsafe { sys::llama_get_logits_ith(self.context.get(), -1) };
        if logits.is_null() {
            return Err(reason::failure("there are no logits"));
        }
        // SAFETY: a row of the output holds one number for each token of the vocabulary, and stays until
        // the next decode, which needs the exclusive access that this borrow has.
        Ok(unsafe { std::slice::from_raw_parts(logits, self.n_vocab.unsigned_abs() as usize) })
    }
}

impl Session for LlamaSession {
    fn n_ctx(&self) -> u32 {
        // SAFETY: a live context.
        unsafe { sys::llama_n_ctx(self.context.get()) }
    }

    fn flash_attn(&self) -> Option<bool> {
        self.flash_attn
    }

    fn clear(&mut self) {
        // SAFETY: a live context; the engine accepts one without memory.
        unsafe { sys::llama_memory_clear(sys::llama_get_memory(self.context.get()), false) }
        self.position = 0;
        self.has_logits = false;
    }

    fn use_text(&mut self, tokens: &[Token]) {
        self.text = tokens.to_vec();
    }

    fn prompt(&mut self, n: u32) -> Result<(), EngineError> {
        if self.n_parallel == 1 {
            return self.prompt_of_one(n, true);
        }
        let prompts = if self.prompt_shared { 1 } else { self.n_parallel };
        self.prompts_of(prompts, n)
    }

    fn share_prompt(&mut self) -> Result<(), EngineError> {
        if self.prompt_shared { self.spread() } else { Ok(()) }
    }

    fn fill(&mut self, n: u32) -> Result<(), EngineError> {
        self.prompt_of_one(n, false)?;
        self.spread()
    }

    fn begin_generation(&mut self) {
        self.tokens.clear();
        for _ in 0..self.n_parallel {
            let token = self.first_token();
            self.tokens.push(token);
        }
        self.find_position();
    }

    fn step(&mut self) -> Result<(), EngineError> {
        self.batch.clear();
        for sequence in 0..self.n_parallel {
            let token = self.tokens[sequence.unsigned_abs() as usize];
            self.batch.push(token, sequence, self.position, true)?;
        }
        self.decode()?;
        self.synchronize();
        self.position += 1;
        for at in 0..self.tokens.len() {
            self.tokens[at] = self.random_token();
        }
        Ok(())
    }

    fn sample_greedy(&mut self) -> Result<Token, EngineError> {
        let best = greatest(self.logits()?).and_then(|index| Token::try_from(index).ok());
        best.ok_or_else(|| EngineError("no logit is a number: this model computes nothing".into()))
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        // SAFETY: a live context.
        let size = unsafe { sys::llama_state_seq_get_size(self.context.get(), SEQUENCE) };
        let mut state = vec![0; size];
        // SAFETY: a live context; the engine writes at most `size` bytes.
        let written = unsafe {
            let data = state.as_mut_ptr();
            sys::llama_state_seq_get_data(self.context.get(), data, size, SEQUENCE)
        };
        state.truncate(written);
        (written > 0).then_some(state)
    }

    fn restore(&mut self, state: &[u8]) -> bool {
        // SAFETY: a live context; the engine reads at most as many bytes as there are.
        let read = unsafe {
            let data = state.as_ptr();
            sys::llama_state_seq_set_data(self.context.get(), data, state.len(), SEQUENCE)
        };
        self.has_logits = false;
        let restored = read > 0 && self.spread().is_ok();
        self.find_position();
        restored
    }

    #[inline]
    fn now(&self) -> Nanos {
        Nanos::monotonic()
    }
}

/// A number of sequences, as the engine counts them.
///
/// # Errors
/// When there are more than the engine has room for, or than fit into a batch: it would abort.
fn sequences(config: &Config, n_parallel: u32) -> Result<sys::llama_seq_id, EngineError> {
    if config.n_batch < n_parallel {
        return Err(EngineError(format!(
            "-np {n_parallel} needs a batch with a token of each sequence: give -b {n_parallel} or more"
        )));
    }
    // SAFETY: takes nothing.
    let most = unsafe { sys::llama_max_parallel_sequences() };
    match sys::llama_seq_id::try_from(n_parallel) {
        Ok(sequences) if n_parallel as usize <= most && n_parallel > 0 => Ok(sequences),
        _ => Err(EngineError(format!("-np {n_parallel}: the engine takes 1 to {most} sequences"))),
    }
}

/// Whether a new context uses flash attention: as asked, unless its log says otherwise.
fn flash_attention(asked: FlashAttention, lines: &[Line]) -> Option<bool> {
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

/// Index of the greatest number; the first of equals. `None` where there is no number at all.
fn greatest(values: &[f32]) -> Option<usize> {
    const LANES: usize = 32;
    let (chunks, rest) = values.as_chunks::<LANES>();
    // Plain comparisons in fixed lanes become vector instructions, and are false for NaN.
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (best, value) in lanes.iter_mut().zip(chunk) {
            *best = if *value > *best { *value } else { *best };
        }
    }
    let best = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    #[allow(clippy::float_cmp)] // it is one of them, bit for bit, or an equal zero
    let is_best = |value: &f32| *value == best;
    let holds_best = |chunk: &[f32; LANES]| chunk.iter().fold(false, |a, v| a | is_best(v));
    let start = chunks.iter().position(holds_best).unwrap_or(chunks.len()) * LANES;
    let offset = values.get(start..)?.iter().position(is_best)?;
    Some(start + offset)
}

#[cfg(test)]
mod tests {
    use super::super::logs::Level;
    use super::*;

    #[test]
    fn the_greatest_logit_is_found_past_nan() {
        let mut values: Vec<f32> = (0_u8..100).map(|i| f32::from(i % 50)).collect();
        assert_eq!(greatest(&values), Some(49));
        values[3] = f32::NAN;
        values[97] = 50.0;
        assert_eq!(greatest(&values), Some(97));
        values[64] = f32::INFINITY;
        assert_eq!(greatest(&values), Some(64));
        assert_eq!(greatest(&[f32::NEG_INFINITY; 40]), Some(0));
        assert_eq!(greatest(&[f32::NAN; 40]), None);
        assert_eq!(greatest(&[]), None);
    }

    #[test]
    fn flash_attention_is_what_the_log_says() {
        use FlashAttention::{Auto, Off, On};
        let log = |text: &str| [Line { level: Level::Info, text: text.to_owned() }];
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
