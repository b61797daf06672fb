//! Jobs on one model in rounds: each takes a sample in turn, so that whatever happens to the machine
//! happens to all of them alike.

use super::group::unix_time;
use super::job_run::JobRun;
use super::{Halt, Next, Runner, Sink, death};
use crate::job::{Job, JobId};
use crate::record::{Outcome, Phase, Reading, Record};
use crate::wire::{Event, Request};

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
            let (mut finished, halt) = self.follow(&left, sink)?;
            if matches!(halt, Some(Halt::Interrupted | Halt::OutOfTime)) {
                let open = left.iter().filter(|job| !finished.contains(&job.id));
                for job in open {
                    let (outcome, reading) = (Outcome::Interrupted, Reading::default());
                    let record = Record::Finished { job: job.id.clone(), outcome, reading };
                    sink(&record).map_err(Halt::Sink)?;
                }
            }
            if let Some(halt) = halt {
                return Err(halt);
            }
            left.retain(|job| {
                let at = finished.iter().position(|id| *id == job.id);
                at.map(|at| finished.swap_remove(at)).is_none()
            });
            self.look_around(sink)?;
        }
        Ok(())
    }

    /// Has a worker measure these jobs, until all are finished or it is gone. The job that it was at when
    /// it died is finished too.
    fn follow(
        &mut self,
        jobs: &[&Job],
        sink: &mut Sink<'_>,
    ) -> Result<(Vec<JobId>, Option<Halt>), Halt> {
        let mut finished = Vec::new();
        let (mut job, mut phase) = (jobs[0], Phase::Start);
        let delay = self.options.settings.delay;
        // In rounds it is silence that counts, whatever was asked for: no job has the worker to itself.
        let mut limit = self.patience.begin(job, delay);
        self.prepare(job)?;
        self.send(&Request::Rounds {
            jobs: jobs.iter().copied().cloned().collect(),
            settings: self.settings(),
            seed: self.options.interleave.unwrap_or(0),
        });
        while finished.len() < jobs.len() {
            let (outcome, reading) = match self.next(self.clock.or(limit.deadline)) {
                Next::Event(event) => {
                    let named = event.job().and_then(|id| jobs.iter().find(|job| job.id == *id));
                    job = named.copied().unwrap_or(job);
                    limit = self.patience.in_rounds(&event, job, delay);
                    if matches!(event, Event::Ready { .. }) {
                        continue;
                    }
                    let mut run = JobRun { job, phase, sink };
                    let end = run.event(event, &mut None)?;
                    phase = run.phase;
                    match end {
                        Some(end) => end,
                        None => continue,
                    }
                }
                Next::Dead { broke } => {
                    let (status, log) = self.post_mortem(broke.is_some());
                    let oom = self.oom_killer();
                    (death::outcome(phase, status, broke.as_deref(), log, oom), Reading::default())
                }
                Next::Deadline => {
                    self.kill_worker();
                    if self.clock.is_over() {
                        return Ok((finished, Some(Halt::OutOfTime)));
                    }
                    let limit = limit.limit.into();
                    (Outcome::TimedOut { phase, limit }, Reading::default())
                }
                Next::LowMemory { left } => {
                    self.kill_worker();
                    (death::for_memory(phase, left), Reading::default())
                }
                Next::Interrupted => {
                    self.kill_worker();
                    return Ok((finished, Some(Halt::Interrupted)));
                }
            };
            let gone = self.worker.is_none();
            self.doomed.note(job, &outcome);
            let record = Record::Finished { job: job.id.clone(), outcome, reading };
            sink(&record).map_err(Halt::Sink)?;
            finished.push(job.id.clone());
            self.jobs_left = self.jobs_left.saturating_sub(1);
            if gone {
                break;
            }
        }
        Ok((finished, None))
    }
}
