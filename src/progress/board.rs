//! Board of a run: what its records say of each row so far, for whoever looks on.

use std::collections::HashMap;
use std::time::Instant;

use super::cost::{Bounds, Costs, Left, places};
use crate::job::{Job, JobId};
use crate::ledger::{Entry, Ledger, Priors};
use crate::plan::Plan;
use crate::record::{Outcome, Phase, Record};
use crate::stats::stopping::Rule;
use crate::units::Bytes;
use crate::work::Sample;

/// What is known of a run.
#[derive(Debug)]
pub(super) struct Board {
    plan: Plan,
    ledger: Ledger,
    costs: Costs,
    seen: Vec<Seen>,
    /// The rows that a worker is asked for, by job: several where equal ones are measured each.
    rows_of: HashMap<JobId, Vec<usize>>,
    /// The place in the ledger of each row, an equal one's where it has none.
    places: Vec<Option<usize>>,
    /// The row that a job's records are about.
    open: HashMap<JobId, usize>,
    current: Option<(usize, Phase)>,
    /// The row that was visited last.
    last: usize,
    round: u32,
}

/// What was seen of a row beside the ledger.
#[derive(Debug, Clone, Default)]
struct Seen {
    first_token: Sum,
    /// Values of the headline in the visit under way.
    under_way: Vec<f64>,
    /// What they came to, where no other visit says more.
    came_to: Option<f64>,
    ram: Option<Bytes>,
    vram: Option<Bytes>,
    ended: Option<Outcome>,
    backends: Option<String>,
}

/// A mean in the making.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    n: u32,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.n += 1;
    }

    fn mean(self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / f64::from(self.n))
    }
}

/// What there is to say of what a row is judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Standing {
    /// Nothing yet.
    Unknown,
    /// What the visit under way comes to so far.
    UnderWay(f64),
    /// What it came to, for good.
    Final(f64),
    /// What visits came to, with half the width of its 95 % interval as a share.
    Known(f64, f64),
    /// It went wrong, in this way.
    Ended(&'static str),
}

impl Board {
    /// A board of a run that begins now.
    pub(super) fn new(plan: &Plan, priors: Priors, limits: Bounds, now: Instant) -> Self {
        let mut rows_of: HashMap<_, Vec<_>> = HashMap::new();
        for (row, planned) in plan.jobs.iter().enumerate() {
            if planned.is_visited() {
                rows_of.entry(planned.job.id.clone()).or_default().push(row);
            }
        }
        let seen = plan.jobs.iter().map(|planned| {
            let reason = planned.impossible.clone();
            Seen { ended: reason.map(|reason| Outcome::Skipped { reason }), ..Seen::default() }
        });
        Self {
            ledger: Ledger::new(plan.measured(), priors),
            costs: Costs::new(plan, limits, now),
            seen: seen.collect(),
            places: places(plan),
            plan: plan.clone(),
            rows_of,
            open: HashMap::new(),
            current: None,
            last: 0,
            round: 0,
        }
    }

    /// Takes note of what happened.
    pub(super) fn fold(&mut self, record: &Record, now: Instant) {
        self.ledger.fold(record);
        match record {
            Record::Started { job, round, nth, .. } => {
                let Some(&row) = self.rows_of.get(job).and_then(|rows| rows.get(*nth)) else {
                    return;
                };
                self.open.insert(job.clone(), row);
                self.seen[row].under_way = Vec::new();
                self.round = self.round.max(*round);
                (self.current, self.last) = (Some((row, Phase::Start)), row);
                self.costs.begin(self.own_place(row), now);
            }
            Record::Phase { job, phase } => {
                if let Some(&row) = self.open.get(job) {
                    self.current = Some((row, *phase));
                }
            }
            Record::Loaded { job, facts } => {
                self.costs.loaded(now);
                if let Some(&row) = self.open.get(job) {
                    self.seen[row].backends = Some(facts.backends.clone());
                }
            }
            Record::Sampled { job, sample } => {
                if let Some(&row) = self.open.get(job) {
                    self.sampled(row, sample);
                }
            }
            Record::Finished { job, outcome, reading } => {
                self.current = None;
                if let Some(&row) = self.open.get(job) {
                    let is_final =
                        *outcome == Outcome::Completed && !self.job(row).work.may().repeat;
                    let came_to = self.came_to(row).filter(|_| is_final);
                    let seen = &mut self.seen[row];
                    seen.came_to = came_to.or(seen.came_to);
                    seen.ram = seen.ram.max(reading.peak_rss);
                    seen.vram = seen.vram.max(reading.device_memory());
                    seen.ended = Some(outcome.clone());
                    self.costs.end(&self.ledger, now);
                }
            }
            Record::Warned { .. } | Record::Settled { .. } => {}
        }
    }

    fn sampled(&mut self, row: usize, sample: &Sample) {
        let job = &self.plan.jobs[row].job;
        let seen = &mut self.seen[row];
        let values = job.work.headline().values;
        seen.under_way.extend(values(&job.work, std::slice::from_ref(sample)));
        if let Sample::Run { first_token_ns, .. } = sample {
            for ns in first_token_ns {
                seen.first_token.add(ns.millis());
            }
        }
        self.costs.learn(job, sample);
    }

    /// Works out how well rows are known by now.
    pub(super) fn settle(&mut self) {
        self.ledger.settle();
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn len(&self) -> usize {
        self.plan.jobs.len()
    }

    pub(super) fn job(&self, row: usize) -> &Job {
        &self.plan.jobs[row].job
    }

    /// The row under way, and where it is.
    pub(super) fn current(&self) -> Option<(usize, Phase)> {
        self.current
    }

    /// The row under way, or that was last.
    pub(super) fn last(&self) -> usize {
        self.last
    }

    /// The round under way; 0 where there are none.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// Whether a row shows the speed of another one.
    pub(super) fn is_equal(&self, row: usize) -> bool {
        self.plan.jobs[row].same_as.is_some()
    }

    pub(super) fn left(&self, now: Instant) -> Option<Left> {
        self.costs.left(&self.ledger, self.round, now)
    }

    /// The place in the ledger of a row that is measured itself.
    fn own_place(&self, row: usize) -> Option<usize> {
        self.places[row].filter(|_| !self.is_equal(row))
    }

    fn entry(&self, row: usize) -> Option<&Entry> {
        self.places[row].map(|place| self.ledger.entry(place))
    }

    /// The row whose measurement a row shows.
    fn source(&self, row: usize) -> usize {
        let same = self.plan.jobs[row].same_as.as_ref();
        same.map(|same| same.index).filter(|&other| other < self.len()).unwrap_or(row)
    }

    /// What there is to say of what a row is judged by.
    pub(super) fn standing(&self, row: usize) -> Standing {
        let source = self.source(row);
        let words = |row: usize| self.seen[row].ended.as_ref().and_then(word);
        if let Some(word) = words(row).filter(|_| row != source) {
            return Standing::Ended(word);
        }
        let entry = self.entry(row);
        if let Some(known) = entry.and_then(|entry| entry.known) {
            return Standing::Known(known.log_mean.exp(), known.precision());
        }
        if let Some(value) = self.seen[source].came_to {
            return Standing::Final(value);
        }
        if self.current.is_some_and(|(current, _)| current == source) {
            let so_far = self.came_to(source);
            return so_far.map_or(Standing::Unknown, Standing::UnderWay);
        }
        words(source).map_or(Standing::Unknown, Standing::Ended)
    }

    /// What the values so far of its visit come to.
    fn came_to(&self, row: usize) -> Option<f64> {
        let figure = self.job(row).work.headline().figure;
        figure(&self.seen[row].under_way).map(|figure| figure.value)
    }

    /// How badly a row is known: its precision, where that is known at all.
    pub(super) fn precision(&self, row: usize) -> Option<f64> {
        self.entry(row).filter(|entry| !entry.failed)?.precision()
    }

    /// Visits to a row that came to their end.
    pub(super) fn visits(&self, row: usize) -> usize {
        self.entry(row).map_or(0, |entry| entry.visits.len())
    }

    /// Mean time to first token, in milliseconds.
    pub(super) fn first_token(&self, row: usize) -> Option<f64> {
        self.seen[self.source(row)].first_token.mean()
    }

    /// Peak of the machine's memory.
    pub(super) fn ram(&self, row: usize) -> Option<Bytes> {
        self.seen[row].ram.or(self.seen[self.source(row)].ram)
    }

    /// Peak of the devices' memory.
    pub(super) fn vram(&self, row: usize) -> Option<Bytes> {
        self.seen[row].vram.or(self.seen[self.source(row)].vram)
    }

    /// The most memory that any row took: of the machine, of its devices.
    pub(super) fn most_memory(&self) -> (Option<Bytes>, Option<Bytes>) {
        let seen = self.seen.iter();
        (seen.clone().filter_map(|seen| seen.ram).max(), seen.filter_map(|seen| seen.vram).max())
    }

    /// Where the model is, as far as it was loaded: `CUDA`, or `CPU, CUDA` where rows differ.
    pub(super) fn backends(&self) -> Vec<&str> {
        let mut names: Vec<_> =
            self.seen.iter().filter_map(|seen| seen.backends.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Rows that have a speed, and that went wrong.
    pub(super) fn tally(&self) -> (usize, usize) {
        let all = (0..self.len()).map(|row| self.standing(row));
        all.fold((0, 0), |(done, wrong), standing| match standing {
            Standing::Known(..) | Standing::Final(_) => (done + 1, wrong),
            Standing::Ended(_) => (done, wrong + 1),
            Standing::Unknown | Standing::UnderWay(_) => (done, wrong),
        })
    }

    /// What was asked for, and how many rows are known as well as that; `None` where repetitions were.
    pub(super) fn precise(&self) -> Option<(f64, usize)> {
        let Rule::Precision { target, .. } = self.costs.limits().stop else { return None };
        let reached = (0..self.len()).filter_map(|row| self.precision(row));
        Some((target, reached.filter(|reached| *reached <= target).count()))
    }
}

/// How it went wrong, in a word.
fn word(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Completed | Outcome::Interrupted => None,
        Outcome::Failed { .. } => Some("failed"),
        Outcome::Crashed { .. } => Some("crashed"),
        Outcome::TimedOut { .. } => Some("timeout"),
        Outcome::Skipped { .. } => Some("skipped"),
    }
}
