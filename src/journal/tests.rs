//! Journals that were cut off, and what stands of them.

use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;

use super::read::parse;
use super::*;
use crate::job::{Job, JobId};
use crate::machine::Host;
use crate::plan::tests::config;
use crate::plan::{Plan, Planned};
use crate::record::{Check, Outcome, Phase, Reading, Trouble, Warning};
use crate::stats::stopping::Rule;
use crate::units::Nanos;
use crate::work::Sample;
use crate::work::Work;

fn plan(jobs: u32) -> Plan {
    let job = |n| Job::new(config(), Work::prompt(n));
    let jobs = (1..=jobs).map(|n| Planned { job: job(n), same_as: None }).collect();
    Plan { jobs, varying: vec![false; crate::axis::AXES.len()], parts: vec![] }
}

fn header(plan: &Plan) -> Header {
    let facts = RunFacts {
        version: "0.0.0".into(),
        host: Host::for_tests(),
        stop: Rule::default(),
        cold: 0,
        interleave: None,
        priors: crate::ledger::Priors::default(),
        roofs: vec![],
        links: vec![],
        process: crate::setup::Process::default(),
    };
    let settings = Settings { stop: Rule::default(), warmup: true, delay: Nanos(0), foresee: true };
    let args = vec!["-p".into(), "1-3".into()];
    Header {
        schema: SCHEMA,
        unix_time: 7,
        args,
        sweeps: vec![],
        plan: plan.clone(),
        settings,
        facts,
    }
}

fn attempt(job: &JobId, ns: u64, outcome: Option<Outcome>) -> Vec<Record> {
    let job = || job.clone();
    let sample =
        Sample::Run { runs: 1, ns: Nanos(ns), first_token_ns: vec![], token_ns: vec![Nanos(ns)] };
    let mut records = vec![
        Record::Started { job: job(), unix_time: ns, round: 1, nth: 0 },
        Record::Sampled { job: job(), sample },
    ];
    let reading = Reading::default();
    records.extend(outcome.map(|outcome| Record::Finished { job: job(), outcome, reading }));
    records
}

fn text(plan: &Plan, records: &[Record]) -> Vec<u8> {
    let lines = records.iter().cloned().map(|record| Line::Record(Box::new(record)));
    let lines = std::iter::once(Line::Header(Box::new(header(plan)))).chain(lines);
    let lines = lines.map(|line| serde_json::to_string(&line).unwrap() + "\n");
    lines.collect::<String>().into_bytes()
}

fn read_text(text: &[u8]) -> Result<Journal, String> {
    parse(Path::new("run.jsonl"), text)
}

fn id(plan: &Plan, index: usize) -> &JobId {
    &plan.jobs[index].job.id
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("run.jsonl");
    let plan = plan(2);
    let records = attempt(id(&plan, 0), 5, Some(Outcome::Completed));
    let mut writer = Writer::open(&path, None, &header(&plan)).unwrap().unwrap();
    assert!(Writer::open(&path, None, &header(&plan)).is_err(), "another lbench writes to it");
    for record in &records {
        assert_eq!(writer.record(record), None);
    }
    let phase = Record::Phase { job: id(&plan, 0).clone(), phase: Phase::Load };
    assert_eq!(writer.record(&phase), None);
    assert_eq!(writer.end(Ending::Finished), None);
    drop(writer);
    let journal = read(&path).unwrap();
    assert_eq!((journal.header, journal.records), (header(&plan), records));
    assert_eq!((journal.ending, journal.notes), (Some(Ending::Finished), vec![]));
}

#[test]
fn a_torn_line_is_ended_before_the_next_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let plan = plan(1);
    let whole = text(&plan, &attempt(id(&plan, 0), 5, None));
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let mut writer = Writer::open(&path, None, &header(&plan)).unwrap().unwrap();
    for record in attempt(id(&plan, 0), 6, Some(Outcome::Completed)) {
        writer.record(&record);
    }
    drop(writer);
    let journal = read(&path).unwrap();
    assert_eq!(journal.records.len(), 1 + 3);
    assert_eq!(journal.notes.len(), 1, "{:?}", journal.notes);
    assert_eq!(journal.ending, None);
}

#[test]
fn trouble_is_told_once() {
    let plan = plan(1);
    // Everything can be opened there, and nothing written.
    if let Ok(Err(warning)) = Writer::open(Path::new("/dev/full"), None, &header(&plan)) {
        assert!(warning.text.contains("/dev/full"), "{}", warning.text);
    } else {
        panic!("/dev/full took a header");
    }
    let nowhere = Writer::open(Path::new("/proc/nothing/run.jsonl"), &header(&plan)).unwrap();
    assert!(nowhere.unwrap_err().text.contains("the run goes on"));
}

#[test]
fn files_that_are_no_journals() {
    let plan = plan(1);
    let mut later = header(&plan);
    later.schema = SCHEMA + 1;
    let later = serde_json::to_string(&Line::Header(Box::new(later))).unwrap() + "\n";
    // A later header may hold what this one cannot even read.
    let strange = "{\"header\":{\"schema\":99,\"plan\":\"\"}}\n";
    let cases = ["", "\n\n", "{}", "[1]\n", "\u{0}\u{1}\n", later.as_str(), strange];
    let messages: Vec<_> =
        cases.iter().map(|text| read_text(text.as_bytes()).unwrap_err()).collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn wherever_a_journal_is_cut_what_stands_before_it_stands() {
    let plan = plan(3);
    let mut records = Vec::new();
    for index in 0..3 {
        records.extend(attempt(id(&plan, index), 5, Some(Outcome::Completed)));
    }
    let text = text(&plan, &records);
    let ends: Vec<_> =
        text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    for cut in 0..=text.len() {
        let lines = ends.iter().filter(|end| **end < cut).count();
        match read_text(&text[..cut]) {
            Ok(journal) => {
                assert_eq!(journal.records, records[..lines - 1], "{cut}");
                let kept = Kept::of(&journal, &plan, true);
                assert_eq!(kept.len(), (lines - 1) / 3, "{cut}");
            }
            Err(_) => assert_eq!(lines, 0, "{cut}"),
        }
    }
}

#[test]
fn what_is_worth_another_try_is_measured_again() {
    let crash = |trouble| Outcome::Crashed {
        phase: Phase::Prompt,
        how: String::new(),
        signal: None,
        trouble,
        hint: None,
        log: vec![],
    };
    let refused = Outcome::Failed {
        phase: Phase::Load,
        cause: String::new(),
        trouble: Trouble::Other,
        log: vec![],
    };
    let plan = plan(6);
    let outcomes = [
        Some(Outcome::Completed),
        Some(crash(Trouble::Other)),
        Some(crash(Trouble::DeviceMemory)),
        Some(refused),
        Some(Outcome::Interrupted),
        None,
    ];
    let records: Vec<_> = outcomes
        .iter()
        .enumerate()
        .flat_map(|(index, outcome)| attempt(id(&plan, index), 5, outcome.clone()))
        .collect();
    let journal = read_text(&text(&plan, &records)).unwrap();
    let kept = Kept::of(&journal, &plan, true);
    let stands: Vec<_> = (0..6).map(|at| kept.attempts.contains_key(id(&plan, at))).collect();
    assert_eq!(stands, [true, false, true, true, false, false]);
    // To be shown, all of it is.
    assert_eq!(Kept::of(&journal, &plan, false).len(), 6);
}

#[test]
fn the_last_whole_measurement_stands_with_what_was_found_behind_it() {
    let plan = plan(2);
    let job = id(&plan, 0);
    let check = Check { anchor: job.clone(), rounds: 1, drift: Some(-0.05) };
    let mut records = attempt(job, 5, Some(Outcome::Completed));
    records.extend(attempt(job, 6, Some(Outcome::Completed)));
    let settled = Record::Settled { jobs: vec![job.clone()], check: Some(check.clone()) };
    records.push(settled.clone());
    records.push(Record::Warned { job: None, warning: Warning { text: "hot".into() } });
    records.extend(attempt(job, 7, None));
    let journal = read_text(&text(&plan, &records)).unwrap();
    let kept = Kept::of(&journal, &plan, true);
    assert_eq!(kept.attempts[job].len(), 1);
    let mut replayed = Vec::new();
    kept.replay(&plan, |record| replayed.push(record.clone()));
    let expected =
        [&records[7..8], &attempt(job, 6, Some(Outcome::Completed)), &[settled]].concat();
    assert_eq!(replayed, expected);
}

#[test]
fn a_job_that_is_asked_for_twice_is_kept_twice() {
    let mut plan = plan(1);
    plan.jobs.push(plan.jobs[0].clone());
    let job = id(&plan, 0);
    let mut records = attempt(job, 5, Some(Outcome::Completed));
    let once = read_text(&text(&plan, &records)).unwrap();
    let kept = Kept::of(&once, &plan, true);
    let done: HashMap<_, _> = kept.attempts.iter().map(|(id, all)| (id, all.len())).collect();
    assert_eq!(plan.groups_but(done).concat().len(), 1);
    records.extend(attempt(job, 6, Some(Outcome::Completed)));
    let twice = read_text(&text(&plan, &records)).unwrap();
    assert_eq!(Kept::of(&twice, &plan, true).len(), 2);
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0..400_usize) {
        let _ = read_text(&bytes);
        // And none in the middle of a journal.
        let plan = plan(2);
        let mut text = text(&plan, &attempt(id(&plan, 0), 5, Some(Outcome::Completed)));
        bytes.push(b'\n');
        let at = at.min(text.len());
        text.splice(at..at, bytes);
        if let Ok(journal) = read_text(&text) {
            Kept::of(&journal, &plan, true).replay(&plan, |_| {});
        }
    }
}
