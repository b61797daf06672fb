//! What this build is, for `--version`; libraries that travel with the program are looked for beside it: an
//! archive for a host without Rust needs nothing else; and what the engine's build found on this machine and
//! took in is linked too.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;

/// Settings of the engine's build that make another flavour of it.
const FLAVOURS: [&str; 5] =
    ["BUILD_SHARED_LIBS", "GGML_BACKEND_DL", "GGML_CPU_ALL_VARIANTS", "GGML_RPC", "GGML_RPC_RDMA"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let engine = Engine::read().unwrap_or_default();
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        // As DT_RPATH, which LD_LIBRARY_PATH does not override: another llama.cpp's libraries there have the
        // same names. And it holds for what the libraries beside the program need of each other.
        println!("cargo::rustc-link-arg-bins=-Wl,--disable-new-dtags,-rpath,$ORIGIN/lib");
        for library in engine.taken_in() {
            println!("cargo::rustc-link-arg={library}");
        }
    }
    for name in FLAVOURS {
        tell(name, if engine.is_on(name) { "on" } else { "" });
    }
    tell("ENGINE_PROFILE", engine.value("CMAKE_BUILD_TYPE"));
    tell("TARGET", &env::var("TARGET").unwrap_or_default());
    tell("PROFILE", &env::var("PROFILE").unwrap_or_default());
    tell("TARGET_CPU", &target_cpu().unwrap_or_default());
    tell("SYS_CRATE", &locked_version("llama-cpp-sys-2").unwrap_or_default());
    tell("COMMIT", &commit().unwrap_or_default());
}

/// Hands a fact to the program, as `LBENCH_BUILD_<NAME>`; empty for none.
fn tell(name: &str, value: &str) {
    println!("cargo::rustc-env=LBENCH_BUILD_{name}={}", value.lines().next().unwrap_or_default());
}

/// How `CMake` configured the engine: what the environment says by now may be something else.
#[derive(Default)]
struct Engine(BTreeMap<String, String>);

impl Engine {
    /// Reads the cache of the build that the engine's crate made; `None` without an engine.
    fn read() -> Option<Self> {
        let packages = env::var("DEP_LLAMA_GGML_CMAKE_DIR").ok()?;
        let cache = Path::new(&packages).ancestors().nth(2)?.join("build/CMakeCache.txt");
        println!("cargo::rerun-if-changed={}", cache.display());
        let text = std::fs::read_to_string(cache).ok()?;
        // Lines are `NAME:TYPE=VALUE`.
        let entries = text.lines().filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let (_, value) = rest.split_once('=')?;
            Some((name.to_string(), value.to_string()))
        });
        Some(Self(entries.collect()))
    }

    fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a setting is on, as `CMake` reads it.
    fn is_on(&self, name: &str) -> bool {
        let value = self.value(name).to_ascii_uppercase();
        !["", "0", "OFF", "NO", "FALSE", "N"].contains(&value.as_str())
            && !value.ends_with("NOTFOUND")
    }

    /// Libraries of this machine that static parts of the engine call, and that its crate does not link.
    fn taken_in(&self) -> Vec<&str> {
        let mut found = Vec::new();
        if self.is_on("BUILD_SHARED_LIBS") {
            return found;
        }
        if self.is_on("GGML_RPC_RDMA") {
            found.push(self.value("RDMA_LIB"));
        }
        if self.is_on("GGML_BLAS") {
            let of_blas = |name: &String| name.starts_with("BLAS_") && name.ends_with("_LIBRARY");
            found.extend(self.0.keys().filter(|name| of_blas(name)).map(|name| self.value(name)));
        }
        found.retain(|library| !library.is_empty() && !library.ends_with("NOTFOUND"));
        found
    }
}

/// The CPU that was built for, where flags named one: the engine's kernels follow it.
fn target_cpu() -> Option<String> {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").ok()?;
    let mut cpu = flags.split('\u{1f}').filter_map(|flag| flag.split_once("target-cpu="));
    cpu.next_back().map(|(_, cpu)| cpu.to_string())
}

/// The version of a crate in `Cargo.lock`.
fn locked_version(name: &str) -> Option<String> {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = std::fs::read_to_string("Cargo.lock").ok()?;
    let (_, entry) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(entry.split('"').next()?.to_string())
}

/// The commit that was built, and whether files differ from it: of a checkout by git, of a package by what
/// cargo wrote into it. Builds for developing have none, since it would build everything anew with each commit.
fn commit() -> Option<String> {
    if env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return None;
    }
    if !Path::new(".git").exists() {
        let note = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
        let (_, hash) = note.split_once("\"sha1\": \"")?;
        return hash.get(..9).map(str::to_string);
    }
    for file in ["HEAD", "logs/HEAD"] {
        // A file that is not there would run this with every build.
        if let Some(path) =
            git(&["rev-parse", "--git-path", file]).filter(|p| Path::new(p).exists())
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    for source in ["src", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let hash = git(&["rev-parse", "--short=9", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    Some(if changed.is_none_or(|files| files.is_empty()) {
        hash
    } else {
        format!("{hash} with changes")
    })
}

/// What git says; `None` where there is no git, or it cannot tell.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}
