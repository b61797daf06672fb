//! `lbench ab` through the real binary, on the scripted engine: two sides in turn.

mod ends;
mod sides;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A folder of its own for each test, and lbench in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.0.path()).env("XDG_CACHE_HOME", self.0.path());
        command.env("XDG_CONFIG_HOME", self.0.path());
        command
    }

    fn lbench(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Compares two sides under a script, whose seed is that of the order too.
    fn ab(&self, script: &Value, args: &[&str]) -> Output {
        let script = format!("--scripted={script}");
        self.lbench(&[&["ab", &script, "-m", MODEL], args].concat())
    }

    /// The same, line by line.
    fn lines(&self, script: &Value, args: &[&str]) -> Vec<Value> {
        let output = self.ab(script, &[args, &["-o", "json"]].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", stderr(&output)))
    }

    /// A machine that goes on from one process to the next: the same numbers each time.
    fn machine(&self, seed: u64) -> Value {
        let world = self.path("world");
        let _ = fs::remove_file(&world);
        json!({"noise": 0.01, "shift": 0.005, "seed": seed, "world": world})
    }

    /// A program of these lines.
    fn program(&self, name: &str, lines: &str) -> String {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_string()
    }

    /// An lbench in another place, that notes down when it is asked to measure.
    fn other(&self) -> String {
        let (lbench, notes) = (env!("CARGO_BIN_EXE_lbench"), self.path("notes"));
        let note = format!("echo \"$1 $GREETING\" >> '{}'", notes.display());
        self.program("other", &format!("{note}\nexec '{lbench}' \"$@\""))
    }
}

const MODEL: &str = "synth:llama-135m:q4_0";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    let version = concat!("lbench ", env!("CARGO_PKG_VERSION"));
    String::from_utf8_lossy(&output.stdout).replace(version, "lbench VERSION")
}

fn with(mut script: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        script[key] = value.clone();
    }
    script
}

/// Eight threads are slower than four.
fn slower(script: Value, by: f64) -> Value {
    let rates = json!({"prompt_rate": 1000.0 * (1.0 - by), "step_rate": 100.0 * (1.0 - by)});
    let rule = with(json!({"when": {"n_threads": "8"}}), &rates);
    with(script, &json!({"rules": [rule]}))
}

const TESTS: [&str; 8] = ["-p", "512", "-n", "32", "--a", "-t 4", "--b", "-t 8"];

fn records(journal: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(journal).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.map(|line| line["record"][kind].clone()).filter(|record| !record.is_null()).collect()
}

#[test]
fn the_same_thing_is_neither_faster_nor_slower() {
    let place = Place::new();
    let wild = [
        json!({}),
        json!({"correlation": 0.6}),
        json!({"shift": 0.02}),
        json!({"drift": 0.0005, "shift": 0.003}),
    ];
    let mut same = 0;
    for seed in 0..16_u64 {
        let script = with(place.machine(seed), &wild[usize::try_from(seed).unwrap() % wild.len()]);
        for line in place.lines(&script, &TESTS) {
            let verdict = line["verdict"].as_str().unwrap();
            assert!(matches!(verdict, "same" | "unclear"), "seed {seed}: {line}");
            same += u32::from(verdict == "same");
        }
    }
    assert!(same > 10, "{same}");
}

#[test]
fn three_percent_slower_are_seen() {
    let place = Place::new();
    for seed in 0..8 {
        for line in place.lines(&slower(place.machine(seed), 0.03), &TESTS) {
            assert_eq!(line["verdict"], "slower", "seed {seed}: {line}");
            let (low, high) = (&line["change_low"], &line["change_high"]);
            assert!(low.as_f64() < Some(-0.03) && high.as_f64() > Some(-0.03), "{line}");
        }
    }
}

#[test]
fn what_is_shown_is_what_was_measured() {
    let place = Place::new();
    let output = place.ab(&slower(place.machine(1), 0.03), &TESTS);
    insta::assert_snapshot!(stdout(&output));
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    let fails = |on| {
        let script = slower(place.machine(1), 0.03);
        place.ab(&script, &[&TESTS[..], &["--fail-on", on]].concat()).status.code()
    };
    assert_eq!((fails("slower"), fails("faster")), (Some(1), Some(0)));
    let lines = place.ab(&slower(place.machine(1), 0.03), &[&TESTS[..], &["-o", "jsonl"]].concat());
    let lines: Vec<Value> =
        stdout(&lines).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["a"]["key"]["n_threads"], 4);
    assert_eq!(lines[0]["b"]["key"]["n_threads"], 8);
    assert_eq!(lines[0]["b"]["facts"]["engine"], "scripted");
    assert!(lines[0]["rounds"].as_u64().unwrap() >= 4);
}

/// A side's visits to a test, by round.
fn visits(journal: &Path) -> Vec<(u64, String, u64)> {
    let started = records(journal, "started").into_iter().map(|started| {
        let job = started["job"].as_str().unwrap().to_string();
        (started["round"].as_u64().unwrap(), job, started["nth"].as_u64().unwrap())
    });
    started.collect()
}

#[test]
fn sides_take_turns_in_a_balanced_order() {
    let place = Place::new();
    let mut orders = HashMap::<Vec<bool>, u32>::new();
    for seed in 1..=6 {
        let journal = place.path(&seed.to_string());
        // Equal jobs on both sides: each has its own visits.
        let args = ["-p", "512,256", "-n", "32", "--rounds", "4", "--b", "-t 4", "-t", "4"];
        let keep = ["--journal", journal.to_str().unwrap()];
        let script = json!({"noise": 0.01, "seed": seed});
        let output = place.ab(&script, &[&args[..], &keep].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("A and B are the same"), "{}", stderr(&output));
        let visits = visits(&journal);
        assert_eq!(visits.len(), 4 * 3 * 2);
        let mut b_first = HashMap::<&str, Vec<bool>>::new();
        for (at, pair) in visits.chunks(2).enumerate() {
            let [(round, job, nth), (other_round, other_job, other_nth)] = pair else { panic!() };
            assert_eq!((round, job), (other_round, other_job), "directly one after the other");
            assert_eq!(*round, at as u64 / 3 + 1);
            assert_eq!(nth + other_nth, 1);
            b_first.entry(job).or_default().push(*nth == 1);
        }
        for order in b_first.into_values() {
            assert_eq!(order.iter().filter(|first| **first).count(), 2, "{order:?}");
            assert_ne!(order[0], order[1]);
            assert_ne!(order[2], order[3]);
            *orders.entry(order).or_default() += 1;
        }
    }
    assert!(orders.len() >= 3, "{orders:?}");
}
