//! The loops that the clock watches. Generic over the session, so that what times llama.cpp is what the
//! tests drive.

use super::{DepthState, Events, JobFailure};
use crate::engine::{EngineError, Session};
use crate::job::Job;
use crate::record::{Phase, RemoteTraffic};
use crate::stats::steady::{Steady, Warmth};
use crate::stats::stopping::StopReason;
use crate::stats::stopping::{Rule, Stopping};
use crate::stats::warm::Warm;
use crate::telemetry::traffic;
use crate::units::Nanos;
use crate::wire::{Event, Settings};
use crate::work::{Sample, Speed};

/// Most warm-up runs of one job.
const WARMUP_RUNS: usize = 12;
/// Tokens of a generation that are taken for a run where it has fewer, before its warm-up is given up.
const WARM_TOKENS: usize = 32;
/// Least time of the warm-up of a generation, or two runs where these are shorter: clocks take a moment to rise.
const WARM_LEAST: Nanos = Nanos(150_000_000);
/// As many runs are a visit, where they take less than its least time: a sweep of short rows is not to take longer
/// than five repetitions of each would.
const VISIT_RUNS: u64 = 4;
/// A run that takes as long as this is its own warm-up.
const LONG_RUN: Nanos = Nanos(1_000_000_000);
/// After this time in warm-up runs, the one under way is the last.
const WARMUP_TIME: Nanos = Nanos(15_000_000_000);

/// Shortest sample that is worth its decimals. An interruption by the scheduler costs tens of
/// microseconds; in ten milliseconds it is lost in the last digit shown.
const GRAIN: Nanos = Nanos(10_000_000);
/// Most runs within one sample.
const MAX_RUNS: u64 = 1000;

/// How the measuring of a job went.
pub struct Measurement {
    /// Whether the warm-up became steady; `None` without one.
    pub steady: Option<bool>,
    /// Why the measuring ended.
    pub stop: StopReason,
    /// Bytes to and from each RPC server in the measured runs; empty where they cannot be counted.
    pub traffic: Vec<RemoteTraffic>,
}

/// Warms up until runs agree, then measures until enough is known, sending each sample when its clock
/// has stopped.
pub fn repeat<S: Session>(
    session: &mut S,
    (job, speed): (&Job, &Speed),
    settings: Settings,
    events: &Events,
    depth_state: &mut Option<DepthState>,
) -> Result<Measurement, JobFailure> {
    if settings.stop == (Rule::Fixed { n: 0 }) {
        // Its memory alone is wanted.
        return Ok(Measurement {
            steady: None,
            stop: StopReason::Repetitions,
            traffic: Vec::new(),
        });
    }
    let mut bench = Bench::new(session, (job, speed), events, depth_state);
    let started = bench.session.now();
    let warmth = bench.warm_up(settings)?;
    let warming = bench.session.now().since(started);
    // Counted here and not by the parent, which hears of a phase when it is over already.
    let before = traffic::counts(job.setup.servers());
    let stop = bench.measure(visit(settings.stop, warmth.run), warming, warmth.runs)?;
    let after = before.as_ref().and_then(|_| traffic::counts(job.setup.servers()));
    let traffic = before.zip(after).map(|(before, after)| traffic::between(&before, &after));
    Ok(Measurement { steady: warmth.steady, stop, traffic: traffic.unwrap_or_default() })
}

/// Outcome of a warm-up.
#[derive(Debug, Clone, Copy)]
struct Warmed {
    /// Whether it became steady; `None` without one.
    steady: Option<bool>,
    /// How often the test is to be run within a sample.
    runs: u32,
    /// Time of a run; `None` without a warm-up.
    run: Option<Nanos>,
}

/// The rule for a test whose runs take so long.
fn visit(rule: Rule, run: Option<Nanos>) -> Rule {
    match (rule, run) {
        (Rule::Visit { min_samples, least_time, max_samples }, Some(run)) => {
            let least_time = least_time.min(Nanos(run.0.saturating_mul(VISIT_RUNS)));
            Rule::Visit { min_samples, least_time, max_samples }
        }
        (rule, _) => rule,
    }
}

/// How often a test that takes `ns` is to be run within one sample.
fn runs_per_sample(ns: Nanos) -> u32 {
    let runs = GRAIN.0.div_ceil(ns.0.max(1)).min(MAX_RUNS);
    u32::try_from(runs).unwrap_or(1)
}

/// What one run took.
#[derive(Default)]
struct Timing {
    ns: u64,
    first_token_ns: Option<Nanos>,
}

/// A job on its session.
struct Bench<'a, S> {
    session: &'a mut S,
    job: &'a Job,
    speed: &'a Speed,
    events: &'a Events,
    depth_state: &'a mut Option<DepthState>,
    phase: Phase,
}

impl<'a, S: Session> Bench<'a, S> {
    /// Nothing has happened yet.
    fn new(
        session: &'a mut S,
        (job, speed): (&'a Job, &'a Speed),
        events: &'a Events,
        depth_state: &'a mut Option<DepthState>,
    ) -> Self {
        Self { session, job, speed, events, depth_state, phase: Phase::Context }
    }

    /// Tells the parent where we are. Never between the two readings of a timed stretch.
    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.events.send(&Event::Phase { job: self.job.id.clone(), phase });
        }
    }

    fn send(&self, sample: Sample) {
        self.events.send(&Event::Sample { job: self.job.id.clone(), sample });
    }

    /// Runs the work, unmeasured, until it is steady, if that is asked for.
    fn warm_up(&mut self, settings: Settings) -> Result<Warmed, JobFailure> {
        if !settings.warmup {
            return Ok(Warmed { steady: None, runs: 1, run: None });
        }
        self.enter(Phase::Warmup);
        let generates = self.speed.n_prompt == 0 && self.speed.n_gen > 0;
        let (steady, run) = if generates { self.warm_generation()? } else { self.warm_runs()? };
        let runs = match settings.stop {
            // As many runs as were asked for, each its own sample, as llama-bench has it.
            Rule::Fixed { .. } => 1,
            Rule::Precision { .. } | Rule::Visit { .. } => runs_per_sample(run),
        };
        Ok(Warmed { steady, runs, run: Some(run) })
    }

    /// Whole runs, until successive ones agree; whether they came to, and the time of the last. A long run is
    /// warm when it is over: what is slow in the beginning is slow for parts of a second.
    fn warm_runs(&mut self) -> Result<(Option<bool>, Nanos), JobFailure> {
        let mut steady = Steady::new(Steady::TOLERANCE, WARMUP_RUNS, WARMUP_TIME);
        loop {
            let ns = Nanos(self.once(true, &mut Vec::new())?.ns);
            self.send(Sample::Warmup { ns });
            match steady.push(ns) {
                Warmth::Continue if ns >= LONG_RUN => return Ok((None, ns)),
                Warmth::Continue => {}
                verdict => return Ok((Some(verdict == Warmth::Steady), ns)),
            }
        }
    }

    /// Tokens, until they agree and the device has been at work for a moment; whether they came to, and the time
    /// of a run as the before of them have it.
    fn warm_generation(&mut self) -> Result<(Option<bool>, Nanos), JobFailure> {
        let n_gen = self.speed.n_gen;
        let mut warm = Warm::new(WARMUP_RUNS * (n_gen as usize).max(WARM_TOKENS), WARMUP_TIME);
        loop {
            self.empty(true)?;
            self.session.begin_generation();
            let mut before = self.session.now();
            for _ in 0..n_gen {
                self.session.step().map_err(|error| self.failure(error))?;
                let now = self.session.now();
                let took = now.since(before);
                let verdict = warm.push(took);
                before = now;
                let run = Nanos(took.0 * u64::from(n_gen));
                let enough = WARM_LEAST.min(Nanos(run.0 * 2));
                let steady = verdict == Warmth::Steady && warm.spent() >= enough;
                if steady || verdict == Warmth::GaveUp {
                    self.send(Sample::Warmup { ns: warm.spent() });
                    return Ok((Some(steady), run));
                }
            }
        }
    }

    /// Takes samples of `runs` runs each until the rule is satisfied. Up to half of the time that a visit lasts
    /// at the least may have gone into the warm-up.
    fn measure(&mut self, rule: Rule, warming: Nanos, runs: u32) -> Result<StopReason, JobFailure> {
        let mut stopping = Stopping::new(rule);
        let before = match rule {
            Rule::Visit { least_time, .. } => warming.min(Nanos(least_time.0 / 2)),
            Rule::Fixed { .. } | Rule::Precision { .. } => Nanos(0),
        };
        let started = self.session.now();
        loop {
            let value = self.sample(runs)?;
            let elapsed = self.session.now().since(started) + before;
            if let Some(reason) = stopping.push(value, elapsed) {
                return Ok(reason);
            }
        }
    }

    /// Takes one sample of `runs` runs and sends it: its value, in the headline's unit; 0 of one that took no time.
    fn sample(&mut self, runs: u32) -> Result<f64, JobFailure> {
        let mut ns = 0;
        let mut first_token_ns = Vec::with_capacity(runs as usize);
        // Room for every token before the clock starts.
        let steps = self.speed.n_gen as usize * runs as usize;
        let mut token_ns = Vec::with_capacity(steps);
        for _ in 0..runs {
            let timing = self.once(false, &mut token_ns)?;
            ns += timing.ns;
            first_token_ns.extend(timing.first_token_ns);
        }
        let ns = Nanos(ns);
        let sample = Sample::Run { runs, ns, first_token_ns, token_ns };
        let value = self.speed.rate(&sample);
        self.send(sample);
        Ok(value.unwrap_or(0.0))
    }

    /// One run from an empty context: fill to the depth, then the timed work. The times of generated
    /// tokens are added to `token_ns`.
    fn once(&mut self, warmup: bool, token_ns: &mut Vec<Nanos>) -> Result<Timing, JobFailure> {
        self.empty(warmup)?;
        self.timed(warmup, token_ns).map_err(|error| self.failure(error))
    }

    /// A context with nothing in it but its depth.
    fn empty(&mut self, warmup: bool) -> Result<(), JobFailure> {
        self.session.clear();
        if self.speed.n_depth > 0 {
            if !warmup {
                self.enter(Phase::Depth);
            }
            self.fill().map_err(|error| self.failure(error))?;
        }
        Ok(())
    }

    fn failure(&self, error: EngineError) -> JobFailure {
        JobFailure { phase: self.phase, error }
    }

    /// Brings the context to its depth: from the saved state where it fits, and further from there by
    /// processing, so that a row of growing depths is filled in one pass.
    fn fill(&mut self) -> Result<(), EngineError> {
        let depth = self.speed.n_depth;
        let mut reached = 0;
        if let Some(saved) = self.depth_state.as_ref().filter(|saved| saved.depth <= depth) {
            if self.session.restore(&saved.state) {
                reached = saved.depth;
            } else {
                self.session.clear();
            }
        }
        if reached == depth {
            return Ok(());
        }
        self.session.fill(depth - reached)?;
        let state = self.session.save();
        *self.depth_state = state.map(|state| DepthState { depth, state });
        Ok(())
    }

    /// The work itself. The clock is read outside of everything that is lbench's own; the sampling
    /// between prompt and generation counts towards the first token and not towards the total, which
    /// llama-bench has without it, and copying a shared prompt counts towards neither, as in
    /// llama-batched-bench.
    fn timed(&mut self, warmup: bool, token_ns: &mut Vec<Nanos>) -> Result<Timing, EngineError> {
        let (n_prompt, n_gen) = (self.speed.n_prompt, self.speed.n_gen);
        let mut timing = Timing::default();
        if n_prompt > 0 {
            if !warmup {
                self.enter(Phase::Prompt);
            }
            let start = self.session.now();
            self.session.prompt(n_prompt)?;
            let processed = self.session.now();
            if self.speed.has_first_token() {
                self.session.sample_greedy()?;
                timing.first_token_ns = Some(self.session.now().since(start));
            }
            timing.ns += processed.since(start).0;
        }
        if n_gen > 0 {
            if !warmup {
                self.enter(Phase::Generate);
            }
            if n_prompt > 0 {
                self.session.share_prompt()?;
            }
            token_ns.reserve(n_gen as usize);
            let start = self.session.now();
            let mut last = start;
            self.session.begin_generation();
            for _ in 0..n_gen {
                self.session.step()?;
                let now = self.session.now();
                token_ns.push(now.since(last));
                last = now;
            }
            timing.ns += last.since(start).0;
        }
        Ok(timing)
    }
}
