//! What a build on a machine with a GPU does: the scripts that decide on a backend, build it and put it beside
//! the program, on machines that are played.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Programs of the system that the scripts call. None of them knows of a GPU.
const TOOLS: [&str; 30] = [
    "awk", "bash", "cat", "chmod", "cksum", "cp", "cut", "dirname", "du", "env", "find", "grep",
    "head", "id", "install", "ln", "mkdir", "mktemp", "mv", "nproc", "paste", "rm", "sed", "sh",
    "sort", "tail", "test", "touch", "tr", "uname",
];

/// A machine with nothing but what is put on it.
struct Machine {
    dir: tempfile::TempDir,
    vars: BTreeMap<String, String>,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap(), vars: BTreeMap::new() };
        fs::create_dir_all(machine.at("bin")).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for tool in TOOLS {
            let found = std::env::split_paths(&path).map(|dir| dir.join(tool)).find(|p| p.exists());
            if let Some(found) = found {
                symlink(found, machine.at("bin").join(tool)).unwrap();
            }
        }
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A program, as the body of a shell script.
    fn program(&self, path: &str, body: &str) -> &Self {
        self.file(path, &format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// NVIDIA's driver, with cards `NAME, CAPABILITY` and the newest CUDA that it runs.
    fn driver(&self, cards: &[&str], cuda: &str) -> &Self {
        let rows: Vec<_> = cards.iter().map(|card| format!("echo '{card}, 580.65.06'")).collect();
        let rows = rows.join("; ");
        let body = format!(
            "case \"$*\" in *query-gpu*) {rows} ;; *) echo '| Driver Version: 580 CUDA Version: {cuda} |' ;; esac"
        );
        self.program("bin/nvidia-smi", &body)
    }

    /// A CUDA toolkit of this version that can build for these architectures.
    fn toolkit(&self, nvcc: &str, version: &str, archs: &str) -> &Self {
        let archs: Vec<_> = archs.split(' ').map(|arch| format!("echo compute_{arch}")).collect();
        let body = format!(
            "case \"$*\" in *list-gpu-arch*) {} ;; *) echo 'Cuda compilation tools, release {version}, V{version}.1' ;; esac",
            archs.join("; ")
        );
        self.program(nvcc, &body)
    }

    /// A display controller on the PCI bus.
    fn on_the_bus(&self, vendor: &str) -> &Self {
        self.file("sys/bus/pci/devices/0000:01:00.0/vendor", &format!("{vendor}\n"));
        self.file("sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n")
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    fn run(&self, script: &str, args: &[&str]) -> Output {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join("scripts").join(script));
        command.env_clear().env("PATH", self.at("bin")).env("HOME", self.dir.path());
        command.env("LBENCH_GPU_ROOT", self.dir.path()).envs(&self.vars);
        command.args(args).output().unwrap()
    }

    /// What `gpu.sh` decided, and its line. There is one, whatever it says.
    fn decide(&self) -> (Vec<String>, String) {
        let output = self.run("gpu.sh", &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), 1, "{said}");
        let line = lines[0].strip_prefix("gpu: ").expect("it begins with its name").to_string();
        let decision = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.success(), !decision.is_empty(), "{line}");
        (decision.lines().map(str::to_string).collect(), line)
    }

    /// What is built, in a word; `refused` where it cannot be.
    fn backend(&self) -> (String, String) {
        let (decision, line) = self.decide();
        (decision.first().map_or("refused", String::as_str).to_string(), line)
    }
}

fn says(line: &str, all: &[&str]) {
    assert!(all.iter().all(|part| line.contains(part)), "{line:?} lacks one of {all:?}");
}

#[test]
fn a_card_and_a_toolkit_that_suits_it_are_used() {
    let machine = Machine::new();
    machine.driver(&["NVIDIA H200, 9.0"], "13.0").toolkit("bin/nvcc", "13.0", "75 80 90 120");
    let (decision, line) = machine.decide();
    assert_eq!(decision, ["cuda", machine.at("bin/nvcc").to_str().unwrap(), "90"]);
    says(&line, &["NVIDIA H200", "9.0", "driver 580.65.06", "CUDA 13.0", "CUDA backend for 90"]);
    assert!(machine.run("gpu.sh", &["--quiet"]).stderr.is_empty());
}

#[test]
fn it_is_built_for_every_kind_of_card_that_is_here() {
    let mut machine = Machine::new();
    let cards = ["NVIDIA H200, 9.0", "NVIDIA RTX A6000, 8.6", "NVIDIA H200, 9.0"];
    machine.driver(&cards, "13.0").toolkit("bin/nvcc", "12.8", "80 86 90");
    assert_eq!(machine.decide().0[2], "86;90");
    machine.set("CMAKE_CUDA_ARCHITECTURES", "90-real");
    assert_eq!(machine.decide().0[2], "90-real", "the user's own word");
}

#[test]
fn the_toolkit_is_found_where_toolkits_are() {
    let places = [
        ("cuda/bin/nvcc", Some(("CUDA_HOME", "cuda"))),
        ("cuda/bin/nvcc", Some(("CUDA_PATH", "cuda"))),
        ("cuda/bin/nvcc", Some(("CUDACXX", "cuda/bin/nvcc"))),
        ("usr/local/cuda/bin/nvcc", None),
        ("usr/local/cuda-12.8/bin/nvcc", None),
        ("opt/cuda/bin/nvcc", None),
    ];
    for (place, var) in places {
        let mut machine = Machine::new();
        machine.driver(&["NVIDIA H200, 9.0"], "13.0").toolkit(place, "12.8", "90");
        if let Some((name, value)) = var {
            let value = machine.at(value);
            machine.set(name, value.to_str().unwrap());
        }
        assert_eq!(machine.decide().0[1], machine.at(place).to_str().unwrap(), "{var:?}");
    }
}

#[test]
fn without_a_toolkit_it_says_what_to_install_and_the_other_way() {
    for (system, way) in [
        ("ID=ubuntu\nID_LIKE=debian\n", "apt-get install nvidia-cuda-toolkit"),
        ("ID=debian\n", "apt-get install nvidia-cuda-toolkit"),
        ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "dnf install cuda-toolkit"),
        ("ID=arch\n", "pacman -S cuda"),
        ("ID=other\n", "https://developer.nvidia.com/cuda-downloads"),
    ] {
        let machine = Machine::new();
        machine.driver(&["NVIDIA H200, 9.0"], "12.4").file("etc/os-release", system);
        let (backend, line) = machine.backend();
        assert_eq!(backend, "none", "{line}");
        let needed = "CUDA 11.8 to 12.x";
        says(&line, &["no CUDA toolkit", way, needed, "make bundle", "for the CPU alone"]);
    }
}

#[test]
fn what_would_fail_after_minutes_is_not_begun() {
    // A toolkit older than the card.
    let old = Machine::new();
    old.driver(&["NVIDIA H200, 9.0"], "13.0").toolkit("bin/nvcc", "11.5", "52 80 86");
    let too_old = "too old for compute capability 9.0 (NVIDIA H200): install CUDA 11.8 or later";
    // One that has dropped it.
    let dropped = Machine::new();
    dropped.driver(&["Tesla P40, 6.1"], "13.0").toolkit("bin/nvcc", "13.0", "75 80 90");
    let no_longer = "no longer builds for compute capability 6.1 (Tesla P40): install CUDA 12.9";
    // One whose programs this driver does not run.
    let driver = Machine::new();
    driver.driver(&["NVIDIA H200, 9.0"], "12.4").toolkit("bin/nvcc", "13.0", "75 80 90");
    let newer = "driver 580.65.06 runs CUDA up to 12.4, and the toolkit here is CUDA 13.0";
    for (machine, why) in [(old, too_old), (dropped, no_longer), (driver, newer)] {
        let (backend, line) = machine.backend();
        assert_eq!(backend, "none", "{line}");
        says(&line, &[why, "for the CPU alone"]);
    }
}

#[test]
fn of_several_toolkits_the_first_that_suits_is_taken() {
    let machine = Machine::new();
    machine.driver(&["NVIDIA H200, 9.0"], "13.0").toolkit("bin/nvcc", "11.5", "52 80 86");
    machine.toolkit("usr/local/cuda/bin/nvcc", "12.8", "80 90");
    assert_eq!(machine.decide().0[1], machine.at("usr/local/cuda/bin/nvcc").to_str().unwrap());
}

#[test]
fn the_users_word_decides_and_what_is_missing_then_is_an_error() {
    let mut machine = Machine::new();
    machine.driver(&["NVIDIA H200, 9.0"], "13.0").toolkit("bin/nvcc", "13.0", "90");
    machine.set("LBENCH_GPU", "none");
    assert_eq!(machine.backend().0, "none");
    for (wish, why) in [
        ("vulkan", "headers are missing"),
        ("rocm", "hipcc is missing"),
        ("metal", "macOS"),
        ("cude", "none of auto, none, cuda, vulkan, rocm, metal"),
    ] {
        let (backend, line) = machine.set("LBENCH_GPU", wish).backend();
        assert_eq!(backend, "refused", "{line}");
        says(&line, &[&format!("LBENCH_GPU={wish}"), why]);
    }
    let mut machine = Machine::new();
    let (backend, line) = machine.set("LBENCH_GPU", "cuda").backend();
    assert_eq!(backend, "refused");
    says(&line, &["no CUDA toolkit"]);
    // A machine that builds for others needs no card.
    machine.toolkit("bin/nvcc", "13.0", "90");
    let (decision, line) = machine.decide();
    assert_eq!(decision, ["cuda", machine.at("bin/nvcc").to_str().unwrap(), ""]);
    says(&line, &["no card", "every card that this toolkit knows"]);
}

#[test]
fn without_a_usable_card_it_says_what_is_in_the_way() {
    let nothing = Machine::new();
    let no_driver = Machine::new();
    no_driver.on_the_bus("0x10de");
    let amd = Machine::new();
    amd.on_the_bus("0x1002");
    let broken = Machine::new();
    let message = "Failed to initialize NVML: Driver/library version mismatch";
    broken.program("bin/nvidia-smi", &format!("echo '{message}'; exit 18"));
    for (machine, why) in [
        (nothing, "no NVIDIA GPU"),
        (no_driver, "an NVIDIA card and no driver of it"),
        (amd, "an AMD GPU, for which LBENCH_GPU=rocm or LBENCH_GPU=vulkan"),
        (broken, message),
    ] {
        machine.toolkit("bin/nvcc", "13.0", "90");
        let (backend, line) = machine.backend();
        assert_eq!(backend, "none", "{line}");
        says(&line, &[why, "for the CPU alone"]);
    }
}

#[test]
fn a_driver_without_its_tool_is_seen_by_its_files() {
    let machine = Machine::new();
    let version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27\n";
    machine.file("proc/driver/nvidia/version", version);
    machine.file(
        "proc/driver/nvidia/gpus/0000:65:00.0/information",
        "Model: \t NVIDIA H200\nIRQ: 1\n",
    );
    machine.toolkit("bin/nvcc", "13.0", "90");
    let (decision, line) = machine.decide();
    assert_eq!((&*decision[0], &*decision[2]), ("cuda", ""), "{line}");
    says(&line, &["NVIDIA H200", "driver 580.65.06"]);
}

#[test]
fn headers_of_vulkan_that_are_too_old_are_said_before() {
    let mut machine = Machine::new();
    let headers = |minor: u32, patch: u32| {
        format!(
            "#define VK_HEADER_VERSION {patch}\n\
             #define VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION(0, 1, {minor}, VK_HEADER_VERSION)\n"
        )
    };
    machine.program("bin/glslc", "").file("usr/include/vulkan/vulkan.hpp", "");
    machine.set("LBENCH_GPU", "vulkan");
    for (minor, patch, backend) in
        [(3, 239, "refused"), (3, 271, "refused"), (3, 272, "vulkan"), (4, 1, "vulkan")]
    {
        machine.file("usr/include/vulkan/vulkan_core.h", &headers(minor, patch));
        let (built, line) = machine.backend();
        assert_eq!(built, backend, "{line}");
        says(&line, &[&format!("1.{minor}.{patch}")]);
    }
    let sdk = machine.at("sdk");
    machine.file("sdk/include/vulkan/vulkan_core.h", &headers(3, 100));
    machine.set("VULKAN_SDK", sdk.to_str().unwrap());
    let (built, line) = machine.backend();
    assert_eq!(built, "refused", "an SDK that is named is taken");
    says(&line, &["1.3.100", "1.3.272 or later"]);
}

/// A machine with a card, whose `CMake` and cargo leave files and remember what they were told.
fn builder() -> Machine {
    let mut machine = Machine::new();
    machine.driver(&["NVIDIA H200, 9.0"], "13.0").toolkit("bin/nvcc", "13.0", "90");
    let here = machine.dir.path().display().to_string();
    machine.program("bin/strip", "").program("bin/rustc", "echo 'host: x86_64-unknown-linux-gnu'");
    machine.program(
        "bin/cmake",
        &format!(
            r#"echo "$*" >> {here}/cmake.told
[ ! -f {here}/broken ] || {{ echo 'error: no kernel image'; exit 1; }}
case "$1" in -S) mkdir -p "$4" ;; --build) echo module > "$2/$4.tmp"; mv "$2/$4.tmp" "$2/lib$4.so" ;; esac"#
        ),
    );
    machine.program(
        "bin/cargo",
        &format!(
            r#"case "$1" in
metadata) echo '{{"x":"y","manifest_path":"{here}/llama-cpp-sys-2-0.1.161/Cargo.toml"}}' ;;
build)
  env > {here}/cargo.env
  mkdir -p {here}/target/release {here}/out/lib
  echo 'case "$1" in completions) echo complete ;; esac' > {here}/target/release/lbench
  rm -f {here}/out/lib/*
  [ -z "$LLAMA_BUILD_SHARED_LIBS" ] || touch {here}/out/lib/libllama.so.0 {here}/out/lib/libggml.so.0
  echo '{{"reason":"build-script-executed","package_id":"llama-cpp-sys-2@1","out_dir":"{here}/out"}}' ;;
esac"#
        ),
    );
    fs::create_dir_all(machine.at("llama-cpp-sys-2-0.1.161/llama.cpp")).unwrap();
    machine.set("CARGO_TARGET_DIR", &format!("{here}/target"));
    machine.set("LBENCH_PORTABLE", "1");
    machine
}

fn build(machine: &Machine) -> String {
    let output = machine.run("build.sh", &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn the_backend_is_built_once_and_stands_beside_the_program() {
    let mut machine = builder();
    let said = build(&machine);
    says(&said, &["building the CUDA backend for 90", "compiling cuda"]);
    let told = fs::read_to_string(machine.at("cmake.told")).unwrap();
    let nvcc = format!("-DCMAKE_CUDA_COMPILER={}", machine.at("bin/nvcc").display());
    let target = "--target ggml-cuda";
    says(
        &told,
        &["-DGGML_CUDA=ON", "-DCMAKE_CUDA_ARCHITECTURES=90", "-DGGML_CUDA_NCCL=OFF", &nvcc, target],
    );
    assert!(machine.at("target/release/backends/libggml-cuda.so").is_file());
    assert!(machine.at("target/release/lib/libllama.so.0").is_file());
    let env = fs::read_to_string(machine.at("cargo.env")).unwrap();
    says(&env, &["LLAMA_BUILD_SHARED_LIBS=1\n", "RUSTFLAGS=--cfg=lbench_engine_"]);

    // The same again: nothing to do. Another card: built anew.
    assert!(!build(&machine).contains("compiling"));
    machine.driver(&["NVIDIA RTX A6000, 8.6"], "13.0").toolkit("bin/nvcc", "13.0", "86 90");
    says(&build(&machine), &["compiling cuda"]);
    assert!(fs::read_to_string(machine.at("cmake.told")).unwrap().contains("ARCHITECTURES=86"));

    // Without the GPU what it needed is gone, and the engine is linked in.
    machine.set("LBENCH_GPU", "none");
    build(&machine);
    assert!(!machine.at("target/release/backends/libggml-cuda.so").exists());
    assert!(!machine.at("target/release/lib").exists());
    let env = fs::read_to_string(machine.at("cargo.env")).unwrap();
    assert!(!env.contains("LLAMA_BUILD_SHARED_LIBS") && !env.contains("RUSTFLAGS"), "{env}");
}

#[test]
fn a_backend_that_does_not_build_ends_it_before_the_engine_with_the_reason() {
    let machine = builder();
    machine.file("broken", "");
    let output = machine.run("build.sh", &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    says(&said, &["error: no kernel image", "build.log", "LBENCH_GPU=none make build"]);
    assert!(!machine.at("cargo.env").exists(), "the engine was begun");
    assert!(!machine.at("target/release/backends/libggml-cuda.so").exists());
}

#[test]
fn variables_of_other_builds_stay_out_and_settings_have_a_folder_each() {
    let mut machine = builder();
    machine.set("LBENCH_GPU", "none").set("GGML_CUDA", "ON").set("CMAKE_INSTALL_PREFIX", "/usr");
    build(&machine);
    let env = fs::read_to_string(machine.at("cargo.env")).unwrap();
    assert!(!env.contains("GGML_CUDA=") && !env.contains("CMAKE_INSTALL_PREFIX"), "{env}");
    let mut flags = |value: &str| {
        machine.set("GGML_RPC_RDMA", value);
        build(&machine);
        let env = fs::read_to_string(machine.at("cargo.env")).unwrap();
        env.lines().find(|line| line.starts_with("RUSTFLAGS=")).map(str::to_string)
    };
    let on = flags("ON");
    assert!(on.is_some());
    assert_ne!(on, flags("OFF"), "CMake would go on with what it once configured");
}

#[test]
fn what_loads_libraries_is_installed_with_them() {
    let mut machine = builder();
    build(&machine);
    for path in ["target/release/lbench", "target/release/lib/libllama.so.0"] {
        fs::set_permissions(machine.at(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (release, prefix) = (machine.at("target/release"), machine.at("prefix"));
    let install = |machine: &Machine| {
        let args = [release.to_str().unwrap(), prefix.to_str().unwrap()];
        let output = machine.run("install.sh", &args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    install(&machine);
    let program = prefix.join("bin/lbench").canonicalize().unwrap();
    assert_eq!(program, prefix.join("lib/lbench/lbench").canonicalize().unwrap());
    for file in ["lib/libllama.so.0", "backends/libggml-cuda.so"] {
        assert!(program.parent().unwrap().join(file).is_file(), "{file}");
    }
    assert!(prefix.join("share/zsh/site-functions/_lbench").is_file());

    machine.set("LBENCH_GPU", "none");
    build(&machine);
    fs::set_permissions(machine.at("target/release/lbench"), fs::Permissions::from_mode(0o755))
        .unwrap();
    install(&machine);
    assert!(!prefix.join("bin/lbench").is_symlink() && !prefix.join("lib/lbench").exists());
}
