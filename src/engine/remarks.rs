//! Remarks of the engine: what it says of settings that it does not take as they were asked for.
//!
//! llama.cpp has no codes for this. A lock that the system refuses, a mask without a CPU, an attention that a device
//! lacks: it says a line and goes on, and the figures are those of another setting. Most of its lines come through
//! its log, some go straight to standard error, so that the worker and its parent both look here.

/// Words that a line must have, all of them, and what that means for the row.
struct Remark {
    words: &'static [&'static str],
    text: &'static str,
}

/// Every remark. The first that fits a line counts.
static REMARKS: [Remark; 21] = [
    Remark {
        words: &["failed to mlock"],
        text: "the weights are not locked in memory as -lm asks: the system refuses (ulimit -l says how much it allows)",
    },
    Remark {
        words: &["failed to VirtualLock"],
        text: "the weights are not locked in memory as -lm asks: the system refuses",
    },
    Remark {
        words: &["mlock not supported"],
        text: "the weights are not locked in memory as -lm asks: this system cannot",
    },
    Remark {
        words: &["mmap is not supported"],
        text: "the file is not mapped as -lm asks: this system cannot",
    },
    Remark {
        words: &["mmap is not available, so tensor"],
        text: "a tensor that was to be read when it is needed is in memory as a whole: the file is not mapped",
    },
    Remark {
        words: &["alling back to buffered"],
        text: "the file is read through the system's cache, and not past it as -lm dio asks: the file system refuses",
    },
    Remark {
        words: &["Flash Attention not supported, set to disabled"],
        text: "flash attention is off: a device that has layers cannot compute it",
    },
    Remark {
        words: &["flash_attn is not compatible"],
        text: "flash attention is off: the model's architecture does not go with it",
    },
    Remark {
        words: &["disabling flash attention"],
        text: "flash attention is off: the engine turned it off",
    },
    Remark {
        words: &[" not supported, set to disabled"],
        text: "an operation is computed in parts: a device that has layers cannot compute it as one",
    },
    Remark {
        words: &["retrying without pipeline parallelism"],
        text: "the devices compute one after the other: there was no room for the buffers that they need side by side",
    },
    Remark {
        words: &["converting K and V to f16 instead"],
        text: "the device has no kernel for these types of the KV cache (-ctk, -ctv): they become f16 in each step, \
               which is slow",
    },
    Remark {
        words: &["failed to set affinity mask"],
        text: "threads are not on the CPUs that -C asks for: the system refuses",
    },
    Remark {
        words: &["pthread_setaffinity_np() failed"],
        text: "threads are not where --numa asks for: the system refuses",
    },
    Remark {
        words: &["failed to set thread priority"],
        text: "threads have not the priority that --prio asks for: the system refuses",
    },
    Remark {
        words: &["requested more threads", "than available"],
        text: "fewer threads compute than -t asks for",
    },
    Remark {
        words: &["numa_balancing is enabled"],
        text: "the system moves memory between NUMA nodes meanwhile (kernel.numa_balancing is on)",
    },
    Remark {
        words: &["hipMallocManaged unsupported"],
        text: "GGML_CUDA_ENABLE_UNIFIED_MEMORY is set, and the device has no such memory",
    },
    Remark {
        words: &["ignoring invalid GGML_CUDA_DEVICES"],
        text: "GGML_CUDA_DEVICES is set to what the engine cannot read, and changes nothing",
    },
    Remark {
        words: &["graph reuse disabled"],
        text: "LLAMA_GRAPH_REUSE_DISABLE is set: each step builds its graph anew",
    },
    Remark {
        words: &["attention rotation force disabled"],
        text: "LLAMA_ATTN_ROT_DISABLE is set: a quantized KV cache is not rotated",
    },
];

/// What a line says of a setting that was not taken; `None` where it is about something else.
pub fn of(line: &str) -> Option<&'static str> {
    let fits = |remark: &&Remark| remark.words.iter().all(|words| line.contains(words));
    REMARKS.iter().find(fits).map(|remark| remark.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as the engine writes them.
    #[test]
    fn what_a_line_means() {
        let lines = [
            "warning: failed to mlock 31866880-byte buffer (after previously locking 0 bytes): Cannot allocate memory",
            "warning: failed to VirtualLock 9-byte buffer (after previously locking 0 bytes): no",
            "warning: mlock not supported on this system",
            "llama_model_loader: mmap is not supported on this platform",
            "add: mmap is not available, so tensor token_embd.weight (size = 9 MiB) is loaded into RAM in full",
            "Failed to open file 'x.gguf' with error: Invalid argument. Falling back to buffered I/O",
            "read_raw: Falling back to buffered IO due to Invalid argument",
            "resolve_fused_ops: Flash Attention not supported, set to disabled",
            "llama_init_from_model: flash_attn is not compatible with Grok - forcing off",
            "opt_init: disabling flash attention, FLASH_ATTN_EXT has no backward pass",
            "resolve_fused_ops: fused Gated Delta Net (chunked) not supported, set to disabled",
            "sched_reserve: compute buffer allocation failed, retrying without pipeline parallelism",
            "ggml_cuda_flash_attn_ext_vec: no FlashAttention vector kernel compiled for K/V types q4_0-f16, \
             converting K and V to f16 instead (slow). Add \"q4_0-f16\" to GGML_CUDA_FA_QUANTS to compile it.",
            "warn: failed to set affinity mask 0x55c1798b4490 : Invalid argument (22)",
            "warning: pthread_setaffinity_np() failed: Invalid argument",
            "warn: failed to set thread priority 2 : Operation not permitted (1)",
            "cplan requested more threads (8) than available (2)",
            "/proc/sys/kernel/numa_balancing is enabled, this has been observed to impair performance",
            "hipMallocManaged unsupported, falling back to hipMalloc.",
            "ggml_cuda_init: ignoring invalid GGML_CUDA_DEVICES=\"x\"",
            "llama_context: graph reuse disabled",
            "llama_kv_cache: attention rotation force disabled (LLAMA_ATTN_ROT_DISABLE)",
        ];
        let told = lines.map(|line| format!("{line}\n    {}", of(line).unwrap_or("—")));
        insta::assert_snapshot!(told.join("\n"));
        let mut texts: Vec<_> = lines.iter().filter_map(|line| of(line)).collect();
        texts.dedup();
        assert_eq!(texts.len(), REMARKS.len(), "each remark has its line");
    }

    #[test]
    fn what_it_says_of_everything_else_is_no_remark() {
        for line in [
            "llama_context: flash_attn            = auto",
            "resolve_fused_ops: Flash Attention enabled",
            "load_tensors: loading model tensors, this can take a while... (load_mode = mmap+mlock)",
            "llama_context: n_ctx_seq (256) < n_ctx_train (2048) -- the full capacity will not be utilized",
            "Try increasing RLIMIT_MEMLOCK ('ulimit -l' as root).",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
