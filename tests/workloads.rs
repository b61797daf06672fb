//! Workloads beyond prompt and generation: sequences side by side, texts, curves of depths. On the scripted
//! engine, whose speeds are known.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn lbench(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.current_dir(folder).env("LBENCH_MODELS", folder);
    command.args(["--scripted={}", "-m", "synth:llama-135m:q4_0", "-r", "2", "-t", "2"]).args(args);
    command.output().unwrap()
}

fn rows(folder: &Path, args: &[&str]) -> Vec<Value> {
    let output = lbench(folder, &[args, &["-o", "json"]].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(row: &Value, field: &str) -> f64 {
    row[field].as_f64().unwrap_or_else(|| panic!("{field} of {row}"))
}

#[test]
fn sequences_side_by_side_are_counted_and_told_by_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["-p", "0", "-n", "0", "-pg", "100,10", "-np", "1,4", "-pps", "0,1"];
    let rows = rows(folder.path(), &args);
    // Prompts take 1000 tokens a second; a step takes 10 ms, and a quarter more for each further sequence.
    let expected = [(0.1, 0.1), (0.1, 0.1), (0.4, 0.175), (0.1, 0.175)];
    let tokens = [(100.0, 10.0), (100.0, 10.0), (400.0, 40.0), (100.0, 40.0)];
    for (row, ((t_pp, t_tg), (pp, tg))) in rows.iter().zip(expected.iter().zip(tokens)) {
        let close = |field: &str, expected: f64| {
            assert!((number(row, field) / expected - 1.0).abs() < 1e-3, "{field}: {row}");
        };
        close("t_pp_ns", t_pp * 1e9);
        close("t_tg_ns", t_tg * 1e9);
        close("s_pp_ts", pp / t_pp);
        close("s_tg_ts", tg / t_tg);
        close("avg_ts", (pp + tg) / (t_pp + t_tg));
    }
    assert!(rows[1]["same_as_reason"].as_str().unwrap().contains("no prompt that several"));
    assert_eq!((&rows[2]["n_parallel"], &rows[3]["prompt_shared"]), (&4.into(), &true.into()));
    assert!(number(&rows[2], "n_ctx") >= 440.0);
    let table = lbench(folder.path(), &args);
    insta::assert_snapshot!(
        String::from_utf8(table.stdout).unwrap().lines().take(6).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn the_prompts_of_a_file_are_rows() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("prompts.txt"), "What is love?\n\none two three four five\n")
        .unwrap();
    let args = ["--prompt-file", "prompts.txt", "-n", "0", "-d", "0,16"];
    let texts = rows(folder.path(), &args);
    let names: Vec<_> = texts.iter().map(|row| row["test"].as_str().unwrap()).collect();
    let expected = [
        "pp3 prompts.txt:1",
        "pp5 prompts.txt:3",
        "pp3 prompts.txt:1 @ d16",
        "pp5 prompts.txt:3 @ d16",
    ];
    assert_eq!(names, expected);
    assert_eq!((&texts[1]["n_prompt"], &texts[1]["prompt"]), (&5.into(), &"prompts.txt:3".into()));
    assert!((number(&texts[1], "avg_ts") - 1000.0).abs() < 1.0);
    // The same number of random tokens is another test.
    let beside = rows(folder.path(), &["--prompt-file", "prompts.txt", "-p", "5", "-n", "0"]);
    assert_eq!(beside.len(), 3);
    assert_eq!((&beside[0]["prompt"], &beside[0]["prompt_hash"]), (&"random".into(), &Value::Null));
    assert_ne!(beside[0]["job_id"], beside[2]["job_id"]);
    assert_eq!(beside[2]["same_as"], Value::Null);
}

#[test]
fn a_curve_of_depths_ends_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["-p", "0", "-n", "16", "--depth-curve", "2048+512"];
    let depths: Vec<_> =
        rows(folder.path(), &args).iter().map(|row| row["n_depth"].as_u64()).collect();
    assert_eq!(depths, [0, 512, 1024, 1536, 2048].map(Some));
    let table = String::from_utf8(lbench(folder.path(), &args).stdout).unwrap();
    // Threads are named where they are not the machine's own number.
    let sentence = table.lines().find(|line| line.starts_with("- tg16")).unwrap_or_default();
    assert!(
        sentence.contains(" by depth: a token takes about 10.0 ms, and what depth adds"),
        "{table}"
    );
    let eighths = rows(folder.path(), &["-p", "0", "-n", "4", "--depth-curve", "100"]);
    assert_eq!(eighths[1]["n_depth"], 13);
    let two = String::from_utf8(lbench(folder.path(), &["-n", "0", "-d", "0,9"]).stdout).unwrap();
    assert!(!two.contains("by depth"), "{two}");
}

#[test]
fn deprecated_load_flags_are_load_modes() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["-p", "8", "-n", "0", "-mmp", "0,1", "-dio", "0,1", "-o", "json"];
    let output = lbench(folder.path(), &args);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("deprecated: -lm none,dio,mmap says the same"), "{told}");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let modes: Vec<_> = rows.iter().map(|row| row["load_mode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["none", "dio", "mmap"]);
}
