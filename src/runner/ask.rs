//! Questions to a worker besides jobs: what a device can do at best, what a job would take, how good a link is.

use std::path::Path;
use std::time::{Duration, Instant};

use super::keeper::{Keeper, Next};
use super::{Runner, Spawn};
use crate::error::Error;
use crate::job::Job;
use crate::machine::Roof;
use crate::models::making::Quantizing;
use crate::record::MemorySplit;
use crate::units::Params;
use crate::wire::{Event, Question, Request};

/// How long an answer may take; it takes a second or two.
const LIMIT: Duration = Duration::from_mins(2);

/// A machine that quantizes fewer weights than this in a second has stopped.
const SLOWEST_QUANTIZER: u64 = 500_000;

/// Time between two looks at what is being made.
const TICK: Duration = Duration::from_millis(500);

impl Runner {
    /// Measures a device in a worker. What it allocated is gone with [`Runner::rest`].
    ///
    /// # Errors
    /// When the user ends it, or no worker can be started. A device that cannot be measured is told in
    /// the inner result.
    pub fn roof(&mut self, device: &str, n_threads: u32) -> Result<Result<Roof, String>, Error> {
        let question = Question::Roof { device: device.to_string(), n_threads };
        self.keeper.ask(&question, LIMIT, |event| match event {
            Event::Roof(answer) => Some(answer),
            _ => None,
        })
    }

    /// What a job would take of each device, without loading it. The inner error says why that is not
    /// known.
    ///
    /// # Errors
    /// When the user ends it, or no worker can be started.
    pub fn predict(&mut self, job: &Job) -> Result<Result<Vec<MemorySplit>, String>, Error> {
        self.keeper.predict(job)
    }

    /// The tokens of each text, as a model's vocabulary has them. The inner error says why there are none.
    ///
    /// # Errors
    /// When the user ends it, or no worker can be started.
    pub fn tokenize(
        &mut self,
        model: &Path,
        texts: Vec<String>,
    ) -> Result<Result<Vec<Vec<i32>>, String>, Error> {
        let question = Question::Tokenize { model: model.to_path_buf(), texts };
        self.keeper.ask(&question, LIMIT, |event| match event {
            Event::Tokenized(answer) => Some(answer),
            _ => None,
        })
    }

    /// Has a worker write a model anew in other types, and calls `tick` now and then meanwhile. The inner error says
    /// why that cannot be.
    ///
    /// # Errors
    /// When the user ends it, or no worker can be started.
    pub fn quantize(
        &mut self,
        order: &Quantizing,
        n_params: Params,
        tick: &mut dyn FnMut(),
    ) -> Result<Result<(), String>, Error> {
        let limit = LIMIT + Duration::from_secs(n_params.0 / SLOWEST_QUANTIZER);
        let pick = |event| match event {
            Event::Quantized(answer) => Some(answer),
            _ => None,
        };
        self.keeper.ask_while(&Question::Quantize(order.clone()), limit, pick, tick)
    }

    /// Ends the worker, so that the next job finds all memory free.
    pub fn rest(&mut self) {
        self.keeper.stop();
    }

    /// Starts workers in another way from now on.
    pub fn set_spawn(&mut self, spawn: Spawn) {
        self.keeper.set_spawn(spawn);
    }
}

impl Keeper {
    /// What a job would take of each device, without loading it. The inner error says why that is not
    /// known.
    pub(super) fn predict(&mut self, job: &Job) -> Result<Result<Vec<MemorySplit>, String>, Error> {
        let question = Question::Predict { job: Box::new(job.clone()) };
        self.ask(&question, LIMIT, |event| match event {
            Event::Predicted(answer) => Some(answer),
            _ => None,
        })
    }

    /// Asks a worker (a new one if there is none) and waits for the event that `pick` takes for the answer.
    pub(super) fn ask<T>(
        &mut self,
        question: &Question,
        limit: Duration,
        pick: impl Fn(Event) -> Option<Result<T, String>>,
    ) -> Result<Result<T, String>, Error> {
        self.ask_while(question, limit, pick, &mut || {})
    }

    /// The same, with a call of `tick` now and then.
    pub(super) fn ask_while<T>(
        &mut self,
        question: &Question,
        limit: Duration,
        pick: impl Fn(Event) -> Option<Result<T, String>>,
        tick: &mut dyn FnMut(),
    ) -> Result<Result<T, String>, Error> {
        self.ready()?;
        self.send(&Request::Ask(question.clone()))?;
        let deadline = Instant::now() + limit;
        loop {
            match self.next(Some(deadline.min(Instant::now() + TICK))) {
                Next::Deadline if Instant::now() < deadline => tick(),
                Next::Event(event) => {
                    if let Some(answer) = pick(event) {
                        return Ok(answer);
                    }
                }
                Next::LowMemory { .. } => {}
                Next::Dead { broke } => return Ok(Err(self.last_words(broke.as_deref()))),
                Next::Deadline => {
                    self.kill();
                    return Ok(Err(format!("no answer within {} s", limit.as_secs())));
                }
                Next::Interrupted => {
                    self.kill();
                    return Err(Error::Interrupted);
                }
            }
        }
    }
}
