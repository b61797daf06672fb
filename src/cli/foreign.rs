//! Flags of llama.cpp's other programs, and of `ik_llama.cpp`: people type them here, by habit or from a command
//! that they want to measure. Each leads to the flag that means it, or to why there is none.

/// What a foreign flag comes to here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Equal {
    /// What to give instead.
    Give(&'static str),
    /// Nothing; and why.
    Nothing(&'static str),
}

use Equal::{Give, Nothing};

/// Flags by the names that they have elsewhere, without dashes; a star stands for anything.
type ForeignFlag = (&'static [&'static str], Equal);

/// What the flag of this name comes to, if any program has such a one.
pub fn find(name: &str) -> Option<Equal> {
    let name = name.replace('_', "-");
    let positive = || entry(name.strip_prefix("no-")?).filter(|found| matches!(found, Nothing(_)));
    entry(&name).or_else(positive)
}

/// The first entry that has this name.
fn entry(name: &str) -> Option<Equal> {
    let mut entries = [OF_LLAMA, WITHOUT_EQUAL, OF_IK].into_iter().flatten();
    entries.find(|(names, _)| names.iter().any(|known| matches(known, name))).map(|entry| entry.1)
}

/// The same as what to say behind "there is no flag".
pub fn told(name: &str) -> Option<String> {
    Some(match find(name)? {
        Give(text) => format!(": give {text}"),
        Nothing(text) => format!(", and no such thing here: {text}"),
    })
}

/// Whether a name is the one that is known. One with a star at either end stands for many.
fn matches(known: &str, name: &str) -> bool {
    match (known.strip_suffix('*'), known.strip_prefix('*')) {
        (Some(start), _) => name.starts_with(start),
        (_, Some(end)) => name.ends_with(end),
        _ => known == name,
    }
}

/// Flags of llama-server, llama-cli and llama-batched-bench that have their like here.
static OF_LLAMA: &[ForeignFlag] = &[
    (&["no-mmap"], Give("-lm none (--load-mode none)")),
    (&["mlock"], Give("-lm mmap+mlock (--load-mode mmap+mlock)")),
    (&["no-direct-io", "ndio"], Give("-lm auto (--load-mode auto)")),
    (
        &["c", "ctx-size"],
        Give(
            "--reserve-ctx N for a larger context, or -d N for one that N tokens are in already; each test gets one \
             that is as large as it needs",
        ),
    ),
    (&["predict", "n-predict"], Give("-n N (--n-gen N)")),
    (&["gpu-layers"], Give("-ngl N (--n-gpu-layers N)")),
    (&["parallel", "npl", "ns", "sequences"], Give("-np N (--n-parallel N)")),
    (
        &["npp", "ntg"],
        Give("-pg PP,TG (--prompt-gen PP,TG), beside -np N for sequences side by side"),
    ),
    (&["tgs"], Nothing("sequences are always generated together")),
    (&["prompt"], Give("-p N for N random tokens, or --prompt-file FILE for texts")),
    (
        &["f", "file", "bf", "binary-file", "in-file", "system-prompt-file", "sysf"],
        Give("--prompt-file FILE"),
    ),
    (&["nr", "no-repack"], Give("--repack 0")),
    (&["kvo", "kv-offload"], Give("-nkvo 0 (--no-kv-offload 0)")),
    (&["op-offload"], Give("-nopo 0 (--no-op-offload 0)")),
    (&["cmoe", "cpu-moe"], Give("-ncmoe 999 (--n-cpu-moe 999), which is every layer")),
    (&["ncffn", "n-cpu-ffn"], Give("-ot, as in -ot 'blk\\.[0-9]\\.ffn=CPU'")),
    (&["fit", "fitp", "fit-print"], Give("-fitt MIB (--fit-target MIB), or -fitc N (--fit-ctx N)")),
    (&["no-fa", "no-flash-attn"], Give("-fa off (--flash-attn off)")),
    (&["embedding"], Give("-embd 1 (--embeddings 1)")),
    (
        &["tb", "threads-batch", "tgb", "threads-gen-batch"],
        Give("-t N (--threads N), which holds for both"),
    ),
    (
        &["Cb", "cpu-mask-batch", "Cr", "cpu-range", "Crb", "cpu-range-batch"],
        Give("-C HEX (--cpu-mask HEX)"),
    ),
    (&["cpu-strict-batch"], Give("--cpu-strict 0|1")),
    (&["poll-batch"], Give("--poll N")),
    (&["prio-batch"], Give("--prio N")),
    (&["to"], Give("--timeout SECONDS")),
    (&["warmup", "w"], Give("--no-warmup to go without; tests warm up unless told not to")),
    (
        &["mu", "model-url", "dr", "docker-repo"],
        Give("-hf USER/MODEL for a model of the hub, or -m FILE"),
    ),
    (&["output-file", "save-logits"], Give("-o FORMAT, and > FILE behind it")),
    (&["output-format"], Give("-o FORMAT (--output FORMAT)")),
    (&["lv", "verbosity", "log-verbosity", "log-verbose", "log-enable"], Give("-v (--verbose)")),
    (&["usage"], Give("--help")),
    (&["reps", "repeat", "n-repetitions", "nrep", "runs"], Give("-r N (--repetitions N)")),
    (&["n-threads"], Give("-t N (--threads N)")),
    (&["n-batch"], Give("-b N (--batch-size N)")),
    (&["n-ubatch"], Give("-ub N (--ubatch-size N)")),
    (&["type-k"], Give("-ctk TYPE (--cache-type-k TYPE)")),
    (&["type-v"], Give("-ctv TYPE (--cache-type-v TYPE)")),
];

const SAMPLING: &str = "nothing is sampled: what is generated are random tokens";
const SERVING: &str = "lbench serves nobody, but for devices: lbench rpc-server";
const CHATTING: &str = "lbench measures, and does not talk";
const SPECULATING: &str = "lbench measures one model, without a draft";
const SEEING: &str = "lbench measures text models";
const QUALITY: &str = "lbench asks how well a text is foretold (--quality), and nothing else about what a model knows";
const AS_IS: &str = "a model is measured as its file has it";
const CONTEXT: &str = "each test has a context of its own, which is never full";

/// Flags of theirs that have nothing to stand for here; what holds for one holds for its `no-`.
static WITHOUT_EQUAL: &[ForeignFlag] = &[
    // Before what a star would take for something else.
    (
        &["spec-*", "*-draft", "draft", "draft-*", "md", "ngld", "devd", "td", "tbd", "cd", "ctkd"],
        Nothing(SPECULATING),
    ),
    (
        &["ctvd", "otd", "cmoed", "ncmoed", "hfd", "hfrd", "Cd", "Crd", "Cbd", "Crbd", "mtp"],
        Nothing(SPECULATING),
    ),
    (
        &["eagle3", "dflash", "nextn", "lcs", "lcd", "lookup-cache-*", "ps", "p-split"],
        Nothing(SPECULATING),
    ),
    (
        &["s", "seed", "temp", "temperature", "top-*", "min-p", "typical", "typical-p", "samplers"],
        Nothing(SAMPLING),
    ),
    (
        &["sampler-seq", "sampling-seq", "repeat-*", "presence-penalty", "frequency-penalty"],
        Nothing(SAMPLING),
    ),
    (
        &[
            "dry-multiplier",
            "dry-base",
            "dry-allowed-length",
            "dry-penalty-last-n",
            "dry-sequence-breaker",
            "xtc-*",
            "mirostat*",
            "dynatemp-*",
            "adaptive-*",
            "l",
            "logit-bias",
        ],
        Nothing(SAMPLING),
    ),
    (
        &["grammar*", "j", "json-schema*", "jf", "ignore-eos", "bs", "backend-sampling", "tfs"],
        Nothing(SAMPLING),
    ),
    (
        &["host", "port", "path", "api-*", "a", "alias", "tags", "ssl-*", "cors-*", "props"],
        Nothing(SERVING),
    ),
    (
        &["metrics", "slots", "slot-*", "sps", "threads-http", "reuse-port", "agent", "ag"],
        Nothing(SERVING),
    ),
    (&["ui", "ui-*", "webui*", "mcp-*", "tools*", "cb", "cont-batching", "nocb"], Nothing(SERVING)),
    (&["models-max", "models-preset", "models-autoload", "cl", "cache-list"], Nothing(SERVING)),
    (&["media-path", "sleep-idle-seconds", "sse-*", "server-base", "rerank*"], Nothing(SERVING)),
    (&["i", "interactive*", "if", "cnv", "conversation", "st", "single-turn"], Nothing(CHATTING)),
    (&["sys", "system-prompt", "jinja", "chat-template*", "skip-chat-parsing"], Nothing(CHATTING)),
    (
        &["reasoning*", "rea", "in-prefix*", "in-suffix", "reverse-prompt", "co", "color"],
        Nothing(CHATTING),
    ),
    (&["e", "escape", "sp", "special", "mli", "multiline-input", "simple-io"], Nothing(CHATTING)),
    (
        &["display-prompt", "verbose-prompt", "prompt-cache*", "prefill-assistant", "spm-infill"],
        Nothing(CHATTING),
    ),
    (
        &["mm", "mmproj*", "mmu", "image*", "audio", "video*", "tts-*", "mtmd-*", "diffusion-*"],
        Nothing(SEEING),
    ),
    (&["perplexity", "kl-divergence", "ppl"], Give("--quality")),
    (&["ppl-*", "hellaswag*", "winogrande*", "multiple-choice*"], Nothing(QUALITY)),
    (&["kl-divergence-base", "save-all-logits", "check"], Nothing(QUALITY)),
    (
        &["lora*", "control-vector*", "rope-*", "yarn-*", "override-kv", "check-tensors"],
        Nothing(AS_IS),
    ),
    (&["gan", "gaw", "grp-attn-*", "pooling", "attention", "embd-*"], Nothing(AS_IS)),
    (&["context-shift", "swa-full", "kvu", "kv-unified*", "cache-prompt"], Nothing(CONTEXT)),
    (
        &["cache-reuse", "cram", "cache-ram*", "ctxcp", "ctx-checkpoints", "swa-checkpoints"],
        Nothing(CONTEXT),
    ),
    (
        &["dt", "defrag-thold", "cache-idle-slots", "crs", "cms", "checkpoint-min-step"],
        Nothing(CONTEXT),
    ),
    (&["log-*"], Nothing("the engine's log comes whole with -v, on standard error")),
    (&["perf", "show-timings"], Nothing("lbench has its own clock")),
];

/// Flags of `ik_llama.cpp`.
static OF_IK: &[ForeignFlag] = &[
    (&["rtr", "run-time-repack"], Give("--repack 1, which is so unless told otherwise")),
    (&["fit-margin"], Give("-fitt MIB (--fit-target MIB)")),
    (&["gp"], Give("-n TG -d PP: generation behind PP tokens")),
    (
        &[
            "fmoe",
            "fused-*",
            "amb",
            "attn-max-batch",
            "attention-max-batch",
            "mla",
            "mla-attn",
            "mla-use",
            "ser",
            "smart-expert-reduction",
            "gr",
            "graph-*",
            "grt",
            "ger",
            "grouped-expert-routing",
            "mqkv",
            "merge-*",
            "muge",
            "thp",
            "transparent-huge-pages",
            "khad",
            "k-cache-hadamard",
            "vhad",
            "v-cache-hadamard",
            "sas",
            "scheduler-async",
            "fug",
            "mmad",
            "ooae",
            "offload-only-*",
            "cuda",
            "cuda-params",
            "smgs",
            "smf16",
            "smf32",
            "split-mode-*",
            "max-gpu",
            "op",
            "offload-policy",
            "vq",
            "validate-quants",
            "rcache",
            "rope-cache",
            "dkvc",
            "dump-kv-cache",
            "defer-experts",
            "print-overrides",
            "banned-*",
            "warmup-batch",
        ],
        Nothing("it is of ik_llama.cpp, and lbench has llama.cpp"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{argv, flags};

    #[test]
    fn no_flag_of_ours_is_foreign() {
        let own =
            flags::all().map(|flag| flag.long).chain(argv::spellings().map(|(short, _)| short));
        let foreign: Vec<_> = own.filter(|name| entry(name).is_some()).collect();
        assert_eq!(foreign, [""; 0]);
    }

    #[test]
    fn what_is_given_instead_is_a_flag() {
        let gives =
            [OF_LLAMA, WITHOUT_EQUAL, OF_IK].into_iter().flatten().filter_map(
                |entry| match entry.1 {
                    Give(text) => Some(text),
                    Nothing(_) => None,
                },
            );
        for text in gives {
            let words = text.split([' ', '(', ')', ',', ';']).filter(|word| word.starts_with('-'));
            assert!(words.clone().count() > 0, "{text}");
            for word in words {
                let name = word.trim_start_matches('-');
                let known = flags::find(name).is_some() || argv::long_form(name).is_some();
                assert!(known || name.len() == 1, "{text}: {word}");
            }
        }
    }

    #[test]
    fn the_first_entry_of_a_name_counts() {
        assert_eq!(
            find("prompt"),
            Some(Give("-p N for N random tokens, or --prompt-file FILE for texts"))
        );
        assert_eq!(find("cpu-mask-draft"), Some(Nothing(SPECULATING)));
        assert_eq!(find("n_predict"), find("predict"));
        assert_eq!(find("no-context-shift"), find("context-shift"));
        assert!(matches!(find("no-repack"), Some(Give(_))) && find("nonsense").is_none());
    }
}
