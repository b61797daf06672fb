//! Cost of measuring: what the measuring itself costs: the very loop that times llama.cpp, around a session that does
//! nothing.

use std::cell::Cell;
use std::fs::File;
use std::io;

use super::events::Events;
use super::measure;
use crate::engine::{EngineError, Session, Token};
use crate::job::Job;
use crate::stats::stopping::Rule;
use crate::units::Nanos;
use crate::wire::{Guarded, Settings};

/// Generations that are timed; the fastest counts.
const REPEATS: u32 = 5;

/// Nanoseconds that the loop adds to each token of `job`, a generation: its share of the clock readings,
/// the call, the keeping of the time. `None` for a job that generates nothing.
///
/// # Errors
/// When there is nowhere to send the samples to.
pub fn per_token(job: &Job) -> io::Result<Option<f64>> {
    let sink = File::options().write(true).open("/dev/null")?;
    let events = Events::into(sink);
    let mut session = IdleSession {
        start: Cell::new(Nanos(0)),
        stepped: Cell::new(false),
        took: Cell::new(None),
        fastest: Cell::new(None),
    };
    let settings = Settings {
        stop: Rule::Fixed { n: REPEATS },
        warmup: true,
        delay: Nanos(0),
        foresee: false,
        canary: Guarded::None,
    };
    let Some(speed) = job.work.speed() else { return Ok(None) };
    // A session that does nothing cannot fail.
    let _ = measure::repeat(&mut session, (job, speed), settings, &events, &mut None);
    let tokens = f64::from(speed.n_gen);
    let fastest = session.fastest.get().filter(|_| tokens > 0.0);
    Ok(fastest.map(|ns| ns.seconds() * 1e9 / tokens))
}

/// A session that does nothing, and notes how long the loop around it takes.
struct IdleSession {
    /// When the generation began.
    start: Cell<Nanos>,
    /// Whether a step was made since the clock was read.
    stepped: Cell<bool>,
    /// From the beginning of the generation to the reading after its latest step.
    took: Cell<Option<Nanos>>,
    /// The shortest generation so far.
    fastest: Cell<Option<Nanos>>,
}

impl Session for IdleSession {
    fn n_ctx(&self) -> u32 {
        u32::MAX
    }

    fn flash_attn(&self) -> Option<bool> {
        None
    }

    fn clear(&mut self) {}

    fn prompt(&mut self, _: u32) -> Result<(), EngineError> {
        Ok(())
    }

    fn share_prompt(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    fn use_text(&mut self, _: &[Token]) {}

    fn fill(&mut self, _: u32) -> Result<(), EngineError> {
        Ok(())
    }

    fn begin_generation(&mut self) {
        self.took.set(None);
        self.start.set(Nanos::monotonic());
    }

    fn step(&mut self) -> Result<(), EngineError> {
        self.stepped.set(true);
        Ok(())
    }

    fn sample_greedy(&mut self) -> Result<Token, EngineError> {
        Ok(0)
    }

    fn tokens_of(&self, _: &str) -> Result<Vec<Token>, EngineError> {
        Ok(Vec::new())
    }

    fn opening_token(&self) -> Option<Token> {
        None
    }

    fn score(
        &mut self,
        _: &[Token],
        _: usize,
        _: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), EngineError> {
        Ok(())
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn restore(&mut self, _: &[u8]) -> bool {
        false
    }

    fn now(&self) -> Nanos {
        let now = Nanos::monotonic();
        if self.stepped.replace(false) {
            self.took.set(Some(now.since(self.start.get())));
        } else if let Some(took) = self.took.take() {
            // The first reading after a generation: it was over.
            let fastest = self.fastest.get().map_or(took, |fastest| fastest.min(took));
            self.fastest.set(Some(fastest));
        }
        now
    }
}
