//! Canary as a user meets it, on a scripted device: what computes something else than the CPU does.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn lbench(folder: &Path, damage: &str, args: &[&str]) -> Output {
    let script = format!(
        r#"{{"gpu": true, "rules": [
            {{"when": {{"n_gpu_layers": "99", "n_ubatch": "128"}}, {damage}}},
            {{"when": {{"n_gpu_layers": "99"}}, "damage": 0.003}},
            {{"damage": 0.0}}]}}"#
    );
    Command::new(env!("CARGO_BIN_EXE_lbench"))
        .args(["--scripted", &script, "--no-journal", "--no-config", "--canary"])
        .args(["-m", "synth:llama-135m:q8_0", "-p", "64", "-n", "0"])
        .args(args)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .current_dir(folder)
        .output()
        .unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

const BOTH: [&str; 6] = ["-ngl", "99", "-ub", "64,128", "-o", "json"];

#[test]
fn a_row_that_is_slightly_off_is_marked_and_one_that_is_another_model_fails() {
    let folder = tempfile::tempdir().unwrap();
    let off = rows(&lbench(folder.path(), r#""damage": 0.2"#, &BOTH));
    let kld = |row: &Value| row["canary_kld"].as_f64().unwrap();
    assert!(kld(&off[0]) < 0.001 && (0.01..0.1).contains(&kld(&off[1])), "{off:?}");
    assert!(off[1]["canary_same_top"].as_f64().unwrap() < 1.0);
    assert!(off.iter().all(|row| row["outcome"] == "completed"));
    let table = lbench(folder.path(), r#""damage": 0.2"#, &["-ngl", "99", "-ub", "64,128"]);
    let table = String::from_utf8(table.stdout).unwrap();
    let marked: Vec<_> = table.lines().filter(|line| line.contains(" C[1]")).collect();
    assert_eq!(marked.len(), 1, "{table}");
    assert!(table.contains("C a divergence of 0.0"), "{table}");
    let output = lbench(folder.path(), r#""damage": 3.0"#, &BOTH);
    assert_eq!(output.status.code(), Some(1));
    let broken = rows(&output);
    assert_eq!((&broken[1]["outcome"], &broken[1]["phase"]), (&"failed".into(), &"canary".into()));
    let cause = broken[1]["cause"].as_str().unwrap();
    assert!(cause.starts_with("what this computes is not the model: a divergence of "), "{cause}");
    assert_eq!(broken[0]["outcome"], "completed", "the other batch is well");
    let nan = rows(&lbench(folder.path(), r#""nan_every": 0"#, &BOTH));
    assert!(nan[1]["cause"].as_str().unwrap().contains("no numbers (NaN)"), "{}", nan[1]["cause"]);
}

#[test]
fn who_does_not_ask_has_none_and_the_cpu_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let kept = || std::fs::read_dir(folder.path().join("cache/lbench/quality")).unwrap().count();
    let first = lbench(folder.path(), r#""damage": 0.0"#, &BOTH);
    assert!(!String::from_utf8_lossy(&first.stderr).contains("canary"));
    assert_eq!(kept(), 1);
    // Another cache type is another answer; what it costs is no fault.
    let args = [&BOTH[..], &["-ctk", "f16,q8_0"]].concat();
    let rows_of_cache = rows(&lbench(folder.path(), r#""damage": 0.0"#, &args));
    assert_eq!((kept(), rows_of_cache.len()), (2, 4));
    let script = r#"{"gpu": true, "rules": [{"damage": 3.0}]}"#;
    let none = Command::new(env!("CARGO_BIN_EXE_lbench"))
        .args(["--scripted", script, "--no-journal", "--no-config", "--no-canary", "-o", "json"])
        .args(["-m", "synth:llama-135m:q8_0", "-p", "64", "-n", "0", "-ngl", "99"])
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let row = &rows(&none)[0];
    assert_eq!((&row["canary_kld"], &row["outcome"]), (&Value::Null, &"completed".into()));
}

#[test]
fn a_cpu_that_cannot_answer_costs_a_word_and_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"{"gpu": true, "rules": [
        {"when": {"n_gpu_layers": "99"}},
        {"phase": "load", "fault": "abort"}]}"#;
    let output = Command::new(env!("CARGO_BIN_EXE_lbench"))
        .args(["--scripted", script, "--no-journal", "--no-config", "--canary", "-o", "json"])
        .args(["-m", "synth:llama-135m:q8_0", "-p", "64", "-n", "0", "-ngl", "99"])
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("no canary for ") && told.contains("SIGABRT"), "{told}");
    let row = &rows(&output)[0];
    assert_eq!((&row["canary_kld"], &row["outcome"]), (&Value::Null, &"completed".into()));
}
