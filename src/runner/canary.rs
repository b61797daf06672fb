//! Canary: what a run asks the CPU about each model before a row is held against it.

use std::collections::HashSet;
use std::time::Duration;

use super::Halt;
use super::tour::Tour;
use crate::job::Job;
use crate::record::{Phase, Record, Warning, WarningKind};
use crate::setup::{CacheType, Model, Setup};
use crate::wire::{Event, Guarded, Question};

/// How long the CPU may take for 256 tokens, its load included.
const LIMIT: Duration = Duration::from_mins(2);
/// The same where it is to answer whatever that takes.
const LONGEST: Duration = Duration::from_mins(30);

/// What the CPU was asked about already: files, with cache types.
pub(super) type Enquiries = HashSet<(String, CacheType, CacheType)>;

impl Tour<'_, '_> {
    /// Has the CPU answer for a job's model and those cache types that it will be measured with, once in a run.
    pub(super) fn ask_cpu(&mut self, job: &Job) -> Result<(), Halt> {
        let guarded = self.options.settings.canary;
        if guarded == Guarded::None || self.doomed.reason(job).is_some() {
            return Ok(());
        }
        let Setup::Llama(config) = &job.setup;
        let model = &config.model;
        for other in self.of_model(model) {
            let key = key(&other);
            if !self.asked.insert(key) {
                continue;
            }
            // The model of the row before would be in the way.
            self.keeper.let_go();
            self.record(&Record::Phase { job: job.id.clone(), phase: Phase::Canary })?;
            let limit = if guarded == Guarded::All { LONGEST } else { LIMIT };
            let question = Question::Canary { job: Box::new(other), guarded };
            let answer = self.keeper.ask(&question, limit, |event| match event {
                Event::Canaried(answer) => Some(answer),
                _ => None,
            })?;
            match answer {
                Ok(false) => {}
                // What it has in memory is no clean beginning for a row.
                Ok(true) => self.keeper.stop(),
                Err(reason) => {
                    self.keeper.stop();
                    let text = format!("no canary for {}: {reason}", model.path.display());
                    self.record(&Record::Warned {
                        job: None,
                        warning: Warning::new(WarningKind::Canary, text),
                    })?;
                }
            }
        }
        Ok(())
    }

    /// A job for each pair of cache types that a model is measured with.
    fn of_model(&self, model: &Model) -> Vec<Job> {
        let mut seen = Enquiries::new();
        let is_of_model = |job: &&Job| job.setup.model() == Some(model);
        let jobs = self.ledger.jobs().iter().filter(is_of_model);
        jobs.filter(|job| seen.insert(key(job))).cloned().collect()
    }
}

fn key(job: &Job) -> (String, CacheType, CacheType) {
    let Setup::Llama(config) = &job.setup;
    let file = format!("{} {}", config.model.path.display(), config.model.header_hash);
    (file, config.type_k, config.type_v)
}
