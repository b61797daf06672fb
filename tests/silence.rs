//! Nobody there: standard error and output that fail, files that may not grow, threads that are not to be had. What
//! was measured is where it belongs, and the exit code says what is not.
#![cfg(target_os = "linux")]

mod place;

use std::fs::File;
use std::process::{Command, Output, Stdio};

use place::{Place, rows, stderr};
use serde_json::json;

const ROWS: [&str; 8] = ["-p", "64,128", "-n", "0", "-r", "1", "-o", "json"];

/// A sweep of two rows, in a shell that does something with it first.
fn in_shell(before: &str, args: &[&str], behind: &str) -> Output {
    let script = format!("{before}; exec \"$0\" \"$@\" {behind}");
    let args = [&["-c", &script, env!("CARGO_BIN_EXE_lbench")], args].concat();
    Command::new("sh").args(args).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn whoever_hears_nothing_stops_nothing() {
    let rule = json!({"when": {"n_batch": "64"}, "says": ["failed to mlock"]});
    let script = format!("--scripted={}", json!({"rules": [rule]}));
    for behind in ["2>/dev/full", "2>&-", "2>&1 >&3 3>&- | true"] {
        for more in [&["--progress"][..], &["-v"], &["--progress", "-v", "-b", "64,128"], &[]] {
            let args = [&[script.as_str()], &ROWS[..], more].concat();
            let output = if behind.contains('|') {
                let script = format!("{{ \"$0\" \"$@\" {behind}; }} 3>&1");
                let args = [&["-c", &script, env!("CARGO_BIN_EXE_lbench")], &args[..]].concat();
                Command::new("sh").args(args).stdin(Stdio::null()).output().unwrap()
            } else {
                let output = in_shell("true", &args, behind);
                assert_eq!(output.status.code(), Some(0), "{more:?} {behind}");
                output
            };
            assert!(rows(&output).len() >= 2, "{more:?} {behind}");
        }
    }
}

#[test]
fn a_copy_that_cannot_be_written_takes_no_result_with_it() {
    for format in ["md", "json", "csv"] {
        for more in [&[][..], &["--progress"]] {
            let args = [&["--scripted={}"], &ROWS[..], &["-oe", format], more].concat();
            let output = in_shell("true", &args, "2>/dev/full");
            assert_eq!(output.status.code(), Some(3), "{format} {more:?}");
            assert_eq!(rows(&output).len(), 2, "{format} {more:?}");
        }
    }
}

#[test]
fn an_output_that_takes_nothing_is_exit_code_3() {
    let place = Place::new();
    place.sweep(&json!({}), &ROWS);
    let journal = place.journal();
    let journal = journal.to_str().unwrap();
    let jsonl = place.0.path().join("rows.jsonl");
    std::fs::write(&jsonl, place.report("jsonl").stdout).unwrap();
    let jsonl = jsonl.to_str().unwrap();
    for args in [
        &["--scripted={}", "-p", "64", "-n", "0"][..],
        &["--scripted={}", "-p", "64", "-n", "0", "--dry-run"],
        &["--scripted={}", "--list-devices"],
        &["report", journal],
        &["compare", jsonl, jsonl],
        &["compare", jsonl, jsonl, "-o", "json"],
        &["config"],
        &["schema"],
        &["man"],
        &["synth", "list"],
        &["completions", "bash"],
        &["--version"],
        &["-V"],
        &["--help"],
        &["-h"],
        &["compare", "--help"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = place.lbench(args).stdout(full).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {told}");
        assert!(told.contains("standard output: No space left"), "{args:?}: {told}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.lbench(args).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{args:?}: {}", stderr(&output));
    }
    // What was measured until then is not lost.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let args = ["--scripted={}", "-p", "64", "-n", "0", "--journal", journal];
    let output = place.lbench(&args).stdout(full).output().unwrap();
    assert!(stderr(&output).contains("go on with: lbench --resume"), "{}", stderr(&output));
}

#[test]
fn files_that_may_not_grow_are_said() {
    let place = Place::new();
    let (journal, model) = (place.journal(), place.0.path().join("m.gguf"));
    let args = [&["--scripted={}", "--journal", journal.to_str().unwrap()], &ROWS[..]].concat();
    let output = in_shell("ulimit -f 0", &args, "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(rows(&output).len(), 2);
    assert!(stderr(&output).contains("File too large"), "{}", stderr(&output));
    // Results that go to a file are results that are not there.
    let behind = format!(">'{}'", place.0.path().join("rows.json").display());
    let args = [&["--scripted={}"], &ROWS[..]].concat();
    let output = in_shell("ulimit -f 0", &args, &behind);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("standard output: File too large"), "{}", stderr(&output));
    let args = ["synth", "llama:layers=1,embd=32,ff=64,heads=1,vocab=64,tied:f16", "-o"];
    let output = in_shell("ulimit -f 0", &[&args[..], &[model.to_str().unwrap()]].concat(), "");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("cannot be written: File too large"), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(place.0.path()).unwrap().count(), 2, "nothing half-written");
}

/// A user may have so many processes and threads; root may have any number.
#[test]
fn threads_that_are_not_to_be_had_are_said() {
    let setpriv = std::path::Path::new("/usr/bin/setpriv");
    if !setpriv.exists() || !rustix::process::getuid().is_root() {
        return;
    }
    let mut codes = Vec::new();
    for limit in 1..14 {
        // A user of its own, so that nobody else's processes count.
        let id = (60_000 + std::process::id() % 5000).to_string();
        let output = Command::new(setpriv.with_file_name("prlimit"))
            .arg(format!("--nproc={limit}"))
            .args(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"])
            .args([env!("CARGO_BIN_EXE_lbench"), "--scripted={}", "-m", "synth:llama-135m:q8_0"])
            .args(ROWS)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = stderr(&output);
        if told.starts_with("setpriv") {
            // The program is where others may not read it.
            return;
        }
        let code = output.status.code().unwrap_or_else(|| panic!("{limit}: {output:?}"));
        assert!(!told.contains("panicked"), "{limit}: {told}");
        match code {
            0 | 1 => assert_eq!(rows(&output).len(), 2, "{limit}: {told}"),
            _ => assert_eq!(
                (code, told.contains("thread") || told.contains("Resource")),
                (3, true),
                "{told}"
            ),
        }
        codes.push(code);
    }
    assert!(codes[0] == 3 && codes.ends_with(&[0]), "{codes:?}");
}
