//! Steps of a run in lines, one for each phase of each job, for logs.

use std::collections::HashSet;

use crate::document::text::plain;
use crate::job::{Job, JobId};
use crate::record::{Phase, Record};

/// What was said of a run.
pub(super) struct Steps {
    jobs: Vec<Job>,
    done: HashSet<JobId>,
    /// What lines were printed about since the job started.
    told: HashSet<(JobId, Phase)>,
}

impl Steps {
    pub(super) fn new<'a>(jobs: impl Iterator<Item = &'a Job>) -> Self {
        Self { jobs: jobs.cloned().collect(), done: HashSet::new(), told: HashSet::new() }
    }

    /// Takes note of what happened; the line to print, if it is worth one.
    pub(super) fn fold(&mut self, record: &Record) -> Option<String> {
        match record {
            Record::Started { job, .. } => {
                self.told.retain(|(told, _)| told != job);
                self.line(job, Phase::Start)
            }
            Record::Phase { job, phase } => self.line(job, *phase),
            Record::Finished { job, .. } => {
                if self.jobs.iter().any(|planned| planned.id == *job) {
                    self.done.insert(job.clone());
                }
                None
            }
            Record::Loaded { .. }
            | Record::Sampled { .. }
            | Record::Warned { .. }
            | Record::Settled { .. } => None,
        }
    }

    fn line(&mut self, id: &JobId, phase: Phase) -> Option<String> {
        let job = self.jobs.iter().find(|job| job.id == *id)?;
        // A job comes back to the same phase with each sample.
        if !self.told.insert((id.clone(), phase)) {
            return None;
        }
        let all = self.jobs.len();
        let number = (self.done.len() + 1).min(all);
        let (label, test) = (plain(job.setup.subject()), job.work.test_name());
        Some(format!("{number}/{all} {label} {test}: {}", words(phase)))
    }
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Start => "starting",
        Phase::Load => "loading",
        Phase::Context => "creating the context",
        Phase::Warmup => "warming up",
        Phase::Depth => "filling the context",
        Phase::Prompt => "prompt",
        Phase::Generate => "generating",
        Phase::Canary => "held against the CPU",
        Phase::Score => "foretelling the text",
        Phase::Idle => "resting",
        Phase::Anchor => "measured again, to see whether the machine has changed",
    }
}
