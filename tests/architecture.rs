//! The rules of the house, checked on the source: which room may know which.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms that must not be imported, for each room that has such a rule.
const FORBIDDEN: [(&str, &[&str]); 19] = [
    ("cli", &["engine::llama", "runner", "worker", "progress", "config"]),
    (
        "config",
        &["app", "engine", "journal", "models", "record", "report", "runner", "stats", "worker"],
    ),
    ("runner", &["engine", "cli", "report", "worker"]),
    ("report", &["engine", "cli", "runner", "worker", "compare"]),
    ("compare", &["engine", "cli", "runner", "worker", "plan", "wire", "progress", "app"]),
    ("worker", &["runner", "cli", "report", "plan"]),
    ("engine", &["runner", "cli", "report", "worker"]),
    ("plan", &["engine", "runner", "cli", "report", "worker", "stats"]),
    ("stats", &["engine", "runner", "cli", "report", "worker", "plan"]),
    ("journal", &["app", "engine", "runner", "cli", "report", "worker", "progress"]),
    ("facts.rs", &["engine", "runner", "cli", "report", "worker", "plan", "journal"]),
    ("telemetry", &["engine", "runner", "cli", "report", "worker", "plan", "stats"]),
    (
        "record.rs",
        &["engine", "runner", "cli", "report", "worker", "plan", "stats", "host", "wire"],
    ),
    ("job", &["engine", "runner", "cli", "report", "worker", "plan", "record", "gguf", "host"]),
    ("wire.rs", &["engine", "runner", "cli", "report", "worker", "plan", "host"]),
    (
        "hub",
        &[
            "app", "cli", "engine", "gguf", "host", "job", "journal", "models", "plan", "progress",
            "record", "report", "runner", "stats", "wire", "worker",
        ],
    ),
    ("units.rs", &[""]),
    ("version.rs", &["engine", "runner", "cli", "report", "worker", "plan", "host", "app"]),
    (
        "gguf",
        &[
            "app", "cli", "engine", "error", "host", "job", "models", "plan", "record", "report",
            "runner", "stats", "wire", "worker",
        ],
    ),
];

/// Longest file that needs no reason.
const LINES: usize = 450;

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let mut found: Vec<_> =
        fs::read_dir(path).unwrap().flat_map(|entry| sources(&entry.unwrap().path())).collect();
    found.retain(|file| file.extension().is_some_and(|ending| ending == "rs"));
    found.sort();
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn data_flows_one_way() {
    let mut wrong = Vec::new();
    for (room, forbidden) in FORBIDDEN {
        for file in sources(&src().join(room)) {
            let text = fs::read_to_string(&file).unwrap();
            // Tests may look anywhere.
            let code = text.split("#[cfg(test)]").next().unwrap();
            for (number, line) in
                code.lines().enumerate().filter(|(_, l)| !l.trim().starts_with("//"))
            {
                for word in forbidden {
                    if line.contains(&format!("crate::{word}")) {
                        wrong.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_lives_in_one_folder() {
    for file in sources(&src()) {
        let inside = file.starts_with(src().join("engine/llama"));
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap();
            if !code.contains("unsafe {") && !code.contains("unsafe impl") {
                continue;
            }
            assert!(inside, "{}:{}: unsafe outside engine/llama", file.display(), number + 1);
            let reason = lines[number.saturating_sub(8)..=number].iter();
            let explained = reason.clone().any(|line| line.contains("SAFETY"));
            assert!(explained, "{}:{}: no SAFETY comment", file.display(), number + 1);
        }
    }
}

/// One list in two files: cargo-deny decides what may be linked, cargo-about writes down what is.
#[test]
fn the_lists_of_licences_are_the_same() {
    let list = |file: &str, key: &str| {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let (_, list) = text.split_once(&format!("\n{key} = [")).unwrap();
        list.split(']').next().unwrap().split_whitespace().collect::<String>()
    };
    assert_eq!(list("deny.toml", "allow"), list("about.toml", "accepted"));
}

#[test]
fn files_hold_one_thing() {
    let long: Vec<_> = sources(&src())
        .into_iter()
        .map(|file| (fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > LINES)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}
