//! `lbench compare` and `--baseline` through the real binary, on results of the scripted engine.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const BENCH: [&str; 6] = ["-p", "512", "-n", "32", "-t", "4"];

/// One visit to each row.
const ONCE: [&str; 2] = ["-r", "12"];

fn lbench(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.args(args).current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    let version = concat!("lbench ", env!("CARGO_PKG_VERSION"));
    String::from_utf8(output.stdout.clone()).unwrap().replace(version, "lbench VERSION")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Measures with the scripted engine and writes what comes out into a file.
fn measure(dir: &Path, file: &str, script: &Value, args: &[&str]) {
    let script = format!("--scripted={script}");
    let format = Path::new(file).extension().and_then(|ending| ending.to_str()).unwrap();
    let args = [&BENCH[..], &[&script, "-o", format], args].concat();
    fs::write(dir.join(file), lbench(dir, &args).stdout).unwrap();
}

fn noisy(seed: u64, slowdown: f64) -> Value {
    let (prompt, step) = (1000.0 * (1.0 - slowdown), 100.0 * (1.0 - slowdown));
    json!({"noise": 0.01, "seed": seed, "prompt_rate": prompt, "step_rate": step})
}

/// By how much one process differs from the next: without it, one of each says little.
const FLOOR: [&str; 2] = ["--floor", "0.5%"];

fn verdicts(dir: &Path, a: &str, b: &str) -> Vec<String> {
    let output = lbench(dir, &[&["compare", a, b, "-o", "json"], &FLOOR[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    lines.iter().map(|line| line["verdict"].as_str().unwrap().to_string()).collect()
}

#[test]
fn compare_calls_the_same_thing_neither_faster_nor_slower() {
    let dir = tempfile::tempdir().unwrap();
    for pair in 0..10 {
        measure(dir.path(), "a.json", &noisy(2 * pair + 1, 0.0), &ONCE);
        measure(dir.path(), "b.jsonl", &noisy(2 * pair + 2, 0.0), &ONCE);
        for verdict in verdicts(dir.path(), "a.json", "b.jsonl") {
            assert!(matches!(verdict.as_str(), "same" | "unclear"), "pair {pair}: {verdict}");
        }
    }
}

#[test]
fn compare_notices_a_slowdown_and_fails_where_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    measure(dir, "a.json", &noisy(1, 0.0), &[]);
    measure(dir, "b.jsonl", &noisy(2, 0.04), &[]);
    assert_eq!(verdicts(dir, "a.json", "b.jsonl"), ["slower", "slower"]);
    assert_eq!(verdicts(dir, "b.jsonl", "a.json"), ["faster", "faster"]);
    let code = |args: &[&str]| {
        lbench(dir, &[&["compare", "a.json", "b.jsonl"], &FLOOR[..], args].concat()).status.code()
    };
    assert_eq!(code(&["--fail-on", "slower"]), Some(1));
    assert_eq!(code(&["--fail-on", "faster,unclear"]), Some(0));
    assert_eq!(code(&["--fail-on", "slow"]), Some(2));
    let table = lbench(dir, &[&["compare", "a.json", "b.jsonl"], &FLOOR[..]].concat());
    insta::assert_snapshot!(stdout(&table));
}

#[test]
fn compare_says_what_failed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sweep = ["-b", "64,128"];
    let broken =
        json!({"rules": [{"when": {"n_batch": "64"}, "phase": "prompt", "fault": "abort"}]});
    measure(dir, "a.json", &json!({}), &sweep);
    measure(dir, "b.json", &broken, &sweep);
    assert_eq!(verdicts(dir, "a.json", "b.json"), ["failed_in_b", "same", "same", "same"]);
    let args = ["compare", "a.json", "b.json", "--fail-on"];
    assert_eq!(lbench(dir, &[&args[..], &["failed"]].concat()).status.code(), Some(1));
    assert_eq!(lbench(dir, &[&args[..], &["slower"]].concat()).status.code(), Some(0));
}

#[test]
fn compare_reads_llama_bench_and_standard_input() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.args(["compare", "-", "llama-bench.jsonl", "--by", "n_threads"]);
    let input = fs::File::open(fixtures.join("llama-bench.json")).unwrap();
    let output = command.current_dir(&fixtures).stdin(input).output().unwrap();
    assert_eq!(stderr(&output), "");
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn compare_pairs_rows_of_both_programs() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama-bench.json");
    let dir = tempfile::tempdir().unwrap();
    measure(dir.path(), "b.json", &json!({}), &["-p", "16", "-n", "4"]);
    let args = ["compare", fixture.to_str().unwrap(), "b.json", "--by", "n_threads", "-o", "json"];
    let output = lbench(dir.path(), &args);
    let lines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let paired = lines.iter().filter(|line| line["a"].is_object() && line["b"].is_object());
    assert_eq!(paired.count(), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("one side was measured by lbench"));
}

#[test]
fn compare_refuses_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    measure(dir, "a.json", &json!({}), &[]);
    measure(dir, "batch.json", &json!({}), &["-b", "64"]);
    fs::write(dir.join("table.md"), "| model | test |\n| --- | --- |\n").unwrap();
    let mut messages = Vec::new();
    for args in [
        &["compare", "a.json", "batch.json"][..],
        &["compare", "a.json", "missing.json"],
        &["compare", ".", "a.json"],
        &["compare", "a.json", "table.md"],
        &["compare", "-", "-"],
        &["compare", "a.json"],
        &["compare", "a.json", "a.json", "--by", "n_thread"],
        &["compare", "a.json", "a.json", "--threshold", "0"],
        &["--baseline", "missing.json"],
        &["--fail-on", "slower"],
        &["-p", "64", "-n", "0", "--scripted={}", "--baseline", "a.json"],
    ] {
        let output = lbench(dir, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{args:?}");
        let text = stderr(&output);
        let last = text.lines().last().unwrap_or_default();
        messages.push(format!("{}\n    {last}", args.join(" ")));
    }
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn compare_with_a_baseline_while_measuring() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    measure(dir, "a.json", &noisy(1, 0.0), &[]);
    let script = format!("--scripted={}", noisy(2, 0.04));
    let run = |args: &[&str]| {
        let common = [&script, "-p", "512,64", "-n", "32", "-t", "4", "--baseline", "a.json"];
        lbench(dir, &[&common[..], &FLOOR[..], args].concat())
    };
    let table = run(&[]);
    assert_eq!(table.status.code(), Some(0), "{}", stderr(&table));
    let lines: Vec<_> = stdout(&table).lines().map(String::from).collect();
    assert!(lines[0].contains("vs base"), "{}", lines[0]);
    let cells = lines[2..5].iter().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let column = lines[0].split('|').position(|cell| cell.trim() == "vs base").unwrap();
    let cells: Vec<_> = cells.map(|cells| cells[column].to_string()).collect();
    assert!(cells[0].ends_with(" % SLOWER") && cells[0].starts_with("-4."), "{cells:?}");
    assert_eq!(cells[1], "–");
    assert!(stderr(&table).contains("1 of 3 tests are not in the baseline a.json"));

    let output = run(&["-o", "json", "--fail-on", "slower"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[0]["baseline_verdict"], "slower");
    assert_eq!(rows[1]["baseline_verdict"], Value::Null);
    let change = |name: &str| rows[0][name].as_f64().unwrap();
    assert!(change("baseline_change_low") < change("baseline_change"));
    assert!(change("baseline_change") < change("baseline_change_high"));
    assert!(change("baseline_change_high") < 0.0 && change("baseline_ts") > 900.0);
    assert_eq!(run(&["-o", "none", "--fail-on", "faster"]).status.code(), Some(0));
}

/// A run as a kill leaves it: its journal up to the end of the first row.
fn cut(journal: &Path) {
    let text = fs::read_to_string(journal).unwrap();
    let first = text.lines().position(|line| line.contains("\"finished\"")).unwrap();
    let kept: Vec<_> = text.lines().take(first + 1).collect();
    fs::write(journal, kept.join("\n") + "\n").unwrap();
}

fn json(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(output)))
}

#[test]
fn a_resumed_run_is_judged_as_the_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    measure(dir, "a.json", &noisy(1, 0.0), &ONCE);
    let script = format!("--scripted={}", noisy(2, 0.04));
    let judged = |row: &Value| [row["baseline_verdict"].clone(), row["baseline_change"].clone()];
    for (how, code, verdict) in [
        (&["--fail-on", "slower", "--floor", "0.5%"][..], 1, "slower"),
        (&["--fail-on", "slower", "--floor", "0.5%", "--threshold", "20%"], 0, "same"),
        (&["--fail-on", "unclear", "--floor", "10%"], 1, "unclear"),
    ] {
        let how = [&["-o", "json", "--baseline", "a.json"], how].concat();
        let whole =
            [&[&script[..], "--journal", "run.jsonl"], &BENCH[..], &ONCE, &how[..]].concat();
        let whole = lbench(dir, &whole);
        assert_eq!(whole.status.code(), Some(code), "{how:?}: {}", stderr(&whole));
        let expected: Vec<_> = json(&whole).iter().map(judged).collect();
        assert_eq!(expected[0][0], verdict, "{how:?}");
        // What was measured is there to the last row, or to the first.
        for is_cut in [false, true] {
            if is_cut {
                cut(&dir.join("run.jsonl"));
            }
            let resumed = lbench(dir, &[&["--resume", "run.jsonl"], &how[..]].concat());
            let told = stderr(&resumed);
            assert_eq!(resumed.status.code(), Some(code), "{how:?}, cut: {is_cut}: {told}");
            let rows: Vec<_> =
                json(&resumed).iter().map(|row| row["baseline_verdict"].clone()).collect();
            let verdicts: Vec<_> = expected.iter().map(|row| row[0].clone()).collect();
            assert_eq!(rows, verdicts, "{how:?}, cut: {is_cut}");
            if !is_cut {
                assert_eq!(json(&resumed).iter().map(judged).collect::<Vec<_>>(), expected);
            }
        }
        fs::remove_file(dir.join("run.jsonl")).unwrap();
    }
}

#[test]
fn a_run_resumed_without_its_comparison_goes_on_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    measure(dir, "a.json", &noisy(1, 0.0), &[]);
    let script = format!("--scripted={}", noisy(2, 0.04));
    let how = ["--journal", "run.jsonl", "--baseline", "a.json", "--fail-on", "slower"];
    assert_eq!(lbench(dir, &[&[&script[..]], &BENCH[..], &how].concat()).status.code(), Some(1));
    let resumed = lbench(dir, &["--resume", "run.jsonl"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
    let told = "that run was compared, and this one is not: add --baseline=a.json --fail-on=slower";
    assert!(stderr(&resumed).contains(told), "{}", stderr(&resumed));
    // A comparison that lacks its other side is a slip, resumed or not.
    let lonely = lbench(dir, &["--resume", "run.jsonl", "--threshold", "2%"]);
    assert_eq!(lonely.status.code(), Some(2));
    assert!(stderr(&lonely).contains("--threshold is about a comparison"), "{}", stderr(&lonely));
}

#[test]
fn bars_in_a_setting_shift_no_cell() {
    let dir = tempfile::tempdir().unwrap();
    let row = |places: &str, cpu: &str| {
        json!({
            "n_prompt": 64, "n_gen": 0, "tensor_buft_overrides": places, "cpu_info": cpu,
            "samples_ts": [100.0, 101.0, 99.0],
        })
    };
    let rows = |cpu| json!([row("(up|down)=CPU", cpu), row("a`x`<b>=CPU", cpu)]);
    fs::write(dir.path().join("a.json"), rows("A | `a`").to_string()).unwrap();
    fs::write(dir.path().join("b.json"), rows("B <b>").to_string()).unwrap();
    let text = stdout(&lbench(dir.path(), &["compare", "a.json", "b.json"]));
    let unescaped = |line: &str| line.replace("\\|", "/").replace('\\', "");
    let table: Vec<_> = text.lines().filter(|line| line.starts_with('|')).map(unescaped).collect();
    let bars: Vec<_> = table.iter().map(|line| line.matches('|').count()).collect();
    assert_eq!(bars, [7; 4], "{text}");
    assert!(table[2].contains(" (up/down)=CPU |") && table[3].contains(" a`x`<b>=CPU |"), "{text}");
    assert!(text.contains("a\\`x\\`\\<b>=CPU") && !text.contains("B <b>"), "{text}");
    // Programs get what there is.
    let json = lbench(dir.path(), &["compare", "a.json", "b.json", "-o", "json"]);
    let lines: Vec<Value> = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(lines[0]["a"]["key"]["tensor_buft_overrides"], "(up|down)=CPU");
    let note = lines[0]["warnings"][0].as_str().unwrap();
    assert!(note.contains("(A: A | `a`, B: B <b>)"), "{note}");
}
