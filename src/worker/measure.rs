//! The loops that the clock watches. Generic over the session, so that what times llama.cpp is what the
//! tests drive.

use super::{DepthState, Events, Failure};
use crate::engine::{EngineError, Session};
use crate::job::Job;
use crate::record::{Phase, RemoteTraffic};
use crate::stats::steady::{self, Steady};
use crate::stats::stopping::StopReason;
use crate::stats::stopping::{Rule, Stopping};
use crate::telemetry::traffic;
use crate::units::Nanos;
use crate::wire::{Event, Settings};
use crate::work::Sample;

/// Most warm-up runs of one job.
const WARMUP_RUNS: usize = 12;
/// After this time in warm-up runs, the one under way is the last.
const WARMUP_TIME: Nanos = Nanos(15_000_000_000);

/// Shortest sample that is worth its decimals. An interruption by the scheduler costs tens of
/// microseconds; in ten milliseconds it is lost in the last digit shown.
const GRAIN: Nanos = Nanos(10_000_000);
/// Most runs within one sample.
const MAX_RUNS: u64 = 1000;

/// How the measuring of a job went.
pub struct Course {
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
    job: &Job,
    settings: Settings,
    events: &Events,
    depth_state: &mut Option<DepthState>,
) -> Result<Course, Failure> {
    let mut bench = Bench::new(session, job, events, depth_state);
    let warmth = bench.warm_up(settings)?;
    // Counted here and not by the parent, which hears of a phase when it is over already.
    let before = traffic::counts(job.setup.servers());
    let stop = bench.measure(Stopping::new(settings.stop), warmth.runs)?;
    let after = before.as_ref().and_then(|_| traffic::counts(job.setup.servers()));
    let traffic = before.zip(after).map(|(before, after)| traffic::between(&before, &after));
    Ok(Course { steady: warmth.steady, stop, traffic: traffic.unwrap_or_default() })
}

/// What the warm-up came to.
#[derive(Debug, Clone, Copy)]
pub struct Warmth {
    /// Whether it became steady; `None` without one.
    pub steady: Option<bool>,
    /// Time of its last run; `None` without one.
    pub last: Option<Nanos>,
    /// How often the test is to be run within a sample.
    pub runs: u32,
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
pub struct Bench<'a, S> {
    session: &'a mut S,
    job: &'a Job,
    events: &'a Events,
    depth_state: &'a mut Option<DepthState>,
    phase: Phase,
}

impl<'a, S: Session> Bench<'a, S> {
    /// Nothing has happened yet.
    pub fn new(
        session: &'a mut S,
        job: &'a Job,
        events: &'a Events,
        depth_state: &'a mut Option<DepthState>,
    ) -> Self {
        Self { session, job, events, depth_state, phase: Phase::Context }
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
    pub fn warm_up(&mut self, settings: Settings) -> Result<Warmth, Failure> {
        if !settings.warmup {
            return Ok(Warmth { steady: None, last: None, runs: 1 });
        }
        self.enter(Phase::Warmup);
        let mut steady = Steady::new(Steady::TOLERANCE, WARMUP_RUNS, WARMUP_TIME);
        loop {
            let ns = Nanos(self.once(true, &mut Vec::new())?.ns);
            self.send(Sample::Warmup { ns });
            let verdict = steady.push(ns);
            if verdict == steady::Warmth::Continue {
                continue;
            }
            let runs = match settings.stop {
                // As many runs as were asked for, each its own sample, as llama-bench has it.
                Rule::Fixed { .. } => 1,
                Rule::Precision { .. } => runs_per_sample(ns),
            };
            let steady = Some(verdict == steady::Warmth::Steady);
            return Ok(Warmth { steady, last: Some(ns), runs });
        }
    }

    /// Takes samples of `runs` runs each until the rule is satisfied.
    fn measure(&mut self, mut stopping: Stopping, runs: u32) -> Result<StopReason, Failure> {
        let started = self.session.now();
        loop {
            let rate = self.sample(runs)?;
            if let Some(reason) = stopping.push(rate, self.session.now().since(started)) {
                return Ok(reason);
            }
        }
    }

    /// Takes one sample of `runs` runs and sends it: its rate, in tokens per second.
    pub fn sample(&mut self, runs: u32) -> Result<f64, Failure> {
        let mut ns = 0;
        let mut first_token_ns = Vec::with_capacity(runs as usize);
        // Room for every token before the clock starts.
        let steps = self.job.work.speed().n_gen as usize * runs as usize;
        let mut token_ns = Vec::with_capacity(steps);
        for _ in 0..runs {
            let timing = self.once(false, &mut token_ns)?;
            ns += timing.ns;
            first_token_ns.extend(timing.first_token_ns);
        }
        let ns = Nanos(ns);
        self.send(Sample::Run { runs, ns, first_token_ns, token_ns });
        let rate = ns.rate(self.job.work.speed().tokens().saturating_mul(runs));
        Ok(rate.map_or(0.0, |rate| rate.0))
    }

    /// One unmeasured run, to have the caches as they are in a row of runs.
    pub fn refresh(&mut self) -> Result<(), Failure> {
        self.once(true, &mut Vec::new()).map(|_| ())
    }

    /// One run from an empty context: fill to the depth, then the timed work. The times of generated
    /// tokens are added to `token_ns`.
    fn once(&mut self, warmup: bool, token_ns: &mut Vec<Nanos>) -> Result<Timing, Failure> {
        self.session.clear();
        if self.job.work.speed().n_depth > 0 {
            if !warmup {
                self.enter(Phase::Depth);
            }
            self.fill().map_err(|error| self.failure(error))?;
        }
        self.timed(warmup, token_ns).map_err(|error| self.failure(error))
    }

    fn failure(&self, error: EngineError) -> Failure {
        Failure { phase: self.phase, error }
    }

    /// Brings the context to its depth: from the saved state where it fits, and further from there by
    /// processing, so that a row of growing depths is filled in one pass.
    fn fill(&mut self) -> Result<(), EngineError> {
        let depth = self.job.work.speed().n_depth;
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
        let (n_prompt, n_gen) = (self.job.work.speed().n_prompt, self.job.work.speed().n_gen);
        let mut timing = Timing::default();
        if n_prompt > 0 {
            if !warmup {
                self.enter(Phase::Prompt);
            }
            let start = self.session.now();
            self.session.prompt(n_prompt)?;
            let processed = self.session.now();
            self.session.sample_greedy()?;
            timing.first_token_ns = Some(self.session.now().since(start));
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
