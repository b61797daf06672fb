//! The loops that the clock watches. Generic over the session, so that what times llama.cpp is what the
//! tests drive.

use super::{DepthState, Events, Failure};
use crate::engine::{EngineError, Session};
use crate::job::{Job, Work};
use crate::record::{Phase, Sample};
use crate::units::Nanos;
use crate::wire::{Event, Settings};

/// Warms up, then measures the job as often as asked, sending each sample when its clock has stopped.
pub fn repeat<S: Session>(
    session: &mut S,
    job: &Job,
    settings: Settings,
    events: &Events,
    depth_state: &mut Option<DepthState>,
) -> Result<(), Failure> {
    let mut bench = Bench {
        session,
        job,
        events,
        depth_state,
        phase: Phase::Context,
    };
    if settings.warmup {
        // At the real shape and depth: a shorter run leaves caches, pools and clocks cold.
        bench.enter(Phase::Warmup);
        bench.once(true)?;
    }
    for _ in 0..settings.repetitions {
        let sample = bench.once(false)?;
        events.send(&Event::Sample {
            job: job.id.clone(),
            sample,
        });
    }
    Ok(())
}

struct Bench<'a, S> {
    session: &'a mut S,
    job: &'a Job,
    events: &'a Events,
    depth_state: &'a mut Option<DepthState>,
    phase: Phase,
}

impl<S: Session> Bench<'_, S> {
    /// Tells the parent where we are. Never between the two readings of a timed stretch.
    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.events.send(&Event::Phase {
                job: self.job.id.clone(),
                phase,
            });
        }
    }

    /// One repetition from an empty context: fill to the depth, then the timed work.
    fn once(&mut self, warmup: bool) -> Result<Sample, Failure> {
        self.session.clear();
        if self.job.config.n_depth > 0 {
            if !warmup {
                self.enter(Phase::Depth);
            }
            self.fill().map_err(|error| Failure {
                phase: self.phase,
                error,
            })?;
        }
        self.timed(warmup).map_err(|error| Failure {
            phase: self.phase,
            error,
        })
    }

    /// Brings the context to its depth: from the saved state where it fits, else by processing.
    fn fill(&mut self) -> Result<(), EngineError> {
        let depth = self.job.config.n_depth;
        if let Some(saved) = self
            .depth_state
            .as_ref()
            .filter(|saved| saved.depth == depth)
        {
            if self.session.restore(&saved.state) {
                return Ok(());
            }
            self.session.clear();
        }
        self.session.prompt(depth)?;
        *self.depth_state = self.session.save().map(|state| DepthState { depth, state });
        Ok(())
    }

    /// The work itself. The clock is read outside of everything that is lbench's own; the sampling
    /// between prompt and generation counts towards the first token and not towards the total, which
    /// llama-bench has without it.
    fn timed(&mut self, warmup: bool) -> Result<Sample, EngineError> {
        let (n_prompt, n_gen) = match self.job.work {
            Work::Prompt { n_prompt } => (n_prompt, 0),
            Work::Generate { n_gen } => (0, n_gen),
            Work::PromptGenerate { n_prompt, n_gen } => (n_prompt, n_gen),
        };
        let mut ns = Nanos(0);
        let mut first_token_ns = None;
        // Room for every token before the clock starts.
        let mut token_ns = Vec::with_capacity(n_gen as usize);

        if n_prompt > 0 {
            if !warmup {
                self.enter(Phase::Prompt);
            }
            let start = self.session.now();
            self.session.prompt(n_prompt)?;
            let processed = self.session.now();
            self.session.sample_greedy()?;
            first_token_ns = Some(self.session.now().since(start));
            ns = ns + processed.since(start);
        }
        if n_gen > 0 {
            if !warmup {
                self.enter(Phase::Generate);
            }
            let start = self.session.now();
            let mut last = start;
            self.session.begin_generation();
            for _ in 0..n_gen {
                self.session.step()?;
                let now = self.session.now();
                token_ns.push(now.since(last));
                last = now;
            }
            ns = ns + last.since(start);
        }
        Ok(Sample::Run {
            ns,
            first_token_ns,
            token_ns,
        })
    }
}
