//! The README's examples are run: every `console` block whose command is `lbench`. The scripted engine
//! stands in for llama.cpp, with a GPU where the example was made on one, so figures may differ and shapes may
//! not: columns, rows, labels, marks.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A line of a table with every number reduced to `#`, so that only its shape is left.
fn shape(line: &str) -> String {
    let mut out = String::new();
    // A machine without noise reaches its precision.
    let words = line.split_whitespace().filter(|word| !word.starts_with('~'));
    for c in words.flat_map(str::chars) {
        match c {
            '0'..='9' | '.' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            '-' if out.ends_with('-') => {}
            c => out.push(c),
        }
    }
    out
}

/// The table lines of an output. Cells of the host (its threads) are numbers too.
fn tables(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with('|')).map(shape).collect()
}

#[test]
fn examples() {
    let readme = include_str!("../README.md");
    let blocks = readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut seen = 0;
    for block in blocks {
        let (command, expected) = block.split_once('\n').unwrap();
        let Some(args) = command.strip_prefix("$ lbench") else {
            continue;
        };
        let args = shlex::split(args).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_lbench"))
            .args(args)
            .arg(format!("--scripted={{\"gpu\":{}}}", expected.contains("| CUDA ")))
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{stderr}");
        let shown = String::from_utf8_lossy(&output.stdout).replace("SCRIPT", "CUDA");
        assert_eq!(tables(expected), tables(&shown), "{command}\n{shown}");
        seen += 1;
    }
    assert!(seen >= 3, "the README shows at least three examples");
}

/// Every document: those at the top, and all below `docs` and `reports`.
fn documents(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_below = folder != root || path.ends_with("docs") || path.ends_with("reports");
            if path.is_dir() && is_below {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn links_lead_somewhere() {
    let documents = documents(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(documents.len() > 20, "{documents:?}");
    for file in documents {
        let text = std::fs::read_to_string(&file).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") && !target.starts_with('#') {
                let path = file.parent().unwrap().join(target.split('#').next().unwrap());
                assert!(path.exists(), "{} links to {target}", file.display());
            }
        }
    }
}
