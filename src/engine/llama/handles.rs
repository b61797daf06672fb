//! Owners of what a session borrows from the engine: the context, the batch and the threads. Each frees
//! its own when it goes.

use std::ffi::c_void;
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use super::model::LoadedModel;
use super::{devices, params, reason};
use crate::engine::{EngineError, Token};
use crate::setup::Config;
use crate::work::Extent;

/// The first sequence in a context, and the one that is there in each.
pub(super) const SEQUENCE: sys::llama_seq_id = 0;

/// Owner of a context.
pub(super) struct Context(NonNull<sys::llama_context>);

impl Context {
    pub(super) fn new(
        model: &LoadedModel,
        config: &Config,
        extent: Extent,
    ) -> Result<Self, EngineError> {
        // SAFETY: a live model, which the session keeps until the context is gone.
        let context =
            unsafe { sys::llama_init_from_model(model.handle(), params::context(config, extent)) };
        NonNull::new(context)
            .map(Self)
            .ok_or_else(|| reason::failure("the context was not created"))
    }

    #[inline]
    pub(super) fn get(&self) -> *mut sys::llama_context {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed only here.
        unsafe { sys::llama_free(self.get()) }
    }
}

/// Owner of a batch, made for one context and used for all its decodes.
pub(super) struct Batch {
    handle: NonNull<sys::llama_batch_ext>,
    capacity: u32,
    len: u32,
}

impl Batch {
    pub(super) fn new(context: &Context) -> Result<Self, EngineError> {
        // SAFETY: a live context.
        let (batch, capacity) = unsafe {
            (sys::llama_batch_ext_init(context.get()), sys::llama_n_batch(context.get()))
        };
        let no_batch = || EngineError("the engine made no batch".into());
        let handle = NonNull::new(batch).filter(|_| capacity > 0).ok_or_else(no_batch)?;
        Ok(Self { handle, capacity, len: 0 })
    }

    /// Most tokens it holds: the logical batch size, or the context where that is smaller.
    #[inline]
    pub(super) fn capacity(&self) -> u32 {
        self.capacity
    }

    #[inline]
    pub(super) fn get(&self) -> *mut sys::llama_batch_ext {
        self.handle.as_ptr()
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        // SAFETY: a live batch.
        unsafe { sys::llama_batch_ext_clear(self.get()) }
        self.len = 0;
    }

    /// Whether another token has no room.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len == self.capacity
    }

    /// Adds a token of a sequence, with logits where `output` says so.
    #[inline]
    pub(super) fn push(
        &mut self,
        token: Token,
        sequence: sys::llama_seq_id,
        at: sys::llama_pos,
        output: bool,
    ) -> Result<(), EngineError> {
        // SAFETY: a live batch. A token has one position, which is all the engine reads.
        let index = unsafe {
            let index = sys::llama_batch_ext_add_token(self.get(), sequence, token);
            sys::llama_batch_ext_set_pos(self.get(), index, &raw const at);
            if output {
                sys::llama_batch_ext_set_output_logits(self.get(), index, true);
            }
            index
        };
        self.len += 1;
        if index < 0 { Err(reason::decode_failure(-1)) } else { Ok(()) }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed only here.
        unsafe { sys::llama_batch_ext_free(self.get()) }
    }
}

type MakeThreads = unsafe extern "C" fn(*mut sys::ggml_threadpool_params) -> sys::ggml_threadpool_t;
type UseThreads = unsafe extern "C" fn(sys::ggml_backend_t, sys::ggml_threadpool_t);
type FreeThreads = unsafe extern "C" fn(sys::ggml_threadpool_t);

/// Owner of a thread pool. Its functions belong to the CPU backend, which may be a module loaded at run
/// time, so they are asked for by name.
pub(super) struct Threads {
    handle: NonNull<sys::ggml_threadpool>,
    free: FreeThreads,
}

impl Threads {
    pub(super) fn new(mut params: sys::ggml_threadpool_params) -> Result<Self, EngineError> {
        let missing = || EngineError("the CPU backend offers no thread pools".into());
        let make = devices::cpu_function(c"ggml_threadpool_new");
        let free = devices::cpu_function(c"ggml_threadpool_free");
        // SAFETY: null becomes `None`; any other address under these names has this type.
        let (make, free) = unsafe {
            (
                std::mem::transmute::<*mut c_void, Option<MakeThreads>>(make),
                std::mem::transmute::<*mut c_void, Option<FreeThreads>>(free),
            )
        };
        let (make, free) = (make.ok_or_else(missing)?, free.ok_or_else(missing)?);
        // SAFETY: the engine copies the parameters.
        let handle = unsafe { make(&raw mut params) };
        let handle =
            NonNull::new(handle).ok_or_else(|| reason::failure("the threads were not created"))?;
        Ok(Self { handle, free })
    }

    pub(super) fn get(&self) -> sys::ggml_threadpool_t {
        self.handle.as_ptr()
    }

    /// Makes the CPU compute with these threads. They must outlive what it computes.
    pub(super) fn drive(&self, cpu: sys::ggml_backend_t, n_threads: i32) {
        let count = devices::cpu_function(c"ggml_backend_set_n_threads");
        let pool = devices::cpu_function(c"ggml_backend_cpu_set_threadpool");
        // SAFETY: null becomes `None`; any other address under these names has this type. The CPU is
        // alive, as its caller has it.
        unsafe {
            let count: sys::ggml_backend_set_n_threads_t = std::mem::transmute(count);
            let pool = std::mem::transmute::<*mut c_void, Option<UseThreads>>(pool);
            if let Some(set) = count {
                set(cpu, n_threads);
            }
            if let Some(set) = pool {
                set(cpu, self.get());
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed only here, after the context that used it.
        unsafe { (self.free)(self.get()) }
    }
}
