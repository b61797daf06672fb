//! Quantizations that are made to be measured: `lbench quality --make`, on the scripted engine.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A model that is made in a moment.
const SMALL: &str = "llama:layers=2,embd=256,ff=512,heads=4,vocab=1000:f16";

fn lbench(folder: &Path, script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command
        .args(["quality", "--scripted", script, "--no-journal", "--no-config", "-o", "json"])
        .args(["-p", "64", "-n", "8", "-m", "small-f16.gguf"])
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .current_dir(folder);
    command
}

/// A folder with a model in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_lbench"))
        .args(["synth", SMALL, "-o", "small-f16.gguf"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

fn rows(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The files of the folder of models.
fn left(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("models")).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn what_is_made_of_a_model_is_measured_beside_it_and_removed() {
    let folder = folder();
    let output = lbench(folder.path(), "{}").args(["--make", "q8_0,Q4_0,q8_0"]).output().unwrap();
    let rows = rows(&output);
    let of = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    let file = |row: &Value| row["model_filename"].as_str().unwrap().to_string();
    // The reference first, then speed and quality of each.
    assert_eq!(rows.len(), 3 * 3, "{:?}", of("test"));
    assert_eq!(of("test")[0], "ppl mixed@512");
    let of_four: Vec<_> =
        rows.iter().filter(|row| file(row) == "models/small-f16-q4_0.gguf").collect();
    assert_eq!(of_four.len(), 3);
    assert_eq!(of_four[0]["model_source"], "made of small-f16.gguf");
    let kld = |ending: &str| {
        let row = rows.iter().find(|row| file(row).ends_with(ending) && !row["kld"].is_null());
        row.unwrap()["kld"].as_f64().unwrap()
    };
    assert!(kld("q4_0.gguf") > 2.0 * kld("q8_0.gguf"));
    assert!(of("avg_ts").iter().filter(|speed| !speed.is_null()).count() == 6);
    assert!(left(folder.path()).is_empty(), "{:?}", left(folder.path()));
    assert!(folder.path().join("small-f16.gguf").exists());
}

#[test]
fn what_is_kept_is_not_made_again_and_other_files_are_left_alone() {
    let folder = folder();
    let make = |types: &str, keep: &[&str]| {
        lbench(folder.path(), "{}").args(["--make", types]).args(keep).output().unwrap()
    };
    assert_eq!(rows(&make("q8_0", &["--keep"])).len(), 6);
    assert_eq!(left(folder.path()), ["small-f16-q8_0.gguf"]);
    let again = make("q8_0,q4_0", &[]);
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(told.contains("small-f16-q8_0.gguf: it is there already"), "{told}");
    assert!(!told.contains("making models/small-f16-q8_0"), "{told}");
    // What was there before the run stays.
    assert_eq!((rows(&again).len(), left(folder.path())), (9, vec!["small-f16-q8_0.gguf".into()]));
    let path = folder.path().join("models/small-f16-q4_0.gguf");
    fs::write(&path, "somebody's").unwrap();
    let refused = make("q4_0", &[]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("another file is there: move it away"), "{told}");
    assert_eq!(fs::read(&path).unwrap(), b"somebody's");
}

#[test]
fn a_plain_sweep_makes_them_too_and_a_dry_run_makes_nothing() {
    let folder = folder();
    let sweep = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_lbench"))
            .args(["--scripted", "{}", "--no-journal", "--no-config", "-m", "small-f16.gguf"])
            .args(["--make", "q8_0", "-n", "0", "-o", "json"])
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    assert_eq!(rows(&sweep(&[])).len(), 2);
    let dry = sweep(&["--dry-run"]);
    let told = String::from_utf8_lossy(&dry.stderr);
    assert!(told.contains("would make models/small-f16-q8_0.gguf (about "), "{told}");
    assert!(dry.status.success() && left(folder.path()).is_empty());
}

#[test]
fn what_cannot_be_made_is_said_in_one_line_and_nothing_stays() {
    let folder = folder();
    let told = |script: &str, args: &[&str], code: i32| {
        let output = lbench(folder.path(), script).args(args).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(left(folder.path()).is_empty(), "{:?}", left(folder.path()));
        told.lines().last().unwrap_or_default().to_string()
    };
    let make = ["--make", "q8_0"];
    let failed = told(r#"{"quantizing": {"fail": "no such tensor"}}"#, &make, 2);
    assert!(failed.contains("it cannot be quantized to q8_0: no such tensor"), "{failed}");
    let died = told(r#"{"quantizing": "abort"}"#, &make, 2);
    assert!(died.contains("it cannot be quantized to q8_0: SIGABRT"), "{died}");
    let typed = told("{}", &["--make", "q4_k_n"], 2);
    assert!(typed.contains("'q4_k_n'") && typed.contains("nearest: q4_k_"), "{typed}");
    let two = told("{}", &["--make", "q8_0", "-m", "small-f16.gguf"], 2);
    assert!(two.contains("--make quantizes one model"), "{two}");
    let lonely = told("{}", &["--keep"], 2);
    assert!(lonely.contains("give --make too"), "{lonely}");
}

fn wait_for(child: &mut Child, what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_mins(1), "it never came");
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ends a run while it makes a file, or while it measures one that it has made.
fn interrupted(script: &str, is_there: impl Fn(&[String]) -> bool) {
    let folder = folder();
    let mut child = lbench(folder.path(), script)
        .args(["--make", "q8_0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&mut child, || is_there(&left(folder.path())));
    std::thread::sleep(Duration::from_millis(200));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(left(folder.path()).is_empty(), "{:?}", left(folder.path()));
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    interrupted(r#"{"quantizing": "hang"}"#, |names| {
        names.iter().any(|name| name.contains(".part"))
    });
    let hangs = r#"{"rules": [{"phase": "score", "fault": "hang"}]}"#;
    interrupted(hangs, |names| names == ["small-f16-q8_0.gguf"]);
}
