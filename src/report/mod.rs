//! From records to what a person or a program reads.
//!
//! A [`Report`] is a fold of [`Record`]s over a [`Plan`]: every planned job is a row, whatever became of
//! it. A [`Row`] is one of them, looked at; the [`fields`] say what can be read from it; a [`Renderer`]
//! writes rows as they finish, one small file per format.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the fold |
//! | `measured.rs` | what was recorded of a row, over all visits to it |
//! | `row.rs` | one row, looked at |
//! | `summary.rs` | its figures, from its samples |
//! | `fields/` | what JSON and CSV say, as data: llama-bench's fields, then ours |
//! | `baseline.rs` | an earlier run, beside the rows of this one |
//! | `stream.rs` | formats, and rows in the order of the plan as they finish |
//! | `sheet.rs`, `columns.rs`, `notes.rs` | the table, its columns, what stands under it |
//! | `extra.rs` | columns on request |
//! | `plot.rs` | its main plot |
//! | `json.rs`, `csv.rs`, `sql.rs` | for programs |
//! | `page/` | one HTML page that is the data too |
//! | `recipe.rs` | what was typed for a run |
//! | `schema.rs` | what JSON holds, as JSON Schema |

mod baseline;
mod columns;
mod csv;
mod depths;
mod extra;
pub mod fields;
mod json;
mod measured;
mod notes;
pub mod page;
mod plot;
mod recipe;
mod row;
mod schema;
mod sheet;
mod sql;
mod stream;
mod summary;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

pub(crate) use baseline::percent;
pub use baseline::{Against, Base, Baseline};
pub use extra::{Extra, list as list_columns, scaled};
pub use measured::{Measured, RowVisit};
pub use page::StoredPage;
pub use plot::plots;
pub use recipe::Recipe;
pub use row::{Row, Same};
pub use schema::write as write_schema;
pub use stream::{Format, Renderer, Stream, write_all, write_stored};

use crate::job::{Job, JobId};
use crate::journal::{Kept, RunFacts, RunHeader};
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::record::{Check, Outcome, Reading, Record, Warning, settled_rows};
use crate::stats::known::Known;
use summary::Summary;

/// How many rows came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows with a complete measurement, of their own or of an equal row.
    pub completed: usize,
    /// Rows that failed, crashed or took too long.
    pub failed: usize,
    /// Rows that were interrupted or never started.
    pub unfinished: usize,
}

/// All rows of a run, as far as the records tell.
#[derive(Debug, Clone)]
pub struct Report {
    plan: Plan,
    facts: RunFacts,
    /// Columns of the table that were asked for.
    columns: Vec<Extra>,
    measured: Vec<Measured>,
    /// What the samples of each come to, worked out when first asked for.
    summaries: Vec<OnceCell<Summary>>,
    warnings: Vec<Warning>,
    recipe: Option<Recipe>,
    baseline: Option<Baseline>,
    /// The rows that measure a job, in order: more than one where a value was asked for twice and each
    /// is to be measured.
    rows_of: HashMap<JobId, Vec<usize>>,
    /// For each row whose measurement others show, those that do.
    users: HashMap<usize, Vec<usize>>,
    /// Rows in the order in which they came to stay as they are.
    settled: Vec<usize>,
    /// Rows that cannot begin and are not settled yet, by the hash of their model's header.
    waiting: BTreeMap<String, Vec<usize>>,
    /// Rows whose details are forgotten.
    forgotten: usize,
    /// The row that a job's records are about.
    open: HashMap<JobId, usize>,
    /// What the engine calls each model that was loaded, by the hash of its header.
    descriptions: HashMap<String, String>,
    /// How well the speed of each row is known.
    ledger: Ledger,
}

impl Report {
    /// A report in which nothing has happened yet.
    pub fn new(plan: Plan, facts: RunFacts) -> Self {
        let mut rows_of: HashMap<_, Vec<_>> = HashMap::new();
        let mut users: HashMap<_, Vec<_>> = HashMap::new();
        for (index, planned) in plan.jobs.iter().enumerate() {
            if planned.is_visited() {
                rows_of.entry(planned.job.id.clone()).or_default().push(index);
            }
            if let Some(same) = &planned.same_as {
                users.entry(same.index).or_default().push(index);
            }
        }
        let measured: Vec<_> = plan.jobs.iter().map(Measured::before).collect();
        let waiting = waiting(&plan);
        let ledger = Ledger::new(plan.measured(), facts.priors.clone());
        Self {
            summaries: vec![OnceCell::new(); measured.len()],
            plan,
            facts,
            columns: Vec::new(),
            measured,
            warnings: Vec::new(),
            recipe: None,
            baseline: None,
            rows_of,
            users,
            settled: Vec::new(),
            waiting,
            forgotten: 0,
            open: HashMap::new(),
            descriptions: HashMap::new(),
            ledger,
        }
        .with_rows_of_no_load()
    }

    /// The same, with rows settled that cannot begin and whose model no other row loads.
    fn with_rows_of_no_load(mut self) -> Self {
        let loads: HashSet<_> = self.plan.measured().filter_map(hash_of).cloned().collect();
        let all: Vec<_> =
            self.waiting.keys().filter(|hash| !loads.contains(*hash)).cloned().collect();
        for hash in &all {
            self.release(hash);
        }
        self
    }

    /// Rows that cannot begin are as they will stay once it is known what the engine calls their model, or that it
    /// will not say.
    fn release(&mut self, model: &str) {
        for row in self.waiting.remove(model).unwrap_or_default() {
            self.measured[row].settled = true;
            self.settled.push(row);
        }
    }

    /// The same, with more columns in its table.
    #[must_use]
    pub fn with_columns(self, columns: Vec<Extra>) -> Self {
        Self { columns, ..self }
    }

    /// The same, beside what an earlier run measured.
    #[must_use]
    pub fn with_baseline(self, baseline: Baseline) -> Self {
        Self { baseline: Some(baseline), ..self }
    }

    /// The same of a run for which this was typed.
    #[must_use]
    pub fn with_recipe(self, recipe: Recipe) -> Self {
        Self { recipe: Some(recipe), ..self }
    }

    /// What was typed for it, where that is known.
    pub fn recipe(&self) -> Option<&Recipe> {
        self.recipe.as_ref()
    }

    /// Takes in what happened. A record of a job that is not in the plan is passed over.
    pub fn fold(&mut self, record: &Record) {
        self.fold_under(None, record);
    }

    /// The same of what happened in an earlier run, with what was true of that.
    pub fn fold_under(&mut self, facts: Option<&Arc<RunFacts>>, record: &Record) {
        self.ledger.fold(record);
        match record {
            Record::Phase { .. } => {}
            // A resumed run may meet the same trouble again.
            Record::Warned { job: None, warning } if self.warnings.contains(warning) => {}
            Record::Warned { job: None, warning } => self.warnings.push(warning.clone()),
            Record::Started { job, unix_time, round, nth } => {
                if let Some(&row) = self.rows_of.get(job).and_then(|rows| rows.get(*nth)) {
                    self.open.insert(job.clone(), row);
                    self.summaries[row].take();
                    self.measured[row].begin(*round, *unix_time, facts.cloned());
                }
            }
            Record::Loaded { job, facts } => {
                self.update(job, |row| row.loaded = Some(facts.clone()));
                let row = self.open.get(job).map(|&row| &self.plan.jobs[row].job);
                let is_described = !facts.description.is_empty();
                if let Some(hash) = row.and_then(hash_of).filter(|_| is_described) {
                    self.descriptions.insert(hash.clone(), facts.description.clone());
                }
            }
            Record::Sampled { job, sample } => {
                self.update(job, |row| row.samples.push(sample.clone()));
            }
            Record::Warned { job: Some(job), warning } => self.update(job, |row| {
                // The same trouble in the next visit is no news.
                if !row.warnings.contains(warning) {
                    row.warnings.push(warning.clone());
                }
            }),
            Record::Finished { job, outcome, reading } => {
                self.update(job, |row| row.end(outcome, reading));
            }
            Record::Settled { jobs, nth, check } => {
                self.ledger.settle();
                for (job, nth) in settled_rows(jobs, nth) {
                    self.settle(job, nth, check.as_ref());
                }
            }
        }
    }

    /// Takes in what stands of a journal, each visit with what was true of it; rows that will stay as they are
    /// where `settle` says so.
    pub fn replay(&mut self, kept: &Kept, plan: &Plan, settle: bool) {
        let mut under: Option<(Arc<RunHeader>, Arc<RunFacts>)> = None;
        kept.replay(plan, settle, |header, record| {
            let is_new = |new: &&Arc<RunHeader>| {
                under.as_ref().is_none_or(|(old, _)| !Arc::ptr_eq(old, new))
            };
            if let Some(header) = header.filter(is_new) {
                under = Some((Arc::clone(header), Arc::new(header.facts.clone())));
            }
            self.fold_under(under.as_ref().map(|(_, facts)| facts), record);
        });
        self.take_stock();
    }

    /// Works out how well rows are known that are shown before they are settled.
    pub fn take_stock(&mut self) {
        self.ledger.settle();
    }

    /// Changes the row that a record of `job` is about: that of its last visit.
    fn update(&mut self, job: &JobId, change: impl FnOnce(&mut Measured)) {
        if let Some(&row) = self.open.get(job) {
            self.summaries[row].take();
            change(&mut self.measured[row]);
        }
    }

    /// Takes note that a row will stay as it is.
    fn settle(&mut self, job: &JobId, nth: usize, check: Option<&Check>) {
        if let Some(&index) = self.rows_of.get(job).and_then(|rows| rows.get(nth)) {
            let row = &mut self.measured[index];
            row.settled = row.outcome.is_some();
            row.check = check.cloned();
            self.settled.push(index);
            self.settled.extend(self.users.get(&index).into_iter().flatten());
            if let Some(hash) = hash_of(&self.plan.jobs[index].job).cloned() {
                self.release(&hash);
            }
        }
    }

    /// The rows that were said to stay as they are, in that order, each followed by those that show it too.
    pub fn settled(&self) -> &[usize] {
        &self.settled
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What is true of the whole run.
    pub fn facts(&self) -> &RunFacts {
        &self.facts
    }

    /// Warnings about the whole run.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.plan.jobs.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.plan.jobs.is_empty()
    }

    /// One row, with its figures worked out.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, index: usize) -> Row<'_> {
        Row::new(self, index)
    }

    /// What the engine calls a row's model, as far as any row has loaded it; what lbench does, where none has.
    fn description(&self, index: usize) -> &str {
        let setup = &self.plan.jobs[index].job.setup;
        let named = setup.model().and_then(|model| self.descriptions.get(&model.header_hash));
        named.map_or(setup.subject(), String::as_str)
    }

    /// The row whose measurement a row shows: its own, or that of an equal one. A row that only lends its speed,
    /// and whose own context could not be had, is a failure of its own.
    fn source(&self, index: usize) -> usize {
        let Some(same) = &self.plan.jobs[index].same_as else { return index };
        let own = &self.measured[index].outcome;
        let failed = own
            .as_ref()
            .is_some_and(|own| !matches!(own, Outcome::Completed | Outcome::Interrupted));
        if failed || same.index >= self.len() { index } else { same.index }
    }

    /// What the samples of the row come to that `index` shows.
    fn summary(&self, index: usize) -> &Summary {
        let source = self.source(index);
        let job = &self.plan.jobs[source].job;
        self.summaries[source].get_or_init(|| Summary::of(&self.measured[source], job))
    }

    /// How well the speed of a row is known; `None` without a visit that came to its end.
    fn known(&self, index: usize) -> Option<Known> {
        let source = self.source(index);
        let job = &self.plan.jobs[source].job.id;
        let nth = self.rows_of.get(job)?.iter().position(|row| *row == source)?;
        self.ledger.entry(self.ledger.place(job, nth)?).known
    }

    /// Whether nothing more will be heard of this row.
    pub fn is_finished(&self, index: usize) -> bool {
        let source = &self.measured[self.source(index)];
        // Nobody looks at the memory of what does not run.
        let is_due = self.has_own_memory(index) && source.outcome == Some(Outcome::Completed);
        source.settled && (!is_due || self.measured[index].outcome.is_some())
    }

    /// Whether a row's speed is that of another one, and its memory its own.
    fn has_own_memory(&self, index: usize) -> bool {
        self.plan.jobs[index].same_as.as_ref().is_some_and(|same| same.own_memory)
    }

    /// What was read of a row's memory: nothing, where its own was not looked at.
    fn memory(&self, index: usize) -> &Reading {
        let source = if self.has_own_memory(index) { index } else { self.source(index) };
        &self.measured[source].reading
    }

    /// Whether a row has something to show: rows that an interrupt left without any sample do not.
    pub fn is_shown(&self, index: usize) -> bool {
        self.measured[self.source(index)].is_shown()
    }

    /// Lets go of the times of single tokens in the first `shown` rows, which nobody will ask for again:
    /// a long sweep would fill the memory with them. What compares rows stays.
    pub fn forget_details(&mut self, shown: usize) {
        for index in self.forgotten..shown.min(self.len()) {
            let source = self.source(index);
            let last_use =
                self.users.get(&source).and_then(|users| users.last()).unwrap_or(&source);
            if *last_use >= shown {
                continue;
            }
            for sample in &mut self.measured[source].samples {
                sample.forget_details();
            }
        }
        self.forgotten = shown;
    }

    /// How many rows came to what.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for index in 0..self.len() {
            match self.measured[self.source(index)].outcome {
                Some(Outcome::Completed) => tally.completed += 1,
                None | Some(Outcome::Interrupted) => tally.unfinished += 1,
                Some(_) => tally.failed += 1,
            }
        }
        tally
    }
}

/// The hash of the header of a job's model.
fn hash_of(job: &Job) -> Option<&String> {
    job.setup.model().map(|model| &model.header_hash)
}

/// The rows that cannot begin, by the hash of their model's header.
fn waiting(plan: &Plan) -> BTreeMap<String, Vec<usize>> {
    let mut waiting: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (row, planned) in plan.jobs.iter().enumerate().filter(|(_, row)| !row.is_possible()) {
        let hash = hash_of(&planned.job).cloned().unwrap_or_default();
        waiting.entry(hash).or_default().push(row);
    }
    waiting
}
