//! Row after row: on one worker as long as the model stays the same, in a fresh one for the next.

use super::anchor::{self, Anchors, Trace};
use super::job_run::{self, JobRun};
use super::{Halt, Runner, Sink, rounds};
use crate::error::Error;
use crate::job::Job;
use crate::plan;
use crate::record::{Outcome, Phase, Reading, Record, Trouble, Warning};
use crate::stats::stopping::Rule;
use crate::units::{Nanos, unix_time};
use crate::wire::{Request, Settings};
use crate::work::Sample;

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
                    let jobs = self.worth_a_try(jobs, sink)?;
                    self.rounds(&jobs, sink)?;
                    anchor::settle(&jobs, None, sink)?;
                }
                continue;
            }
            for (index, job) in group.iter().enumerate() {
                if self.worth_a_try(&[job], sink)?.is_empty() {
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
    fn worth_a_try<'a>(
        &mut self,
        jobs: &[&'a Job],
        sink: &mut Sink<'_>,
    ) -> Result<Vec<&'a Job>, Halt> {
        let mut left = Vec::new();
        for &job in jobs {
            let Some(outcome) = self.obstacle(job)? else {
                left.push(job);
                continue;
            };
            let (id, reading) = (job.id.clone(), Reading::default());
            for record in [
                Record::Started { job: id.clone(), unix_time: unix_time() },
                Record::Finished { job: id, outcome, reading },
            ] {
                sink(&record).map_err(Halt::Sink)?;
            }
            self.jobs_left = self.jobs_left.saturating_sub(1);
            anchor::settle(&[job], None, sink)?;
        }
        Ok(left)
    }

    /// How a job ends before it began: it would not fit, or a server that it needs is not there.
    pub(super) fn obstacle(&mut self, job: &Job) -> Result<Option<Outcome>, Halt> {
        let doomed = self.doomed.reason(job).filter(|_| !self.options.try_all);
        let reason = match doomed {
            Some(reason) => Some(reason),
            None => self.too_large(job)?,
        };
        if let Some(reason) = reason {
            return Ok(Some(Outcome::Skipped { reason }));
        }
        let (phase, trouble, log) = (Phase::Start, Trouble::Remote, Vec::new());
        let away = self.unreachable(job);
        Ok(away.map(|cause| Outcome::Failed { phase, cause, trouble, log }))
    }

    /// Why a remote device of a job cannot be reached; `None` if all can, or its model is loaded.
    fn unreachable(&mut self, job: &Job) -> Option<String> {
        let loaded = self.loaded.as_ref().is_some_and(|loaded| loaded.same_load(&job.setup));
        if job.setup.servers().is_empty() || (loaded && self.worker.is_some()) {
            return None;
        }
        // A server has one client at a time: an earlier worker's connection must be closed.
        self.stop_worker();
        job.setup.servers().iter().find_map(|endpoint| self.servers.trouble(endpoint))
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
            let (outcome, mut reading) = self.watch(&mut run, &request, &mut None)?;
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
        if self.loaded.as_ref().is_some_and(|loaded| !loaded.same_load(&job.setup)) {
            self.stop_worker();
        }
        if self.worker.is_none() {
            self.spawn_worker().map_err(Halt::Broken)?;
        }
        self.loaded = Some(job.setup.clone());
        Ok(())
    }

    /// Cold starts: each in a process of its own, with no other worker holding memory.
    pub(super) fn cold(&mut self, run: &mut JobRun<'_>) -> Result<(), Halt> {
        if run.job.work.speed().n_prompt == 0 {
            return Ok(());
        }
        let wanted = self.cold_starts.get(&run.job.id).copied().unwrap_or(self.options.cold);
        for _ in 0..wanted {
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
        if wanted > 0 {
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
