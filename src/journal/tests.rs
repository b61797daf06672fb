//! Journals that were cut off, and what stands of them.

mod sides;

use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;

use super::read::parse;
use super::*;
use crate::job::{Job, JobId};
use crate::machine::Host;
use crate::plan::tests::config;
use crate::plan::{Plan, Planned};
use crate::record::{Check, Outcome, Phase, Reading, Trouble, Warning, WarningKind};
use crate::stats::stopping::Rule;
use crate::units::Nanos;
use crate::wire::Guarded;
use crate::work::Sample;
use crate::work::Work;

pub(super) fn plan(jobs: u32) -> Plan {
    let job = |n| Job::new(config(), Work::prompt(n));
    let jobs = (1..=jobs).map(|n| Planned::from(job(n))).collect();
    Plan { jobs, varying: vec![false; crate::axis::AXES.len()], parts: vec![] }
}

pub(super) fn header(plan: &Plan) -> RunHeader {
    let facts = RunFacts {
        version: "0.0.0".into(),
        host: Host::for_tests(),
        stop: Rule::default(),
        bound: Bound::default(),
        cold: 0,
        interleave: None,
        priors: crate::ledger::Priors::default(),
        roofs: vec![],
        links: vec![],
        process: crate::setup::Process::default(),
    };
    let settings = Settings {
        stop: Rule::default(),
        warmup: true,
        delay: Nanos(0),
        foresee: true,
        canary: Guarded::None,
    };
    let args = vec!["-p".into(), "1-3".into()];
    RunHeader {
        schema: SCHEMA,
        run: None,
        machine: None,
        unix_time: 7,
        args,
        sweeps: vec![],
        plan: plan.clone(),
        rows: None,
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

/// A header of the time before rounds.
fn old_header(plan: &Plan) -> RunHeader {
    RunHeader { schema: 1, ..header(plan) }
}

fn text(plan: &Plan, records: &[Record]) -> Vec<u8> {
    text_under(&header(plan), records)
}

fn text_under(header: &RunHeader, records: &[Record]) -> Vec<u8> {
    let lines = records.iter().cloned().map(|record| Line::Record(Box::new(record)));
    let lines = std::iter::once(Line::Header(Box::new(header.clone()))).chain(lines);
    let lines = lines.map(|line| serde_json::to_string(&line).unwrap() + "\n");
    lines.collect::<String>().into_bytes()
}

pub(super) fn read_text(text: &[u8]) -> Result<Journal, String> {
    parse(Path::new("run.jsonl"), text)
}

fn replayed(kept: &Kept, plan: &Plan) -> Vec<Record> {
    let mut records = Vec::new();
    kept.replay(plan, false, |_, record| records.push(record.clone()));
    records
}

fn recorded(journal: &Journal) -> Vec<Record> {
    journal.records().cloned().collect()
}

/// What a run in rounds, with nothing else asked for, need not measure again.
fn to_resume(journal: &Journal, plan: &Plan) -> Kept {
    let cold_of = HashMap::new();
    let settings = journal.header().settings;
    let facts = &journal.header().facts;
    let wanted = Demand { facts, settings, cold_of: &cold_of };
    Kept::to_resume(journal, plan, &wanted)
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
    assert_eq!((journal.header(), recorded(&journal)), (&header(&plan), records));
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
    assert_eq!(recorded(&journal).len(), 1 + 3);
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
    let nowhere = Writer::open(Path::new("/proc/nothing/run.jsonl"), None, &header(&plan)).unwrap();
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
                assert_eq!(recorded(&journal), records[..lines - 1], "{cut}");
                let kept = to_resume(&journal, &plan);
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
    let kept = to_resume(&journal, &plan);
    let stands: Vec<_> = (0..6).map(|at| kept.attempts.contains_key(id(&plan, at))).collect();
    assert_eq!(stands, [true, false, true, true, false, false]);
    // To be shown, all of it is.
    assert_eq!(Kept::to_show(&journal, &plan).len(), 6);
}

#[test]
fn in_schema_1_the_last_whole_measurement_stands_with_what_was_found_behind_it() {
    let plan = plan(2);
    let job = id(&plan, 0);
    let check = Check { anchor: job.clone(), rounds: 1, drift: Some(-0.05) };
    let mut records = attempt(job, 5, Some(Outcome::Completed));
    records.extend(attempt(job, 6, Some(Outcome::Completed)));
    let settled =
        Record::Settled { jobs: vec![job.clone()], nth: vec![0], check: Some(check.clone()) };
    records.push(settled.clone());
    records.push(Record::Warned { job: None, warning: Warning::new(WarningKind::Other, "hot") });
    records.extend(attempt(job, 7, None));
    let journal = read_text(&text_under(&old_header(&plan), &records)).unwrap();
    let kept = Kept::to_show(&journal, &plan);
    assert_eq!(kept.attempts[job].len(), 1);
    let expected =
        [&records[7..8], &attempt(job, 6, Some(Outcome::Completed)), &[settled]].concat();
    let mut records = Vec::new();
    kept.replay(&plan, true, |_, record| records.push(record.clone()));
    assert_eq!(records, expected);
}

#[test]
fn in_schema_2_all_visits_stand_that_came_to_their_end() {
    let plan = plan(2);
    let job = id(&plan, 0);
    let visits = [5, 6].map(|ns| attempt(job, ns, Some(Outcome::Completed))).concat();
    let cut = attempt(job, 7, None);
    let journal = read_text(&text(&plan, &[visits.clone(), cut].concat())).unwrap();
    assert_eq!(replayed(&to_resume(&journal, &plan), &plan), visits);
    // What was cut off is shown where there is nothing better.
    let journal = read_text(&text(&plan, &attempt(job, 7, None))).unwrap();
    assert_eq!(replayed(&Kept::to_show(&journal, &plan), &plan), attempt(job, 7, None));
    assert!(to_resume(&journal, &plan).is_empty());
}

#[test]
fn a_job_that_is_asked_for_twice_is_kept_twice() {
    let one = plan(1);
    let mut plan = one.clone();
    plan.jobs.push(plan.jobs[0].clone());
    let job = id(&plan, 0);
    let of_second = |ns| {
        let mut records = attempt(job, ns, Some(Outcome::Completed));
        let Record::Started { nth, .. } = &mut records[0] else { unreachable!("it starts") };
        *nth = 1;
        records
    };
    let first = [5, 6].map(|ns| attempt(job, ns, Some(Outcome::Completed))).concat();
    let single = read_text(&text(&plan, &first)).unwrap();
    assert_eq!(to_resume(&single, &plan).len(), 1, "two visits of one row");
    let both = [&first[..3], &of_second(7), &first[3..]].concat();
    let twice = read_text(&text(&plan, &both)).unwrap();
    let kept = to_resume(&twice, &plan);
    assert_eq!(kept.len(), 2);
    assert_eq!(replayed(&kept, &plan), [first, of_second(7)].concat());
    // A plan that asks for it once has no use for the other.
    assert_eq!(to_resume(&twice, &one).len(), 1);
    // Schema 1 had no numbers: what was measured first is the first row's.
    let both = [5, 7].map(|ns| attempt(job, ns, Some(Outcome::Completed))).concat();
    let old = read_text(&text_under(&old_header(&plan), &both)).unwrap();
    let first = attempt(job, 5, Some(Outcome::Completed));
    assert_eq!(replayed(&to_resume(&old, &plan), &plan), [first, of_second(7)].concat());
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
            to_resume(&journal, &plan).replay(&plan, true, |_, _| {});
        }
    }
}
