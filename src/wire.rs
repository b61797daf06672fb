//! Protocol between parent and worker: what they say to each other: one JSON value a line, requests down the worker's standard
//! input, events up a pipe of their own.
//!
//! The worker moves its standard output out of the way before the engine starts, so a stray `printf` in
//! a library lands on standard error and never between two events.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::job::{Job, JobId};
use crate::machine::{Description, Link, Roof};
use crate::models::making::Quantizing;
use crate::record::{Loaded, MemorySplit, Phase, Reading, Warning};
use crate::stats::stopping::Rule;
use crate::units::Nanos;
use crate::work::Sample;

/// Version of this protocol. Parent and worker are one binary, so a mismatch means that the file was
/// replaced while a sweep ran.
pub const VERSION: u32 = 7;

/// Longest event line that the parent reads, in bytes: 64 bytes for each token of a long generation,
/// and room to spare. Anything longer is not an event.
pub const MAX_LINE: usize = 64 * 1024 * 1024;

/// What a worker writes to its standard error, in one go, when it has done with a job and before it says so.
pub const END_OF_JOB: &str = "\n\u{1e}end of job\n";

/// Parent to worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Answer a question, with an event of its own kind.
    Ask(Question),
    /// Measure a job: load its model unless it is loaded, make its context, warm up, repeat.
    Run {
        /// The job.
        job: Box<Job>,
        /// How to measure.
        settings: Settings,
    },
    /// Load, process the prompt once, hold the first token, and say when that was.
    Cold {
        /// The job whose first token is wanted.
        job: Box<Job>,
    },
    /// Free everything and exit.
    Stop,
}

/// What a worker can be asked beside its jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// What can this machine and build do?
    Describe,
    /// What can a device do at best?
    Roof {
        /// ggml's name of the device.
        device: String,
        /// CPU threads.
        n_threads: u32,
    },
    /// How good is the link to an RPC server?
    Link {
        /// Where it is: `host:port`.
        endpoint: String,
    },
    /// What memory would a job take, without loading anything?
    Predict {
        /// The job.
        job: Box<Job>,
    },
    /// What does the file of a job give on the CPU? It is kept for the job's canary.
    Canary {
        /// The job.
        job: Box<Job>,
        /// Which rows have one.
        guarded: Guarded,
    },
    /// Can a model's weights be written anew in other types? Then they are.
    Quantize(Quantizing),
    /// What are the tokens of texts in a model?
    Tokenize {
        /// The model's file.
        model: PathBuf,
        /// The texts.
        texts: Vec<String>,
    },
}

/// How to measure, the same for all jobs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// When a visit to a job has been long enough.
    pub stop: Rule,
    /// Whether to run each job, unmeasured, at its real shape and depth until it is steady.
    pub warmup: bool,
    /// Rest before each job.
    pub delay: Nanos,
    /// Whether to find out, before anything is loaded, what it will take.
    #[serde(default = "yes")]
    pub foresee: bool,
    /// Where what is computed is held against the CPU.
    #[serde(default)]
    pub canary: Guarded,
}

/// Rows that have a canary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarded {
    /// None.
    #[default]
    None,
    /// Those with layers on a device, unless asking the CPU takes minutes.
    Offloaded,
    /// All, whatever that takes.
    All,
}

fn yes() -> bool {
    true
}

/// Worker to parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first line: who is there.
    Ready {
        /// [`VERSION`] of the worker.
        version: u32,
    },
    /// In the place of [`Event::Ready`]: the system does not let it run as it was told to, and it ends.
    Unfit {
        /// Which flag that is, and what the system says.
        reason: String,
    },
    /// Answer to [`Question::Describe`].
    Described(Description),
    /// Answer to [`Question::Roof`]: the ceilings, or why there are none.
    Roof(Result<Roof, String>),
    /// The job entered a phase.
    Phase {
        /// Which job.
        job: JobId,
        /// Which phase.
        phase: Phase,
    },
    /// The job's model is in memory.
    Loaded {
        /// Which job.
        job: JobId,
        /// What the engine said.
        facts: Loaded,
    },
    /// One repetition was timed.
    Sample {
        /// Which job.
        job: JobId,
        /// The timing.
        sample: Sample,
    },
    /// Answer to [`Question::Link`], or why it cannot be measured.
    Linked(Result<Link, String>),
    /// Answer to [`Question::Predict`]: what each device would have to give, or why that is not known.
    Predicted(Result<Vec<MemorySplit>, String>),
    /// Answer to [`Question::Canary`]: whether the model was loaded for it, or why there is none.
    Canaried(Result<bool, String>),
    /// Answer to [`Question::Quantize`]: the file is written, or why it is not.
    Quantized(Result<(), String>),
    /// Answer to [`Question::Tokenize`]: the tokens of each text, or why there are none.
    Tokenized(Result<Vec<Vec<i32>>, String>),
    /// The first token of a cold start is held.
    FirstToken {
        /// Which job.
        job: JobId,
        /// Reading of the system's monotonic clock at that moment, comparable between processes.
        clock: Nanos,
    },
    /// Something the reader of the results must know.
    Warned {
        /// Which job.
        job: JobId,
        /// What.
        warning: Warning,
    },
    /// The job cannot be measured; the worker is ready for another.
    Failed {
        /// Which job.
        job: JobId,
        /// Where it was.
        phase: Phase,
        /// The reason, in words.
        cause: String,
        /// Last lines of the engine's log.
        log: Vec<String>,
    },
    /// The job is measured.
    Done {
        /// Which job.
        job: JobId,
        /// What was read beside the clock.
        reading: Reading,
    },
}

impl Event {
    /// Whether the worker has done with a job.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::FirstToken { .. } | Self::Failed { .. } | Self::Done { .. })
    }

    /// The job that it is about.
    pub fn job(&self) -> Option<&JobId> {
        match self {
            Self::Ready { .. }
            | Self::Unfit { .. }
            | Self::Described(_)
            | Self::Roof(_)
            | Self::Linked(_)
            | Self::Predicted(_)
            | Self::Quantized(_)
            | Self::Canaried(_)
            | Self::Tokenized(_) => None,
            Self::Phase { job, .. }
            | Self::Loaded { job, .. }
            | Self::Sample { job, .. }
            | Self::FirstToken { job, .. }
            | Self::Warned { job, .. }
            | Self::Failed { job, .. }
            | Self::Done { job, .. } => Some(job),
        }
    }
}
