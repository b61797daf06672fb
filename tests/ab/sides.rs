//! What sides are: programs, flags, variables; and what is no side.

use std::fs;

use serde_json::{Value, json};

use super::*;

#[test]
fn another_program_measures_its_side_and_no_other() {
    let place = Place::new();
    let other = place.other();
    let args = ["-p", "512", "-n", "0", "--rounds", "4", "--with", &other, "--b", "GREETING=hello"];
    let journal = place.path("journal");
    let keep = ["--journal", journal.to_str().unwrap()];
    let output = place.ab(&place.machine(1), &[&args[..], &keep].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let about = "(lbench VERSION, scripted, build scripted, kernels none)";
    assert_eq!(text.matches(about).count(), 2, "{text}");
    assert!(text.contains(&format!("B: `{other} GREETING=hello`")), "{text}");
    let notes = fs::read_to_string(place.path("notes")).unwrap();
    let workers = notes.lines().filter(|line| *line == "worker hello").count();
    // One to be asked what it is, and one for each visit.
    assert_eq!(workers, 5, "{notes}");
    assert_eq!(visits(&journal).len(), 8);
    let rows = place.lbench(&["report", journal.to_str().unwrap(), "-o", "json"]);
    let rows: Vec<Value> = serde_json::from_slice(&rows.stdout).unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["visits"].as_array().map(Vec::len) == Some(4)), "{rows:?}");
    let resumed = place.lbench(&["--resume", journal.to_str().unwrap()]);
    assert_eq!(resumed.status.code(), Some(2));
    assert!(stderr(&resumed).contains("lbench ab"), "{}", stderr(&resumed));
}

#[test]
fn what_is_no_lbench_is_one_line() {
    let place = Place::new();
    let later = "echo '{\"ready\":{\"version\":999}}'; cat > /dev/null";
    let programs = [
        ("a folder", place.0.path().to_str().unwrap().to_string()),
        ("missing", place.path("missing").to_str().unwrap().to_string()),
        ("silent", place.program("silent", "exit 0")),
        ("talking", place.program("talking", "echo Hello; exec sleep 5")),
        ("refusing", place.program("refusing", "echo 'what is worker?' >&2; exit 2")),
        ("later", place.program("later", later)),
        (
            "between",
            place.program("between", &format!("'{}' \"$@\"", env!("CARGO_BIN_EXE_lbench"))),
        ),
    ];
    let folder = place.0.path().display().to_string();
    let said = programs.map(|(what, program)| {
        let output = place.ab(&json!({}), &["-p", "64", "-n", "0", "--with", &program]);
        let text = stderr(&output).replace(&folder, "FOLDER");
        assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{what}: {text}");
        assert_eq!(stdout(&output), "");
        format!("{what}: {text}")
    });
    insta::assert_snapshot!(said.concat());
}

#[test]
fn sides_that_do_not_pair_up_are_refused() {
    let place = Place::new();
    let sides = [
        ["-p 512", "-p 256"],
        ["-t 4,8", "-t 4"],
        ["-p 512 -n 0", "-n 128 -p 0"],
        ["-p 512 -n 0", "-p 512"],
        ["-m synth:llama-135m:q4_0", "-m synth:llama-135m:q4_0 -m synth:llama-3.2-1b:q4_0"],
        ["-p 0 -n 0", "-p 512"],
        ["-r 5", "-r 4"],
    ];
    let said = sides.map(|[a, b]| {
        let output = place.lbench(&["ab", "--scripted={}", "--a", a, "--b", b]);
        let text = stderr(&output);
        let text: Vec<_> = text.lines().filter(|line| !line.contains("no -m given")).collect();
        assert_eq!((output.status.code(), text.len()), (Some(2), 1), "{a}, {b}: {text:?}");
        format!("{a} | {b}\n    {}", text[0])
    });
    insta::assert_snapshot!(said.join("\n"));
}

/// Workers of both sides are not the same here, and so not the same is true of their rows.
#[test]
fn the_journal_says_what_is_true_of_each_side() {
    let place = Place::new();
    let journal = place.path("journal");
    let keep = ["--journal", journal.to_str().unwrap()];
    let args = ["-p", "512", "-n", "32", "-r", "2", "--b", "--prio -1"];
    let output = place.ab(&place.machine(1), &[&args[..], &keep].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let visited = visits(&journal).len() / 4;
    let text = fs::read_to_string(&journal).unwrap();
    assert_eq!(text.matches("{\"header\"").count(), 2, "not one for each visit");
    let report = place.lbench(&["report", journal.to_str().unwrap(), "-o", "json"]);
    let rows: Vec<Value> = serde_json::from_slice(&report.stdout).unwrap();
    let of = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("priority"), [0, 0, -1, -1]);
    assert_eq!(of("warnings"), [json!([]), json!([]), json!([]), json!([])]);
    let total: u64 = of("n_visits").iter().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(total, 4 * visited as u64, "each visit is in its row, with -r too");
    assert_eq!(of("sweep")[3], "B: --prio -1");
    // Nothing is visited once it was said to stay as it is.
    let mut settled = Vec::new();
    for line in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let record = &line["record"];
        let (started, rows) = (&record["started"], &record["settled"]);
        assert!(!settled.contains(&(started["job"].clone(), started["nth"].clone())), "{line}");
        for (at, job) in rows["jobs"].as_array().into_iter().flatten().enumerate() {
            settled.push((job.clone(), rows["nth"].get(at).cloned().unwrap_or(json!(0))));
        }
    }
    assert_eq!(settled.len(), 4);
}

/// What the environment and the file say counts, but for what a comparison has no room for.
#[test]
fn defaults_count_as_in_a_sweep() {
    let place = Place::new();
    let script = format!("--scripted={}", place.machine(1));
    let args = ["ab", script.as_str(), "-m", MODEL, "-p", "64", "-n", "0", "--rounds", "2"];
    let run = |variable: (&str, &str), more: &[&str]| {
        let mut command = place.command(&[&args[..], &["--b", "-t 1"], more].concat());
        command.env(variable.0, variable.1).output().unwrap()
    };
    let line = |output: Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };
    let threads = line(run(("LBENCH_THREADS", "3"), &["-o", "jsonl"]));
    assert_eq!(
        (&threads["a"]["key"]["n_threads"], &threads["b"]["key"]["n_threads"]),
        (&json!(3), &json!(1))
    );
    let threshold = line(run(("LBENCH_THRESHOLD", "5%"), &["-o", "jsonl"]));
    assert_eq!(threshold["threshold"], 0.05);
    let journal = place.path("cold");
    run(("LBENCH_COLD", "2"), &["--journal", journal.to_str().unwrap()]);
    assert!(records(&journal, "sampled").iter().all(|sample| sample["sample"]["cold"].is_null()));
    let rows = run(("LBENCH_OUTPUT", "csv"), &[]);
    assert_eq!((rows.status.code(), stdout(&rows)), (Some(2), String::new()));
    assert!(stderr(&rows).contains("-o csv: `lbench ab` writes md"), "{}", stderr(&rows));
    let presets = place.lbench(&["ab", "--preset", "list"]);
    assert!(stdout(&presets).starts_with("report\n"), "{}", stdout(&presets));
}

/// That one program finds no memory says nothing of another.
#[test]
fn what_one_program_finds_no_memory_for_another_tries() {
    let place = Place::new();
    let fault = json!({"fail": "cudaMalloc failed: out of memory"});
    let rules = json!({"rules": [{"when": {}, "phase": "load", "fault": fault}]});
    let outcomes = |sides: [&str; 2]| {
        let script = format!("--scripted={}", place.machine(1));
        let sides = ["-p", "64", "-n", "0", "--a", sides[0], "--b", sides[1], "-o", "jsonl"];
        let output = place.lbench(&[&["ab", &script, "-m", MODEL][..], &sides].concat());
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        [line["a"]["cause"].clone(), line["b"]["cause"].clone()].map(|cause| cause.to_string())
    };
    let other = format!("--scripted='{rules}'");
    // Whichever of them is first.
    for sides in [[other.as_str(), ""], ["", &other]] {
        let mut outcomes = outcomes(sides);
        outcomes.sort();
        assert!(outcomes[0].contains("out of memory") && outcomes[1] == "null", "{outcomes:?}");
    }
    // A program is not asked twice for the same.
    let [a, b] = outcomes([&other, &other]);
    assert!(a.contains("skipped") || b.contains("skipped"), "{a}, {b}");
}
