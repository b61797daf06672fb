//! Quality as a user measures it, on the scripted engine: what is damaged more is farther from the reference.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const MODELS: &str = "synth:llama-135m:q4_0,synth:llama-135m:f16,synth:llama-135m:q8_0";

fn lbench(folder: &Path, script: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lbench"))
        .args(["--scripted", script, "--no-journal", "--no-config", "--quality"])
        .args(args)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .current_dir(folder)
        .output()
        .unwrap()
}

fn rows(folder: &Path, script: &str, args: &[&str]) -> Vec<Value> {
    let output = lbench(folder, script, &[args, &["-o", "json"]].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

const ALONE: [&str; 4] = ["-p", "0", "-n", "0"];

#[test]
fn models_are_held_against_the_largest_one_which_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(folder.path(), "{}", &[&ALONE[..], &["-m", MODELS]].concat());
    let of = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("test"), ["ppl mixed@512", "kld mixed@512", "kld mixed@512"]);
    assert!(rows[0]["model_filename"].as_str().unwrap().ends_with("f16.gguf"));
    let number = |row: usize, name: &str| rows[row][name].as_f64().unwrap();
    // What was cut to four bits is farther than what was cut to eight.
    assert!(number(1, "kld") > 2.0 * number(2, "kld"), "{:?}", of("kld"));
    assert!(number(2, "kld") > 10.0 * number(2, "kld_error") && number(2, "kld_error") > 0.0);
    assert!(number(1, "same_top") < number(2, "same_top") && number(2, "same_top") < 1.0);
    assert!(number(1, "ppl_ratio") > 1.0, "{:?}", of("ppl_ratio"));
    let ratio = number(1, "ppl") / number(0, "ppl");
    assert!((ratio / number(1, "ppl_ratio")).ln().abs() < 0.2, "the same text, other chunks");
    assert_eq!((&rows[0]["kld"], &rows[0]["avg_ts"]), (&Value::Null, &Value::Null));
    // The reference has all chunks, the others as many as they need.
    assert_eq!(rows[0]["nll_chunks"].as_array().unwrap().len(), 32);
    assert!((8..32).contains(&rows[1]["kld_chunks"].as_array().unwrap().len()));
}

#[test]
fn it_stands_beside_speed_in_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["-m", MODELS, "-p", "64", "-n", "8"];
    let table = String::from_utf8(lbench(folder.path(), "{}", &args).stdout).unwrap();
    let heading = table.lines().next().unwrap();
    for column in ["t/s", "kld", "ppl", "ppl ratio", "same top %"] {
        assert_eq!(heading.matches(&format!(" {column} |")).count(), 1, "{column}: {heading}");
    }
    assert_eq!(table.lines().filter(|line| line.contains("pp64")).count(), 3, "{table}");
}

#[test]
fn one_model_alone_has_its_perplexity() {
    let folder = tempfile::tempdir().unwrap();
    let args = [&ALONE[..], &["-m", "synth:llama-135m:q8_0", "--chunks", "5"]].concat();
    let rows = rows(folder.path(), "{}", &args);
    assert_eq!((rows.len(), &rows[0]["test"]), (1, &"ppl mixed@512".into()));
    assert!(rows[0]["ppl"].as_f64().unwrap() > 1.0);
    assert_eq!(rows[0]["nll_chunks"].as_array().unwrap().len(), 5);
}

#[test]
fn a_setting_is_held_against_its_first_value() {
    let folder = tempfile::tempdir().unwrap();
    let args = [&ALONE[..], &["-m", "synth:llama-135m:f16", "-ctk", "f16,q8_0"]].concat();
    let rows = rows(folder.path(), "{}", &args);
    let of = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("type_k"), ["f16", "q8_0"]);
    assert!(rows[0]["kld"].is_null() && rows[1]["kld"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_reference_is_asked_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let args = [&ALONE[..], &["-m", MODELS]].concat();
    let first = rows(folder.path(), "{}", &args);
    let again = rows(folder.path(), "{}", &args);
    let kept = "the reference's answers are those of an earlier run, kept in the cache";
    assert_eq!(first[0]["warnings"], Value::Array(Vec::new()));
    assert_eq!(again[0]["warnings"], Value::from(vec![kept]));
    for name in ["ppl", "kld", "same_top"] {
        let of = |rows: &[Value]| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
        assert_eq!(of(&first), of(&again));
    }
    // Another reading of the text is another reference.
    let shorter = rows(folder.path(), "{}", &[&args[..], &["--quality-ctx", "256"]].concat());
    assert_eq!(shorter[0]["warnings"], Value::Array(Vec::new()));
    // A damaged file is measured anew.
    let cache = folder.path().join("cache/lbench/quality");
    for file in std::fs::read_dir(&cache).unwrap() {
        std::fs::write(file.unwrap().path(), "rubbish").unwrap();
    }
    let anew = rows(folder.path(), "{}", &args);
    assert_eq!(
        (&anew[0]["warnings"], &anew[1]["kld"]),
        (&Value::Array(Vec::new()), &first[1]["kld"])
    );
}

#[test]
fn texts_of_the_users_own_are_rows_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let text = |words: usize| {
        (0..words).map(|at| format!("w{}", at * at % 997)).collect::<Vec<_>>().join(" ")
    };
    std::fs::write(folder.path().join("a.txt"), text(9000)).unwrap();
    std::fs::write(folder.path().join("b.txt"), text(600)).unwrap();
    std::fs::write(folder.path().join("short.txt"), text(100)).unwrap();
    std::fs::write(folder.path().join("odd.txt"), [0xc3, 0x28]).unwrap();
    let with = |texts: &[&'static str]| {
        let texts: Vec<_> = texts.iter().flat_map(|text| ["--text", text]).collect();
        [&ALONE[..], &["-m", MODELS], &texts].concat()
    };
    let of_two = rows(folder.path(), "{}", &with(&["a.txt", "b.txt"]));
    let tests: Vec<_> = of_two.iter().map(|row| row["test"].as_str().unwrap()).collect();
    let expected = ["ppl a.txt@512", "ppl b.txt@512", "kld a.txt@512", "kld b.txt@512"];
    assert_eq!(tests[..4], expected);
    assert_eq!(of_two[3]["kld_chunks"].as_array().unwrap().len(), 1);
    assert_eq!(of_two[3]["kld_error"], Value::Null, "one chunk has no error");
    let short = rows(folder.path(), "{}", &with(&["short.txt"]));
    let cause = short[0]["cause"].as_str().unwrap();
    assert!(cause.contains("short.txt has 101 tokens, and a chunk takes 512"), "{cause}");
    for (text, says) in
        [("odd.txt", "odd.txt: it is neither UTF-8 nor UTF-16"), ("no.txt", "--text no.txt: ")]
    {
        let output = lbench(folder.path(), "{}", &with(&[text]));
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(says) && told.lines().count() == 1, "{told}");
    }
}

#[test]
fn chunks_without_numbers_are_named_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let model = [&ALONE[..], &["-m", "synth:llama-135m:q8_0", "--first-chunks", "--chunks", "6"]];
    let some = rows(folder.path(), r#"{"rules": [{"nan_every": 3}]}"#, &model.concat());
    assert_eq!(some[0]["nll_chunks"].as_array().unwrap().len(), 5);
    let warning = "chunk 3 of mixed gives no numbers (NaN): it is left out";
    assert_eq!(some[0]["warnings"], Value::from(vec![warning]));
    let all = rows(folder.path(), r#"{"rules": [{"nan_every": 0}]}"#, &model.concat());
    assert_eq!((&all[0]["outcome"], &all[0]["phase"]), (&"failed".into(), &"score".into()));
    assert!(all[0]["cause"].as_str().unwrap().contains("no numbers"), "{}", all[0]["cause"]);
}

#[test]
fn runs_are_compared_chunk_by_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let run = |damage: &str, file: &str| {
        let rule =
            format!(r#"{{"rules": [{{"when": {{"type_k": "q8_0"}}, "damage": {damage}}}]}}"#);
        let args = ["-m", "synth:llama-135m:f16", "-ctk", "f16,q8_0", "-o", "json"];
        let output = lbench(folder.path(), &rule, &[&ALONE[..], &args].concat());
        std::fs::write(folder.path().join(file), output.stdout).unwrap();
    };
    run("0.20", "a.json");
    run("0.22", "b.json");
    let output = Command::new(env!("CARGO_BIN_EXE_lbench"))
        .args(["compare", "a.json", "b.json", "-o", "json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let compared: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts: Vec<_> = compared.as_array().unwrap().iter().map(|row| &row["verdict"]).collect();
    assert_eq!(verdicts, ["same", "farther"]);
}

#[test]
fn flags_about_a_text_want_quality() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lbench"))
        .args(["--scripted", "{}", "--no-config", "--chunks", "4"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--chunks") && told.contains("give --quality too"), "{told}");
}
