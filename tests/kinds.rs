//! Kinds of models beyond the plain decoder: what is measured of each, what is skipped and why. The plan says all of
//! it from the header, so that the scripted engine stands in; `engine_kinds.rs` has the same with llama.cpp.

mod draft;
mod place;

use std::path::Path;
use std::process::Output;

use draft::Draft;
use place::{Place, rows, stderr};
use serde_json::{Value, json};

/// A sweep over a model that is written for it.
fn sweep(place: &Place, draft: &Draft, args: &[&str]) -> Output {
    sweep_with(place, &json!({}), draft, args)
}

fn sweep_with(place: &Place, script: &Value, draft: &Draft, args: &[&str]) -> Output {
    let file = draft.write(place.0.path(), "model.gguf");
    place.sweep(script, &[&["-m", file.to_str().unwrap(), "-r", "2", "-t", "2"], args].concat())
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Name, outcome and reason of each row.
fn endings(output: &Output) -> Vec<(String, String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let all = rows(output);
    all.iter().map(|row| (word(&row["test"]), word(&row["outcome"]), word(&row["cause"]))).collect()
}

#[test]
fn an_encoder_reads_a_text_at_a_time_and_does_nothing_else() {
    let place = Place::new();
    let args = ["-p", "64", "-n", "4", "-pg", "8,4", "-d", "0,128", "-np", "1,2", "-o", "json"];
    let output = sweep(&place, &draft::bert(512), &args);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let all = rows(&output);
    let done: Vec<_> = all.iter().filter(|row| row["outcome"] == "completed").collect();
    assert_eq!(done.len(), 1, "{:?}", endings(&output));
    assert_eq!((&done[0]["test"], &done[0]["model_kind"]), (&"pp64".into(), &"encoder".into()));
    assert_eq!((&done[0]["ttft_avg_ns"], &done[0]["ttft_samples_ns"]), (&Value::Null, &json!([])));
    let why = |test: &str, np: u32| {
        let row = all.iter().find(|row| row["test"] == test && row["n_parallel"] == np).unwrap();
        assert_eq!((&row["outcome"], &row["avg_ts"]), (&"skipped".into(), &Value::Null));
        row["cause"].as_str().unwrap()
    };
    assert!(why("tg4", 1).contains("generates nothing"));
    assert!(why("pp8+tg4", 1).contains("generates nothing"));
    assert!(why("pp64 @ d128", 1).contains("no depth"));
    assert!(why("pp64", 2).contains("no -np"));
    // Nothing was asked of the engine for the others.
    assert_eq!(place::records(&place.journal(), "started").len(), 1);
    assert_eq!(place.report("json").stdout, output.stdout);
}

#[test]
fn a_table_says_once_what_a_model_is() {
    let place = Place::new();
    let args = ["-p", "64,128", "-n", "4", "--cold", "2"];
    let table = text(&sweep(&place, &draft::bert(512), &args));
    assert!(!table.contains("ttft ms") && !table.contains("cold ms"), "{table}");
    let said =
        "is an encoder: pp64 is one text, read at once; no token comes of it, so it has no ttft";
    assert_eq!(table.matches(said).count(), 1, "{table}");
    assert!(
        table.contains("skipped [2]") && table.contains("an encoder generates nothing"),
        "{table}"
    );
    assert_eq!(table.matches("no cold start: no token comes of a text").count(), 1, "{table}");
    // Beside a decoder, there is a first token.
    let decoder = draft::llama(512).write(place.0.path(), "decoder.gguf");
    let args = ["-p", "64", "-n", "0", "-m", decoder.to_str().unwrap()];
    let both = text(&sweep(&place, &draft::bert(512), &args));
    assert!(both.contains("ttft ms"), "{both}");
}

#[test]
fn a_text_is_never_cut_into_pieces() {
    let place = Place::new();
    let args = ["-p", "512", "-n", "0", "-b", "32,512,1024", "-o", "json"];
    let output = sweep(&place, &draft::bert(512), &args);
    let ends = endings(&output);
    let reason = "an encoder takes a text at once, never in pieces, and -b 32 does not hold 512 tokens: give -b 512";
    assert_eq!(ends[0], ("pp512".into(), "skipped".into(), reason.into()));
    assert_eq!((&*ends[1].1, &*ends[2].1), ("completed", "completed"));
    let all = rows(&output);
    let same = all[2]["same_as_reason"].as_str().unwrap();
    assert!(same.starts_with("a text goes in as a whole, whatever -b and -ub allow"), "{same}");
    // One without learned positions, beyond the default of -ub.
    let long = ["-p", "1024", "-n", "0", "-o", "json"];
    let ends = endings(&sweep(&place, &draft::llama_both_ways(), &long));
    assert!(ends[0].2.ends_with("-ub 512 does not hold 1024 tokens: give -ub 1024"), "{ends:?}");
    let wide = [&long[..], &["-ub", "1024"]].concat();
    assert_eq!(sweep(&place, &draft::llama_both_ways(), &wide).status.code(), Some(0));
}

#[test]
fn other_kinds_go_by_what_they_are() {
    let place = Place::new();
    let args = ["-p", "8", "-n", "4", "-d", "0,16", "-np", "1,2", "-o", "json"];
    let done = |draft: &Draft| {
        let output = sweep(&place, draft, &args);
        let kind = rows(&output)[0]["model_kind"].as_str().unwrap().to_string();
        let done = endings(&output).into_iter().filter(|end| end.1 == "completed");
        (kind, done.map(|end| end.0).collect::<Vec<_>>().join(", "))
    };
    let all = "pp8, tg4, pp8, tg4, pp8 @ d16, tg4 @ d16, pp8 @ d16, tg4 @ d16";
    let table = [
        (draft::llama(512), "decoder", all),
        (draft::llama(512).own("pooling_type", 3), "decoder", all),
        (draft::mamba(), "recurrent", all),
        (draft::lfm2(), "hybrid", all),
        (draft::llada(), "diffusion", "pp8"),
        (draft::t5_encoder(), "encoder", "pp8"),
        (draft::llama_both_ways(), "encoder", "pp8"),
        (draft::t5(), "encoder-decoder", "pp8, tg4, tg4 @ d16"),
    ];
    for (draft, kind, tests) in table {
        assert_eq!(done(&draft), (kind.to_string(), tests.to_string()));
    }
}

#[test]
fn positions_that_were_never_learned_are_refused_by_the_plan() {
    let place = Place::new();
    let args = ["-p", "64,65", "-n", "1", "-pg", "32,32", "-d", "0,1,64", "-o", "json"];
    let ends = endings(&sweep(&place, &draft::gpt2(64), &args));
    let done: Vec<_> =
        ends.iter().filter(|end| end.1 == "completed").map(|end| end.0.as_str()).collect();
    assert_eq!(done, ["pp64", "tg1", "pp32+tg32", "tg1 @ d1"]);
    let of = |test: &str| &ends.iter().find(|end| end.0 == test).unwrap().2;
    assert_eq!(of("pp65"), "65 tokens, and this model has positions for 64");
    assert_eq!(of("tg1 @ d64"), "65 tokens, and this model has positions for 64");
    assert_eq!(of("pp65 @ d64"), "129 tokens, and this model has positions for 64");
    // They are what is said; what it was trained with is the same.
    let table = text(&sweep(&place, &draft::gpt2(64), &["-p", "64,65", "-n", "0"]));
    assert!(!table.contains("was trained with"), "{table}");
}

#[test]
fn what_goes_beyond_the_training_is_said_once() {
    let place = Place::new();
    let args = ["-p", "64,128,256", "-n", "4", "-d", "0,200", "-b", "64,128"];
    let table = text(&sweep(&place, &draft::llama(128), &args));
    let said = table.lines().filter(|line| line.contains("was trained with")).collect::<Vec<_>>();
    assert_eq!(said.len(), 1, "{table}");
    let expected = "pp256, pp64 @ d200, pp128 @ d200, pp256 @ d200 and 1 more go beyond the 128 tokens that llama";
    assert!(said[0].contains(expected), "{}", said[0]);
    let within = text(&sweep(&place, &draft::llama(128), &["-p", "120", "-n", "8"]));
    assert!(!within.contains("was trained with"), "{within}");
    let json = rows(&sweep(&place, &draft::llama(128), &["-p", "256", "-n", "0", "-o", "json"]));
    assert_eq!((&json[0]["n_ctx_train"], &json[0]["warnings"]), (&128.into(), &json!([])));
}

#[test]
fn other_models_of_a_sweep_go_on() {
    let place = Place::new();
    let other = draft::llama(512).write(place.0.path(), "other.gguf");
    let args = ["-m", other.to_str().unwrap(), "-p", "8", "-n", "4", "-o", "jsonl"];
    let output = sweep(&place, &draft::bert(512), &args);
    let lines = text(&output);
    let all: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let completed = all.iter().filter(|row| row["outcome"] == "completed").count();
    assert_eq!((all.len(), completed, output.status.code()), (4, 3, Some(1)), "{lines}");
    let resumed = place.resume(&["-o", "json"]);
    assert_eq!(endings(&resumed).iter().filter(|end| end.1 == "skipped").count(), 1);
    assert!(
        stderr(&resumed).contains("3 of 3 measurements are there already"),
        "{}",
        stderr(&resumed)
    );
}

#[test]
fn a_dry_run_says_what_is_skipped() {
    let place = Place::new();
    let args = ["-p", "64", "-n", "4", "-d", "0,128", "--dry-run"];
    let plan = text(&sweep(&place, &draft::bert(512), &args));
    assert!(plan.starts_with("4 rows, 1 measured, 1 model load\n"), "{plan}");
    assert!(
        plan.contains("skipped: an encoder generates nothing: no token comes of a text\n"),
        "{plan}"
    );
    assert!(plan.lines().last().unwrap().contains("is an encoder: pp64 is one text"), "{plan}");
    let none = text(&sweep(&place, &draft::bert(512), &["-p", "0", "-n", "4", "--dry-run"]));
    assert!(none.starts_with("1 row, 0 measured, 0 model loads\n"), "{none}");
}

#[test]
fn what_is_no_model_is_refused_by_what_it_is() {
    let place = Place::new();
    let mut messages = Vec::new();
    for draft in [
        draft::adapter(),
        Draft::new("clip").text("general.type", "mmproj").tensor("v.blk.0.ln1.weight", &[8]),
        Draft::new("controlvector").tensor("direction.1", &[8]),
        draft::llama(512).own("block_count_of_another", 1).number("llama.expert_count", u32::MAX),
    ] {
        let output = sweep(&place, &draft, &[]);
        assert_eq!((output.status.code(), text(&output)), (Some(2), String::new()));
        let message = stderr(&output);
        assert_eq!(message.lines().count(), 1, "{message}");
        messages.push(message.trim_end().replace(place.0.path().to_str().unwrap(), "DIR"));
    }
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn settings_that_find_nothing_are_one_measurement() {
    let place = Place::new();
    let sweep = |draft: &Draft, args: &[&str]| {
        rows(&sweep(&place, draft, &[&["-p", "8", "-n", "0", "-o", "json"], args].concat()))
    };
    let reasons = |all: &[Value]| -> Vec<String> {
        all.iter().map(|row| row["same_as_reason"].as_str().unwrap_or("own").to_string()).collect()
    };
    let dense = draft::llama(512);
    let experts = sweep(&dense, &["-ot", "exps=CPU,attn=CPU,exps=CPU;attn=CPU"]);
    assert_eq!(
        reasons(&experts),
        ["own", "own", "-ot `exps` matches no tensor of this model"],
        "exps alone is nothing, and beside attn it is attn"
    );
    assert_eq!(experts[2]["same_as"], experts[1]["job_id"]);
    assert_eq!(experts[0]["warnings"], json!(["-ot `exps` matches no tensor of this model"]));
    let nowhere = sweep(&dense, &["-ot", "exps=GPU9,none"]);
    assert_eq!(reasons(&nowhere), ["own", "own"], "the engine knows whether there is such a place");
    let none = "-ncmoe matches no tensor of this model: it has no experts";
    assert_eq!(reasons(&sweep(&dense, &["-ncmoe", "0,1,999"])), ["own", none, none]);
    let mixture = sweep(&draft::mixture(), &["-ncmoe", "0,1,2,999"]);
    let first = "-ncmoe matches no tensor of this model: no experts in the first 1 layer";
    let behind = "of the first 999 layers of this model, those behind the first 2 have no experts";
    assert_eq!(reasons(&mixture), ["own", first, "own", behind]);
    assert_eq!(mixture[2]["warnings"], json!([]));
    let alone = sweep(&draft::mixture(), &["-ncmoe", "999"]);
    assert_eq!(alone[0]["warnings"], json!([]), "every layer that has experts was asked for");

    let no_cache = "this model keeps no cache of keys and values";
    for draft in [draft::mamba(), draft::bert(512)] {
        assert_eq!(reasons(&sweep(&draft, &["-ctk", "f16,q8_0"])), ["own", no_cache]);
    }
    assert_eq!(
        reasons(&sweep(&draft::mamba(), &["-fa", "0,1"])),
        ["own", "this model has no attention"]
    );
    assert_eq!(reasons(&sweep(&dense, &["-ctk", "f16,q8_0", "-fa", "0,1"])), ["own"; 4]);
    // Measured each, where that is wanted.
    assert_eq!(reasons(&sweep(&dense, &["-ncmoe", "0,1", "--no-collapse"])), ["own"; 2]);
}

#[test]
fn a_setting_that_finds_nothing_is_said_under_the_table() {
    let place = Place::new();
    let table =
        text(&sweep(&place, &draft::llama(512), &["-p", "8", "-n", "0", "-ot", "exps=CPU"]));
    assert!(table.contains("- [1] -ot `exps` matches no tensor of this model\n"), "{table}");
    let both = ["-p", "8", "-n", "0", "-ot", "exps=CPU", "-ncmoe", "2", "--dry-run"];
    let plan = text(&sweep(&place, &draft::llama(512), &both));
    assert!(plan.contains("[1] -ncmoe matches no tensor"), "{plan}");
    assert!(plan.contains("[2] -ot `exps` matches no tensor"), "{plan}");
}

#[test]
fn model_type_is_the_engines_word_and_the_table_has_ours() {
    let place = Place::new();
    let script = json!({"description": "gpt2 ?B F16"});
    let args = ["-p", "64,65", "-n", "0", "-o", "json"];
    let all = rows(&sweep_with(&place, &script, &draft::gpt2(64), &args));
    let types: Vec<_> = all.iter().map(|row| row["model_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["gpt2 ?B F16"; 2], "the second row was not begun, and is of the same model");
    // However the lines come.
    let types = |script: &Value| -> Vec<String> {
        let args = ["-p", "65,64", "-n", "0", "-o", "jsonl"];
        let lines = text(&sweep_with(&place, script, &draft::gpt2(64), &args));
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| row["model_type"].as_str().unwrap().to_string()).collect()
    };
    let failing = json!({"rules": [{"phase": "load", "fault": {"fail": "no such thing"}}]});
    let ours = types(&failing);
    assert!(ours.iter().all(|name| name.ends_with("K F16")), "the engine said nothing: {ours:?}");
    assert_eq!(types(&script), ["gpt2 ?B F16"; 2]);
    let label = all[0]["model_label"].as_str().unwrap().to_string();
    assert!(label.starts_with("gpt2 ") && label.ends_with("K F16"), "{label}");
    let csv = text(&place.report("csv"));
    assert!(csv.contains("\"gpt2 ?B F16\"") && csv.contains(&label), "{csv}");
    let table = text(&place.report("md"));
    assert!(table.contains(&format!("| {label}")) && !table.contains("?B"), "{table}");
    // What both call by other names is compared all the same.
    let (old, new) = (place.0.path().join("old.json"), place.0.path().join("new.json"));
    std::fs::write(&new, serde_json::to_string(&all).unwrap()).unwrap();
    let mut before = all.clone();
    for row in &mut before {
        row["model_type"] = label.clone().into();
        row.as_object_mut().unwrap().remove("model_label");
    }
    std::fs::write(&old, serde_json::to_string(&before).unwrap()).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_string();
    let compared = place.run(&["compare", &path(&old), &path(&new)]);
    assert!(text(&compared).contains("2 rows: 1 SAME, 1 FAILED in both"), "{}", text(&compared));
}

/// No line of a plan or a table is as long as a setting may be.
#[test]
fn long_settings_stand_once_and_in_no_line() {
    let place = Place::new();
    let layers = (0..24).map(|at| format!(r"blk\.{at}\.(ffn_up|ffn_down|attn_q)\.weight=CPU"));
    let long = layers.collect::<Vec<_>>().join(";");
    let several = format!("{long},norm=CPU,{long};norm=CPU");
    for format in [&["--dry-run"][..], &["-o", "md"]] {
        let args = [&["-p", "8,9", "-n", "0", "-ot", &several], format].concat();
        let output = text(&sweep(&place, &draft::llama(512), &args));
        let is_note = |line: &&str| line.starts_with("- [") || line.starts_with('[');
        let lines: Vec<_> = output.lines().filter(|line| !is_note(line)).collect();
        assert!(lines.iter().all(|line| line.chars().count() < 220), "{output}");
        assert_eq!(output.matches(&format!("ot `{long}`\n")).count(), 1, "{output}");
    }
    let equal = format!("{long},{long};exps=CPU");
    let column = ["-p", "8", "-n", "0", "-ot", &equal, "--columns", "tensor_buft_overrides"];
    let table = text(&sweep(&place, &draft::llama(512), &column));
    let same = table.lines().find(|line| line.contains("the same measurement as")).unwrap();
    assert!(same.contains("the row with ot blk") && same.len() < 280, "{same}");
    assert_eq!(table.matches(&format!("] tensor_buft_overrides `{long}`\n")).count(), 1, "{table}");
}
