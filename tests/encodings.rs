//! Files from elsewhere: results, prompts and defaults as Windows' tools write them, in UTF-16 or with a mark.

use std::process::Command;

/// A text in UTF-8 and in UTF-16 of either order, each with its mark, and with ends of lines of two characters.
fn encoded(text: &str) -> [Vec<u8>; 3] {
    let marked = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let units: Vec<u16> = marked.encode_utf16().collect();
    [
        marked.into_bytes(),
        units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
    ]
}

fn lbench() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lbench"))
}

#[test]
fn results_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--scripted={}", "-p", "64,128", "-n", "0", "-r", "2", "-o", "jsonl"];
    let text = String::from_utf8(lbench().args(args).output().unwrap().stdout).unwrap();
    let (plain, other) = (dir.path().join("plain.jsonl"), dir.path().join("other.jsonl"));
    std::fs::write(&plain, &text).unwrap();
    // Or two files that were put one behind the other.
    let (first, rest) = text.split_once('\n').unwrap();
    let joined = format!("\u{feff}{first}\r\n\u{feff}{rest}").into_bytes();
    for bytes in encoded(&text).into_iter().chain([joined]) {
        std::fs::write(&other, bytes).unwrap();
        let output = lbench().arg("compare").args([&plain, &other]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), told.as_str()), (Some(0), ""));
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(table.contains("pp64") && table.contains("pp128"), "{table}");
        let sweep = lbench().args(args).arg("--baseline").arg(&other).output().unwrap();
        assert_eq!(sweep.status.code(), Some(0), "{}", String::from_utf8_lossy(&sweep.stderr));
    }
}

#[test]
fn prompts_are_the_same_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.txt");
    let run = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let args = ["--scripted={}", "-p", "0", "-n", "0", "-r", "1", "-o", "json"];
        let output = lbench().args(args).arg("--prompt-file").arg(&path).output().unwrap();
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let row = |row: &serde_json::Value| (row["n_prompt"].clone(), row["job_id"].clone());
        rows.as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let text = "What is love?\nÄ b\n";
    let expected = run(text.as_bytes());
    assert_eq!(expected.len(), 2);
    for bytes in encoded(text) {
        assert_eq!(run(&bytes), expected);
    }
}

#[test]
fn defaults_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let run = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let output = lbench().arg("config").env("LBENCH_CONFIG", &path).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let text = "# ä\nthreads = 3\n[preset.mine]\nn-gen = 5\n";
    let expected = run(text.as_bytes());
    assert!(expected.0 == Some(0) && expected.1.contains("config.toml:2"), "{expected:?}");
    for bytes in encoded(text) {
        assert_eq!(run(&bytes), expected);
    }
    assert_eq!(run(b"\xff\xfe\xff").0, Some(2));
}
