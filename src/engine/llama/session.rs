//! A context, and the operations that are timed: step for step what llama-bench does between its two
//! readings of the clock, with one batch made beforehand and used again.

use std::rc::Rc;

use llama_cpp_sys_2 as sys;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::flash::flash_attention;
use super::greatest::greatest;
use super::handles::{Batch, Context, SEQUENCE, Threads};
use super::intake::Intake;
use super::model::LoadedModel;
use super::{affinity, logs, params, reason};
use crate::engine::{EngineError, Session, Token};
use crate::setup::{Config, Process};
use crate::units::Nanos;
use crate::work::Extent;

/// Seed of the tokens: every session processes the same sequence, and goes on in it from one repetition
/// to the next, so that the samples of a row differ in their tokens and two runs do not.
const SEED: u64 = 1;

/// One context on a loaded model, with its own threads. Keeps the model in memory.
pub struct LlamaSession {
    // In the order in which they must go.
    pub(super) batch: Batch,
    context: Context,
    _threads: Threads,
    model: Rc<LoadedModel>,
    flash_attn: Option<bool>,
    rng: Pcg64Mcg,
    /// Position of the next token, the same in every sequence.
    pub(super) position: sys::llama_pos,
    /// The tokens that the next step processes, one for each sequence.
    tokens: Vec<Token>,
    pub(super) n_vocab: Token,
    /// What prompts begin with, if it is not random.
    text: Vec<Token>,
    /// Sequences side by side.
    n_parallel: sys::llama_seq_id,
    /// Whether all sequences have one prompt, processed once.
    prompt_shared: bool,
    /// How the model takes a prompt.
    intake: Intake,
    /// Whether the last operation left logits behind.
    has_logits: bool,
}

impl LlamaSession {
    /// Creates a context of this extent with the context axes of `config`.
    pub(super) fn open(
        model: Rc<LoadedModel>,
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
        let intake = Intake::of(&model, &context, config)?;
        let flash_attn = flash_attention(config.flash_attn, &logs::lines());
        let threads = Threads::new(params::threadpool(config, process)?)?;
        // SAFETY: both are alive, and the session frees the threads after the context.
        unsafe {
            sys::llama_attach_threadpool(context.get(), threads.get(), std::ptr::null_mut());
            sys::llama_set_n_threads(context.get(), n_threads, n_threads);
        }
        let mut session = Self {
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
            intake,
            tokens: Vec::with_capacity(extent.n_parallel as usize),
            has_logits: false,
        };
        if let Intake::Answered(_) = intake {
            // A decoder looks at what was encoded, and there is always something.
            session.encode(1)?;
        }
        Ok(session)
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

    /// Decodes the batch.
    #[inline]
    pub(super) fn decode(&mut self) -> Result<(), EngineError> {
        self.process(sys::LLAMA_PROCESS_TYPE_DECODE)
    }

    /// Processes the batch.
    #[inline]
    fn process(&mut self, how: sys::llama_process_type) -> Result<(), EngineError> {
        // SAFETY: both are alive, and the batch was made for this context.
        let code = unsafe { sys::llama_process(self.context.get(), how, self.batch.get()) };
        self.has_logits = code == 0;
        if code == 0 { Ok(()) } else { Err(reason::decode_failure(code)) }
    }

    /// Encodes a text as a whole: no logits come of it.
    ///
    /// # Errors
    /// When the batches do not hold it: the engine would abort.
    fn encode(&mut self, n: u32) -> Result<(), EngineError> {
        // SAFETY: a live context.
        let most = unsafe { sys::llama_n_ubatch(self.context.get()) }.min(self.batch.capacity());
        if n > most {
            let text = format!("a text of {n} tokens is encoded at once, and a batch holds {most}");
            return Err(EngineError(text));
        }
        self.batch.clear();
        let mut token = self.first_token();
        for at in 0..n {
            token = self.text.get(at as usize).copied().unwrap_or(token);
            let position = sys::llama_pos::try_from(at).unwrap_or(sys::llama_pos::MAX);
            self.batch.push(token, SEQUENCE, position, true)?;
            token = self.random_token();
        }
        self.process(sys::LLAMA_PROCESS_TYPE_ENCODE)?;
        self.synchronize();
        self.has_logits = false;
        Ok(())
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

    /// Copies what the first sequence holds to all others. The engine copies a cache when it next decodes, so a
    /// token goes through and is forgotten again. A state forgets nothing: it is written out and read back.
    fn spread(&mut self) -> Result<(), EngineError> {
        if self.n_parallel == 1 {
            return Ok(());
        }
        if self.model.has_state() {
            return self.spread_state();
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

    fn spread_state(&mut self) -> Result<(), EngineError> {
        let uncopied = || EngineError("the state of a sequence could not be copied".into());
        let state = self.save().ok_or_else(uncopied)?;
        for sequence in 1..self.n_parallel {
            if !self.read_back(&state, sequence) {
                return Err(uncopied());
            }
        }
        self.find_position();
        self.has_logits = false;
        Ok(())
    }

    /// Gives a sequence a saved state.
    fn read_back(&mut self, state: &[u8], sequence: sys::llama_seq_id) -> bool {
        // SAFETY: a live context; the engine reads at most as many bytes as there are.
        let read = unsafe {
            let data = state.as_ptr();
            sys::llama_state_seq_set_data(self.context.get(), data, state.len(), sequence)
        };
        read > 0
    }

    /// Waits for the device.
    #[inline]
    pub(super) fn synchronize(&mut self) {
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
        self.logits_of(-1)
    }

    /// Logits of the token at this place in the batch, which was to be an output; -1 for the last one.
    pub(super) fn logits_of(&mut self, place: i32) -> Result<&[f32], EngineError> {
        if !self.has_logits {
            return Err(EngineError("nothing was decoded, so there are no logits".into()));
        }
        // SAFETY: a live context; the engine gives null for a token that is no output.
        let logits = unsafe { sys::llama_get_logits_ith(self.context.get(), place) };
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
        if self.intake != Intake::Decoded {
            return self.encode(n);
        }
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
        if let (Intake::Answered(start), false) = (self.intake, self.has_logits) {
            self.find_position();
            self.batch.clear();
            self.batch.push(start, SEQUENCE, self.position, true)?;
            self.decode()?;
        }
        let best = greatest(self.logits()?).and_then(|index| Token::try_from(index).ok());
        best.ok_or_else(|| EngineError("no logit is a number: this model computes nothing".into()))
    }

    fn tokens_of(&self, text: &str) -> Result<Vec<Token>, EngineError> {
        self.model.tokenize(text, false)
    }

    fn opening_token(&self) -> Option<Token> {
        self.model.opening_token()
    }

    fn score(
        &mut self,
        tokens: &[Token],
        first: usize,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), EngineError> {
        self.score_in_parts(tokens, first, each)
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
        let read = self.read_back(state, SEQUENCE);
        self.has_logits = false;
        let restored = read && self.spread().is_ok();
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
