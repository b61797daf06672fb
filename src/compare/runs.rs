//! Several runs in one file, as far as its rows tell: they are one side, and a reader must know.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::entry::ComparedRow;
use crate::document::text::plain;

/// Fields of a row that are the same throughout a run, unless it was resumed as something else.
const OF_A_RUN: [&str; 9] = [
    "lbench_version",
    "engine",
    "build_commit",
    "cpu_info",
    "gpu_info",
    "os",
    "kernel",
    "repetitions",
    "interleave_seed",
];

/// Most tests that are named.
const MOST: usize = 4;

/// A row as the file has it.
pub(super) struct FileRow<'a> {
    /// Which of the documents in the file it stands in: an array, or lines.
    pub document: usize,
    pub object: &'a Map<String, Value>,
    pub entry: &'a ComparedRow,
}

/// What shows that rows are of several runs, if anything does.
pub(super) fn several(rows: &[FileRow<'_>]) -> Option<String> {
    let why = told_by_documents(rows).or_else(|| told_by_fields(rows));
    let why = why.or_else(|| told_by_repeats(rows))?;
    Some(format!("{why}: several runs in one file are taken for one side"))
}

fn told_by_documents(rows: &[FileRow<'_>]) -> Option<String> {
    let documents: BTreeSet<_> = rows.iter().map(|row| row.document).collect();
    (documents.len() > 1).then(|| format!("{} documents are in it", documents.len()))
}

fn told_by_fields(rows: &[FileRow<'_>]) -> Option<String> {
    OF_A_RUN.into_iter().find_map(|name| {
        let values = rows.iter().filter_map(|row| row.object.get(name));
        let words = values.filter(|value| !value.is_null()).map(ToString::to_string);
        let values: BTreeSet<_> = words.filter(|word| word != "\"\"").collect();
        let shown = values.iter().take(MOST).map(|word| plain(word.trim_matches('"')));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = if values.len() > MOST { ", …" } else { "" };
        (values.len() > 1).then(|| format!("its rows differ in {name} ({shown}{more})"))
    })
}

/// Rows of equal settings that are no copies of each other within a run.
fn told_by_repeats(rows: &[FileRow<'_>]) -> Option<String> {
    let is_own = |row: &&FileRow<'_>| row.object.get("same_as").is_none_or(Value::is_null);
    let (mut seen, mut twice) = (HashSet::new(), Vec::new());
    for FileRow { object, entry, .. } in rows.iter().filter(is_own) {
        let sweep = object.get("sweep").map(ToString::to_string);
        let test = entry.test();
        if !seen.insert((&entry.name, &entry.model, &entry.keys, sweep)) && !twice.contains(&test) {
            twice.push(test);
        }
    }
    let names = twice.iter().take(MOST).map(|name| plain(name)).collect::<Vec<_>>().join(", ");
    let (more, are) = match twice.len() {
        1 => ("", "is"),
        tests => (if tests > MOST { ", …" } else { "" }, "are"),
    };
    (!twice.is_empty()).then(|| format!("{names}{more} {are} in it more than once"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Run;

    fn row(pp: u32, more: &serde_json::Value) -> String {
        let mut row = json!({
            "n_prompt": pp, "n_gen": 0, "n_threads": 4, "samples_ts": [1.0, 2.0], "repetitions": 2,
            "lbench_version": "0.1.0", "build_commit": "abc", "interleave_seed": null,
        });
        for (name, value) in more.as_object().unwrap() {
            row[name] = value.clone();
        }
        row.to_string()
    }

    fn notes(text: &str) -> Vec<String> {
        Run::parse("a".into(), text).unwrap().notes
    }

    #[test]
    fn several_runs_in_one_file_are_told() {
        let none = json!({});
        let (one, two) = (row(1, &none), row(2, &none));
        let seeds = [7, 8].map(|seed| row(seed, &json!({"interleave_seed": seed})));
        let files = [
            format!("[{one},{two}]\n[{two}]"),
            format!("[{one}]\n{two}\n"),
            format!("[{one},\n[{two}]"),
            format!("{one}\n{}\n", row(2, &json!({"build_commit": "def"}))),
            format!("{one}\n{}\n", row(2, &json!({"lbench_version": "0.2.0"}))),
            seeds.join("\n"),
            format!("{one}\n{two}\n{one}\n"),
            format!("{one}\n{two}\n{one}\n{two}\n"),
            "n_prompt,n_gen,avg_ts\n1,0,5\n1,0,6\n".into(),
        ];
        let said = files.map(|file| notes(&file).join("; "));
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn one_run_is_one_run() {
        let none = json!({});
        let copy = row(1, &json!({"same_as": "job"}));
        let sides = ["A", "B"].map(|side| row(1, &json!({"sweep": side})));
        for file in [
            format!("[{},{}]", row(1, &none), row(2, &none)),
            format!("{}\n{}\n", row(1, &none), row(1, &json!({"n_threads": 8}))),
            format!("{}\n{copy}\n{copy}\n", row(1, &none)),
            // What is not known says nothing.
            format!("{}\n{}\n", row(1, &none), row(2, &json!({"build_commit": null}))),
            sides.join("\n"),
        ] {
            assert_eq!(notes(&file), [""; 0], "{file}");
        }
    }
}
