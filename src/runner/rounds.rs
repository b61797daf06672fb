//! Jobs on one model in rounds: each takes a sample in turn, so that whatever happens to the machine
//! happens to all of them alike.

use super::job_run::JobRun;
use super::{Halt, Next, Runner, Sink};
use crate::job::Job;
use crate::record::{Outcome, Phase, Reading, Record};
use crate::units::unix_time;
use crate::wire::Request;

/// Most jobs in one round: each keeps a context alive.
pub(super) const TOGETHER: usize = 32;

impl Runner {
    /// Measures these jobs in rounds. One whose worker dies under it is out; the others begin again.
    pub(super) fn rounds(&mut self, jobs: &[&Job], sink: &mut Sink<'_>) -> Result<(), Halt> {
        let mut left = jobs.to_vec();
        while !left.is_empty() {
            for job in &left {
                let record = Record::Started { job: job.id.clone(), unix_time: unix_time() };
                sink(&record).map_err(Halt::Sink)?;
                if left.len() == jobs.len() {
                    self.cold(&mut JobRun { job, phase: Phase::Start, sink })?;
                }
            }
            let end = self.follow(&mut left, sink);
            if matches!(end, Err(Halt::Interrupted | Halt::OutOfTime)) {
                for job in &left {
                    finish(job, Outcome::Interrupted, Reading::default(), sink)?;
                }
            }
            end?;
            self.look_around(sink)?;
            left = self.still_worth_it(left, sink)?;
        }
        Ok(())
    }

    /// Those of these jobs that are worth another try after a worker died; the others end here.
    fn still_worth_it<'a>(
        &mut self,
        jobs: Vec<&'a Job>,
        sink: &mut Sink<'_>,
    ) -> Result<Vec<&'a Job>, Halt> {
        let mut left = Vec::new();
        for job in jobs {
            match self.obstacle(job)? {
                None => left.push(job),
                Some(outcome) => {
                    finish(job, outcome, Reading::default(), sink)?;
                    self.jobs_left = self.jobs_left.saturating_sub(1);
                }
            }
        }
        Ok(left)
    }

    /// Has a worker measure these jobs, taking away each that is finished, until all are or it is gone. The
    /// job that it was at when it died is finished too.
    fn follow(&mut self, left: &mut Vec<&Job>, sink: &mut Sink<'_>) -> Result<(), Halt> {
        let (mut job, mut phase) = (left[0], Phase::Start);
        let delay = self.options.settings.delay;
        // In rounds it is silence that counts, whatever was asked for: no job has the worker to itself.
        let mut limit = self.patience.begin(job, delay);
        self.prepare(job)?;
        self.send(&Request::Rounds {
            jobs: left.iter().copied().cloned().collect(),
            settings: self.settings(),
            seed: self.options.interleave.unwrap_or(0),
        });
        while !left.is_empty() && self.worker.is_some() {
            let (outcome, reading) = match self.next(self.clock.or(limit.deadline)) {
                Next::Event(event) => {
                    let named = event.job().and_then(|id| left.iter().find(|job| job.id == *id));
                    job = named.copied().unwrap_or(job);
                    limit = self.patience.in_rounds(&event, job, delay);
                    let mut run = JobRun { job, phase, sink };
                    let end = run.event(event, &mut None)?;
                    phase = run.phase;
                    match end {
                        Some(end) => end,
                        None => continue,
                    }
                }
                other => (self.ending(other, phase, limit)?, Reading::default()),
            };
            self.doomed.note(job, &outcome);
            finish(job, outcome, reading, sink)?;
            left.retain(|other| !std::ptr::eq(*other, job));
            // Whatever comes before the worker names another one is not about this one any more.
            job = left.first().copied().unwrap_or(job);
            self.jobs_left = self.jobs_left.saturating_sub(1);
        }
        Ok(())
    }
}

/// Records how a job ended.
fn finish(job: &Job, outcome: Outcome, reading: Reading, sink: &mut Sink<'_>) -> Result<(), Halt> {
    sink(&Record::Finished { job: job.id.clone(), outcome, reading }).map_err(Halt::Sink)
}
