//! Runs of the past: listed, found by name, tagged, moved, pruned and followed over time, with journals of the
//! scripted engine.

mod place;

use std::path::PathBuf;
use std::process::Output;

use place::{Place, stderr};
use serde_json::{Value, json};

/// The folder of journals of a place.
fn folder(place: &Place) -> PathBuf {
    place.0.path().join("lbench")
}

/// A sweep whose journal is in the folder under this name.
fn run(place: &Place, name: &str, script: &Value, args: &[&str]) -> Output {
    std::fs::create_dir_all(folder(place)).unwrap();
    let (script, journal) = (format!("--scripted={script}"), folder(place).join(name));
    let sweep = ["--journal", journal.to_str().unwrap(), "-p", "512", "-n", "16", "-r", "3"];
    place.run(&[&[script.as_str()], &sweep[..], args].concat())
}

/// The same journal as another run, so many seconds later, with what is measured times so much.
fn copy(place: &Place, from: &str, to: &str, later: u64, slower: f64) {
    let text = std::fs::read_to_string(folder(place).join(from)).unwrap();
    let lines = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line["header"].is_object() {
            let header = &mut line["header"];
            let time = header["unix_time"].as_u64().unwrap();
            header["unix_time"] = (time - 1_000_000 + later).into();
            header["run"] = format!("{:016x}", (later + 1).wrapping_mul(0x1111_1111_1111)).into();
        }
        if let Some(ns) = line.pointer_mut("/record/sampled/sample/run/ns") {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let slow = (ns.as_f64().unwrap() * slower) as u64;
            *ns = slow.into();
        }
        line.to_string() + "\n"
    });
    std::fs::write(folder(place).join(to), lines.collect::<String>()).unwrap();
}

fn history(place: &Place, args: &[&str]) -> Output {
    place.run(&[&["history"], args].concat())
}

fn list(place: &Place, args: &[&str]) -> Vec<Value> {
    let output = history(place, &[args, &["-o", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(&output)))
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Three runs: the newest last.
fn three() -> Place {
    let place = Place::new();
    run(&place, "c.jsonl", &json!({"noise": 0.01}), &["-b", "64,128"]);
    copy(&place, "c.jsonl", "a.jsonl", 10, 1.0);
    copy(&place, "c.jsonl", "b.jsonl", 500_000, 1.0);
    place
}

#[test]
fn runs_are_listed_newest_first_and_filtered() {
    let place = three();
    let all = list(&place, &[]);
    let names: Vec<_> = all
        .iter()
        .map(|run| run["journal"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["c.jsonl", "b.jsonl", "a.jsonl"]);
    assert_eq!((&all[0]["rows_ok"], &all[0]["rows_failed"]), (&json!(4), &json!(0)));
    assert_eq!(all[0]["varied"], json!(["n_batch 64,128"]));
    assert!(all[0]["best"].as_array().unwrap().len() == 2, "{}", all[0]["best"]);
    let count = |args: &[&str]| list(&place, args).len();
    assert_eq!((count(&["--model", "LLAMA"]), count(&["--model", "qwen"])), (3, 0));
    assert_eq!((count(&["--test", "pp512"]), count(&["--test", "pp51"])), (3, 0));
    assert_eq!((count(&["--since", "1d"]), count(&["--limit", "2"])), (1, 2));
    assert_eq!(count(&["--host", "no such machine"]), 0);
    let table = stdout(&history(&place, &[]));
    assert_eq!(table.lines().count(), 5, "{table}");
    let csv = stdout(&history(&place, &["-o", "csv"]));
    assert!(csv.starts_with("id,") && csv.lines().count() == 4, "{csv}");
}

#[test]
fn whatever_is_wrong_with_the_index_the_list_is_the_same() {
    let place = three();
    let index = folder(&place).join("index.json");
    let before = list(&place, &[]);
    assert!(index.exists());
    let whole = std::fs::read(&index).unwrap();
    for bad in [&b""[..], b"{", b"[1]", &whole[..whole.len() / 2]] {
        std::fs::write(&index, bad).unwrap();
        assert_eq!(list(&place, &[]), before);
        assert_eq!(std::fs::read(&index).unwrap(), whole);
    }
    // A journal that went on, and one that is gone.
    run(&place, "c.jsonl", &json!({}), &["--resume", "-b", "64,128,256"]);
    std::fs::remove_file(folder(&place).join("a.jsonl")).unwrap();
    let after = list(&place, &[]);
    assert_eq!(
        (after.len(), &after[0]["id"]),
        (2, &before[0]["id"]),
        "a run that goes on stays itself"
    );
    assert!(after[0]["rows_ok"].as_u64() > before[0]["rows_ok"].as_u64());
}

#[test]
fn runs_are_found_by_name_wherever_a_file_is_taken() {
    let place = three();
    let all = list(&place, &[]);
    let id = all[2]["id"].as_str().unwrap();
    assert_eq!(history(&place, &["tag", "last~1", "main"]).status.code(), Some(0));
    let journal = folder(&place).join("b.jsonl");
    let file = place.run(&["report", journal.to_str().unwrap(), "-o", "csv"]);
    for name in ["main", "@main", "last~1", all[1]["id"].as_str().unwrap()] {
        let shown = history(&place, &["show", name, "-o", "csv"]);
        assert_eq!(stdout(&shown), stdout(&file), "{name}: {}", stderr(&shown));
    }
    let compared = place.run(&["compare", "@main", &format!("@{}", &id[..6]), "-o", "json"]);
    assert_eq!(compared.status.code(), Some(0), "{}", stderr(&compared));
    assert_eq!(stdout(&compared).matches("\"verdict\":\"same\"").count(), 4);
    let new = run(&place, "d.jsonl", &json!({}), &["-b", "64,128", "--baseline", "@main"]);
    assert!(stdout(&new).contains("vs base"), "{}", stderr(&new));
    for (name, told) in
        [("@mian", "there is a tag main"), ("@last~9", "4 runs"), ("@zzzz", "lists them")]
    {
        let wrong = place.run(&["compare", name, "@main"]);
        assert_eq!(wrong.status.code(), Some(2));
        assert!(stderr(&wrong).contains(told), "{}", stderr(&wrong));
        assert_eq!(stderr(&wrong).lines().count(), 1);
    }
}

/// A run that goes on is not its own baseline.
#[test]
fn the_last_run_is_never_the_one_that_is_resumed() {
    let place = Place::new();
    run(&place, "a.jsonl", &json!({}), &[]);
    let alone = run(&place, "a.jsonl", &json!({}), &["--resume", "--baseline", "@last"]);
    assert!(stderr(&alone).contains("@last: there is no run yet"), "{}", stderr(&alone));
}

#[test]
fn prune_says_first_and_spares_what_has_a_tag() {
    let place = three();
    history(&place, &["tag", &list(&place, &[])[2]["id"].as_str().unwrap()[..8], "keep/me"]);
    let dry = history(&place, &["prune", "--keep", "1"]);
    assert!(stderr(&dry).contains("1 run would go"), "{}", stderr(&dry));
    assert_eq!(list(&place, &[]).len(), 3);
    history(&place, &["prune", "--keep", "1", "--yes"]);
    let left: Vec<_> = list(&place, &[]).iter().map(|run| run["tags"].clone()).collect();
    assert_eq!(left, [json!([]), json!(["keep/me"])]);
    history(&place, &["prune", "--older-than", "1h", "--keep", "1", "--yes"]);
    assert_eq!(list(&place, &[]).len(), 2, "the newest and the tagged one");
    history(&place, &["untag", "keep/me", "keep/me"]);
    history(&place, &["prune", "--keep", "0", "-y"]);
    assert_eq!(list(&place, &[]).len(), 0);
    assert_eq!(history(&place, &["prune"]).status.code(), Some(2));
}

#[test]
fn runs_go_to_a_folder_and_come_from_it_once() {
    let (place, other) = (three(), Place::new());
    history(&place, &["tag", "last", "mine"]);
    let shared = place.0.path().join("shared folder");
    let to = shared.to_str().unwrap();
    let first = history(&place, &["export", to]);
    assert!(stderr(&first).contains("3 runs copied"), "{}", stderr(&first));
    assert!(stderr(&history(&place, &["export", to])).contains("3 there already"));
    // What is no journal harms nobody.
    std::fs::write(shared.join("x\u{1b}[1m.jsonl"), "hello\n").unwrap();
    let import = history(&other, &["import", to]);
    assert!(stderr(&import).contains("passed over"), "{}", stderr(&import));
    let came = list(&other, &[]);
    assert_eq!(came.iter().filter(|run| run["imported"] == true).count(), 3);
    assert_eq!(came[0]["machine"], list(&place, &[])[0]["machine"]);
    assert_eq!(came[0]["tags"], json!([]));
    history(&other, &["import", to, "--tags"]);
    assert_eq!(list(&other, &["--tag", "mine"]).len(), 1);
    // Somebody else's run is nobody's last one.
    assert!(stderr(&history(&other, &["show", "last"])).contains("no run yet"));
    // A run that went on here goes on there.
    run(&place, "c.jsonl", &json!({}), &["--resume", "-b", "64,128,256"]);
    assert!(stderr(&history(&place, &["export", to])).contains("1 brought up to date"));
    assert!(stderr(&history(&other, &["import", to])).contains("1 brought up to date"));
    assert_eq!(list(&other, &[]).len(), 3);
}

#[test]
fn a_step_in_a_series_is_found_with_what_came_with_it() {
    let place = Place::new();
    run(&place, "x.jsonl", &json!({"noise": 0.002}), &[]);
    let wobble = [0.0, 0.4, -0.3, 0.1, -0.5, 0.3, 0.2, -0.2, 0.5, -0.1];
    for at in 0..20_u32 {
        let off = wobble[at as usize % 10] / 100.0;
        let slower = if at < 10 { 1.0 } else { 1.04 };
        let name = format!("{at:02}.jsonl");
        copy(&place, "x.jsonl", &name, u64::from(at) * 1000, slower * (1.0 + off));
        if at >= 10 {
            let path = folder(&place).join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            let build = "\"build_commit\":\"";
            std::fs::write(path, text.replace(build, "\"build_commit\":\"new-")).unwrap();
        }
    }
    std::fs::remove_file(folder(&place).join("x.jsonl")).unwrap();
    let shown = history(&place, &["series", "--test", "pp512"]);
    let text = stdout(&shown);
    assert_eq!(text.matches("SLOWER from").count(), 1, "{text}{}", stderr(&shown));
    assert!(text.contains("with engine build"), "{text}");
    let objects = stdout(&history(&place, &["series", "--test", "pp512", "-o", "json"]));
    let objects: Vec<Value> = serde_json::from_str(&objects).unwrap();
    let called: Vec<_> = (0..20).filter(|&at| !objects[at]["verdict"].is_null()).collect();
    assert_eq!((objects.len(), called), (20, vec![10]));
    let none = history(&place, &["series", "--test", "pp4"]);
    assert!(stderr(&none).contains("no row is like that"), "{}", stderr(&none));
}

#[test]
fn odd_files_and_folders_are_told_in_a_line_each() {
    let place = Place::new();
    // No run, no folder.
    let none = history(&place, &[]);
    assert_eq!((none.status.code(), stderr(&none).lines().count()), (Some(0), 1));
    run(&place, "a|b \u{202e}<i>.jsonl", &json!({}), &[]);
    let text = std::fs::read(folder(&place).join("a|b \u{202e}<i>.jsonl")).unwrap();
    std::fs::write(folder(&place).join("torn.jsonl"), &text[..text.len() / 3]).unwrap();
    std::fs::write(folder(&place).join("empty.jsonl"), "").unwrap();
    std::fs::write(folder(&place).join("other.jsonl"), "{\"a\": 1}\n").unwrap();
    std::fs::create_dir(folder(&place).join("dir.jsonl")).unwrap();
    std::fs::write(folder(&place).join("history.log"), "{\"tag\":{\"run\":\"x\"").unwrap();
    let odd = history(&place, &[]);
    assert_eq!(odd.status.code(), Some(0));
    assert_eq!(stderr(&odd).lines().count(), 1, "{}", stderr(&odd));
    assert!(stderr(&odd).contains("passed over"));
    history(&place, &["tag", "last", "first"]);
    assert_eq!(list(&place, &["--tag", "first"]).len(), 1, "behind a torn line");
    for tag in ["", "last", "last~2", "a b", "-x", "a\nb"] {
        assert_eq!(history(&place, &["tag", "last", "--", tag]).status.code(), Some(2), "{tag}");
    }
    let homeless = place.lbench(&["history"]).env("XDG_STATE_HOME", "").env("HOME", "").output();
    let homeless = homeless.unwrap();
    assert_eq!((homeless.status.code(), stderr(&homeless).lines().count()), (Some(2), 1));
    // A clock that was wrong.
    let name = "a|b \u{202e}<i>.jsonl";
    copy(&place, name, "future.jsonl", 9_000_000_000, 1.0);
    let future = history(&place, &[]);
    assert!(stderr(&future).contains("began in the future"), "{}", stderr(&future));
}

/// Journals named by hand are runs as well; those of a script that nobody keeps are none.
#[test]
fn journals_named_by_hand_are_listed_and_never_removed() {
    let place = Place::new();
    let sweep = ["-p", "512", "-n", "0", "-r", "3"];
    place.sweep(&json!({}), &sweep);
    assert_eq!(list(&place, &[]).len(), 0);
    std::fs::remove_file(place.journal()).unwrap();
    place.sweep(&json!({"keep": true}), &sweep);
    place.sweep(&json!({"keep": true}), &[&sweep[..], &["--resume"]].concat());
    assert_eq!(list(&place, &[]).len(), 1);
    let pruned = history(&place, &["prune", "--keep", "0", "-y"]);
    assert!(place.journal().exists() && stderr(&pruned).contains("its file stays"));
    assert_eq!(list(&place, &[]).len(), 0);
    place.sweep(&json!({"keep": true}), &[&sweep[..], &["--resume"]].concat());
    std::fs::remove_file(place.journal()).unwrap();
    let gone = history(&place, &[]);
    assert!(stderr(&gone).contains("prune --gone"), "{}", stderr(&gone));
    history(&place, &["prune", "--gone", "--yes"]);
    assert!(!stderr(&history(&place, &[])).contains("prune --gone"));
}

#[test]
fn two_at_once_lose_nothing() {
    let place = three();
    let tags: Vec<_> = (0..12).map(|at| format!("t{at}")).collect();
    let tagging: Vec<_> = tags
        .iter()
        .map(|tag| place.lbench(&["history", "tag", "last", tag]).spawn().unwrap())
        .collect();
    for mut child in tagging {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(list(&place, &[])[0]["tags"].as_array().unwrap().len(), 12);
}

/// `LBENCH_RUNS=1000 cargo test --release … -- --ignored --nocapture` prints how long a list takes.
#[test]
#[ignore = "prints figures"]
fn many_runs_are_listed_quickly() {
    let place = Place::new();
    run(&place, "x.jsonl", &json!({"noise": 0.01}), &["-b", "64,128,256,512"]);
    for at in 0..999 {
        copy(&place, "x.jsonl", &format!("{at:04}.jsonl"), at * 100, 1.0);
    }
    for args in
        [&["history"][..], &["history"], &["history", "-o", "json"], &["history", "-l", "1000"]]
    {
        let start = std::time::Instant::now();
        let output = place.run(args);
        let lines = stdout(&output).lines().count();
        println!("{args:?}: {:?}, {lines} lines", start.elapsed());
    }
}

/// A plot stands under a table, and never in the way of a program that reads rows.
#[test]
fn plots_are_drawn_wherever_runs_are_shown() {
    let place = Place::new();
    let fault = json!({"when": {"n_batch": "128"}, "phase": "prompt", "fault": "abort"});
    let script = json!({"noise": 0.01, "rules": [fault]});
    let args = ["-b", "64-512*2", "-fa", "0,1", "--plot"];
    let table = stdout(&run(&place, "a.jsonl", &script, &args));
    for part in ["pp512, t/s over n_batch", "tg16, t/s over n_batch", "RAM MiB over n_batch"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert!(table.contains("o fa 0   x fa 1   ! failed"), "{table}");
    let places = table.lines().find(|line| line.contains("64  ") && !line.contains('|')).unwrap();
    let at = |name: &str| places.find(name).unwrap();
    // Each twice the one before it: evenly apart.
    let gaps = [at("128") - at("64"), at("256") - at("128"), at("512") - at("256")];
    assert!(gaps.iter().all(|gap| gap.abs_diff(gaps[1]) <= 2), "{places}");
    let again = history(&place, &["show", "last", "--plot"]);
    assert_eq!(stdout(&again).matches(" over n_batch").count(), 3);
    let rows = history(&place, &["show", "last", "--plot", "-o", "json"]);
    assert!(serde_json::from_slice::<Value>(&rows.stdout).is_ok());
    assert!(stderr(&rows).contains("t/s over n_batch"));
    copy(&place, "a.jsonl", "b.jsonl", 10, 1.0);
    let series = history(&place, &["series", "--test", "tg16", "--plot"]);
    assert!(stdout(&series).contains("run after run"), "{}", stderr(&series));
    let one = run(&place, "c.jsonl", &json!({}), &["-n", "0", "--plot"]);
    assert!(stdout(&one).contains("pp512"), "{}", stdout(&one));
}
