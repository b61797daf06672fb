//! Rows that are the very same thing to llama.cpp, so that one measurement serves them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Planned, SameAs};
use crate::axis::AXES;
use crate::job::{Job, JobId};
use crate::machine::Host;

/// The earlier row that measures the very same thing, if there is one; otherwise remembers this one.
pub(super) fn same_as(
    job: &Job,
    jobs: &[Planned],
    measured: &mut HashMap<JobId, usize>,
    host: &Host,
) -> Option<SameAs> {
    let effective = effective(job, host);
    match measured.entry(effective.id) {
        Entry::Vacant(slot) => {
            slot.insert(jobs.len());
            None
        }
        Entry::Occupied(slot) => {
            let index = *slot.get();
            Some(SameAs { index, reason: reason(job, &jobs[index].job, host) })
        }
    }
}

/// The job as it comes out: what is not taken as asked is as it is taken, so that equal work has equal ids.
pub(super) fn effective(job: &Job, host: &Host) -> Job {
    let (mut setup, mut work) = (job.setup.clone(), job.work.clone());
    for axis in &AXES {
        let collapsed = axis.collapse.and_then(|rule| rule.value(&setup, &work, host));
        if let Some(value) = collapsed {
            axis.set(&mut setup, &mut work, value);
        }
    }
    Job::new(setup, work)
}

/// Why the two are the same thing, in one sentence.
pub(super) fn reason(job: &Job, earlier: &Job, host: &Host) -> String {
    let mut reasons = Vec::new();
    let differing = AXES.iter().filter(|axis| job.value(axis) != earlier.value(axis));
    for rule in differing.filter_map(|axis| axis.collapse) {
        let reason = rule.reason(&job.setup, &job.work, host);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    if reasons.is_empty() {
        reasons.push("the same values were asked for twice".to_string());
    }
    reasons.join("; ")
}
