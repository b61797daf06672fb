//! Visit to one job: in one process, from its start to its ending, with everything that is recorded of it.

use std::time::Instant;

use super::keeper::Next;
use super::patience::Limit;
use super::schedule::Cost;
use super::tour::Tour;
use super::{Halt, causes, death};
use crate::job::Job;
use crate::record::{Outcome, Phase, Reading, Record, Trouble, Warning, WarningKind};
use crate::setup::Setup;
use crate::stats::stopping::Rule;
use crate::units::{Nanos, unix_time};
use crate::wire::{Event, Guarded, Request, Settings};
use crate::work::Sample;

/// Where a visit is.
struct Stage<'a> {
    job: &'a Job,
    phase: Phase,
    /// When the model was there.
    loaded: Option<Instant>,
    /// Reading of the clock when a cold start held its first token.
    first_token: Option<Nanos>,
}

impl Tour<'_, '_> {
    /// Visits a job; what that has cost.
    pub(super) fn visit(&mut self, place: usize, job: &Job) -> Result<Cost, Halt> {
        let id = job.id.clone();
        let (round, nth) = (self.round_number(), self.ledger.nth(place));
        self.record(&Record::Started { job: id.clone(), unix_time: unix_time(), round, nth })?;
        if let Err(halt) = self.ask_cpu(job) {
            return self.conclude(job, Err(halt)).map(|()| Cost::default());
        }
        let begun = Instant::now();
        self.say_crowded(job)?;
        let mut stage = Stage { job, phase: Phase::Start, loaded: None, first_token: None };
        let end = match self.obstacle(job) {
            Ok(Some(outcome)) => Ok((outcome, Reading::default())),
            Ok(None) => self.measure(place, &mut stage),
            Err(halt) => Err(halt),
        };
        let loaded = stage.loaded.unwrap_or(begun);
        self.conclude(job, end)?;
        Ok(Cost { load: loaded - begun, visit: loaded.elapsed() })
    }

    /// Takes note of how a visit ended; an end of the whole run is handed on.
    fn conclude(&mut self, job: &Job, end: Result<(Outcome, Reading), Halt>) -> Result<(), Halt> {
        let (outcome, reading, halt) = match end {
            Ok((outcome, reading)) => (outcome, reading, None),
            Err(halt @ (Halt::Interrupted | Halt::OutOfTime)) => {
                (Outcome::Interrupted, Reading::default(), Some(halt))
            }
            Err(halt) => return Err(halt),
        };
        for text in self.keeper.remarks() {
            self.warn(job, WarningKind::Setting, text)?;
        }
        self.doomed.note(job, &outcome);
        self.record(&Record::Finished { job: job.id.clone(), outcome, reading })?;
        halt.map_or(Ok(()), Err)
    }

    /// Has a row say that it has more threads than CPUs.
    fn say_crowded(&mut self, job: &Job) -> Result<(), Halt> {
        let Setup::Llama(config) = &job.setup;
        let Some(cpus) = &self.cpus else { return Ok(()) };
        let remarks = cpus.remarks(config.n_threads, &config.compute.cpu_mask);
        remarks.into_iter().try_for_each(|text| self.warn(job, WarningKind::Threads, text))
    }

    fn warn(&mut self, job: &Job, kind: WarningKind, text: String) -> Result<(), Halt> {
        let (job, warning) = (Some(job.id.clone()), Warning::new(kind, text));
        self.record(&Record::Warned { job, warning })
    }

    /// Makes a job's context to see what memory it takes, and times nothing.
    pub(super) fn weigh_one(&mut self, job: &Job, nth: usize) -> Result<(), Halt> {
        let (id, unix_time) = (job.id.clone(), unix_time());
        self.record(&Record::Started { job: id, unix_time, round: 0, nth })?;
        let end = match self.obstacle(job) {
            Ok(Some(outcome)) => Ok((outcome, Reading::default())),
            Ok(None) => self.make_context(job),
            Err(halt) => Err(halt),
        };
        self.conclude(job, end)
    }

    fn make_context(&mut self, job: &Job) -> Result<(Outcome, Reading), Halt> {
        let mut stage = Stage { job, phase: Phase::Start, loaded: None, first_token: None };
        self.keeper.ready_for(job)?;
        let stop = Rule::Fixed { n: 0 };
        let canary = Guarded::None;
        let settings = Settings { stop, delay: Nanos(0), canary, ..self.options.settings };
        self.keeper.begin_looking();
        let request = Request::Run { job: Box::new(job.clone()), settings };
        let watched = self.watch(&mut stage, &request);
        let telemetry = self.keeper.end_looking();
        let (outcome, reading) = watched?;
        Ok((outcome, Reading { telemetry, ..reading }))
    }

    /// Cold starts where they are wanted, then the measuring.
    fn measure(&mut self, place: usize, stage: &mut Stage<'_>) -> Result<(Outcome, Reading), Halt> {
        if self.ledger.entry(place).visits.is_empty() {
            self.cold(stage)?;
        }
        self.keeper.ready_for(stage.job)?;
        let (job, settings) = (Box::new(stage.job.clone()), self.settings(place));
        self.keeper.begin_looking();
        let watched = self.watch(stage, &Request::Run { job, settings })?;
        let telemetry = self.keeper.end_looking();
        let (outcome, reading) = watched;
        Ok((outcome, Reading { telemetry, ..reading }))
    }

    /// How a job ends before it began: it would not fit, or a server that it needs is not there.
    fn obstacle(&mut self, job: &Job) -> Result<Option<Outcome>, Halt> {
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
        if job.setup.servers().is_empty() || self.keeper.has_loaded(job) {
            return None;
        }
        // A server has one client at a time: an earlier worker's connection must be closed.
        self.keeper.stop();
        job.setup.servers().iter().find_map(|endpoint| self.servers.trouble(endpoint))
    }

    /// Why a job would take more of a device than it may; `None` if it would not, or nobody knows.
    fn too_large(&mut self, job: &Job) -> Result<Option<String>, Halt> {
        let Some(most) = self.options.max_vram else { return Ok(None) };
        let predicted = self.keeper.predict(job)?.unwrap_or_default();
        let mut devices = predicted.iter().filter(|split| split.device != "host");
        Ok(devices.find(|split| split.total() > most).map(|split| {
            let (needs, device) = (split.total(), &split.device);
            format!("it would take {needs} of {device}, and --max-vram is {most}")
        }))
    }

    /// Cold starts: each in a process of its own, with no other worker holding memory.
    fn cold(&mut self, stage: &mut Stage<'_>) -> Result<(), Halt> {
        let job = stage.job;
        let wanted = self.cold_starts.get(&job.id).copied().unwrap_or(self.options.cold);
        if !job.work.may().start_cold {
            return self.say_no_cold_start(job, wanted);
        }
        for _ in 0..wanted {
            self.keeper.stop();
            let spawned = Nanos::monotonic();
            stage.first_token = None;
            let (outcome, _) = self.watch(stage, &Request::Cold { job: Box::new(job.clone()) })?;
            match (outcome, stage.first_token) {
                (Outcome::Completed, Some(clock)) => {
                    let sample = Sample::Cold { ns: clock.since(spawned) };
                    self.record(&Record::Sampled { job: job.id.clone(), sample })?;
                }
                (outcome, _) => {
                    let why = match outcome {
                        Outcome::Completed => "it ended without a first token".into(),
                        other => other.in_words(),
                    };
                    self.warn(job, WarningKind::ColdStart, format!("no cold start: {why}"))?;
                    break;
                }
            }
        }
        if wanted > 0 {
            self.keeper.stop();
        }
        stage.loaded = None;
        Ok(())
    }

    /// Says that there is no cold start where one would be expected: of a prompt that no token comes of.
    fn say_no_cold_start(&mut self, job: &Job, wanted: u32) -> Result<(), Halt> {
        if wanted == 0 || !job.work.speed().is_some_and(|speed| speed.is_mute) {
            return Ok(());
        }
        let text = "no cold start: no token comes of a text, so there is no first one";
        self.warn(job, WarningKind::ColdStart, text.into())
    }

    /// Sends a request to the worker (a new one if there is none) and follows it to its end.
    fn watch(
        &mut self,
        stage: &mut Stage<'_>,
        request: &Request,
    ) -> Result<(Outcome, Reading), Halt> {
        stage.phase = Phase::Start;
        let delay = self.options.settings.delay;
        let mut limit = self.patience.begin(stage.job, delay);
        self.keeper.ready()?;
        // A worker that served other jobs may have died since: that is not this one's fault.
        let mut silent_and_used = self.keeper.send(request)?;
        loop {
            match self.keeper.next(self.clock.or(limit.deadline)) {
                Next::Dead { broke: None } if silent_and_used => {
                    silent_and_used = false;
                    self.keeper.bury();
                    self.keeper.ready_for(stage.job)?;
                    self.keeper.send(request)?;
                }
                Next::Event(event) => {
                    silent_and_used = false;
                    limit = self.patience.after(&event, stage.job, limit, delay);
                    self.keeper.note_phase(&event);
                    if let Some(end) = self.take(stage, event)? {
                        return Ok(end);
                    }
                }
                other => {
                    let outcome = self.ending(other, stage.phase, limit)?;
                    return Ok((outcome, Reading::default()));
                }
            }
        }
    }

    /// How the job under way has ended when something else came than an event. A worker that is still
    /// there is ended.
    fn ending(&mut self, next: Next, phase: Phase, limit: Limit) -> Result<Outcome, Halt> {
        match next {
            Next::Dead { broke } => Ok(self.keeper.autopsy(phase, broke.as_deref())),
            Next::Deadline => {
                self.keeper.kill();
                if self.clock.is_over() {
                    return Err(Halt::OutOfTime);
                }
                Ok(Outcome::TimedOut { phase, limit: limit.limit.into() })
            }
            Next::LowMemory { left, of } => {
                self.keeper.kill();
                Ok(death::for_memory(phase, left, of.as_deref()))
            }
            // Callers deal with events themselves.
            Next::Interrupted | Next::Event(_) => {
                self.keeper.kill();
                Err(Halt::Interrupted)
            }
        }
    }

    /// Turns an event into a record. The end of the visit is returned, not recorded.
    fn take(
        &mut self,
        stage: &mut Stage<'_>,
        event: Event,
    ) -> Result<Option<(Outcome, Reading)>, Halt> {
        let record = match event {
            Event::Phase { job, phase } => {
                stage.phase = phase;
                Record::Phase { job, phase }
            }
            Event::Loaded { job, facts } => {
                stage.loaded = Some(Instant::now());
                Record::Loaded { job, facts }
            }
            Event::Sample { job, sample } => Record::Sampled { job, sample },
            Event::Warned { job, warning } => Record::Warned { job: Some(job), warning },
            Event::FirstToken { clock, .. } => {
                stage.first_token = Some(clock);
                return Ok(Some((Outcome::Completed, Reading::default())));
            }
            Event::Failed { phase, cause, log, .. } => {
                let lines = [cause.as_str()].into_iter().chain(log.iter().map(String::as_str));
                let trouble = causes::trouble(lines);
                let outcome = Outcome::Failed { phase, cause, trouble, log };
                let outcome = death::within(outcome, self.keeper.bounds().as_deref());
                return Ok(Some((outcome, Reading::default())));
            }
            Event::Done { reading, .. } => return Ok(Some((Outcome::Completed, reading))),
            // Answers to questions that nobody waits for any more.
            Event::Ready { .. }
            | Event::Unfit { .. }
            | Event::Described(_)
            | Event::Roof(_)
            | Event::Linked(_)
            | Event::Predicted(_)
            | Event::Quantized(_)
            | Event::Canaried(_)
            | Event::Tokenized(_) => return Ok(None),
        };
        self.record(&record)?;
        Ok(None)
    }
}
