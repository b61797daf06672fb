//! Axes for which a new context on a loaded model is enough, outermost first, in llama-bench's order.

use super::{Axis, Grammar, Scope, Value, collapse};
use crate::setup::{CacheType, FlashAttention};

const ANY: Grammar = Grammar::Count { min: 0 };
const SOME: Grammar = Grammar::Count { min: 1 };

const fn context(name: &'static str, grammar: Grammar, doc: &'static str) -> Axis {
    Axis::new(name, Scope::Context, grammar, doc)
}

/// The axes.
pub(super) const AXES: [Axis; 16] = [
    context("embeddings", Grammar::Switch, "Compute embeddings besides logits")
        .column("embd")
        .flags("embd", "embeddings", "0|1")
        .field("", "Whether embeddings are computed")
        .default_is(|| Value::Switch(false))
        .of_llama(
            |config| Value::Switch(config.compute.embeddings),
            |config, value| config.compute.embeddings = value.is_on(),
        ),
    context(
        "no_op_offload",
        Grammar::Switch,
        "Compute with weights of the host on the CPU, large batches too",
    )
    .column("nopo")
    .flags("nopo", "no-op-offload", "0|1")
    .field("", "Whether host operations stay on the CPU")
    .as_number()
    .default_is(|| Value::Switch(false))
    .of_llama(
        |config| Value::Switch(config.compute.no_op_offload),
        |config, value| config.compute.no_op_offload = value.is_on(),
    ),
    context("n_batch", SOME, "Logical batch: most tokens of a prompt handed over at once")
        .flags("b", "batch-size", "N")
        .width(7)
        .field("tokens", "Logical batch")
        .default_is(|| Value::Int(2048))
        .of_llama(
            |config| Value::Int(config.n_batch.into()),
            |config, value| config.n_batch = value.count(),
        )
        .collapses(collapse::BATCH),
    context("n_ubatch", SOME, "Physical batch: most tokens computed at once")
        .flags("ub", "ubatch-size", "N")
        .width(8)
        .field("tokens", "Physical batch")
        .default_is(|| Value::Int(512))
        .of_llama(
            |config| Value::Int(config.n_ubatch.into()),
            |config, value| config.n_ubatch = value.count(),
        )
        .collapses(collapse::UBATCH),
    context(
        "type_k",
        Grammar::CacheType,
        "Element type of the K cache: f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, iq4_nl, f32",
    )
    .flags("ctk", "cache-type-k", "TYPE")
    .width(6)
    .field("", "Element type of the K cache")
    .default_is(|| Value::Cache(CacheType::F16))
    .of_llama(
        |config| Value::Cache(config.type_k),
        |config, value| {
            if let Value::Cache(kind) = value {
                config.type_k = kind;
            }
        },
    )
    .collapses(collapse::TYPE_K),
    context(
        "type_v",
        Grammar::CacheType,
        "Element type of the V cache; a quantized one needs flash attention",
    )
    .flags("ctv", "cache-type-v", "TYPE")
    .width(6)
    .field("", "Element type of the V cache")
    .default_is(|| Value::Cache(CacheType::F16))
    .of_llama(
        |config| Value::Cache(config.type_v),
        |config, value| {
            if let Value::Cache(kind) = value {
                config.type_v = kind;
            }
        },
    )
    .collapses(collapse::TYPE_V),
    context("no_kv_offload", Grammar::Switch, "Keep the KV cache on the host")
        .column("nkvo")
        .flags("nkvo", "no-kv-offload", "0|1")
        .field("", "Whether the KV cache stays on the CPU")
        .default_is(|| Value::Switch(false))
        .of_llama(
            |config| Value::Switch(config.compute.no_kv_offload),
            |config, value| config.compute.no_kv_offload = value.is_on(),
        ),
    context("flash_attn", Grammar::FlashAttention, "Flash attention: on, off or auto (1, 0, -1)")
        .column("fa")
        .flags("fa", "flash-attn", "on|off|auto")
        .width(3)
        .field("", "Flash attention, as asked: 1 on, 0 off, -1 auto")
        .default_is(|| Value::Flash(FlashAttention::Auto))
        .of_llama(
            |config| Value::Flash(config.flash_attn),
            |config, value| {
                if let Value::Flash(mode) = value {
                    config.flash_attn = mode;
                }
            },
        )
        .collapses(collapse::FLASH_ATTENTION),
    context("n_threads", SOME, "CPU threads; the default is the number of physical cores")
        .column("threads")
        .flags("t", "threads", "N")
        .width(7)
        .field("threads", "CPU threads")
        .default_of_host(|host| Value::Int(host.default_threads().into()))
        .of_llama(
            |config| Value::Int(config.n_threads.into()),
            |config, value| config.n_threads = value.count(),
        ),
    context(
        "cpu_mask",
        Grammar::Mask,
        "CPUs that the threads may run on, in hexadecimal, e.g. 0xff; 0x0 is any",
    )
    .flags("C", "cpu-mask", "HEX")
    .field("", "CPUs that the threads may run on; all zero is any")
    .default_is(|| Value::Mask("0x0".into()))
    .of_llama(
        |config| Value::Mask(config.compute.cpu_mask.clone()),
        |config, value| {
            if let Value::Mask(mask) = value {
                config.compute.cpu_mask = mask;
            }
        },
    ),
    context("cpu_strict", Grammar::Switch, "Tie each thread to one CPU of the mask")
        .flags("", "cpu-strict", "0|1")
        .field("", "Whether each thread is tied to one CPU")
        .default_is(|| Value::Switch(false))
        .of_llama(
            |config| Value::Switch(config.compute.cpu_strict),
            |config, value| config.compute.cpu_strict = value.is_on(),
        ),
    context("n_depth", ANY, "Tokens already in the context when the clock starts")
        .without_column()
        .flags("d", "n-depth", "N")
        .field("tokens", "Tokens in the context beforehand")
        .implied()
        .of_speed(
            |speed| Value::Int(speed.n_depth.into()),
            |speed, value| speed.n_depth = value.count(),
        ),
    context(
        "poll",
        Grammar::Percent,
        "How hard idle threads look for work: 0 sleeps at once, 100 spins",
    )
    .flags("", "poll", "0...100")
    .field("", "How hard idle threads look for work, 0 to 100")
    .default_is(|| Value::Int(50))
    .of_llama(
        |config| Value::Int(config.compute.poll.into()),
        |config, value| config.compute.poll = value.count(),
    )
    .collapses(collapse::POLL),
    context(
        "n_parallel",
        SOME,
        "Sequences side by side, each with the test's tokens, as llama-batched-bench does it",
    )
    .column("np")
    .flags("np", "n-parallel", "N")
    .field("", "Sequences side by side")
    .implied()
    .default_is(|| Value::Int(1))
    .of_speed(
        |speed| Value::Int(speed.n_parallel.into()),
        |speed, value| speed.n_parallel = value.count(),
    ),
    context("prompt_shared", Grammar::Switch, "Process the prompt once for all sequences of -np")
        .column("pps")
        .flags("pps", "prompt-shared", "0|1")
        .field("", "Whether they share one prompt, processed once")
        .implied()
        .default_is(|| Value::Switch(false))
        .of_speed(
            |speed| Value::Switch(speed.prompt_shared),
            |speed, value| speed.prompt_shared = value.is_on(),
        )
        .collapses(collapse::PROMPT_SHARED),
    context(
        "reserve_ctx",
        ANY,
        "Least size of the context, in tokens: memory figures of the one you will really use",
    )
    .flags("", "reserve-ctx", "N")
    .field("tokens", "Least size of the context that was asked for")
    .implied()
    .of_llama(
        |config| Value::Int(config.reserve_ctx.into()),
        |config, value| config.reserve_ctx = value.count(),
    ),
];
