//! What goes wrong in a sweep, with the scripted engine: whatever happens to one row, the others are
//! right and complete, the failed one explains itself, and the exit code says so.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

fn lbench(script: &Value, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.arg(format!("--scripted={script}")).args(args).stdin(Stdio::null());
    command
}

fn run(script: &Value, args: &[&str]) -> Output {
    lbench(script, args).output().unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!("{e}\n{}\n{}", String::from_utf8_lossy(&output.stdout), stderr(output))
    })
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One rule: at this batch size, in this phase, this happens.
fn rule(batch: &str, phase: &str, fault: &Value) -> Value {
    json!({"when": {"n_batch": batch}, "phase": phase, "fault": fault})
}

#[test]
fn four_configurations_three_of_them_broken() {
    let script = json!({"rules": [
        rule("64", "prompt", &json!("abort")),
        rule("128", "prompt", &json!("hang")),
        rule("256", "context", &json!({"fail": "V cache quantization requires flash_attn"})),
    ]});
    let args = ["-p", "512", "-n", "0", "-b", "64,128,256,512", "--timeout", "2", "-o", "json"];
    let output = run(&script, &args);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let rows = rows(&output);
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["crashed", "timed_out", "failed", "completed"]);
    for row in &rows[..3] {
        assert_eq!(row["avg_ts"], Value::Null);
        assert!(row["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{row}");
    }
    assert!((rows[3]["avg_ts"].as_f64().unwrap() - 1000.0).abs() < 1.0);
    assert!(rows[3]["samples_ns"].as_array().unwrap().len() >= 2, "{}", rows[3]);
}

#[test]
fn every_death_in_every_phase_leaves_the_other_rows_alone() {
    let deaths = [
        (json!("abort"), "crashed"),
        (json!({"signal": 4}), "crashed"),
        (json!({"signal": 7}), "crashed"),
        (json!({"signal": 9}), "crashed"),
        (json!({"signal": 11}), "crashed"),
        (json!({"exit": 0}), "crashed"),
        (json!({"exit": 3}), "crashed"),
        (json!("rubbish"), "crashed"),
        (json!("half_line"), "crashed"),
        (json!({"fail": "no"}), "failed"),
    ];
    for (fault, expected) in deaths {
        for phase in ["load", "context", "warmup", "prompt", "generate"] {
            // Three loads, each with a prompt and a generation row; the second one breaks.
            let rule = json!({"when": {"n_gpu_layers": "2"}, "phase": phase, "fault": fault});
            let script = json!({"gpu": true, "rules": [rule]});
            let args = ["-p", "512", "-n", "32", "-ngl", "1,2,3", "-r", "2", "-o", "json"];
            let output = run(&script, &args);
            assert_eq!(output.status.code(), Some(1), "{fault} in {phase}: {}", stderr(&output));
            let rows = rows(&output);
            assert_eq!(rows.len(), 6, "{fault} in {phase}");
            for row in &rows {
                let what = format!("{fault} in {phase}: {row}");
                let broken = row["n_gpu_layers"] == 2;
                let prompt_row = row["n_prompt"] == 512;
                let hit = broken
                    && match phase {
                        "load" | "context" => true,
                        "warmup" | "prompt" => prompt_row,
                        _ => !prompt_row,
                    };
                if hit {
                    assert_eq!(row["outcome"], expected, "{what}");
                    assert_eq!(row["avg_ns"], Value::Null, "{what}");
                } else {
                    assert_eq!(row["outcome"], "completed", "{what}");
                    assert_eq!(row["samples_ns"].as_array().unwrap().len(), 2, "{what}");
                }
            }
        }
    }
}

#[test]
fn a_hang_in_any_phase_is_one_row() {
    for phase in ["load", "context", "warmup", "prompt", "generate"] {
        let rule = json!({"when": {"n_gpu_layers": "2"}, "phase": phase, "fault": "hang"});
        let script = json!({"gpu": true, "rules": [rule]});
        let args = ["-p", "0", "-n", "0", "-pg", "512,32", "-ngl", "1,2,3", "-r", "2"];
        let output = run(&script, &[&args[..], &["--timeout", "1", "-o", "json"]].concat());
        let rows = rows(&output);
        let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["completed", "timed_out", "completed"], "{phase}");
        assert_eq!(rows[1]["phase"], phase);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_killed_at_rest_is_one_row() {
    // In real time, so that there is a moment to hit: each job rests before it begins.
    let script = json!({"real_time": true, "prompt_rate": 100_000.0});
    let args = ["-p", "512", "-n", "0", "-b", "64,128", "-r", "2", "--delay", "2"];
    let args = [&args[..], &["--no-roofline", "--progress", "-o", "json"]].concat();
    let mut child =
        lbench(&script, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut rests = lines.by_ref().filter(|line| line.as_ref().unwrap().ends_with(": resting"));
    assert!(rests.nth(1).is_some(), "the second job rests");
    let worker = children(child.id());
    std::thread::spawn(move || lines.count());
    let pid = rustix::process::Pid::from_raw(worker[0].cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let output = child.wait_with_output().unwrap();
    let rows = rows(&output);
    assert_eq!(rows[0]["outcome"], "completed");
    // Killed at rest, within the second job: that row says so.
    assert_eq!((&rows[1]["outcome"], &rows[1]["phase"]), (&json!("crashed"), &json!("idle")));
    assert!(rows[1]["cause"].as_str().unwrap().starts_with("SIGKILL"), "{}", rows[1]);
}

#[test]
fn a_flood_of_log_and_a_stray_print_change_nothing() {
    for fault in [json!({"flood": 100_000_000}), json!("print")] {
        let script = json!({"rules": [rule("64", "context", &fault)]});
        let args = ["-p", "512", "-n", "0", "-b", "64,128", "-o", "json"];
        let output = run(&script, &args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(rows(&output).len(), 2);
        assert!(output.stderr.len() < 10_000, "the log stays in the worker's own pipe");
    }
}

#[test]
fn a_hint_where_one_is_known() {
    let script = json!({"rules": [rule("64", "prompt", &json!({"signal": 4}))]});
    let output = run(&script, &["-p", "512", "-n", "0", "-b", "64", "-o", "json"]);
    let row = &rows(&output)[0];
    assert!(row["cause"].as_str().unwrap().starts_with("SIGILL"), "{row}");
    assert!(row["hint"].as_str().unwrap().contains("AMX"), "{row}");
}

#[test]
fn json_and_csv_stay_readable_when_rows_fail() {
    let script = json!({"rules": [rule("64", "prompt", &json!("abort"))]});
    let args = ["-p", "512", "-n", "0", "-b", "64,128"];
    let csv_args = [&args[..], &["-o", "csv"]].concat();
    let output = run(&script, &csv_args);
    let mut reader = csv::Reader::from_reader(&output.stdout[..]);
    let at = reader.headers().unwrap().iter().position(|name| name == "avg_ts").unwrap();
    let cells: Vec<_> = reader.records().map(|row| row.unwrap()[at].to_string()).collect();
    assert_eq!((cells.len(), cells[0].as_str()), (2, ""));
    assert!(cells[1].starts_with("1000"), "{cells:?}");

    let jsonl_args = [&args[..], &["-o", "jsonl"]].concat();
    let output = run(&script, &jsonl_args);
    let lines = String::from_utf8(output.stdout).unwrap();
    for line in lines.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    assert_eq!(lines.lines().count(), 2);
}

/// Process ids whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let after = stat.rsplit(')').next().unwrap_or_default();
        if after.split_whitespace().nth(1) == Some(&parent.to_string()) {
            found.push(pid);
        }
    }
    found
}

fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|state| state != "Z")
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A sweep whose second row hangs: something is measured, and something is under way. In the order of the plan,
/// since each row is visited once.
fn hanging() -> std::process::Child {
    let script = json!({"rules": [rule("128", "prompt", &json!("hang"))]});
    let args = ["-p", "512", "-n", "0", "-b", "64,128,256", "-r", "2", "--timeout", "0"];
    let mut child = lbench(&script, &[&args[..], &["-o", "json", "--progress"]].concat());
    child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads the progress lines until the hanging row is under way.
fn wait_for_the_hang(child: &mut std::process::Child) -> std::process::ChildStderr {
    use std::io::Read as _;
    let mut stderr = child.stderr.take().unwrap();
    let mut seen = String::new();
    let mut byte = [0];
    while !seen.contains("2/3") || !seen.ends_with("prompt\n") {
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{seen}");
        seen.push(byte[0] as char);
    }
    stderr
}

#[test]
#[cfg(target_os = "linux")]
fn no_worker_outlives_a_killed_parent() {
    let mut parent = hanging();
    let _stderr = wait_for_the_hang(&mut parent);
    let workers = children(parent.id());
    assert_eq!(workers.len(), 1);
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the worker's end", || !alive(workers[0]));
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_prints_what_is_measured() {
    let mut parent = hanging();
    let stderr = wait_for_the_hang(&mut parent);
    let worker = children(parent.id())[0];
    let pid = rustix::process::Pid::from_raw(parent.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    drop(stderr);
    let output = parent.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let rows = rows(&output);
    assert_eq!(rows[0]["outcome"], "completed");
    assert!(rows.len() <= 2 && rows.iter().skip(1).all(|row| row["outcome"] == "interrupted"));
    wait_until("the worker's end", || !alive(worker));
}

#[test]
fn a_closed_output_ends_the_run_quietly() {
    let mut child =
        lbench(&json!({}), &["-p", "512", "-n", "16", "-b", "64-2048*2", "-o", "jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn cold_starts_are_processes_of_their_own() {
    let args = ["-p", "64", "-n", "4", "--cold", "3", "-r", "1", "-o", "json"];
    let output = run(&json!({}), &args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = rows(&output);
    assert_eq!(rows[0]["cold_samples_ns"].as_array().unwrap().len(), 3);
    assert!(rows[0]["cold_avg_ns"].as_u64().unwrap() > 0);
    assert_eq!(rows[1]["cold_avg_ns"], Value::Null, "no prompt, no first token");
}

#[test]
fn a_failed_cold_start_is_said() {
    // The first prompt of a fresh process is what a cold start times.
    let script =
        json!({"rules": [{"when": {"n_batch": "64"}, "phase": "warmup", "fault": "abort"}]});
    let args = ["-p", "64", "-n", "0", "-b", "64", "--cold", "2", "--no-warmup", "-o", "json"];
    let output = run(&script, &args);
    assert!(stderr(&output).contains("no cold start: SIGABRT"), "{}", stderr(&output));
    // The row's own first prompt ends the same way here.
    assert_eq!(rows(&output)[0]["outcome"], "crashed");
}

/// What the engine says of its source is where somebody else built it.
#[test]
fn folders_of_the_build_are_in_no_note() {
    let folder = "/home/ci/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/llama-cpp-sys-2-0.1.161/llama.cpp/ggml/src";
    for phase in ["context", "prompt"] {
        let said = format!("{folder}/ggml-backend.cpp:1234: GGML_ASSERT(a/b) failed in /m/x.gguf");
        let script = json!({"rules": [rule("64", phase, &json!({"fail": said}))]});
        let args = ["-p", "512", "-n", "0", "-b", "64"];
        let table = run(&script, &args);
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        assert!(!table.contains("/home/ci"), "{table}");
        let told = "ggml-backend.cpp:1234: GGML_ASSERT(a/b) failed in /m/x.gguf";
        assert!(table.contains(told), "{table}");
        let row = &rows(&run(&script, &[&args[..], &["-o", "json"]].concat()))[0];
        assert!(row["cause"].as_str().unwrap().starts_with("ggml-backend.cpp:1234: "), "{row}");
    }
}

#[test]
fn one_is_one_row_and_one_load() {
    let plan = run(&json!({}), &["-p", "64", "-n", "0", "--dry-run"]);
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(plan.starts_with("1 row, 1 measured, 1 model load\n"), "{plan}");
    let two = run(&json!({}), &["-p", "64,128", "-n", "0", "-ts", "1,9", "--dry-run"]);
    let shown = String::from_utf8_lossy(&two.stdout).into_owned();
    assert!(shown.starts_with("4 rows, 2 measured, 1 model load\n"), "{shown}");
    assert!(stderr(&two).contains("-ts 1,9 is a list: 2 settings"), "{}", stderr(&two));
}

/// What the engine only says while it loads, or past its log, is a fact of each row that it holds for.
#[test]
fn settings_that_were_not_taken_are_facts_of_their_rows() {
    let lock = "warning: failed to mlock 9-byte buffer (after previously locking 0 bytes): no";
    let affinity = "warn: failed to set affinity mask 0x7f12 : Invalid argument (22)";
    let script = json!({"gpu": true, "rules": [
        {"when": {"load_mode": "mlock", "n_batch": "64"}, "says": [lock, "all is well"]},
        {"when": {"n_batch": "128", "load_mode": "mmap"}, "phase": "prompt", "fault": {"warn": affinity}},
    ]});
    let args = ["-p", "512", "-n", "0", "-lm", "mlock,mmap", "-b", "64,128", "-r", "2"];
    for verbose in [&[][..], &["-v"]] {
        let output = run(&script, &[&args[..], &["-o", "json"], verbose].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let told = rows(&output).into_iter().map(|row| {
            let warnings = row["warnings"].as_array().unwrap().clone();
            assert!(warnings.len() < 2, "{warnings:?}");
            let text = warnings.first().map_or("", |text| text.as_str().unwrap());
            (row["load_mode"].clone(), row["n_batch"].clone(), text.to_string())
        });
        let told: Vec<_> = told.collect();
        for (mode, batch, text) in &told {
            let expected = match (mode.as_str().unwrap(), batch.as_u64().unwrap()) {
                // Both rows are on the load.
                ("mlock", _) => "the weights are not locked in memory",
                ("mmap", 128) => "threads are not on the CPUs that -C asks for",
                _ => "",
            };
            assert_eq!(text.is_empty(), expected.is_empty(), "{told:?}");
            assert!(text.starts_with(expected), "{told:?}");
        }
    }
    // Under the table once, and on standard error too.
    let output = run(&script, &args);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(table.matches("not locked in memory").count(), 1, "{table}");
    assert_eq!(stderr(&output).matches("not locked in memory").count(), 1, "{}", stderr(&output));
}
