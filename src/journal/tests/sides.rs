//! Journals of two sides that were visited in turn.

use std::sync::Arc;

use super::*;

/// A journal of two sides of one row, of which not the same is true: A and B in turn, twice.
fn sides() -> (Plan, Journal) {
    let plan = {
        let row = plan(1).jobs[0].clone();
        Plan { jobs: vec![row.clone(), row], ..plan(0) }
    };
    let of_side = |build: &str| {
        let mut side = RunHeader { args: vec![SIDES.into(), "--b=-fa 1".into()], ..header(&plan) };
        side.facts.host.engine.build_commit = build.into();
        side
    };
    let job = &plan.jobs[0].job.id;
    let mut lines =
        vec![Line::Header(Box::new(of_side("a"))), Line::Header(Box::new(of_side("b")))];
    for (nth, ns) in [(0, 1), (1, 2), (1, 20), (0, 10)] {
        // A's header stands before B's.
        lines.push(Line::Under(1 - nth));
        let records = attempt(job, ns, Some(Outcome::Completed)).into_iter();
        lines.extend(records.map(|record| {
            Line::Record(Box::new(match record {
                Record::Started { job, unix_time, round, .. } => {
                    Record::Started { job, unix_time, round, nth }
                }
                other => other,
            }))
        }));
    }
    let text: String =
        lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
    (plan, parse(Path::new("sides.jsonl"), text.as_bytes()).unwrap())
}

#[test]
fn each_side_has_its_own_header() {
    let (plan, journal) = sides();
    assert_eq!(journal.notes, [""; 0]);
    assert_eq!(journal.plan().jobs.len(), 2);
    let kept = Kept::to_show(&journal, &plan);
    let of_job = &kept.attempts[&plan.jobs[0].job.id];
    let seen: Vec<_> = of_job
        .iter()
        .map(|attempt| (attempt.nth, attempt.header.facts.host.engine.build_commit.as_str()))
        .collect();
    assert_eq!(seen, [(0, "a"), (1, "b"), (1, "b"), (0, "a")]);
    // What the run is about is no warning.
    let is_warned = |attempt: &Attempt| {
        attempt.records.iter().any(|record| matches!(record, Record::Warned { .. }))
    };
    assert!(!of_job.iter().any(|attempt| attempt.foreign || is_warned(attempt)));
}

#[test]
fn visits_of_a_side_are_not_joined_with_those_of_another_run() {
    let (plan, mut journal) = sides();
    let second = journal.clone().stretches.into_iter().map(|mut stretch| {
        let mut header = (*stretch.header).clone();
        header.args = vec![SIDES.into(), "--b=X=1 -fa 1".into()];
        stretch.header = Arc::new(header);
        stretch
    });
    journal.stretches.extend(second.collect::<Vec<_>>());
    let of_job = &Kept::to_show(&journal, &plan).attempts[&plan.jobs[0].job.id];
    assert!(of_job.iter().all(|attempt| attempt.header.args[1].contains("X=1")));
    assert_eq!(of_job.len(), 4);
}

#[test]
fn with_r_all_rounds_of_a_side_stand() {
    let (plan, mut journal) = sides();
    for stretch in &mut journal.stretches {
        let mut header = (*stretch.header).clone();
        header.facts.stop = Rule::Fixed { n: 1 };
        stretch.header = Arc::new(header);
    }
    let of_job = &Kept::to_show(&journal, &plan).attempts[&plan.jobs[0].job.id];
    assert_eq!(of_job.len(), 4);
}
