//! Nothing is lost: whatever ends a run, its journal has what was measured, `report` shows it and `--resume`
//! measures the rest and nothing else. With the scripted engine.

mod place;

use std::process::Output;
use std::time::{Duration, Instant};

use place::{Place, records, rows, stderr};
use serde_json::{Value, json};

/// What was printed, less what a run in its midst knows less of than one that is over: how noisy rows like this
/// one are.
fn as_shown(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut parts = text.split("\"known\":");
    let before = parts.next().unwrap().to_string();
    parts.fold(before, |all, part| all + &part[part.find("\"marked\"").unwrap()..])
}

const SWEEP: [&str; 8] = ["-p", "512", "-n", "16", "-b", "64-512*2", "-r", "3"];

#[test]
fn a_report_is_the_run_again() {
    for format in ["md", "json", "jsonl", "csv", "sql"] {
        let place = Place::new();
        let crash = json!({"when": {"n_batch": "128"}, "phase": "prompt", "fault": "abort"});
        let script = json!({"noise": 0.01, "rules": [crash]});
        let run = place.sweep(&script, &[&SWEEP[..], &["-o", format]].concat());
        let report = place.report(format);
        let sorted = |output: &Output| {
            let text = as_shown(output);
            let mut lines: Vec<_> = text.lines().map(String::from).collect();
            // Lines that stand for themselves come as their rows finish.
            if format == "jsonl" {
                lines.sort();
            }
            lines
        };
        assert_eq!(sorted(&run), sorted(&report), "{format}");
        assert_eq!((run.status.code(), report.status.code()), (Some(1), Some(1)));
        assert!(stderr(&run).contains("journal: "), "{}", stderr(&run));
    }
}

#[test]
fn what_crashed_is_tried_again_and_nothing_else() {
    let place = Place::new();
    let crash = json!({"when": {"n_batch": "128"}, "phase": "prompt", "fault": "abort"});
    place.sweep(&json!({"rules": [crash]}), &SWEEP);
    let before = place.finished();
    let resumed = place.sweep(&json!({}), &[&SWEEP[..], &["--resume", "-o", "json"]].concat());
    assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
    let rows = rows(&resumed);
    // Generations need no more than their 256 tokens' room, so the greater batches are the same thing.
    assert!(rows.iter().all(|row| row["outcome"] == "completed"));
    let after = place.finished();
    assert_eq!(after.len(), before.len() + 1);
    assert!(after.values().all(|times| *times == 1), "{after:?}");
}

#[test]
fn resuming_without_flags_is_the_same_sweep() {
    let place = Place::new();
    let first = place.sweep(&json!({}), &[&SWEEP[..], &["-o", "json"]].concat());
    let again = place.resume(&["-o", "json"]);
    assert_eq!(as_shown(&first), as_shown(&again), "{}", stderr(&again));
    assert!(place.finished().values().all(|times| *times == 1));
}

#[test]
fn other_flags_are_a_new_plan_less_what_is_there() {
    let place = Place::new();
    place.sweep(&json!({}), &["-p", "512", "-n", "0", "-b", "64,128", "-r", "3"]);
    let args = ["--resume", "-p", "512", "-n", "0", "-b", "32,64,128", "-r", "3", "-o", "json"];
    let resumed = place.sweep(&json!({}), &args);
    assert_eq!(rows(&resumed).len(), 3);
    assert!(stderr(&resumed).contains("2 of 3 measurements are there"), "{}", stderr(&resumed));
    assert!(place.finished().values().all(|times| *times == 1));
}

#[test]
fn another_lbench_on_the_same_journal_is_told() {
    let place = Place::new();
    let script = json!({"rules": [{"phase": "prompt", "fault": "hang"}]});
    let mut first = place.spawn_sweep(&script, &["-p", "512", "-n", "0", "--progress"]);
    place.wait_for("started");
    let second = place.sweep(&json!({}), &["-p", "512", "-n", "0"]);
    assert_eq!(second.status.code(), Some(2));
    assert!(stderr(&second).contains("another lbench is writing to it"), "{}", stderr(&second));
    first.kill().unwrap();
    first.wait().unwrap();
}

/// A moment in a sweep.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After so many milliseconds.
    Time(u64),
    /// When its journal has so many records of a kind.
    Records(&'static str, usize),
}

impl Moment {
    fn wait(self, place: &Place) {
        match self {
            Self::Time(millis) => std::thread::sleep(Duration::from_millis(millis)),
            Self::Records(kind, n) => {
                let deadline = Instant::now() + Duration::from_mins(1);
                while records(&place.journal(), kind).len() < n {
                    assert!(Instant::now() < deadline, "{self:?}");
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }
}

/// Ends a sweep by SIGKILL at each of these moments, and resumes it; how many rows were there each time.
fn killed_at(moments: impl IntoIterator<Item = Moment>) -> Vec<usize> {
    // Eight rows of real time, some tens of milliseconds each.
    let script = json!({"real_time": true, "prompt_rate": 100_000.0, "noise": 0.02});
    let args = ["-p", "512", "-n", "0", "-b", "64-512+64", "-r", "4", "--no-anchor", "-o", "json"];
    let whole = Place::new().sweep(&script, &args);
    let ids: Vec<_> = rows(&whole).iter().map(|row| row["job_id"].clone()).collect();
    let mut there = Vec::new();
    for moment in moments {
        let place = Place::new();
        let mut child = place.spawn_sweep(&script, &args);
        let pid = child.id();
        moment.wait(&place);
        child.kill().unwrap();
        child.wait().unwrap();
        there.push(place.finished().len());
        let resumed = place.sweep(&script, &[&args[..], &["--resume"]].concat());
        if resumed.status.code() == Some(2) {
            // It was killed before there was anything to go on with.
            assert!(!place.journal().exists() || place.finished().is_empty());
            continue;
        }
        assert_eq!(resumed.status.code(), Some(0), "{moment:?}: {}", stderr(&resumed));
        let rows = rows(&resumed);
        let found: Vec<_> = rows.iter().map(|row| row["job_id"].clone()).collect();
        assert_eq!(found, ids, "{moment:?}");
        for row in &rows {
            assert_eq!(row["outcome"], "completed", "{moment:?}");
            assert_eq!(row["samples_ns"].as_array().unwrap().len(), 4, "{moment:?}");
        }
        assert!(place.finished().values().all(|times| *times == 1), "{moment:?}: a job twice");
        assert_eq!(place.finished().len(), ids.len(), "{moment:?}");
        assert_eq!(workers_of(pid), 0, "{moment:?}: a worker is left");
    }
    there
}

/// Workers that were started by this process and still live.
fn workers_of(parent: u32) -> usize {
    let flag = format!("--parent={parent}");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|arg| arg == flag.as_bytes())).count()
}

#[test]
fn a_killed_run_is_completed_and_nothing_is_measured_twice() {
    let moments =
        [("started", 1), ("sampled", 2), ("finished", 1), ("finished", 3), ("started", 6)];
    let there = killed_at(moments.map(|(kind, n)| Moment::Records(kind, n)));
    // Most of them have rows behind them, and rows before them.
    assert!(there.iter().filter(|n| (1..8).contains(*n)).count() >= 3, "{there:?}");
}

/// The same at a hundred moments: `cargo test --test journal -- --ignored`.
#[test]
#[ignore = "takes minutes; the same at five moments is always run"]
fn a_hundred_killed_runs() {
    killed_at((0..100_u64).map(|n| Moment::Time((n * 7919) % 900)));
}

#[test]
fn a_journal_that_cannot_be_written_is_a_warning() {
    for path in ["/dev/full", "/proc/none/run.jsonl"] {
        let place = Place::new();
        let script = "--scripted={}";
        let args = [&[script, "--journal", path, "-o", "json"], &SWEEP[..]].concat();
        let output = place.run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(rows(&output).len(), 8);
        let told = stderr(&output);
        assert_eq!(told.matches("the run goes on").count(), 1, "{told}");
        assert!(!told.contains("lbench: journal: "), "nothing is where it says: {told}");
    }
}

#[test]
fn runs_are_kept_in_the_users_folder_unless_told_otherwise() {
    let place = Place::new();
    assert_eq!(place.run(&["report"]).status.code(), Some(2), "there is none yet");
    assert_eq!(place.run(&["--resume"]).status.code(), Some(2));
    let folder = place.0.path().join("lbench");
    std::fs::create_dir(&folder).unwrap();
    place.sweep(&json!({}), &SWEEP);
    std::fs::rename(place.journal(), folder.join("2026-01-01T000000Z-1.jsonl")).unwrap();
    let report = place.run(&["report", "-o", "json"]);
    assert_eq!(rows(&report).len(), 8, "{}", stderr(&report));
}

#[test]
fn what_needs_more_memory_than_there_was_is_skipped() {
    let place = Place::new();
    let full = json!({"fail": "unable to allocate CUDA0 buffer"});
    let rule = json!({"when": {"n_gpu_layers": "20"}, "phase": "load", "fault": full});
    let script = json!({"gpu": true, "rules": [rule]});
    let args = ["-p", "512", "-n", "0", "-ngl", "10,20,29", "-r", "3", "-o", "json"];
    let outcomes = |output: &Output| -> Vec<Value> {
        rows(output).iter().map(|row| row["outcome"].clone()).collect()
    };
    let output = place.sweep(&script, &args);
    assert_eq!(outcomes(&output), ["completed", "failed", "skipped"], "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1));
    let row = &rows(&output)[2];
    assert!(row["cause"].as_str().unwrap().contains("ngl 20"), "{row}");
    assert_eq!(rows(&output)[1]["trouble"], "device_memory");
    // It is known when the run is resumed, too.
    let resumed = place.sweep(&script, &[&args[..], &["--resume"]].concat());
    assert_eq!(outcomes(&resumed), ["completed", "failed", "skipped"], "{}", stderr(&resumed));
    let all = Place::new().sweep(&script, &[&args[..], &["--try-all"]].concat());
    assert_eq!(outcomes(&all), ["completed", "failed", "completed"]);
}

#[test]
fn where_time_is_short_every_value_is_seen() {
    let place = Place::new();
    // Each row takes a quarter of a second, and there are 24.
    let script = json!({"real_time": true, "prompt_rate": 20_000.0});
    let args = ["-p", "512", "-n", "0", "-b", "64,128,256,512", "-t", "1,2,3", "-fa", "0,1"];
    let more = ["-r", "5", "--max-total-time", "2", "-o", "json"];
    let output = place.sweep(&script, &[&args[..], &more].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let rows = rows(&output);
    assert!(rows.len() < 24, "all {} rows were measured", rows.len());
    let complete: Vec<_> = rows.iter().filter(|row| row["outcome"] == "completed").collect();
    for (field, values) in [("n_batch", 4), ("n_threads", 3), ("flash_attn", 2)] {
        let mut seen: Vec<_> = complete.iter().map(|row| row[field].to_string()).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), values, "{field}: {seen:?}");
    }
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
}

#[test]
fn a_machine_without_memory_ends_jobs_before_it_swaps() {
    let place = Place::new();
    let script = json!({"rules": [{"phase": "prompt", "fault": "hang"}]});
    let args = ["-p", "512", "-n", "0", "--min-free", "9999T", "-o", "json"];
    let row = &rows(&place.sweep(&script, &args))[0];
    assert_eq!(
        (row["outcome"].as_str(), row["trouble"].as_str()),
        (Some("crashed"), Some("host_memory"))
    );
    assert!(row["cause"].as_str().unwrap().contains("about to swap"), "{row}");
}

/// Whatever a file is, nothing is added to it unless it is a journal.
#[test]
fn a_file_that_is_no_journal_stays_as_it_is() {
    let place = Place::new();
    let file = |name: &str| place.0.path().join(name);
    let model = file("model.gguf");
    let made = place.run(&["synth", TINY, "-o", model.to_str().unwrap()]);
    assert!(made.status.success(), "{}", stderr(&made));
    let utf16: Vec<u8> = "{\"header\":".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(file("notes.txt"), "call home\n").unwrap();
    std::fs::write(file("rows.json"), "[{\"n_prompt\": 512}]\n").unwrap();
    std::fs::write(file("utf16.jsonl"), [&b"\xff\xfe"[..], &utf16].concat()).unwrap();
    for name in ["model.gguf", "notes.txt", "rows.json", "utf16.jsonl"] {
        let path = file(name);
        let before = std::fs::read(&path).unwrap();
        let named = path.to_str().unwrap();
        for args in
            [&["--journal", named][..], &["--journal", named, "--resume"], &["--resume", named]]
        {
            let args = [&["--scripted={}", "-p", "64", "-n", "0"], args].concat();
            let output = place.run(&args);
            assert_eq!(output.status.code(), Some(2), "{args:?}");
            let told = stderr(&output);
            assert!(told.contains(named) && told.contains("no journal of lbench"), "{told}");
            assert_eq!(told.lines().count(), 1, "{told}");
            assert_eq!(std::fs::read(&path).unwrap(), before, "{args:?}");
        }
    }
    // What is empty, or was cut off in its first line, is one that begins.
    for text in ["", "\n", "{\"header\":{\"sch"] {
        std::fs::write(place.journal(), text).unwrap();
        let output = place.sweep(&json!({}), &["-p", "64", "-n", "0", "-r", "1"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(place.report("md").status.code(), Some(0));
    }
    let page = file("lbench.1");
    std::fs::write(&page, "mine\n").unwrap();
    let output = place.run(&["man", "--output", place.0.path().to_str().unwrap()]);
    assert_eq!(
        (output.status.code(), std::fs::read(&page).unwrap().as_slice()),
        (Some(2), &b"mine\n"[..])
    );
}

const TINY: &str = "llama:layers=1,embd=32,ff=64,heads=1,vocab=64,tied:f16";

#[test]
fn a_run_that_is_kept_nowhere_is_said_once() {
    let place = Place::new();
    let run = |args: &[&str], home: Option<&str>| {
        let args =
            [&["--scripted={\"keep\": true}", "-p", "64", "-n", "0", "-r", "1"], args].concat();
        let mut command = place.lbench(&args);
        command.env_remove("XDG_STATE_HOME").env_remove("HOME");
        home.map(|home| command.env("HOME", home));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    };
    for home in [None, Some(""), Some("relative")] {
        let told = run(&[], home);
        assert_eq!(told.matches("no journal: neither").count(), 1, "{told}");
    }
    let (here, file) = (place.0.path().to_str().unwrap(), place.journal());
    assert!(!run(&["--no-journal"], None).contains("no journal"));
    assert!(run(&["--journal", file.to_str().unwrap()], None).contains("journal: "));
    assert!(run(&[], Some(here)).contains("journal: "));
}

/// As Windows' tools hand it over.
#[test]
fn a_journal_in_another_encoding_is_read() {
    let place = Place::new();
    place.sweep(&json!({}), &["-p", "64,128", "-n", "0", "-r", "1"]);
    let expected = place.report("json").stdout;
    let text = std::fs::read_to_string(place.journal()).unwrap().replace('\n', "\r\n");
    let text = format!("\u{feff}{text}");
    let units: Vec<u16> = text.encode_utf16().collect();
    for bytes in [
        text.clone().into_bytes(),
        units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
    ] {
        std::fs::write(place.journal(), bytes).unwrap();
        let report = place.report("json");
        assert_eq!(String::from_utf8_lossy(&report.stdout), String::from_utf8_lossy(&expected));
        assert_eq!(stderr(&report), "");
    }
    // One of UTF-8 with a mark can be gone on with.
    std::fs::write(place.journal(), &text).unwrap();
    let resumed = place.resume(&["-o", "json"]);
    assert_eq!(rows(&resumed).len(), 2, "{}", stderr(&resumed));
}
