//! Rows that are the very same thing to llama.cpp, so that one measurement serves them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Planned, SameAs};
use crate::axis::{AXES, Axis, Collapse, Value};
use crate::job::{Job, JobId};
use crate::machine::Host;
use crate::setup::Setup;

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

/// The job as far as its speed goes: a token at a time is a batch of one, and a text that goes in as a whole is one
/// batch, whatever the batches may hold.
pub(super) fn as_timed(job: &Job) -> Job {
    let Some(tokens) = one_batch(job) else { return job.clone() };
    let (mut setup, mut work) = (job.setup.clone(), job.work.clone());
    for axis in AXES.iter().filter(|axis| BATCHES.contains(&axis.name)) {
        axis.set(&mut setup, &mut work, Value::Int(tokens.into()));
    }
    Job::new(setup, work)
}

/// Tokens of the one batch that a job's speed goes by; `None` where the batches decide.
fn one_batch(job: &Job) -> Option<u32> {
    let (Setup::Llama(config), speed) = (&job.setup, job.work.speed()?);
    match speed.n_prompt {
        0 => Some(speed.n_parallel),
        // A depth goes in piece by piece, and is not timed.
        whole => config.model.kind.reads_at_once().then_some(whole),
    }
}

/// Settings of a job that the model makes nothing of, each in a sentence.
pub(super) fn idle(job: &Job, host: &Host) -> Vec<String> {
    let idle = AXES.iter().filter_map(|axis| {
        let asked = job.value(axis)?;
        axis.collapse?.idle(&asked, &job.setup, &job.work, host)
    });
    idle.collect()
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
        let reason = match (own == other, job.work.speed()) {
            (true, _) => said(rule, axis, [job, earlier], host),
            (false, Some(speed)) if speed.n_prompt > 0 => {
                "a text goes in as a whole, whatever -b and -ub allow; its memory is its own".into()
            }
            (false, _) => {
                "a generated token is a batch of one, whatever -b and -ub allow; its memory is its own"
                    .into()
            }
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

/// What a rule says of two values that come to the same: of the one that is not taken as asked.
fn said(rule: Collapse, axis: &Axis, jobs: [&Job; 2], host: &Host) -> String {
    let is_changed = |job: &&&Job| {
        rule.value(&job.setup, &job.work, host).is_some_and(|to| Some(to) != job.value(axis))
    };
    let job = jobs.iter().find(is_changed).unwrap_or(&jobs[0]);
    rule.reason(&job.setup, &job.work, host)
}
