//! Row after row: on one worker as long as the model stays the same, in a fresh one for the next.

use std::time::SystemTime;

use super::anchor::{self, Anchors, Trace};
use super::job_run::{self, JobRun};
use super::{Halt, Runner, Sink, remote, rounds};
use crate::error::Error;
use crate::job::Job;
use crate::plan;
use crate::record::{Outcome, Phase, Reading, Record, Sample, Trouble, Warning};
use crate::stats::stopping::Rule;
use crate::telemetry::traffic;
use crate::units::Nanos;
use crate::wire::{Request, Settings};

impl Runner {
    /// All jobs, grouped by what one loaded model can serve. Where time is short, those first that show
    /// every value once.
    pub(super) fn groups(&mut self, groups: &[Vec<&Job>], sink: &mut Sink<'_>) -> Result<(), Halt> {
        self.jobs_left = groups.iter().map(Vec::len).sum();
        self.look_around(sink)?;
        if self.clock.left().is_none() {
            return self.in_order(groups, sink);
        }
        let (first, rest) = plan::cover(&groups.concat());
        self.in_order(&plan::grouped(first), sink)?;
        self.in_order(&plan::grouped(rest), sink)
    }

    /// All jobs in the order given.
    fn in_order(&mut self, groups: &[Vec<&Job>], sink: &mut Sink<'_>) -> Result<(), Halt> {
        let mut anchors = Anchors::default();
        for group in groups {
            if self.options.interleave.is_some() && group.len() > 1 {
                for jobs in group.chunks(rounds::TOGETHER) {
                    let mut jobs = self.without_doomed(jobs, sink)?;
                    let mut reached = Vec::new();
                    for job in jobs.drain(..) {
                        if self.can_be_reached(job, sink)? {
                            reached.push(job);
                        }
                    }
                    let jobs = reached;
                    self.rounds(&jobs, sink)?;
                    anchor::settle(&jobs, None, sink)?;
                }
                continue;
            }
            for (index, job) in group.iter().enumerate() {
                if self.without_doomed(&[job], sink)?.is_empty()
                    || !self.can_be_reached(job, sink)?
                {
                    continue;
                }
                let trace = self.row(job, sink)?;
                self.look_around(sink)?;
                self.jobs_left = self.jobs_left.saturating_sub(1);
                if !self.options.anchor || !anchors.measured(job, trace.as_ref()) {
                    anchor::settle(&[job], None, sink)?;
                }
                self.check(&mut anchors, index + 1 == group.len(), sink)?;
            }
            anchors.load_ends();
        }
        anchor::settle(&anchors.waiting, None, sink)
    }

    /// The jobs that are worth a try; the others end here.
    fn without_doomed<'a>(
        &mut self,
        jobs: &[&'a Job],
        sink: &mut Sink<'_>,
    ) -> Result<Vec<&'a Job>, Halt> {
        let mut left = Vec::new();
        for job in jobs {
            let doomed = self.doomed.reason(job).filter(|_| !self.options.try_all);
            let reason = match doomed {
                Some(reason) => Some(reason),
                None => self.too_large(job)?,
            };
            let Some(reason) = reason else {
                left.push(*job);
                continue;
            };
            let outcome = Outcome::Skipped { reason };
            self.without_a_try(job, outcome, sink)?;
        }
        Ok(left)
    }

    /// Ends a job that was not begun.
    fn without_a_try(
        &mut self,
        job: &Job,
        outcome: Outcome,
        sink: &mut Sink<'_>,
    ) -> Result<(), Halt> {
        let id = || job.id.clone();
        let reading = Reading::default();
        for record in [
            Record::Started { job: id(), unix_time: unix_time() },
            Record::Finished { job: id(), outcome, reading },
        ] {
            sink(&record).map_err(Halt::Sink)?;
        }
        self.jobs_left = self.jobs_left.saturating_sub(1);
        anchor::settle(&[job], None, sink)
    }

    /// Whether all remote devices of a job answer; where not, it ends here.
    fn can_be_reached(&mut self, job: &Job, sink: &mut Sink<'_>) -> Result<bool, Halt> {
        let loaded = self.loaded.as_ref().is_some_and(|loaded| loaded.same_load(&job.config));
        if loaded && self.worker.is_some() {
            return Ok(true);
        }
        // A server has one client at a time: an earlier worker's connection must be closed.
        if !job.config.rpc.is_empty() {
            self.stop_worker();
        }
        let Some(cause) = job.config.rpc.iter().find_map(|endpoint| remote::trouble(endpoint))
        else {
            return Ok(true);
        };
        let (phase, trouble, log) = (Phase::Start, Trouble::Remote, Vec::new());
        self.without_a_try(job, Outcome::Failed { phase, cause, trouble, log }, sink)?;
        Ok(false)
    }

    /// Why a job would take more of a device than it may; `None` if it would not, or nobody knows.
    fn too_large(&mut self, job: &Job) -> Result<Option<String>, Halt> {
        let Some(most) = self.options.max_vram else { return Ok(None) };
        let predicted = match self.predict(job) {
            Ok(predicted) => predicted.unwrap_or_default(),
            Err(Error::Interrupted) => return Err(Halt::Interrupted),
            Err(error) => return Err(Halt::Broken(error)),
        };
        let mut devices = predicted.iter().filter(|split| split.device != "host");
        Ok(devices.find(|split| split.total() > most).map(|split| {
            let (needs, device) = (split.total(), &split.device);
            format!("it would take {needs} of {device}, and --max-vram is {most}")
        }))
    }

    /// Takes note of how a job ended in an earlier run: what needs more memory than what had none is not
    /// tried in this one either.
    pub fn remember(&mut self, job: &Job, outcome: &Outcome) {
        self.doomed.note(job, outcome);
    }

    /// Measures one job, with everything that is recorded of it; its trace where it came to its end.
    pub(super) fn row(&mut self, job: &Job, sink: &mut Sink<'_>) -> Result<Option<Trace>, Halt> {
        let mut trace = Trace::default();
        let mut keep = |record: &Record| {
            trace.keep(record);
            sink(record)
        };
        let mut run = JobRun { job, phase: Phase::Start, sink: &mut keep };
        run.record(&Record::Started { job: job.id.clone(), unix_time: unix_time() })?;
        let end = self.cold(&mut run).and_then(|()| {
            self.prepare(job)?;
            let request = Request::Run { job: Box::new(job.clone()), settings: self.settings() };
            let worker = self.worker.as_ref().map(super::child::Worker::pid);
            if let Some((sampler, pid)) = self.sampler.as_ref().zip(worker) {
                sampler.begin(pid);
            }
            self.traffic = None;
            let (outcome, mut reading) = self.watch(&mut run, &request, &mut None)?;
            let after = self.traffic.as_ref().and_then(|_| traffic::counts(&job.config.rpc));
            if let Some((before, after)) = self.traffic.take().zip(after) {
                reading.traffic = traffic::between(&before, &after);
            }
            if let Some(sampler) = &self.sampler {
                reading.telemetry = sampler.end();
            }
            Ok((outcome, reading))
        });
        let (outcome, reading, halt) = match end {
            Ok((outcome, reading)) => (outcome, reading, None),
            Err(halt @ (Halt::Interrupted | Halt::OutOfTime)) => {
                (Outcome::Interrupted, Reading::default(), Some(halt))
            }
            Err(halt) => return Err(halt),
        };
        self.doomed.note(job, &outcome);
        let completed = matches!(outcome, Outcome::Completed);
        run.record(&Record::Finished { job: job.id.clone(), outcome, reading })?;
        match halt {
            Some(halt) => Err(halt),
            None => Ok(completed.then_some(trace)),
        }
    }

    /// How to measure the next job: where the time for the run is limited, each gets its share of it.
    pub(super) fn settings(&self) -> Settings {
        let mut settings = self.options.settings;
        if let (Some(left), Rule::Precision { max_time, .. }) =
            (self.clock.left(), &mut settings.stop)
        {
            // Loads, contexts and warm-up take their part.
            let jobs = u32::try_from(self.jobs_left).unwrap_or(u32::MAX).max(1);
            let share = Nanos::from(left / jobs / 2);
            *max_time = share.min(*max_time);
        }
        settings
    }

    /// Sees to it that the next request finds a worker with nothing loaded, or with this job's model.
    pub(super) fn prepare(&mut self, job: &Job) -> Result<(), Halt> {
        if self.loaded.as_ref().is_some_and(|loaded| !loaded.same_load(&job.config)) {
            self.stop_worker();
        }
        if self.worker.is_none() {
            self.spawn_worker().map_err(Halt::Broken)?;
        }
        self.loaded = Some(job.config.clone());
        Ok(())
    }

    /// Cold starts: each in a process of its own, with no other worker holding memory.
    pub(super) fn cold(&mut self, run: &mut JobRun<'_>) -> Result<(), Halt> {
        if run.job.work.n_prompt() == 0 {
            return Ok(());
        }
        for _ in 0..self.options.cold {
            self.stop_worker();
            let spawned = Nanos::monotonic();
            let request = Request::Cold { job: Box::new(run.job.clone()) };
            let mut first_token = None;
            let (outcome, _) = self.watch(run, &request, &mut first_token)?;
            match (outcome, first_token) {
                (Outcome::Completed, Some(clock)) => {
                    let sample = Sample::Cold { ns: clock.since(spawned) };
                    run.record(&Record::Sampled { job: run.job.id.clone(), sample })?;
                }
                (outcome, _) => {
                    let text = format!("no cold start: {}", job_run::in_words(&outcome));
                    run.warn(Warning { text })?;
                    break;
                }
            }
        }
        if self.options.cold > 0 {
            self.stop_worker();
        }
        Ok(())
    }

    /// Says what disturbs the run, if anything new does.
    pub(super) fn look_around(&mut self, sink: &mut Sink<'_>) -> Result<(), Halt> {
        let worker = self.worker.as_ref().map(super::child::Worker::pid);
        let warnings = self.neighbours.as_mut().map(|around| around.look(worker));
        for warning in warnings.into_iter().flatten() {
            sink(&Record::Warned { job: None, warning }).map_err(Halt::Sink)?;
        }
        Ok(())
    }
}

/// Seconds since 1970.
pub(super) fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
