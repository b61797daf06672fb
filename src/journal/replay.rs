//! Which visits of a journal stand, for a plan and a rule that may be others by now.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Header, Journal, RunFacts};
use crate::job::{Job, JobId};
use crate::plan::Plan;
use crate::record::{Check, Outcome, Record, Warning};
use crate::stats::stopping::Rule;
use crate::wire::Settings;
use crate::work::Sample;

/// One visit to a job, from its start to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// What was true of it.
    pub header: Arc<Header>,
    /// Which of several equal jobs it is about, from 0.
    pub nth: usize,
    /// What was recorded of it, in order.
    pub records: Vec<Record>,
    /// How it ended; `None` where it was cut off.
    pub outcome: Option<Outcome>,
    /// Whether it was said that the row stays as it is.
    pub settled: bool,
    /// The look at the anchor behind it, in journals of schema 1.
    pub check: Option<Check>,
}

impl Attempt {
    fn is_complete(&self) -> bool {
        self.outcome == Some(Outcome::Completed)
    }

    fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.records.iter().filter_map(|record| match record {
            Record::Sampled { sample, .. } => Some(sample),
            _ => None,
        })
    }
}

/// What a run wants of each visit that it takes over.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How it measures.
    pub settings: Settings,
    /// When a row has been measured enough.
    pub stop: Rule,
    /// Cold starts of each job with a prompt.
    pub cold: u32,
    /// The same for single jobs.
    pub cold_of: &'a HashMap<JobId, u32>,
}

impl Wanted<'_> {
    /// Whether a job need not be tried again, or a visit is as good as one of this run.
    fn is_met(&self, job: &Job, attempt: &Attempt) -> bool {
        match &attempt.outcome {
            None => return false,
            Some(Outcome::Completed) => {}
            Some(outcome) => return !outcome.is_worth_another_try(),
        }
        let count = |of: fn(&Sample) -> bool| attempt.samples().filter(|sample| of(sample)).count();
        let runs = count(|sample| matches!(sample, Sample::Run { .. }));
        let cold = count(|sample| matches!(sample, Sample::Cold { .. }));
        let enough = match self.stop {
            Rule::Fixed { n } => runs >= n as usize,
            _ => true,
        };
        let warm = attempt.header.settings.warmup || !self.settings.warmup;
        let first = matches!(attempt.records.first(), Some(Record::Started { round: 0 | 1, .. }));
        let starts = self.cold_of.get(&job.id).copied().unwrap_or(self.cold) as usize;
        enough && warm && (job.work.speed().n_prompt == 0 || !first || cold >= starts)
    }
}

/// The visits that stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// For each job, its visits in order.
    pub attempts: HashMap<JobId, Vec<Attempt>>,
    /// Warnings about a run as a whole.
    pub warnings: Vec<Record>,
}

impl Kept {
    /// What there is to show of a journal: every row as it came out last.
    pub fn to_show(journal: &Journal, plan: &Plan) -> Self {
        Self::of(journal, plan, None)
    }

    /// What need not be measured again: visits that were completed, as good as this run's, and failures
    /// that would come again.
    pub fn to_resume(journal: &Journal, plan: &Plan, wanted: &Wanted<'_>) -> Self {
        Self::of(journal, plan, Some(wanted))
    }

    fn of(journal: &Journal, plan: &Plan, wanted: Option<&Wanted<'_>>) -> Self {
        let mut rows: HashMap<&JobId, Vec<&Job>> = HashMap::new();
        for job in plan.visited() {
            rows.entry(&job.id).or_default().push(job);
        }
        let (mut attempts, warnings) = attempts(journal);
        for (id, of_job) in &mut attempts {
            let rows = rows.get(id).map_or(&[][..], Vec::as_slice);
            number(of_job, rows.len());
            of_job.retain(|attempt| attempt.nth < rows.len());
            if let (Some(wanted), Some(job)) = (wanted, rows.first()) {
                of_job.retain(|attempt| wanted.is_met(job, attempt));
            }
            stand_together(of_job);
        }
        attempts.retain(|_, of_job| !of_job.is_empty());
        Self { attempts, warnings }
    }

    /// Has rows say in what the machine or build was another one when they were measured than in this run.
    pub fn warn_of_differences(&mut self, now: &RunFacts) {
        for attempt in self.attempts.values_mut().flatten() {
            let differences = attempt.header.facts.differences(now);
            let Some(Record::Started { job, .. }) = attempt.records.first() else { continue };
            if differences.is_empty() {
                continue;
            }
            let text = format!(
                "measured in an earlier run, and not under what is true of this one: {}",
                differences.join("; ")
            );
            let (job, warning) = (Some(job.clone()), Warning { text });
            attempt.records.insert(1, Record::Warned { job, warning });
        }
    }

    /// How many rows have a visit that stands.
    pub fn len(&self) -> usize {
        let rows = |of_job: &Vec<Attempt>| {
            of_job.iter().map(|attempt| attempt.nth).collect::<HashSet<_>>().len()
        };
        self.attempts.values().map(rows).sum()
    }

    /// Whether none stands.
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Hands every record of what stands to `fold`, with what was true of it, row after row in the order of
    /// the plan. Rows are settled where `settle` says so, or an earlier run did.
    pub fn replay(
        &self,
        plan: &Plan,
        settle: bool,
        mut fold: impl FnMut(Option<&Arc<Header>>, &Record),
    ) {
        self.warnings.iter().for_each(|warning| fold(None, warning));
        let mut seen: HashMap<&JobId, usize> = HashMap::new();
        for job in plan.visited() {
            let place = seen.entry(&job.id).or_default();
            let of_job = self.attempts.get(&job.id).into_iter().flatten();
            let of_row: Vec<_> = of_job.filter(|attempt| attempt.nth == *place).collect();
            *place += 1;
            for attempt in &of_row {
                attempt.records.iter().for_each(|record| fold(Some(&attempt.header), record));
            }
            let Some(last) = of_row.iter().rfind(|attempt| attempt.outcome.is_some()) else {
                continue;
            };
            if settle || last.settled && !last.is_complete() {
                let (jobs, check) = (vec![job.id.clone()], last.check.clone());
                fold(Some(&last.header), &Record::Settled { jobs, check });
            }
        }
    }
}

/// Which row each visit is about. Schema 1 had no numbers, and measured a job anew where it began again: the
/// last ones of it are meant, as many as there are rows.
fn number(of_job: &mut Vec<Attempt>, rows: usize) {
    let is_old = |attempt: &Attempt| attempt.header.schema < 2;
    // A measurement that was begun again and cut off does not take the place of a whole one.
    if of_job.iter().any(|attempt| is_old(attempt) && attempt.outcome.is_some()) {
        of_job.retain(|attempt| !is_old(attempt) || attempt.outcome.is_some());
    }
    let old = of_job.iter().filter(|attempt| is_old(attempt)).count();
    let mut surplus = old.saturating_sub(rows);
    of_job.retain(|attempt| {
        let goes = is_old(attempt) && surplus > 0;
        surplus -= usize::from(goes);
        !goes
    });
    for (place, attempt) in of_job.iter_mut().filter(|attempt| is_old(attempt)).enumerate() {
        attempt.nth = place;
        if let Some(Record::Started { nth, .. }) = attempt.records.first_mut() {
            *nth = place;
        }
    }
}

/// Leaves, of the visits to each row, those that say something of one and the same thing: on the machine and
/// build of the last complete one, if there is any, else the last alone. A visit that was cut off says nothing
/// beside a whole one.
fn stand_together(of_job: &mut Vec<Attempt>) {
    let rows: HashSet<_> = of_job.iter().map(|attempt| attempt.nth).collect();
    for nth in rows {
        let of_row = |attempt: &&Attempt| attempt.nth == nth;
        let complete = of_job.iter().filter(of_row).filter(|attempt| attempt.is_complete());
        let last = of_job.iter().filter(of_row).filter(|attempt| attempt.outcome.is_some()).last();
        match (complete.last().cloned(), last.cloned()) {
            (Some(whole), _) => of_job.retain(|attempt| {
                attempt.nth != nth
                    || attempt.is_complete()
                        && attempt.header.facts.differences(&whole.header.facts).is_empty()
            }),
            (None, Some(last)) => {
                of_job.retain(|attempt| attempt.nth != nth || *attempt == last);
            }
            (None, None) => {}
        }
    }
}

/// All visits, by job; and the warnings that are about no job.
fn attempts(journal: &Journal) -> (HashMap<JobId, Vec<Attempt>>, Vec<Record>) {
    let mut all: HashMap<JobId, Vec<Attempt>> = HashMap::new();
    let mut warnings = Vec::new();
    for stretch in &journal.stretches {
        for record in &stretch.records {
            if let Record::Started { job, nth, .. } = record {
                all.entry(job.clone()).or_default().push(Attempt {
                    header: Arc::clone(&stretch.header),
                    nth: *nth,
                    records: vec![record.clone()],
                    outcome: None,
                    settled: false,
                    check: None,
                });
            } else {
                note(record, &mut all, &mut warnings);
            }
        }
    }
    (all, warnings)
}

/// Puts a record where it belongs.
fn note(record: &Record, all: &mut HashMap<JobId, Vec<Attempt>>, warnings: &mut Vec<Record>) {
    match record {
        Record::Settled { jobs, check } => {
            for job in jobs {
                if let Some(attempt) = all.get_mut(job).and_then(|of_job| of_job.last_mut()) {
                    attempt.settled = true;
                    attempt.check.clone_from(check);
                }
            }
        }
        Record::Warned { job: None, .. } => warnings.push(record.clone()),
        Record::Phase { .. } | Record::Started { .. } => {}
        Record::Loaded { job, .. }
        | Record::Sampled { job, .. }
        | Record::Warned { job: Some(job), .. }
        | Record::Finished { job, .. } => {
            // What belongs to no start, or comes behind an ending, is no part of a visit.
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
