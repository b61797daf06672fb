//! A machine that changes under a sweep, with the scripted engine: rows that cannot be compared are
//! measured again or marked, and rounds make them comparable.

use std::process::{Command, Output};

use serde_json::{Value, json};

fn run(script: &Value, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.arg(format!("--scripted={script}")).args(args).output().unwrap()
}

fn rows(script: &Value, args: &[&str]) -> Vec<Value> {
    let output = run(script, &[args, &["-o", "json"]].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Sixteen rows on one model, five samples of a second each.
const SWEEP: [&str; 10] = ["-p", "1000", "-n", "0", "-b", "100-1600+100", "-ub", "64", "-r", "5"];

fn speed(row: &Value) -> f64 {
    row["avg_ts"].as_f64().unwrap()
}

#[test]
fn a_quiet_machine_has_nothing_marked() {
    let rows = rows(&json!({"noise": 0.002}), &SWEEP);
    assert_eq!(rows.len(), 16);
    assert!(rows.iter().all(|row| row["drift"] == Value::Null));
    let checked: Vec<_> = rows.iter().map(|row| row["remeasured"].clone()).collect();
    // The first row is the anchor; eight later it is looked at, and the rest is too short a stretch.
    assert_eq!(checked[0], Value::Null);
    assert_eq!(checked[1..9], vec![json!(0); 8]);
    assert_eq!(checked[9..], vec![Value::Null; 7]);
}

#[test]
fn a_drift_that_stays_is_marked() {
    // Half a percent slower with every row: past three percent when the anchor is looked at.
    let script = json!({"drift": 0.001, "noise": 0.001});
    let measured = rows(&script, &SWEEP);
    assert_eq!(measured[0]["drift"], Value::Null);
    for row in &measured[1..9] {
        assert!(row["drift"].as_f64().unwrap() < -0.03, "{}", row["drift"]);
        assert_eq!(row["outcome"], "completed");
    }
    let table = run(&script, &SWEEP);
    let table = String::from_utf8(table.stdout).unwrap();
    assert_eq!(table.matches(" D[").count(), 8, "{table}");
    assert!(table.contains("slower when measured again"), "{table}");
}

#[test]
fn a_drift_that_passes_is_measured_again() {
    // A slow stretch over the last of the first nine rows; the machine recovers while it cools down.
    let script = json!({"noise": 0.001, "slow": {"from": 40.0, "to": 75.0, "factor": 1.2}});
    let measured = rows(&script, &SWEEP);
    let disturbed = rows(&script, &[&SWEEP[..], &["--no-anchor"]].concat());
    assert!(disturbed.iter().any(|row| speed(row) < 900.0), "the disturbance is there");
    for (at, row) in measured.iter().enumerate() {
        assert!((speed(row) - 1000.0).abs() < 10.0, "row {at}: {}", speed(row));
        assert_eq!(row["drift"], Value::Null, "row {at}");
        assert_eq!(row["samples_ns"].as_array().unwrap().len(), 5, "nothing of before is kept");
    }
    assert!(measured[1..9].iter().all(|row| row["remeasured"] == 1));
}

#[test]
fn a_machine_that_stays_another_one_is_said_once_and_not_marked() {
    // The first row, eight runs of a second, and nothing behind it is slow.
    let script = json!({"noise": 0.001, "slow": {"from": 0.0, "to": 8.5, "factor": 1.06}});
    let args = [&SWEEP[..], &["-o", "json"]].concat();
    let output = run(&script, &args);
    let measured: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(speed(&measured[0]) < 960.0, "the disturbance is there");
    for (at, row) in measured.iter().enumerate().skip(1) {
        assert_eq!(row["drift"], Value::Null, "row {at}");
        assert!((speed(row) - 1000.0).abs() < 10.0, "row {at}: {}", speed(row));
    }
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(told.matches("faster than for the rows before").count(), 1, "{told}");
}

#[test]
fn loads_are_checked_with_the_first_row_of_the_run() {
    // One row on each of twelve models: the anchor is another model than the one that is loaded.
    let args = ["-p", "1000", "-n", "0", "-ngl", "1-12", "-r", "5"];
    let slow = json!({"when": {"n_gpu_layers": "6"}, "prompt_rate": 500.0});
    let measured = rows(&json!({"gpu": true, "noise": 0.001, "rules": [slow]}), &args);
    assert!(measured.iter().all(|row| row["drift"] == Value::Null));
    assert_eq!(measured.iter().filter(|row| row["remeasured"] == 0).count(), 8);
    assert!((speed(&measured[5]) - 500.0).abs() < 5.0);
}

#[test]
fn a_row_that_dies_between_looks_is_the_only_one() {
    // The worker dies with it; the anchor is measured again in another one.
    let args = [&SWEEP[..], &["--progress"]].concat();
    let fault = json!({"when": {"n_batch": "300"}, "phase": "prompt", "fault": "abort"});
    let measured = rows(&json!({"rules": [fault]}), &args);
    let outcomes: Vec<_> = measured.iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "completed").count(), 15);
    assert_eq!(outcomes[2], "crashed");
}

#[test]
fn rounds_make_rows_comparable_on_a_machine_that_drifts() {
    let script = json!({"drift": 0.002, "noise": 0.002});
    let args = ["-p", "1000", "-n", "0", "-b", "100,200,300,400", "-ub", "64", "-r", "10"];
    let spread = |rows: &[Value]| {
        let speeds: Vec<_> = rows.iter().map(speed).collect();
        let (low, high) =
            speeds.iter().fold((f64::MAX, 0.0_f64), |(l, h), s| (l.min(*s), h.max(*s)));
        high / low - 1.0
    };
    let one_by_one = rows(&script, &args);
    let in_rounds = rows(&script, &[&args[..], &["--interleave=3"]].concat());
    assert!(spread(&one_by_one) > 0.05, "{}", spread(&one_by_one));
    assert!(spread(&in_rounds) < 0.01, "{}", spread(&in_rounds));
    assert!(in_rounds.iter().all(|row| row["interleave_seed"] == 3));
    assert!(in_rounds.iter().all(|row| row["samples_ns"].as_array().unwrap().len() == 10));
}

#[test]
fn what_breaks_in_rounds_breaks_alone() {
    let args = ["-p", "1000", "-n", "0", "-b", "100,200,300,400", "-ub", "64", "-r", "3"];
    for (fault, phase, outcome) in [
        (json!("abort"), "prompt", "crashed"),
        (json!("abort"), "context", "crashed"),
        (json!("hang"), "prompt", "timed_out"),
        (json!({"fail": "no room"}), "context", "failed"),
        (json!({"fail": "no"}), "prompt", "failed"),
    ] {
        let rule = json!({"when": {"n_batch": "200"}, "phase": phase, "fault": fault});
        let args = [&args[..], &["--interleave=1", "--timeout", "2"]].concat();
        let measured = rows(&json!({"rules": [rule]}), &args);
        for (at, row) in measured.iter().enumerate() {
            let expected = if at == 1 { outcome } else { "completed" };
            assert_eq!(row["outcome"], expected, "{fault} in {phase}: row {at}");
            if at != 1 {
                assert_eq!(row["samples_ns"].as_array().unwrap().len(), 3);
            }
        }
    }
}
