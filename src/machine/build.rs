//! Build: what this build of lbench is: facts from when it was built, beside what its engine says of itself.

use crate::machine::cards::Cards;
use crate::machine::{Description, DeviceKind, Module};

/// lbench's own version.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");
/// The commit that was built, where that is known.
const COMMIT: &str = env!("LBENCH_BUILD_COMMIT");
/// Version of the crate that carries llama.cpp's source.
const SYS_CRATE: &str = env!("LBENCH_BUILD_SYS_CRATE");
/// The CPU that flags named for the build.
const TARGET_CPU: &str = env!("LBENCH_BUILD_TARGET_CPU");
/// Machine and system that it was built for.
const TARGET: &str = env!("LBENCH_BUILD_TARGET");
/// Cargo's profile.
const PROFILE: &str = env!("LBENCH_BUILD_PROFILE");
/// Whether the engine is in shared libraries, which backends in files of their own need.
pub const SHARED: bool = !env!("LBENCH_BUILD_BUILD_SHARED_LIBS").is_empty();
const MODULES: bool = !env!("LBENCH_BUILD_GGML_BACKEND_DL").is_empty();
const ALL_LEVELS: bool = !env!("LBENCH_BUILD_GGML_CPU_ALL_VARIANTS").is_empty();
const RDMA: bool = !env!("LBENCH_BUILD_GGML_RPC_RDMA").is_empty();
/// How `CMake` built the engine; empty for none.
const ENGINE_PROFILE: &str = env!("LBENCH_BUILD_ENGINE_PROFILE");
const RPC: bool = !env!("LBENCH_BUILD_GGML_RPC").is_empty();

/// What `--version` prints, `engine` being what a worker said, or why none could, and `cards` the GPUs that are
/// there, where they were looked for.
pub fn text(engine: Result<&Description, &str>, cards: Option<&Cards>) -> String {
    let commit = if COMMIT.is_empty() { String::new() } else { format!(" ({COMMIT})") };
    let mut lines = vec![format!("lbench {NUMBER}{commit}")];
    let mut line = |name: &str, value: String| lines.push(format!("{name:<9} {value}"));
    match engine {
        Ok(engine) => {
            line("engine:", engine_of(engine));
            line("kernels:", kernels(engine));
            line("backends:", engine.backends.join(", "));
            let seen = cards.map(|cards| cards.lines(engine)).unwrap_or_default();
            let none = cards.filter(|cards| cards.is_none()).map(|_| {
                // Neither on the bus nor known to a driver: the engine's own word.
                let names = engine.device_names(&[DeviceKind::Gpu, DeviceKind::Igpu]);
                if names.is_empty() { "none found".to_string() } else { names }
            });
            for (index, card) in none.into_iter().chain(seen).enumerate() {
                line(if index == 0 { "gpus:" } else { "" }, card);
            }
        }
        Err(why) => line("engine:", format!("none: {why}")),
    }
    if cfg!(feature = "llama") {
        line("flavour:", flavour());
    }
    let engine = match ENGINE_PROFILE {
        "" | "Release" => String::new(),
        other => format!(", llama.cpp {other}"),
    };
    line("profile:", format!("{PROFILE}, {TARGET}{engine}"));
    lines.join("\n")
}

/// The engine with its commit, where its build recorded one, and where its source came from.
fn engine_of(engine: &Description) -> String {
    let Description { engine: name, build_commit: commit, .. } = engine;
    if !cfg!(feature = "llama") || !name.starts_with("llama.cpp") {
        return name.clone();
    }
    let commit = if name.ends_with(commit) { "not recorded" } else { commit };
    format!("{name}, commit {commit}, from llama-cpp-sys-2 {SYS_CRATE}")
}

/// Instruction sets of the CPU kernels, and how it came to them.
fn kernels(engine: &Description) -> String {
    if engine.cpu_features.is_empty() {
        return "none".to_string();
    }
    let loaded = |module: &&Module| module.trouble.is_none() && module.file.contains("ggml-cpu");
    let how = match engine.modules.iter().find(loaded) {
        Some(module) if ALL_LEVELS => format!("chosen at start: {}", module.file_name()),
        Some(module) => module.file_name().to_string(),
        None if TARGET_CPU.is_empty() => "for any CPU of this kind".to_string(),
        None if TARGET_CPU == "native" => "for the CPU they were built on".to_string(),
        None => format!("for {TARGET_CPU}"),
    };
    format!("{} ({how})", engine.cpu_features.join(", "))
}

/// How the engine is built in.
fn flavour() -> String {
    let linked = match (SHARED, MODULES) {
        (false, _) => "static",
        (true, false) => "shared libraries",
        (true, true) => "shared libraries and backend modules",
    };
    let parts = [
        (true, linked),
        (ALL_LEVELS, "kernels for every CPU"),
        (RPC && !RDMA, "RPC"),
        (RPC && RDMA, "RPC with RDMA"),
        (cfg!(feature = "cuda"), "CUDA"),
        (cfg!(feature = "vulkan"), "Vulkan"),
        (cfg!(feature = "metal"), "Metal"),
        (cfg!(feature = "rocm"), "ROCm"),
    ];
    let parts: Vec<_> = parts.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
    parts.join(", ")
}
