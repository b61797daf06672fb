//! Folder of its own for a test, with lbench in it and a journal.
#![allow(dead_code)] // no test needs all of it

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A folder of its own for each test, and lbench in it.
pub struct Place(pub tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn journal(&self) -> PathBuf {
        self.0.path().join("run.jsonl")
    }

    pub fn lbench(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.args(args).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.0.path()).env("LBENCH_MODELS", self.0.path());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.lbench(args).output().unwrap()
    }

    /// A sweep that keeps its journal here.
    pub fn sweep(&self, script: &Value, args: &[&str]) -> Output {
        let (script, journal) = (format!("--scripted={script}"), self.journal());
        self.run(&[&[script.as_str(), "--journal", journal.to_str().unwrap()], args].concat())
    }

    pub fn resume(&self, args: &[&str]) -> Output {
        let journal = self.journal();
        self.run(&[&["--resume", journal.to_str().unwrap()], args].concat())
    }

    pub fn report(&self, format: &str) -> Output {
        self.run(&["report", self.journal().to_str().unwrap(), "-o", format])
    }

    /// How often each job was measured to its end, by the journal.
    pub fn finished(&self) -> HashMap<String, usize> {
        let mut times = HashMap::new();
        for record in records(&self.journal(), "finished") {
            if record["outcome"]["kind"] == "completed" {
                *times.entry(record["job"].as_str().unwrap().to_string()).or_default() += 1;
            }
        }
        times
    }
}

pub fn records(journal: &Path, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let records = lines.map(|line| line["record"][kind].clone());
    records.filter(|record| !record.is_null()).collect()
}

pub fn rows(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Place {
    pub fn spawn_sweep(&self, script: &Value, args: &[&str]) -> Child {
        let (script, journal) = (format!("--scripted={script}"), self.journal());
        let args = [&[script.as_str(), "--journal", journal.to_str().unwrap()], args].concat();
        self.lbench(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub fn wait_for(&self, kind: &str) {
        for _ in 0..2000 {
            if !records(&self.journal(), kind).is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing {kind}");
    }
}
