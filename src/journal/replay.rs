//! Replay: which visits of a journal stand, for a plan and a rule that may be others by now.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Journal, RunFacts, RunHeader};
use crate::job::{Job, JobId};
use crate::plan::Plan;
use crate::record::{Check, Outcome, Record, Warning, WarningKind, settled_rows};
use crate::stats::stopping::Rule;
use crate::wire::Settings;
use crate::work::Sample;

/// One visit to a job, from its start to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// What was true of it.
    pub header: Arc<RunHeader>,
    /// Which of several equal jobs it is about, from 0.
    pub nth: usize,
    /// What was recorded of it, in order.
    pub records: Vec<Record>,
    /// How it ended; `None` where it was cut off.
    pub outcome: Option<Outcome>,
    /// Whether it was said that the row stays as it is.
    pub settled: bool,
    /// Whether it was made under what is not true of the run that takes it over.
    pub foreign: bool,
    /// Whether its row stays as it is in that run too.
    pub stays: bool,
    /// The look at the anchor behind it, in journals of schema 1.
    pub check: Option<Check>,
}

impl Attempt {
    fn is_complete(&self) -> bool {
        self.outcome == Some(Outcome::Completed)
    }

    fn is_of_a_round(&self) -> bool {
        matches!(self.records.first(), Some(Record::Started { round, .. }) if *round > 0)
    }

    fn went_wrong(&self) -> bool {
        !matches!(self.outcome, None | Some(Outcome::Completed | Outcome::Interrupted))
    }

    /// Whether it was made on the machine and build of another one.
    fn is_like(&self, other: &Self) -> bool {
        let (own, other) = (&self.header, &other.header);
        // What a side is made of is not all in the facts: a variable of its environment, say.
        let sides = own.is_of_sides() || other.is_of_sides();
        Arc::ptr_eq(own, other)
            || (!sides || own.is_of_run(other)) && own.facts.differences(&other.facts).is_empty()
    }

    /// Takes note, and has its row say, in what the machine or build was another one than it is now.
    fn say_whose(&mut self, now: &RunFacts) {
        let differences = self.header.facts.differences(now);
        let Some(Record::Started { job, .. }) = self.records.first() else { return };
        self.foreign = !differences.is_empty();
        if self.foreign {
            let text = format!(
                "measured in an earlier run, and not under what is true of this one: {}",
                differences.join("; ")
            );
            let (job, warning) = (Some(job.clone()), Warning::new(WarningKind::Earlier, text));
            self.records.insert(1, Record::Warned { job, warning });
        }
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
pub struct Demand<'a> {
    /// What is true of it.
    pub facts: &'a RunFacts,
    /// How it measures.
    pub settings: Settings,
    /// Cold starts of single jobs, where not all get the same number.
    pub cold_of: &'a HashMap<JobId, u32>,
}

impl Demand<'_> {
    /// Whether a row stays as an attempt has it: it was measured elsewhere, or until as much was known as is
    /// wanted now, or ended in a way that would come again.
    fn leaves(&self, attempt: &Attempt) -> bool {
        let enough = || attempt.header.facts.wants_as_much(self.facts);
        attempt.foreign || attempt.settled && (!attempt.is_complete() || enough())
    }

    /// Whether a job need not be tried again, or a visit is as good as one of this run. Of jobs that are not
    /// `timed`, memory alone is wanted.
    fn is_met(&self, (job, timed): (&Job, bool), attempt: &Attempt) -> bool {
        match &attempt.outcome {
            None => return false,
            Some(Outcome::Completed) if !timed => return true,
            Some(Outcome::Completed) => {}
            // Another machine may have what it lacked.
            Some(outcome) => return !outcome.is_worth_another_try() && !attempt.foreign,
        }
        let count = |of: fn(&Sample) -> bool| attempt.samples().filter(|sample| of(sample)).count();
        let runs = count(Sample::is_measured);
        let cold = count(|sample| matches!(sample, Sample::Cold { .. }));
        let enough = match self.facts.stop {
            Rule::Fixed { n } => runs >= n as usize,
            Rule::Precision { .. } | Rule::Visit { .. } => runs > 0,
        };
        let may = job.work.may();
        let warm = attempt.header.settings.warmup || !self.settings.warmup || !may.warm_up;
        let first = matches!(attempt.records.first(), Some(Record::Started { round: 0 | 1, .. }));
        let starts = self.cold_of.get(&job.id).copied().unwrap_or(self.facts.cold) as usize;
        enough && warm && (!may.start_cold || !first || cold >= starts)
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
    pub fn to_resume(journal: &Journal, plan: &Plan, wanted: &Demand<'_>) -> Self {
        Self::of(journal, plan, Some(wanted))
    }

    fn of(journal: &Journal, plan: &Plan, wanted: Option<&Demand<'_>>) -> Self {
        let mut rows: HashMap<&JobId, (usize, (&Job, bool))> = HashMap::new();
        for row in plan.jobs.iter().filter(|row| row.is_visited()) {
            let first = (&row.job, row.same_as.is_none());
            rows.entry(&row.job.id).or_insert((0, first)).0 += 1;
        }
        let now = wanted.map_or(&journal.header().facts, |wanted| wanted.facts);
        let (mut attempts, warnings) = attempts(journal);
        attempts.retain(|id, _| rows.contains_key(id));
        for (id, of_job) in &mut attempts {
            let (rows, job) = rows[id];
            number(of_job, rows);
            of_job.retain(|attempt| attempt.nth < rows);
            // The sides of one run may differ: that is what it is about.
            let is_of_run =
                |attempt: &Attempt| wanted.is_none() && attempt.header.is_of_run(journal.header());
            for attempt in of_job.iter_mut().filter(|attempt| !is_of_run(attempt)) {
                attempt.say_whose(now);
            }
            if let Some(wanted) = wanted {
                of_job.retain(|attempt| wanted.is_met(job, attempt));
                for attempt in &mut *of_job {
                    attempt.stays = wanted.leaves(attempt);
                }
            }
            stand_together(of_job);
        }
        attempts.retain(|_, of_job| !of_job.is_empty());
        Self { attempts, warnings }
    }

    /// Whether there is a visit to one of several equal jobs.
    pub fn has(&self, job: &JobId, nth: usize) -> bool {
        self.attempts.get(job).into_iter().flatten().any(|attempt| attempt.nth == nth)
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
    /// the plan. Rows are settled where `settle` says so, or they stay as they are.
    pub fn replay(
        &self,
        plan: &Plan,
        settle: bool,
        mut fold: impl FnMut(Option<&Arc<RunHeader>>, &Record),
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
            if settle || last.stays {
                let (jobs, nth, check) = (vec![job.id.clone()], vec![last.nth], last.check.clone());
                fold(Some(&last.header), &Record::Settled { jobs, nth, check });
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
/// beside a whole one; one that went wrong behind it says that.
fn stand_together(of_job: &mut Vec<Attempt>) {
    let mut stands = vec![false; of_job.len()];
    let rows: HashSet<_> = of_job.iter().map(|attempt| attempt.nth).collect();
    for nth in rows {
        let of_row = || of_job.iter().enumerate().filter(|(_, attempt)| attempt.nth == nth);
        let ended = of_row().rfind(|(_, attempt)| attempt.outcome.is_some());
        let whole = of_row().rfind(|(_, attempt)| attempt.is_complete());
        let judged = of_row().rfind(|(_, attempt)| attempt.is_complete() || attempt.went_wrong());
        // With -r, a job that began again was measured anew, unless it was visited in rounds.
        let anew = |attempt: &Attempt| {
            matches!(attempt.header.facts.stop, Rule::Fixed { .. }) && !attempt.is_of_a_round()
        };
        let alone = judged.filter(|(_, attempt)| anew(attempt) || whole.is_none());
        let (None, Some((_, whole))) = (alone, whole) else {
            let last = alone.or(ended).map(|(last, _)| last);
            for (at, _) in of_row().filter(|(at, _)| last.is_none_or(|last| *at == last)) {
                stands[at] = true;
            }
            continue;
        };
        let mut begun = false;
        for (at, attempt) in of_row().filter(|(_, attempt)| attempt.is_like(whole)) {
            begun |= attempt.is_complete();
            stands[at] = attempt.is_complete() || begun && attempt.went_wrong();
        }
    }
    let mut stands = stands.into_iter();
    of_job.retain(|_| stands.next().unwrap_or(false));
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
                    foreign: false,
                    stays: false,
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
        Record::Settled { jobs, nth, check } => {
            for (job, number) in settled_rows(jobs, nth) {
                let of_job = all.get_mut(job).into_iter().flatten();
                // Schema 1 meant the one that was measured last.
                let mut last =
                    of_job.rev().filter(|attempt| nth.is_empty() || attempt.nth == number);
                if let Some(attempt) = last.next() {
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
