//! What is shown of pairs of files, and what is refused.

use serde_json::{Value, json};

use super::*;

/// A row as llama-bench writes it, with some fields changed or added.
fn row(pp: u32, tg: u32, rates: &[f64], changes: &Value) -> Value {
    let mut row = json!({
        "cpu_info": "CPU 1", "gpu_info": "", "build_commit": "abc", "model_type": "llama 3B Q6_K",
        "model_size": 1000, "model_n_params": 2000, "n_threads": 4, "n_gpu_layers": 99, "type_k": "f16",
        "tensor_split": "0.00", "n_prompt": pp, "n_gen": tg, "n_depth": 0, "samples_ts": rates,
        "noise_floor": 0.005,
    });
    let (Some(row_fields), Some(changes)) = (row.as_object_mut(), changes.as_object()) else {
        unreachable!("both are objects")
    };
    row_fields.extend(changes.clone());
    row
}

fn around(rate: f64) -> Vec<f64> {
    [1.0, 1.004, 0.996, 1.002, 0.998, 1.0].iter().map(|noise| noise * rate).collect()
}

fn run(name: &str, rows: &[Value]) -> Run {
    Run::parse(name.into(), &Value::from(rows).to_string()).unwrap()
}

fn markdown(a: &Run, b: &Run, options: &CompareOptions) -> String {
    let mut out = Vec::new();
    compare(a, b, options).unwrap().write_markdown(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn by(name: &str) -> CompareOptions {
    CompareOptions { by: vec![name.into()], ..CompareOptions::default() }
}

/// Two runs in which everything happens.
fn everything() -> (Run, Run) {
    let failed = json!({"outcome": "crashed", "cause": "SIGABRT | \u{1b}[31m in `decode`"});
    let deep = json!({"n_depth": 4096});
    let a = [
        row(512, 0, &around(1000.0), &json!({})),
        row(1024, 0, &around(900.0), &json!({})),
        row(0, 128, &around(50.0), &json!({})),
        row(0, 128, &around(40.0), &deep),
        row(64, 0, &[], &json!({"avg_ts": 300.0, "stddev_ts": 3.0})),
        row(65, 0, &around(300.0), &json!({})),
        row(66, 0, &[], &failed),
        row(67, 0, &[], &failed),
        row(7, 0, &around(300.0), &json!({"n_threads": 8})),
    ];
    let late = json!({"cpu_info": "CPU | 2", "build_commit": "abd"});
    let b = [
        row(1024, 0, &around(860.0), &late),
        row(512, 0, &around(1100.0), &late),
        row(0, 128, &around(50.0), &late),
        row(0, 128, &around(40.3), &deep),
        row(64, 0, &around(300.0), &json!({})),
        row(65, 0, &[1.0], &failed),
        row(66, 0, &around(300.0), &json!({})),
        row(67, 0, &[], &failed),
        row(8, 0, &around(300.0), &json!({"n_threads": 2, "outcome": "interrupted"})),
    ];
    (run("a.json", &a), run("b.json", &b))
}

#[test]
fn everything_as_a_table() {
    let (a, b) = everything();
    insta::assert_snapshot!(markdown(&a, &b, &CompareOptions::default()));
}

#[test]
fn everything_as_json() {
    let (a, b) = everything();
    let mut out = Vec::new();
    compare(&a, &b, &CompareOptions::default()).unwrap().write_json(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(lines.len(), 10);
    let first = text.lines().take(2).collect::<Vec<_>>().join("\n");
    let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    insta::assert_snapshot!(format!("{first}\n{}", verdicts.join(" ")));
}

#[test]
fn on_machines_that_nobody_knows_only_great_differences_are_called() {
    let unknown = json!({"noise_floor": null});
    let side = |name, rates: [f64; 2]| {
        let rows = rates.iter().zip([512, 1024]);
        run(name, &rows.map(|(rate, pp)| row(pp, 0, &around(*rate), &unknown)).collect::<Vec<_>>())
    };
    let text =
        markdown(&side("a", [1000.0; 2]), &side("b", [1100.0, 1500.0]), &CompareOptions::default());
    insta::assert_snapshot!(text);
}

#[test]
fn settings_are_compared_by_leaving_them_out() {
    let threads = |n: u32| json!({"n_threads": n});
    let a = run("t4", &[512, 1024].map(|pp| row(pp, 0, &around(1000.0), &threads(4))));
    let b = run("t8", &[1024, 512].map(|pp| row(pp, 0, &around(1500.0), &threads(8))));
    let model = json!({"model_type": "llama 3B Q4_0", "model_size": 800});
    let c = run("q4", &[512, 1024].map(|pp| row(pp, 0, &around(2000.0), &model)));
    let texts = [markdown(&a, &b, &by("threads")), markdown(&a, &c, &by("model"))];
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn apples_and_oranges() {
    let one = |name: &str, changes: Value| run(name, &[row(512, 0, &around(1000.0), &changes)]);
    let a = one("a", json!({"model_hash": "aaaa", "synthetic_seed": 1}));
    let seed = one("seed", json!({"model_hash": "bbbb", "synthetic_seed": 2}));
    let hash = one("hash", json!({"model_hash": "bbbb"}));
    let threads = one("threads", json!({"n_threads": 8}));
    let model = one("model", json!({"model_type": "llama 8B", "model_size": 5}));
    let tests = run("tests", &[row(0, 128, &around(50.0), &json!({}))]);
    let others = one("others", json!({"n_threads": 8, "n_gpu_layers": 1}));
    let mut messages = Vec::new();
    for b in [&seed, &hash, &threads, &model, &tests, &others] {
        let error = compare(&a, b, &CompareOptions::default()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        messages.push(error.to_string());
        let forced = CompareOptions { force: true, ..CompareOptions::default() };
        let text = markdown(&a, b, &forced);
        let paired = [&seed, &hash].contains(&b);
        assert_eq!(text.starts_with('|'), paired, "{text}");
        assert_eq!(text.contains("- only in A: pp512"), !paired, "{text}");
    }
    messages.push(compare(&a, &a, &by("n_thread")).unwrap_err().to_string());
    insta::assert_snapshot!(messages.join("\n"));
    // Models are compared where that is asked for.
    assert!(compare(&a, &hash, &by("model")).is_ok());
}

#[test]
fn the_same_file_twice_is_the_same() {
    let (a, _) = everything();
    let options = CompareOptions::default();
    let comparison = compare(&a, &a, &options).unwrap();
    assert!(comparison.warnings().is_empty());
    for line in &comparison.lines {
        let word = line.word();
        assert!(matches!(word, "SAME" | "UNCLEAR" | "FAILED in both"), "{word}");
        assert_eq!(line.a.unwrap().position, line.b.unwrap().position);
    }
}

#[test]
fn what_fails_a_build_is_what_was_named() {
    let (a, b) = everything();
    let options = CompareOptions::default();
    let comparison = compare(&a, &b, &options).unwrap();
    for (name, on) in FailOn::NAMES {
        assert_eq!(name.parse(), Ok(on));
        assert!(comparison.fails(&[on]), "{name}");
    }
    assert!(!comparison.fails(&[]));
    let same = compare(&a, &a, &options).unwrap();
    assert!(!same.fails(&[FailOn::Slower, FailOn::Faster, FailOn::Missing]));
    insta::assert_snapshot!("slow".parse::<FailOn>().unwrap_err());
}

#[test]
fn rows_of_equal_settings_are_paired_in_order() {
    let rows = [1000.0, 1100.0].map(|rate| row(512, 0, &around(rate), &json!({})));
    let (a, b) = (run("a", &rows), run("b", &rows));
    let options = CompareOptions::default();
    let comparison = compare(&a, &b, &options).unwrap();
    assert!(comparison.lines.iter().all(|line| line.word() == "SAME"));
    assert_eq!(
        comparison.notes.last().map(String::as_str),
        Some("rows of equal settings were paired in the order of the files")
    );
}
