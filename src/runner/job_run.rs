//! From what a worker says about a job to the records of that job.

use std::io;

use super::{Halt, causes};
use crate::job::Job;
use crate::record::{Outcome, Phase, Reading, Record, Warning};
use crate::units::Nanos;
use crate::wire::Event;

/// A job being measured.
pub struct JobRun<'a> {
    pub job: &'a Job,
    pub phase: Phase,
    pub sink: &'a mut dyn FnMut(&Record) -> io::Result<()>,
}

impl JobRun<'_> {
    pub fn record(&mut self, record: &Record) -> Result<(), Halt> {
        (self.sink)(record).map_err(Halt::Sink)
    }

    pub fn warn(&mut self, warning: Warning) -> Result<(), Halt> {
        self.record(&Record::Warned { job: Some(self.job.id.clone()), warning })
    }

    /// Turns an event into a record. The end of the job is returned, not recorded.
    pub fn event(
        &mut self,
        event: Event,
        first_token: &mut Option<Nanos>,
    ) -> Result<Option<(Outcome, Reading)>, Halt> {
        let record = match event {
            Event::Ready { .. }
            | Event::Described(_)
            | Event::Roof(_)
            | Event::Linked(_)
            | Event::Predicted(_)
            | Event::Tokenized(_) => {
                return Ok(None);
            }
            Event::Phase { job, phase } => {
                self.phase = phase;
                Record::Phase { job, phase }
            }
            Event::Loaded { job, facts } => Record::Loaded { job, facts },
            Event::Sample { job, sample } => Record::Sampled { job, sample },
            Event::Warned { job, warning } => Record::Warned { job: Some(job), warning },
            Event::FirstToken { clock, .. } => {
                *first_token = Some(clock);
                return Ok(Some((Outcome::Completed, Reading::default())));
            }
            Event::Failed { phase, cause, log, .. } => {
                let trouble = causes::trouble(
                    [cause.as_str()].into_iter().chain(log.iter().map(String::as_str)),
                );
                return Ok(Some((
                    Outcome::Failed { phase, cause, trouble, log },
                    Reading::default(),
                )));
            }
            Event::Done { reading, .. } => return Ok(Some((Outcome::Completed, reading))),
        };
        self.record(&record)?;
        Ok(None)
    }
}

/// An outcome in a few words, for a warning.
pub fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed => "it ended without a first token".into(),
        Outcome::Failed { cause, .. } => cause.clone(),
        Outcome::Crashed { how, .. } => how.clone(),
        Outcome::TimedOut { limit, .. } => format!("not within {limit}"),
        Outcome::Skipped { reason } => reason.clone(),
        Outcome::Interrupted => "interrupted".into(),
    }
}
