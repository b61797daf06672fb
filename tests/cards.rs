//! A GPU that is there and not used is said: before anything is measured, under the table, and wherever lbench
//! says what it found. Driver and machine are played by `standin/nvml.c` and a folder.

#[path = "standin/nvml.rs"]
mod nvml;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use nvml::library;

/// lbench on the scripted engine, on a machine whose driver behaves like this and whose files are in `root`.
fn lbench(mode: &str, root: &Path, gpu: bool, args: &[&str]) -> Option<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.args(args).arg(format!("--scripted={{\"gpu\":{gpu}}}"));
    command.env("LBENCH_NVML", library()?).env("STANDIN", mode).env("LBENCH_GPU_ROOT", root);
    command.env_remove("CUDA_VISIBLE_DEVICES");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output)
}

/// Standard output and standard error.
fn said(mode: &str, gpu: bool, args: &[&str]) -> Option<(String, String)> {
    let root = tempfile::tempdir().unwrap();
    let output = lbench(mode, root.path(), gpu, args)?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Some((text(output.stdout), text(output.stderr)))
}

const WHY: &str =
    "NVIDIA L4 is not used: this build has no CUDA backend; `make build` in its source adds it";

#[test]
fn a_sweep_over_layers_on_the_cpu_says_why_the_card_is_idle() {
    let sweep = ["-p", "1024", "-n", "16", "-b", "64,128,512", "-r", "2", "--no-warmup"];
    for layers in [&["-ngl", "10,20,99"][..], &["-ngl", "0,10"], &[]] {
        let Some((table, told)) = said("", false, &[&sweep[..], layers].concat()) else { return };
        assert_eq!(told.matches(WHY).count(), 1, "{told}");
        assert!(told.contains("every row runs on the CPU"), "{told}");
        assert_eq!(table.matches(&format!("- {WHY}")).count(), 1, "{table}");
        let rows = table.find("| llama").unwrap();
        assert!(table.find(WHY).unwrap() > rows, "the note stands under the table\n{table}");
    }
}

#[test]
fn who_asks_for_the_cpu_is_told_nothing() {
    let sweep = ["-p", "64", "-n", "0", "-r", "2", "--no-warmup"];
    for (gpu, layers) in [(false, &["-ngl", "0"][..]), (false, &["-dev", "none"]), (true, &[])] {
        let Some((table, told)) = said("", gpu, &[&sweep[..], layers].concat()) else { return };
        assert!(!told.contains("is not used") && !table.contains("is not used"), "{told}{table}");
    }
}

#[test]
fn what_lbench_says_of_itself_and_of_the_machine_names_the_cards() {
    let driver = "(driver 580.65.06, for CUDA up to 13.0)";
    for args in [&["--list-devices"][..], &["--version"], &["doctor", "--quick"]] {
        let Some((text, _)) = said("", false, args) else { return };
        for card in ["NVIDIA L4", "NVIDIA H200"] {
            let line = format!("{card} {driver}: not used: this build has no CUDA backend");
            assert!(text.contains(&line), "{args:?}\n{text}");
        }
        let Some((text, _)) = said("", true, args) else { return };
        let line = format!("NVIDIA H200 {driver}: used through SCRIPT");
        assert!(text.contains(&line), "{args:?}\n{text}");
    }
}

#[test]
fn a_card_that_fell_off_the_bus_is_told_even_if_another_is_used() {
    let sweep = ["-p", "64", "-n", "0", "-r", "2", "--no-warmup", "--no-telemetry"];
    let Some((table, told)) = said("lost", true, &sweep) else { return };
    assert!(told.contains("NVIDIA H200 is not used: the driver says"), "{told}");
    assert!(!told.contains("every row runs on the CPU"), "{told}");
    assert!(table.contains("- NVIDIA H200 is not used"), "{table}");
}

#[test]
fn where_the_driver_does_not_answer_the_systems_files_tell() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let list = |line: &str| {
        let Some(output) = lbench("no driver", root.path(), false, &["--list-devices"]) else {
            return;
        };
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(line), "{text}");
    };
    write("sys/bus/pci/devices/0000:65:00.0/vendor", "0x10de\n");
    write("sys/bus/pci/devices/0000:65:00.0/class", "0x030200\n");
    list("GPU an NVIDIA GPU: not used: no driver of it is loaded");
    write("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Kernel Module  580.65.06\n");
    list("GPU an NVIDIA GPU (driver 580.65.06): not used: this build has no CUDA backend");
}
