//! Facts stay with their attempt: whatever is resumed, a row says what it was measured with, and what an earlier
//! run has is neither claimed for this one nor lost. With the scripted engine.

mod place;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use place::{Place, records, rows, stderr};
use serde_json::{Value, json};

/// Prompts at these batch sizes, as JSON.
fn batches<'a>(sizes: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["-p", "512", "-n", "0", "-b", sizes, "-o", "json"], more].concat()
}

/// Has a journal say that its run was one of another machine and build.
fn as_of_another_machine(journal: &Path) {
    let text = fs::read_to_string(journal).unwrap();
    let text = text.replace("Scripted CPU", "Other CPU");
    let text = text.replace("\"build_commit\":\"scripted\"", "\"build_commit\":\"abc1234\"");
    fs::write(journal, text).unwrap();
}

fn field(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

/// How many samples each row has.
fn samples(rows: &[Value]) -> Vec<usize> {
    rows.iter().map(|row| row["samples_ns"].as_array().unwrap().len()).collect()
}

#[test]
fn rows_of_another_machine_stay_its_own() {
    for how in [&["-r", "3"][..], &["--rounds", "2", "--precision", "0.01%"]] {
        let place = Place::new();
        place.sweep(&json!({}), &batches("64,128", how));
        as_of_another_machine(&place.journal());
        let args = batches("64,128,256", &[how, &["--resume"]].concat());
        let resumed = place.sweep(&json!({}), &args);
        let told = stderr(&resumed);
        assert!(told.contains("the hardware was Other CPU and is Scripted CPU now"), "{told}");
        assert!(told.contains("2 of 3 measurements are there already"), "{told}");
        for rows in [rows(&resumed), rows(&place.report("json"))] {
            assert_eq!(field(&rows, "cpu_info"), ["Other CPU", "Other CPU", "Scripted CPU"]);
            assert_eq!(field(&rows, "build_commit"), ["abc1234", "abc1234", "scripted"]);
            for row in &rows[..2] {
                let warning = row["warnings"][0].as_str().unwrap();
                assert!(warning.contains("its build was abc1234 and is scripted"), "{warning}");
            }
            assert_eq!(rows[2]["warnings"], json!([]));
        }
        assert_eq!(samples(&rows(&resumed)), samples(&rows(&place.report("json"))));
        // The table has it too.
        let table = String::from_utf8(place.report("md").stdout).unwrap();
        assert!(table.contains("measured in an earlier run"), "{table}");
    }
}

#[test]
fn a_failure_on_another_machine_is_tried_on_this_one() {
    let place = Place::new();
    let full = json!({"fail": "unable to allocate CUDA0 buffer"});
    let rule = json!({"when": {"n_batch": "128"}, "phase": "context", "fault": full});
    place.sweep(&json!({"rules": [rule]}), &batches("64,128", &["-r", "3"]));
    let again = place.sweep(&json!({}), &batches("64,128", &["-r", "3", "--resume"]));
    assert_eq!(field(&rows(&again), "outcome"), ["completed", "failed"], "it would fail again");
    as_of_another_machine(&place.journal());
    let again = place.sweep(&json!({}), &batches("64,128", &["-r", "3", "--resume"]));
    assert_eq!(field(&rows(&again), "outcome"), ["completed", "completed"], "{}", stderr(&again));
}

#[test]
fn more_repetitions_are_measured_and_fewer_are_there() {
    let place = Place::new();
    place.sweep(&json!({}), &batches("64,128", &["-r", "5"]));
    let more = place.sweep(&json!({}), &batches("64,128,256", &["-r", "20", "--resume"]));
    assert!(stderr(&more).contains("0 of 3 measurements"), "{}", stderr(&more));
    for rows in [rows(&more), rows(&place.report("json"))] {
        assert_eq!(samples(&rows), [20, 20, 20]);
        assert_eq!(field(&rows, "repetitions"), [20, 20, 20]);
    }
    let fewer = place.sweep(&json!({}), &batches("64,128,256", &["-r", "3", "--resume"]));
    assert!(stderr(&fewer).contains("3 of 3 measurements"), "{}", stderr(&fewer));
    assert_eq!(field(&rows(&fewer), "repetitions"), [20, 20, 20], "as they were measured");
    assert_eq!(samples(&rows(&fewer)), [20, 20, 20]);
}

#[test]
fn cold_starts_and_a_warm_up_that_were_not_there_are_measured() {
    let place = Place::new();
    place.sweep(&json!({}), &batches("64", &["-r", "3", "--no-warmup"]));
    for more in [&["--cold", "2"][..], &[]] {
        let args = batches("64", &[&["-r", "3", "--resume"], more].concat());
        let resumed = place.sweep(&json!({}), &args);
        let row = &rows(&resumed)[0];
        assert_eq!(row["cold_samples_ns"].as_array().unwrap().len(), 2, "{}", stderr(&resumed));
        assert_eq!(row["warmup_steady"], true);
        assert_eq!(row["cold_repetitions"], 2, "by the run that measured it");
    }
}

#[test]
fn a_stricter_wish_has_rows_visited_more_often() {
    let place = Place::new();
    let first = place.sweep(&json!({"noise": 0.001}), &batches("64,128", &["--precision", "5%"]));
    let before = rows(&first);
    assert!(before.iter().all(|row| row["precision"].as_f64().unwrap() <= 0.05));
    let args = batches("64,128", &["--precision", "0.5%", "--resume"]);
    let after = rows(&place.sweep(&json!({"noise": 0.001}), &args));
    for (row, old) in after.iter().zip(&before) {
        assert_eq!(row["precision_target"], 0.005);
        assert!(row["precision"].as_f64().unwrap() <= 0.005, "{}", row["precision"]);
        assert!(row["n_visits"].as_u64() > old["n_visits"].as_u64());
        // What was there is part of it.
        let (all, some) = (&row["samples_ns"], &old["samples_ns"]);
        assert!(all.as_array().unwrap().starts_with(some.as_array().unwrap()));
    }
    assert_eq!(field(&rows(&place.report("json")), "n_visits"), field(&after, "n_visits"));
}

#[test]
fn a_stricter_wish_that_is_not_met_is_not_claimed() {
    let place = Place::new();
    let first = rows(&place.sweep(&json!({}), &batches("64", &["--precision", "5%"])));
    let visits = first[0]["n_visits"].to_string();
    // No visit is left: the row stays as it is, and that is not what is wanted now.
    let more = ["--precision", "0.5%", "--rounds", &visits, "--resume"];
    let resumed = rows(&place.sweep(&json!({}), &batches("64", &more)));
    assert_eq!(resumed[0]["precision_target"], 0.05, "it was measured for that");
    assert_eq!(resumed[0]["samples_ns"], first[0]["samples_ns"]);
    for table in
        [place.report("md"), place.sweep(&json!({}), &[&more[..], &["-p", "512"]].concat())]
    {
        let table = String::from_utf8(table.stdout).unwrap();
        assert!(table.contains(" ~"), "{table}");
        assert!(table.contains("more than ±0.5 %"), "{table}");
    }
}

#[test]
fn a_finished_run_is_finished() {
    for how in [&[][..], &["--precision", "3%"], &["--rounds", "2"], &["-r", "2"]] {
        let place = Place::new();
        let first = place.sweep(&json!({"noise": 0.002}), &batches("64,128", how));
        let before = records(&place.journal(), "started").len();
        let again = place.resume(&["-o", "json"]);
        assert_eq!(samples(&rows(&first)), samples(&rows(&again)), "{how:?}: {}", stderr(&again));
        assert_eq!(records(&place.journal(), "started").len(), before, "{how:?}");
    }
}

#[test]
fn another_journal_has_all_of_it() {
    let place = Place::new();
    let crash = json!({"when": {"n_batch": "128"}, "phase": "prompt", "fault": "abort"});
    let script = json!({"rules": [crash]});
    place.sweep(&script, &batches("64,128", &["-r", "3"]));
    as_of_another_machine(&place.journal());
    let other = place.0.path().join("other.jsonl");
    let args = batches("64,128,256", &["-r", "3", "--resume", place.path(), "--scripted={}"]);
    let resumed = place.run(&[&args[..], &["--journal", other.to_str().unwrap()]].concat());
    assert_eq!(samples(&rows(&resumed)), [3, 3, 3], "{}", stderr(&resumed));
    let report = place.run(&["report", other.to_str().unwrap(), "-o", "json"]);
    assert_eq!(rows(&report), rows(&resumed));
    assert_eq!(field(&rows(&report), "cpu_info"), ["Other CPU", "Scripted CPU", "Scripted CPU"]);
    // And the first journal is as it was.
    assert_eq!(field(&rows(&place.report("json")), "outcome"), ["completed", "crashed"]);
}

#[test]
fn a_narrower_plan_hides_nothing() {
    let place = Place::new();
    place.sweep(&json!({}), &batches("64,128,256", &["-r", "3"]));
    let resumed = place.sweep(&json!({}), &batches("128,512", &["-r", "3", "--resume"]));
    assert_eq!(field(&rows(&resumed), "n_batch"), [128, 512]);
    let report = rows(&place.report("json"));
    assert_eq!(field(&report, "n_batch"), [128, 512, 64, 256], "what was asked for last is first");
    assert_eq!(samples(&report), [3, 3, 3, 3]);
}

impl Place {
    /// The journal's path, as text.
    fn path(&self) -> &'static str {
        self.journal().to_str().unwrap().to_string().leak()
    }

    /// Keeps the journal in the user's folder, with another time of its run.
    fn keep_as(&self, name: &str, time: u64) {
        let text = fs::read_to_string(self.journal()).unwrap();
        let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let was = format!("\"unix_time\":{},\"args\"", header["header"]["unix_time"]);
        assert!(text.contains(&was));
        let text = text.replace(&was, &format!("\"unix_time\":{time},\"args\""));
        let folder = self.0.path().join("lbench");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
        fs::remove_file(self.journal()).unwrap();
    }
}

#[test]
fn the_last_run_is_the_last_by_what_is_in_it() {
    let place = Place::new();
    for (name, time, sizes) in [
        // A clock that was wrong gave the older run the later name.
        ("2099-01-01T000000Z-1.jsonl", 1_000_000_000, "64"),
        ("2026-01-01T000000Z-1.jsonl", 1_700_000_000, "128,256"),
    ] {
        place.sweep(&json!({}), &batches(sizes, &["-r", "2"]));
        place.keep_as(name, time);
    }
    assert_eq!(field(&rows(&place.run(&["report", "-o", "json"])), "n_batch"), [128, 256]);
    let resumed = place.run(&["--resume", "-o", "json"]);
    assert_eq!(field(&rows(&resumed), "n_batch"), [128, 256], "{}", stderr(&resumed));
}

#[test]
fn a_journal_with_nothing_in_it_is_in_nobodys_way() {
    let place = Place::new();
    place.sweep(&json!({}), &batches("64", &["-r", "2"]));
    place.keep_as("2026-01-01T000000Z-1.jsonl", 1_700_000_000);
    let folder = place.0.path().join("lbench");
    std::thread::sleep(Duration::from_millis(20));
    fs::write(folder.join("2026-01-02T000000Z-1.jsonl"), "").unwrap();
    fs::write(folder.join("2026-01-03T000000Z-1.jsonl"), "{\"header\":{\"schema\":2,\"unix_t")
        .unwrap();
    for args in [&["report", "-o", "json"][..], &["--resume", "-o", "json"]] {
        let output = place.run(args);
        assert_eq!(rows(&output).len(), 1, "{}", stderr(&output));
        for name in ["2026-01-02", "2026-01-03"] {
            let told = stderr(&output);
            let lines = told.lines().filter(|line| line.contains(name)).count();
            // Resuming makes the good one the newest.
            assert!(lines == 1, "{args:?}: {told}");
        }
    }
}

#[test]
fn a_run_killed_in_mid_round_goes_on_with_its_rounds() {
    // Three rounds of four rows, some tens of milliseconds each.
    let script = json!({"real_time": true, "prompt_rate": 200_000.0, "noise": 0.02});
    let args = batches("64-256+64", &["--rounds", "3", "--precision", "0.001%"]);
    for visits in [2, 6, 10] {
        let place = Place::new();
        let mut child = place.spawn_sweep(&script, &args);
        while records(&place.journal(), "finished").len() < visits {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let killed: Vec<_> = records(&place.journal(), "started");
        let resumed = place.sweep(&script, &[&args[..], &["--resume"]].concat());
        let told = stderr(&resumed);
        for row in rows(&resumed) {
            assert_eq!(row["n_visits"], 3, "{visits} visits: {told}");
        }
        assert_eq!(samples(&rows(&resumed)), samples(&rows(&place.report("json"))));
        assert!(place.finished().values().all(|times| *times == 3), "{visits} visits");
        // Its rounds go on where they were.
        let rounds = |started: &[Value]| -> Vec<u64> {
            started.iter().map(|started| started["round"].as_u64().unwrap()).collect()
        };
        let all = rounds(&records(&place.journal(), "started"));
        let before = rounds(&killed).into_iter().max().unwrap();
        assert!(all[killed.len()..].iter().all(|round| *round >= before), "{all:?}");
        let mut seen = HashMap::new();
        for started in records(&place.journal(), "started") {
            *seen.entry(started["job"].to_string()).or_insert(0) += 1;
        }
        // One visit was cut off, and made again.
        assert_eq!(seen.values().sum::<i32>(), 13 - i32::from(killed.len() == visits));
    }
}
