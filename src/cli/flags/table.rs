//! The table itself, in the order of the help text.

use super::Concern::{Comparing, Means, Measuring, Showing};
use super::{Choices, Flag, Places};

const OF_A_COMPARISON: &str =
    "is about a comparison: give --baseline FILE too, or use `lbench compare`";
const NO_QUALITY: &str = "is about a text that is foretold: give --quality too";
const OLDER: &str = "-mmp and -dio are older spellings of -lm: give -lm alone";

/// Every flag of a sweep, but for axes of which there is nothing to say that does not follow from their own
/// table.
pub static FLAGS: &[Flag] = &[
    Flag::new("model", Measuring).brief("Model file; synth:SPEC is made on the spot"),
    Flag::new("hf-repo", Measuring).spelled(&["hf", "hfr"]).brief_under(
        "Sweep",
        Some("REPO"),
        "[-hf] Model of the Hugging Face hub",
    ),
    Flag::new("hf-file", Measuring).spelled(&["hff"]),
    Flag::new("hf-token", Means)
        .spelled(&["hft"])
        .secret()
        .needs("hf-repo", "is for a model of the hub, and there is no -hf that it could be for"),
    Flag::new("offline", Means),
    Flag::new("n-prompt", Measuring)
        .of_a_sweep()
        .brief("Prompt lengths, 0 for none [default: 512]"),
    Flag::new("n-gen", Measuring)
        .of_a_sweep()
        .brief("Generation lengths, 0 for none [default: 128]"),
    Flag::new("prompt-gen", Measuring)
        .spelled(&["pg"])
        .of_a_sweep()
        .brief("[-pg] Prompt and generation in one test"),
    Flag::new("prompt-file", Measuring).of_a_sweep(),
    Flag::new("quality", Measuring).of_a_sweep().brief("Also perplexity, and KL divergence"),
    Flag::new("text", Measuring).of_a_sweep().needs("quality", NO_QUALITY),
    Flag::new("reference", Measuring).of_a_sweep().needs("quality", NO_QUALITY),
    Flag::new("quality-ctx", Measuring).of_a_sweep().needs("quality", NO_QUALITY),
    Flag::new("chunks", Measuring).of_a_sweep().needs("quality", NO_QUALITY),
    Flag::new("first-chunks", Measuring).of_a_sweep().needs("quality", NO_QUALITY),
    Flag::new("chunk-seed", Measuring).of_a_sweep().needs("quality", NO_QUALITY),
    Flag::new("quality-precision", Measuring).of_a_sweep().needs("quality", NO_QUALITY),
    Flag::new("make", Measuring),
    Flag::new("keep", Means).needs("make", "is about quantizations that are made: give --make too"),
    Flag::new("depth-curve", Measuring)
        .of_a_sweep()
        .excludes("n-depth", "--depth-curve and -d both give depths: give one of them"),
    Flag::new("preset", Measuring)
        .from(Places::NoFile)
        .choices(Choices::Presets)
        .brief("Named sweeps; list shows them"),
    Flag::new("mmap", Measuring).spelled(&["mmp"]).of_a_sweep().excludes("load-mode", OLDER),
    Flag::new("direct-io", Measuring).spelled(&["dio"]).of_a_sweep().excludes("load-mode", OLDER),
    Flag::new("interleave", Measuring),
    Flag::new("no-anchor", Measuring),
    // Axes.
    Flag::new("n-gpu-layers", Measuring).brief("[-ngl] Layers to offload; -1 is all"),
    Flag::new("batch-size", Measuring).brief("Logical batch size"),
    Flag::new("ubatch-size", Measuring).brief("[-ub] Physical batch size"),
    Flag::new("cache-type-k", Measuring).brief("[-ctk] K cache: f16, q8_0, q4_0, ..."),
    Flag::new("cache-type-v", Measuring).brief("[-ctv] V cache"),
    Flag::new("flash-attn", Measuring).brief("[-fa] Flash attention"),
    Flag::new("threads", Measuring).brief("CPU threads [default: physical cores]"),
    Flag::new("n-depth", Measuring).brief("Tokens in the context before the test"),
    // Measuring.
    Flag::new("repetitions", Measuring).brief("Exactly N samples of each test"),
    Flag::new("precision", Measuring).brief("Or until another run agrees this well [default: 1%]"),
    Flag::new("rounds", Measuring),
    Flag::new("max-reps", Measuring),
    Flag::new("max-time", Measuring).brief("But no longer than this for a test [default: 20]"),
    Flag::new("no-warmup", Measuring),
    Flag::new("delay", Measuring),
    Flag::new("numa", Measuring).choices(Choices::NumaModes),
    Flag::new("prio", Measuring),
    Flag::new("cold", Measuring).of_a_sweep().brief("Also N cold starts to the first token"),
    Flag::new("canary", Means),
    Flag::new("no-canary", Means),
    Flag::new("no-telemetry", Measuring),
    Flag::new("no-collapse", Measuring),
    // Limits.
    Flag::new("timeout", Means),
    Flag::new("max-total-time", Means),
    Flag::new("max-vram", Means),
    Flag::new("min-free", Means),
    Flag::new("try-all", Means),
    // Output.
    Flag::new("output", Showing)
        .choices(Choices::Formats)
        .brief("md, json, jsonl, csv, sql, html, none"),
    Flag::new("output-err", Showing).spelled(&["oe"]).choices(Choices::Formats),
    Flag::new("html", Showing).brief("Also write a page with plots"),
    Flag::new("columns", Showing).brief("More columns; help lists them"),
    Flag::new("plot", Showing),
    Flag::new("no-roofline", Means),
    Flag::new("progress", Showing),
    Flag::new("verbose", Showing),
    // Keeping.
    Flag::new("journal", Showing),
    Flag::new("no-journal", Showing),
    Flag::new("resume", Showing).from(Places::Typed).brief_under(
        "Other",
        None,
        "Measure what an earlier run has not",
    ),
    // Comparing.
    Flag::new("baseline", Comparing).brief_under(
        "Other",
        None,
        "Compare with an earlier result file",
    ),
    Flag::new("threshold", Comparing).needs("baseline", OF_A_COMPARISON),
    Flag::new("floor", Comparing).needs("baseline", OF_A_COMPARISON),
    Flag::new("fail-on", Comparing).needs("baseline", OF_A_COMPARISON),
    Flag::new("by", Comparing).needs("baseline", OF_A_COMPARISON),
    Flag::new("force", Comparing).needs("baseline", OF_A_COMPARISON),
    // Other.
    Flag::new("no-config", Showing).from(Places::Typed),
    Flag::new("dry-run", Showing).brief_under(
        "Other",
        None,
        "Print what would be measured, and stop",
    ),
    Flag::new("list-devices", Showing),
    Flag::new("backend-dir", Means).variable("LBENCH_BACKENDS"),
    Flag::new("models-dir", Means).variable("LBENCH_MODELS"),
    Flag::new("scripted", Means),
    Flag::new("version", Showing).apart(),
    Flag::new("help", Showing).apart(),
];
