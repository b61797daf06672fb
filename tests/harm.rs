//! Texts that mean harm: what a terminal would obey in a model's header, a name, a log or a flag reaches nobody.

mod place;

use std::path::PathBuf;
use std::process::Output;

use place::Place;
use serde_json::json;

/// A C0, a C1 and a bidi control.
const EVIL: [&str; 3] = ["\u{1b}[2Jx", "\u{9b}2Jx", "\u{202e}xy"];

/// A model whose file has such a name.
fn model(place: &Place, evil: &str) -> PathBuf {
    let path = place.0.path().join(format!("{evil}.gguf"));
    let spec = "llama:layers=1,embd=32,ff=64,heads=1,vocab=64,tied:f16";
    let made = place.run(&["synth", spec, "-o", path.to_str().unwrap()]);
    assert!(made.status.success(), "{}", place::stderr(&made));
    path
}

fn check(output: &Output, what: &str) {
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(text.clone()).unwrap();
        let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || c == '\u{202e}';
        assert!(!text.chars().any(bad), "{what}: {text:?}");
    }
}

#[test]
fn nothing_that_a_terminal_obeys_is_written() {
    for evil in EVIL {
        let place = Place::new();
        let file = model(&place, evil);
        let file = file.to_str().unwrap();
        let said = format!("{evil} failed to mlock");
        let rules = json!([
            {"when": {"n_batch": "64"}, "phase": "prompt", "fault": {"fail": format!("{evil}no")}},
            {"when": {"n_batch": "128"}, "phase": "prompt", "fault": {"last_words": said}},
        ]);
        let script = json!({"rules": rules});
        let args = ["-m", file, "-p", "64", "-n", "0", "-b", "64,128,256", "-r", "1"];
        for format in ["md", "json", "jsonl", "csv", "sql"] {
            for more in [&["--progress", "-v"][..], &["-oe", "json"], &[]] {
                let run = [&args[..], &["-o", format], more].concat();
                let output = place.sweep(&script, &run);
                assert_eq!(output.status.code(), Some(1), "{}", place::stderr(&output));
                check(&output, &format!("{run:?}"));
            }
            let report = place.report(format);
            check(&report, format);
            std::fs::write(place.0.path().join(format), report.stdout).unwrap();
        }
        check(&place.sweep(&script, &[&args[..], &["--dry-run"]].concat()), "the plan");
        // What JSON says is what it was.
        let rows = place::rows(&place.report("json"));
        for field in ["cause", "model_filename"] {
            assert!(rows[0][field].as_str().unwrap().contains(evil), "{}", rows[0][field]);
        }
        let rows = place.0.path().join("jsonl");
        let rows = rows.to_str().unwrap();
        check(&place.run(&["compare", rows, rows]), "a comparison");
        check(&place.run(&["compare", rows, rows, "-o", "json"]), "a comparison");
    }
}

#[test]
fn names_that_were_typed_are_harmless_too() {
    let place = Place::new();
    for evil in EVIL {
        let named = place.0.path().join(evil);
        let named = named.to_str().unwrap();
        for args in [
            &["-m", named][..],
            &["--journal", named, "--scripted={}", "-p", "64", "-n", "0", "-r", "1"],
            &["--resume", named],
            &["--prompt-file", named, "--scripted={}"],
            &["--models-dir", named, "-m", "synth:none"],
            &["-o", evil],
            &["-t", evil],
            &["--preset", evil],
            &[evil],
            &["report", named],
            &["compare", named, named],
            &["synth", evil],
            &["synth", "llama:layers=1,embd=32,ff=64,heads=1,vocab=64,tied:f16", "-o", named],
        ] {
            check(&place.run(args), &format!("{args:?}"));
        }
        let flag = format!("--{evil}");
        check(&place.run(&[&flag]), "a flag");
        let mut command = place.lbench(&["config"]);
        let output = command.env("LBENCH_THREADS", evil).output().unwrap();
        check(&output, "a variable");
        let config = place.0.path().join("config.toml");
        std::fs::write(&config, format!("threads = \"{evil}\"\n\"{evil}\" = 1\n")).unwrap();
        let output = place.lbench(&["config"]).env("LBENCH_CONFIG", &config).output().unwrap();
        check(&output, "a file");
    }
}

/// A header that is broken is told of in its own words.
#[test]
fn a_broken_header_is_told_of_harmlessly() {
    let place = Place::new();
    for evil in EVIL {
        let file = model(&place, "whole");
        let bytes = std::fs::read(&file).unwrap();
        for (old, new) in [("token_embd", format!("{evil}12345")), ("llama", evil.to_string())] {
            let mut broken = bytes.clone();
            let at = bytes.windows(old.len()).position(|part| part == old.as_bytes()).unwrap();
            broken[at..at + old.len()].copy_from_slice(&new.as_bytes()[..old.len()]);
            // Its type becomes none that there is.
            let at = at + old.len() + 4;
            broken[at..at + 20].fill(0xee);
            let other = place.0.path().join("broken.gguf");
            std::fs::write(&other, broken).unwrap();
            let output = place.run(&["-m", other.to_str().unwrap(), "--scripted={}"]);
            assert_eq!(output.status.code(), Some(2), "{}", place::stderr(&output));
            check(&output, old);
        }
    }
}
