//! What the driver tells of a device, and what remains where it tells less: with a stand-in for its
//! library (`standin/nvml.c`) and the scripted engine.

#[path = "standin/nvml.rs"]
mod nvml;

use std::process::{Command, Output};

use serde_json::{Value, json};

use nvml::library;

/// A second of generation in real time on a GPU that behaves like this.
fn run(mode: &str, flags: &[&str]) -> Option<Output> {
    let script = json!({"gpu": true, "real_time": true, "step_rate": 40.0});
    let args = ["-p", "0", "-n", "16", "-r", "3", "--no-warmup", "--no-roofline"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.arg(format!("--scripted={script}")).args(args).args(flags);
    command.env("LBENCH_NVML", library()?).env("STANDIN", mode);
    Some(command.output().unwrap())
}

fn row(mode: &str) -> Option<Value> {
    let output = run(mode, &["-o", "json"])?;
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    Some(rows[0].clone())
}

const MIB: u64 = 1 << 20;

#[test]
fn the_memory_of_the_process_is_the_figure() {
    let Some(row) = row("") else { return };
    assert_eq!(row["vram_method"], "process");
    assert_eq!(row["devices_used"], 1500 * MIB, "the card at its bus id, not the first one");
    let seen = &row["telemetry"][0];
    assert_eq!(seen["baseline"], 1024 * MIB, "what others had before the worker started");
    assert_eq!((&seen["celsius"], &seen["memory_mhz"]), (&json!(61), &json!(3200.0)));
    assert!(seen["looks"].as_u64().unwrap() > 5, "{seen}");
    assert_eq!(row["throttled"], false);
}

#[test]
fn energy_is_that_of_the_measured_runs() {
    let Some(row) = row("") else { return };
    // 300 W for as long as 16 tokens took, by a counter that steps ten times a second.
    let joules = row["joules_per_token"].as_f64().unwrap();
    let expected = 300.0 * row["avg_ns"].as_f64().unwrap() * 1e-9 / 16.0;
    assert!((joules / expected - 1.0).abs() < 0.25, "{joules}, {expected}");
    assert!((row["power_w"].as_f64().unwrap() / 300.0 - 1.0).abs() < 0.2, "{row}");
}

#[test]
fn less_than_a_second_has_no_energy() {
    let Some(library) = library() else { return };
    let script = json!({"gpu": true, "real_time": true, "step_rate": 400.0});
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command
        .arg(format!("--scripted={script}"))
        .args(["-p", "0", "-n", "16", "-r", "2", "-o", "json"]);
    command.env("LBENCH_NVML", library).env("STANDIN", "");
    let rows: Vec<Value> = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(rows[0]["joules_per_token"], Value::Null);
    assert!(rows[0]["power_w"].as_f64().is_some(), "what was sampled remains");
}

#[test]
fn where_processes_are_hidden_it_is_the_devices_difference() {
    for mode in ["container", "wsl"] {
        let Some(row) = row(mode) else { return };
        assert_eq!(row["vram_method"], "device_delta", "{mode}");
        assert_eq!(row["devices_used"], 2000 * MIB, "{mode}");
    }
}

#[test]
fn where_nothing_is_told_it_is_the_engines_figure() {
    let Some(row) = row("unified") else { return };
    assert_eq!(row["vram_method"], "engine");
    assert_eq!(row["devices_used"], 3072 * MIB);
    assert_eq!(row["joules_per_token"], Value::Null);
}

#[test]
fn instances_of_a_card_are_added_up() {
    let Some(row) = row("mig") else { return };
    assert_eq!(
        (&row["vram_method"], &row["devices_used"]),
        (&json!("process"), &json!(3000 * MIB))
    );
}

#[test]
fn no_permission_is_a_word_and_no_failure() {
    let Some(output) = run("permission", &["-o", "json"]) else { return };
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("no telemetry of the devices"), "{told}");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[0]["vram_method"], "engine");
}

#[test]
fn heat_and_falling_clocks_are_marked_and_a_power_cap_is_not() {
    for (mode, marked) in [("hot", true), ("falling", true), ("capped", false)] {
        let Some(output) = run(mode, &[]) else { return };
        let table = String::from_utf8(output.stdout).unwrap();
        assert_eq!(table.contains(" T[1]"), marked, "{mode}\n{table}");
    }
    let Some(row) = row("capped") else { return };
    assert_eq!(row["telemetry"][0]["throttle_reasons"], json!(["power_cap"]));
}

#[test]
fn what_would_not_fit_is_skipped_and_dry_run_says_what_it_would_take() {
    let script = json!({"gpu": true});
    let lbench = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.arg(format!("--scripted={script}")).args(args).output().unwrap()
    };
    let sweep = ["-p", "512", "-n", "0", "-ngl", "10,31"];
    let output = lbench(&[&sweep[..], &["--max-vram", "100M", "-o", "json"]].concat());
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&rows[0]["outcome"], &rows[1]["outcome"]),
        (&json!("completed"), &json!("skipped"))
    );
    assert!(rows[1]["cause"].as_str().unwrap().contains("--max-vram is 100.00 MiB"), "{}", rows[1]);
    let dry = lbench(&[&sweep[..], &["--dry-run"]].concat());
    let dry = String::from_utf8(dry.stdout).unwrap();
    assert_eq!(dry.matches("≈ SCRIPT0 ").count(), 2, "{dry}");
}

#[test]
fn what_is_larger_than_what_is_free_gets_a_warning() {
    // Fifteen gigabytes for a card of eight.
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.arg("--scripted={\"gpu\":true}").args(["-m", "synth:llama-3.1-8b:f16", "-p", "64"]);
    let output = command.args(["-n", "0", "-r", "1", "-o", "json"]).output().unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let warnings = rows[0]["warnings"].to_string();
    assert!(warnings.contains("of SCRIPT0 and 8.00 GiB is free"), "{warnings}");
    assert_eq!(rows[0]["memory_predicted"], rows[0]["memory_split"]);
}
