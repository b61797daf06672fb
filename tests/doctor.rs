//! `lbench doctor`, the roofline in results, and columns on request, with the scripted engine.

mod draft;

use std::process::{Command, Output};

use serde_json::Value;

const SCRIPT: &str = r#"--scripted={"noise":0.01,"prompt_rate":1000,"step_rate":100}"#;

fn lbench(args: &[&str]) -> Output {
    let cache = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    let output = command.args(args).env("XDG_CACHE_HOME", cache.path()).output().unwrap();
    let left = std::fs::read_dir(cache.path()).unwrap().count();
    assert_eq!(left, 0, "the scripted engine's figures are nobody's");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn doctor_prints_every_section_and_its_sentence() {
    let output = lbench(&["doctor", "--quick", SCRIPT]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    for section in
        ["\nMachine\n", "\nlbench\n", "\nEngine\n", "\nRoofline\n", "\nThe same thing, 8 times: "]
    {
        assert!(text.contains(section), "{section:?} is missing in {text}");
    }
    for label in ["CPU", "memory", "governor", "power", "swap", "load", "clock", "own loop"] {
        assert!(text.contains(&format!("\n  {label} ")), "{label} is missing in {text}");
    }
    let last = text.lines().last().unwrap();
    let shape: String = last.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
    let shape = shape.replace("##", "#");
    assert_eq!(
        shape,
        "On this machine, differences below about #.# % in prompt speed and #.# % in generation speed \
         cannot be told from noise."
    );
}

/// A model that generates nothing is compared with itself in what it does.
#[test]
fn doctor_takes_an_encoder_for_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = draft::bert(512).write(dir.path(), "bert.gguf");
    let args = ["doctor", "--quick", "-m", file.to_str().unwrap(), SCRIPT];
    let output = lbench(&args);
    let text = stdout(&output);
    let last = text.lines().last().unwrap();
    assert!(last.contains("% in prompt speed cannot be told from noise"), "{text}");
}

#[test]
fn doctor_tells_programs_the_same() {
    let output = lbench(&["doctor", "--quick", "-o", "json", SCRIPT]);
    let checkup: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checkup["self_test"]["runs"], 8);
    let tests = checkup["self_test"]["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 2);
    for test in tests {
        assert_eq!(test["pairs"].as_array().unwrap().len(), 4);
        let noise = |name: &str| test["noise"][name].as_f64().unwrap();
        // Noise of 1 % within a run (of a mean over sixteen tokens a quarter of it), and none between.
        assert!(noise("within") > 0.001 && noise("within") < 0.02, "{test}");
        assert!(noise("floor") < 0.015, "{test}");
        assert!(noise("below_95") > 0.001 && noise("below_95") < 0.05, "{test}");
    }
    let roof = &checkup["roofs"][0];
    assert_eq!(roof["target"]["device"], "CPU");
    assert!(roof["roof"]["bandwidth"].as_f64().unwrap() > 0.0);
    assert!(checkup["conclusion"].as_str().unwrap().starts_with("On this machine, "));
    assert!(checkup["loop_ns_per_token"].as_f64().unwrap() < 100_000.0);
}

#[test]
fn doctor_that_cannot_measure_says_so() {
    let script = r#"--scripted={"rules":[{"phase":"load","fault":{"fail":"no room"}}]}"#;
    let output = lbench(&["doctor", "--quick", script]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.ends_with("is not known: pp64: no room.\n"), "{text}");
    let output = lbench(&["doctor", "-m", "missing.gguf", SCRIPT]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("missing.gguf"));
}

fn rows(args: &[&str]) -> Vec<Value> {
    let output = lbench(&[&[SCRIPT, "-r", "2", "-o", "json"], args].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(&output)))
}

#[test]
fn doctor_roofline_is_in_json_unless_unwanted() {
    let all = rows(&["-t", "2"]);
    let [prompt, generation] = all.as_slice() else { panic!("{all:?}") };
    let number = |row: &Value, name: &str| row[name].as_f64();
    let reached = number(generation, "bytes_per_token").unwrap()
        * number(generation, "avg_ts").unwrap()
        / number(generation, "device_bandwidth").unwrap();
    let share = number(generation, "bandwidth_share").unwrap();
    // The speed has six decimals.
    assert!((share / reached - 1.0).abs() < 1e-6);
    assert_eq!(generation["compute_share"], Value::Null);
    assert_eq!(prompt["bandwidth_share"], Value::Null);
    let reached = number(prompt, "flop_per_token").unwrap() * number(prompt, "avg_ts").unwrap()
        / number(prompt, "device_compute").unwrap();
    assert!((number(prompt, "compute_share").unwrap() / reached - 1.0).abs() < 1e-9);
    for row in rows(&["--no-roofline"]) {
        assert_eq!(row["bandwidth_share"], Value::Null);
        assert_eq!(row["compute_share"], Value::Null);
        assert_eq!(row["device_bandwidth"], Value::Null);
    }
}

#[test]
fn doctor_roofline_of_split_layers_is_null() {
    let script = r#"--scripted={"gpu":true}"#;
    let output = lbench(&[script, "-r", "2", "-o", "json", "-ngl", "0,10,99"]);
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let known = |row: &Value| !row["device_bandwidth"].is_null();
    // Prompt and generation with no, ten and all layers on the device.
    let known: Vec<_> = all.iter().map(known).collect();
    assert_eq!(known, [false, true, false, false, true, true]);
}

#[test]
fn doctor_columns_are_added_on_request() {
    let output =
        lbench(&[SCRIPT, "-r", "3", "--columns", "bandwidth,ci,p99", "--columns", "engine"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect()
    };
    let table: Vec<_> = text.lines().filter(|line| line.starts_with('|')).map(cells).collect();
    let last = |row: usize| table[row][table[row].len() - 4..].to_vec();
    assert_eq!(last(0), ["bandwidth", "ci", "p99", "engine"]);
    let [prompt, generation] = [last(2), last(3)];
    assert_eq!((prompt[0].as_str(), prompt[2].as_str()), ("–", "–"));
    assert!(prompt[1].contains(" … "), "{prompt:?}");
    assert!(generation[0].ends_with(" %"), "{generation:?}");
    assert!(generation[2].ends_with(" ms"), "{generation:?}");
    assert_eq!(generation[3], "scripted");
}

#[test]
fn doctor_columns_that_are_none() {
    let output = lbench(&["--columns", "bandwith", SCRIPT]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(
        message.contains("--columns: there is no column 'bandwith'; nearest: bandwidth"),
        "{message}"
    );
    assert!(message.contains("--columns help"), "{message}");
    let output = lbench(&["--columns", "help"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0));
    for name in ["bandwidth", "median_ts", "itl_p99_ns", "engine"] {
        assert!(text.lines().any(|line| line.trim().starts_with(name)), "{name} in {text}");
    }
}
