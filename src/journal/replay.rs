//! Which measurements of a journal stand, for a plan that may be another one by now.

use std::collections::HashMap;

use super::Journal;
use crate::job::JobId;
use crate::plan::Plan;
use crate::record::{Check, Outcome, Record};

/// One measurement of a job, from its start to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// What was recorded of it, in order.
    pub records: Vec<Record>,
    /// How it ended; `None` where it was cut off.
    pub outcome: Option<Outcome>,
    /// The look at the anchor behind it.
    pub check: Option<Check>,
}

/// The measurements that stand: as many of each job as the plan asks for, the latest ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// For each job, its attempts in order.
    pub attempts: HashMap<JobId, Vec<Attempt>>,
    /// Warnings about the run as a whole.
    pub warnings: Vec<Record>,
}

impl Kept {
    /// What stands of a journal. To resume, an attempt stands that was completed or would fail again in
    /// the same way; to show what happened, every last attempt does.
    pub fn of(journal: &Journal, plan: &Plan, to_resume: bool) -> Self {
        let mut wanted: HashMap<&JobId, usize> = HashMap::new();
        for job in plan.measured() {
            *wanted.entry(&job.id).or_default() += 1;
        }
        let (mut attempts, warnings) = attempts(&journal.records);
        for (id, of_job) in &mut attempts {
            let wanted = wanted.get(id).copied().unwrap_or(0);
            let stands = |attempt: &Attempt| match &attempt.outcome {
                Some(outcome) => !to_resume || !outcome.is_worth_another_try(),
                None => !to_resume,
            };
            // A measurement that was begun again and cut off does not take the place of a whole one.
            if of_job.iter().any(|attempt| attempt.outcome.is_some()) {
                of_job.retain(|attempt| attempt.outcome.is_some());
            }
            of_job.retain(stands);
            let surplus = of_job.len().saturating_sub(wanted);
            of_job.drain(..surplus);
        }
        attempts.retain(|_, of_job| !of_job.is_empty());
        Self { attempts, warnings }
    }

    /// How many attempts stand.
    pub fn len(&self) -> usize {
        self.attempts.values().map(Vec::len).sum()
    }

    /// Whether none stands.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands every record of what stands to `fold`, job after job in the order of the plan, each settled.
    pub fn replay(mut self, plan: &Plan, mut fold: impl FnMut(&Record)) {
        self.warnings.iter().for_each(&mut fold);
        for job in plan.measured() {
            let of_job = self.attempts.remove(&job.id).unwrap_or_default();
            for attempt in of_job {
                attempt.records.iter().for_each(&mut fold);
                if attempt.outcome.is_some() {
                    fold(&Record::Settled { jobs: vec![job.id.clone()], check: attempt.check });
                }
            }
        }
    }
}

/// All attempts, by job; and the warnings that are about no job.
fn attempts(records: &[Record]) -> (HashMap<JobId, Vec<Attempt>>, Vec<Record>) {
    let mut all: HashMap<JobId, Vec<Attempt>> = HashMap::new();
    let mut warnings = Vec::new();
    for record in records {
        match record {
            Record::Started { job, .. } => all.entry(job.clone()).or_default().push(Attempt {
                records: vec![record.clone()],
                outcome: None,
                check: None,
            }),
            Record::Settled { jobs, check } => {
                for job in jobs {
                    if let Some(attempt) = all.get_mut(job).and_then(|of_job| of_job.last_mut()) {
                        attempt.check.clone_from(check);
                    }
                }
            }
            Record::Warned { job: None, .. } => warnings.push(record.clone()),
            Record::Phase { .. } => {}
            Record::Loaded { job, .. }
            | Record::Sampled { job, .. }
            | Record::Warned { job: Some(job), .. }
            | Record::Finished { job, .. } => {
                // What belongs to no start, or comes behind an ending, is no part of a measurement.
                let open = all.get_mut(job).and_then(|of_job| of_job.last_mut());
                if let Some(attempt) = open.filter(|attempt| attempt.outcome.is_none()) {
                    attempt.records.push(record.clone());
                    if let Record::Finished { outcome, .. } = record {
                        attempt.outcome = Some(outcome.clone());
                    }
                }
            }
        }
    }
    (all, warnings)
}
