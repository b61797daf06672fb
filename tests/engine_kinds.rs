//! Kinds of models in llama.cpp itself, each written here as small as it can be: what is measured runs, what the plan
//! leaves out was rightly left out, and what the engine calls them is in the results.
#![cfg(feature = "llama")]

mod draft;
mod place;

use std::process::Output;

use draft::Draft;
use place::{Place, rows, stderr};
use serde_json::Value;

fn sweep(place: &Place, draft: &Draft, args: &[&str]) -> Output {
    let file = draft.write(place.0.path(), "model.gguf");
    let file = file.to_str().unwrap();
    place.run(&[&["--no-journal", "-m", file, "-r", "1", "-t", "1", "-o", "json"], args].concat())
}

/// The tests that were measured; none may have failed, but for those that the plan skipped.
fn done(output: &Output) -> Vec<String> {
    let all = rows(output);
    let wrong: Vec<_> = all
        .iter()
        .filter(|row| !["completed", "skipped"].contains(&row["outcome"].as_str().unwrap()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{}", stderr(output));
    let done = all.iter().filter(|row| row["outcome"] == "completed");
    done.map(|row| format!("{} x{}", row["test"].as_str().unwrap(), row["n_parallel"])).collect()
}

const ALL: [&str; 10] = ["-p", "8", "-n", "4", "-pg", "8,4", "-d", "0,16", "-np", "1,3"];

#[test]
fn what_reads_at_once_runs_a_text_at_a_time() {
    let place = Place::new();
    for draft in [draft::bert(512), draft::llama_both_ways(), draft::llada(), draft::t5_encoder()] {
        let output = sweep(&place, &draft, &ALL);
        assert_eq!(done(&output), ["pp8 x1"]);
        let first = rows(&output).into_iter().find(|row| row["outcome"] == "completed").unwrap();
        assert_eq!(
            (&first["ttft_avg_ns"], &first["token_ns"]),
            (&Value::Null, &serde_json::json!([[]]))
        );
        assert!(first["avg_ts"].as_f64().unwrap() > 0.0);
        // As many as a batch holds, and with embeddings.
        let wide = ["-p", "512", "-n", "0", "-embd", "0,1"];
        assert_eq!(done(&sweep(&place, &draft, &wide)), ["pp512 x1", "pp512 x1"]);
    }
}

#[test]
fn an_encoder_with_a_decoder_encodes_and_then_writes() {
    let place = Place::new();
    let output = sweep(&place, &draft::t5(), &ALL);
    assert_eq!(done(&output), ["pp8 x1", "tg4 x1", "pp8+tg4 x1", "tg4 @ d16 x1"]);
    let prompt = &rows(&output)[0];
    let (first, whole) =
        (prompt["ttft_avg_ns"].as_u64().unwrap(), prompt["avg_ns"].as_u64().unwrap());
    assert!(first > whole, "the first token takes a step of the decoder, too: {prompt}");
    assert_eq!(
        done(&sweep(&place, &draft::t5(), &["-p", "512", "-n", "256"])),
        ["pp512 x1", "tg256 x1"]
    );
}

#[test]
fn states_are_given_to_every_sequence() {
    let place = Place::new();
    let args = [&ALL[..], &["-pps", "0,1"]].concat();
    let plain = done(&sweep(&place, &draft::llama(512), &args));
    assert_eq!(plain.len(), 24);
    for draft in [draft::mamba(), draft::lfm2()] {
        assert_eq!(done(&sweep(&place, &draft, &args)), plain);
    }
}

#[test]
fn positions_reach_as_far_as_the_plan_says() {
    let place = Place::new();
    let args = ["-p", "64,65", "-n", "8", "-pg", "40,8", "-d", "0,16", "-np", "1,2"];
    let output = sweep(&place, &draft::gpt2(64), &args);
    let expected = [
        "pp64 x1",
        "tg8 x1",
        "pp40+tg8 x1",
        "pp64 x2",
        "tg8 x2",
        "pp40+tg8 x2",
        "tg8 @ d16 x1",
        "pp40+tg8 @ d16 x1",
        "tg8 @ d16 x2",
        "pp40+tg8 @ d16 x2",
    ];
    assert_eq!(done(&output), expected);
    assert_eq!(rows(&output)[0]["model_type"], "gpt2 ?B F16");
    assert_eq!(done(&sweep(&place, &draft::bert(64), &["-p", "64", "-n", "0"])), ["pp64 x1"]);
}

#[test]
fn what_would_be_taken_is_foretold_for_every_kind() {
    let place = Place::new();
    for draft in [draft::bert(512), draft::t5(), draft::mamba(), draft::lfm2(), draft::llada()] {
        let output = sweep(&place, &draft, &["-p", "8", "-n", "0", "--dry-run"]);
        let plan = String::from_utf8(output.stdout.clone()).unwrap();
        // Behind the devices' shares, where there are devices.
        assert!(plan.contains("  ≈ ") && plan.contains("host "), "{plan}\n{}", stderr(&output));
    }
}
