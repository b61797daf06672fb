//! Rows that are the very same thing to llama.cpp, so that one measurement serves them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Planned, SameAs};
use crate::axis::{AXES, Value};
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
    match measured.entry(as_timed(&effective).id) {
        Entry::Vacant(slot) => {
            slot.insert(jobs.len());
            None
        }
        Entry::Occupied(slot) => {
            let index = *slot.get();
            let earlier = &jobs[index].job;
            let own_memory = job.setup.same_load(&earlier.setup)
                && batches(&effective) != batches(&self::effective(earlier, host));
            Some(SameAs { index, reason: reason(job, earlier, host), own_memory })
        }
    }
}

/// Axes that a generation does not go by.
const BATCHES: [&str; 2] = ["n_batch", "n_ubatch"];

/// The values of these axes.
fn batches(job: &Job) -> Vec<Option<Value>> {
    let axes = AXES.iter().filter(|axis| BATCHES.contains(&axis.name));
    axes.map(|axis| job.value(axis)).collect()
}

/// The job as far as its speed goes: a token at a time is a batch of one, whatever the batches may hold.
pub(super) fn as_timed(job: &Job) -> Job {
    let Some(speed) = job.work.speed().filter(|speed| speed.n_prompt == 0) else {
        return job.clone();
    };
    let (mut setup, mut work) = (job.setup.clone(), job.work.clone());
    for axis in AXES.iter().filter(|axis| BATCHES.contains(&axis.name)) {
        axis.set(&mut setup, &mut work, Value::Int(speed.n_parallel.into()));
    }
    Job::new(setup, work)
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
    let comes_to = [effective(job, host), effective(earlier, host)];
    for axis in AXES.iter().filter(|axis| job.value(axis) != earlier.value(axis)) {
        let Some(rule) = axis.collapse else { continue };
        let [own, other] = comes_to.each_ref().map(|job| job.value(axis));
        let reason = if own == other {
            rule.reason(&job.setup, &job.work, host)
        } else {
            "a generated token is a batch of one, whatever -b and -ub allow; its memory is its own"
                .into()
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    if reasons.is_empty() {
        reasons.push("the same values were asked for twice".to_string());
    }
    reasons.join("; ")
}
