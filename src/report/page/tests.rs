//! Tests of pages: what is in them, and what is not.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::super::tests::fixture::{Run, bad_endings, gpu_host};
use super::{LICENCES, SCRIPT, STYLE, StoredPage, digest, is_page, write_all};
use crate::record::Outcome;
use crate::report::{Format, Recipe, Report, Stream};
use crate::work::Work;

fn page(report: &Report) -> String {
    let mut out = Vec::new();
    Stream::new(Format::Html).finish(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A run of four rows, one of which failed.
fn sweep() -> Report {
    let works = [Work::prompt(512), Work::generate(128)];
    let mut run = Run::new(gpu_host(1), &[("n_gpu_layers", vec![10, 20])], &works, 3);
    for index in 0..3 {
        run.measure(index, Outcome::Completed, 3);
    }
    let [failed, ..] = bad_endings();
    run.measure(3, failed, 0);
    run.report
}

/// What is checked in is what `scripts/html/build.sh` made of what is checked in.
#[test]
fn the_bundle_is_what_its_sources_make() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = std::fs::read_to_string(root.join("src/report/page/page.sha256")).unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    for line in known.lines() {
        let (hash, file) = line.split_once("  ").unwrap();
        let bytes = std::fs::read(root.join("scripts/html").join(file)).unwrap();
        let now: Vec<_> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let now = now.concat();
        assert_eq!(
            now, hash,
            "{file} has changed: run scripts/html/build.sh, and commit what it writes"
        );
        files.push(file.into());
    }
    for source in std::fs::read_dir(root.join("scripts/html/src")).unwrap() {
        let name = Path::new("src").join(source.unwrap().file_name());
        assert!(files.contains(&name), "{} is not in the bundle", name.display());
    }
}

#[test]
fn a_page_needs_nothing_and_allows_nothing() {
    let html = page(&sweep());
    let policy = html.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    for (text, open) in [(SCRIPT, "<script>"), (STYLE, "<style>")] {
        assert!(policy.contains(&digest(text)));
        assert_eq!(html.matches(open).count(), 1);
    }
    assert!(!html.contains(" src=") && !html.contains("<link") && !html.contains("@import"));
    // The names of XML's languages, which nobody fetches, and the licences' own words.
    let shell = html.replace(LICENCES, "");
    let named = shell
        .match_indices("http")
        .filter(|(at, _)| !shell[*at..].starts_with("http://www.w3.org/"));
    let outside: Vec<_> = named.map(|(at, _)| &shell[at..(at + 40).min(shell.len())]).collect();
    let outside: Vec<_> = outside.iter().filter(|text| !text.starts_with("http-equiv")).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn a_page_is_small_and_has_its_licences() {
    let html = page(&sweep());
    assert!(SCRIPT.len() + STYLE.len() + LICENCES.len() < 400_000);
    assert!(html.len() < 400_000, "{}", html.len());
    for name in ["@observablehq/plot 0.6.17 (ISC)", "d3-scale 4.0.3 (ISC)"] {
        assert!(html.contains(name), "{name}");
    }
}

#[test]
fn rows_come_back_letter_by_letter() {
    let run = sweep();
    let html = page(&run);
    assert!(is_page(&html) && !is_page("<!doctype html>\n<p>") && !is_page(""));
    let stored = StoredPage::parse(&html);
    assert_eq!(stored.note(), None);
    for format in [Format::Jsonl, Format::Json, Format::Csv, Format::Sql, Format::Markdown] {
        let (mut own, mut again) = (Vec::new(), Vec::new());
        Stream::new(format).finish(&run, &mut own).unwrap();
        crate::report::write_stored(format, std::slice::from_ref(&stored), &mut again).unwrap();
        let [own, again] = [own, again].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(again, own, "{}", format.name());
    }
    let mut again = Vec::new();
    crate::report::write_stored(Format::Html, &[stored], &mut again).unwrap();
    assert_eq!(String::from_utf8(again).unwrap(), html);
}

#[test]
fn a_page_that_is_cut_off_has_the_rows_before() {
    let html = page(&sweep());
    let whole = StoredPage::parse(&html).rows_as_lines();
    for cut in (0..html.len()).step_by(997).filter(|&cut| html.is_char_boundary(cut)) {
        let stored = StoredPage::parse(&html[..cut]);
        assert!(whole.starts_with(&stored.rows_as_lines()), "{cut}");
        assert!(stored.note().is_some(), "{cut}");
    }
}

/// What it says in words, of a run and of two.
#[test]
fn what_a_page_says() {
    let run = sweep().with_recipe(Recipe {
        unix_time: 1_777_636_800,
        args: ["-ngl", "10,20", "-m", "</code><b>"].map(String::from).to_vec(),
        sweeps: vec![(None, vec!["-r".into(), "3".into()])],
    });
    let said = |html: &str| {
        let body = html.split("<body>").nth(1).unwrap();
        let body = body.split("<footer>").next().unwrap();
        let data =
            body.lines().filter(|line| !line.starts_with('{') && !line.contains("class=\"run\">{"));
        data.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(said(&page(&run)));
    let mut two = Vec::new();
    write_all(&[run, sweep()], &mut two).unwrap();
    let two = String::from_utf8(two).unwrap();
    assert_eq!(two.matches("<section class=\"run\"").count(), 2);
    assert_eq!(StoredPage::parse(&two).rows_as_lines().lines().count(), 8);
    assert!(two.contains("href=\"#run-2\"") && two.contains("id=\"run-2\""));
}
