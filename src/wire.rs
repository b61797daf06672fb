//! What parent and worker say to each other: one JSON value a line, requests down the worker's standard
//! input, events up a pipe of their own.
//!
//! The worker moves its standard output out of the way before the engine starts, so a stray `printf` in
//! a library lands on standard error and never between two events.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::job::{Job, JobId};
use crate::record::{Loaded, MemorySplit, Phase, Reading, Sample, Warning};
use crate::stats::stopping::Rule;
use crate::units::Nanos;

/// Version of this protocol. Parent and worker are one binary, so a mismatch means that the file was
/// replaced while a sweep ran.
pub const VERSION: u32 = 4;

/// Longest event line that the parent reads, in bytes: 64 bytes for each token of a long generation,
/// and room to spare. Anything longer is not an event.
pub const MAX_LINE: usize = 64 * 1024 * 1024;

/// Parent to worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Say what this machine and build can do.
    Describe,
    /// Measure what a device can do at best.
    Roof {
        /// ggml's name of the device.
        device: String,
        /// CPU threads.
        n_threads: u32,
    },
    /// Measure a job: load its model unless it is loaded, make its context, warm up, repeat.
    Run {
        /// The job.
        job: Box<Job>,
        /// How to measure.
        settings: Settings,
    },
    /// Measure jobs on one model in rounds, each in a context of its own: every one takes a sample, in an
    /// order that changes from round to round, until it has been measured enough.
    Rounds {
        /// The jobs.
        jobs: Vec<Job>,
        /// How to measure.
        settings: Settings,
        /// Seed of the order.
        seed: u64,
    },
    /// Measure the link to an RPC server.
    Link {
        /// Where it is: `host:port`.
        endpoint: String,
    },
    /// Say what memory a job would take, without loading anything.
    Predict {
        /// The job.
        job: Box<Job>,
    },
    /// Turn texts into tokens of a model.
    Tokenize {
        /// The model's file.
        model: PathBuf,
        /// The texts.
        texts: Vec<String>,
    },
    /// Load, process the prompt once, hold the first token, and say when that was.
    Cold {
        /// The job whose first token is wanted.
        job: Box<Job>,
    },
    /// Free everything and exit.
    Stop,
}

/// How to measure, the same for all jobs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// When a job has been measured enough.
    pub stop: Rule,
    /// Whether to run each job, unmeasured, at its real shape and depth until it is steady.
    pub warmup: bool,
    /// Rest before each job.
    pub delay: Nanos,
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
    /// Answer to [`Request::Describe`].
    Described(Description),
    /// Answer to [`Request::Roof`]: the ceilings, or why there are none.
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
    /// Answer to [`Request::Link`], or why it cannot be measured.
    Linked(Result<Link, String>),
    /// Answer to [`Request::Predict`]: what each device would have to give, or why that is not known.
    Predicted(Result<Vec<MemorySplit>, String>),
    /// Answer to [`Request::Tokenize`]: the tokens of each text, or why there are none.
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
    /// The job that it is about.
    pub fn job(&self) -> Option<&JobId> {
        match self {
            Self::Ready { .. }
            | Self::Described(_)
            | Self::Roof(_)
            | Self::Linked(_)
            | Self::Predicted(_)
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

/// What a device can do at best, measured through the engine itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Roof {
    /// Bytes read from its memory in a second.
    pub bandwidth: Option<f64>,
    /// Floating point operations of matrix products in a second.
    pub compute: Option<f64>,
}

/// The link to an RPC server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Version of the protocol that the server speaks.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Its devices, with their free memory.
    pub devices: Vec<Device>,
    /// Median time of a small request and its answer.
    pub round_trip: Nanos,
    /// Bytes a second to the server.
    pub up: Option<f64>,
    /// Bytes a second from it.
    pub down: Option<f64>,
}

/// What the engine of this build found on this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Engine and version, e.g. `llama.cpp 0.9.1`.
    pub engine: String,
    /// llama-bench's `build_commit`: the engine's version string, or `unknown`.
    pub build_commit: String,
    /// Backends in the order they registered, e.g. `CUDA`, `RPC`, `CPU`.
    pub backends: Vec<String>,
    /// Every device, the CPU included.
    pub devices: Vec<Device>,
    /// Instruction sets that the CPU kernels were compiled for, e.g. `AVX2`.
    pub cpu_features: Vec<String>,
    /// Instruction sets that this CPU has and the kernels lack.
    pub cpu_features_unused: Vec<String>,
    /// Backend modules that were found, where the build has any.
    #[serde(default)]
    pub modules: Vec<Module>,
}

/// A backend in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// The file.
    pub file: String,
    /// Why it could not be loaded; `None` where it was.
    pub trouble: Option<String>,
}

impl Module {
    /// Name of the file.
    pub fn file_name(&self) -> &str {
        self.file.rsplit(std::path::MAIN_SEPARATOR).next().unwrap_or(&self.file)
    }
}

/// A device that ggml can compute on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// ggml's name, e.g. `CUDA0`.
    pub name: String,
    /// The maker's name, e.g. `NVIDIA H200`.
    pub description: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Backend that drives it, e.g. `CUDA`.
    pub backend: String,
    /// PCI bus id, where the backend tells: `0000:65:00.0`.
    #[serde(default)]
    pub id: Option<String>,
    /// Free memory in bytes.
    pub free: u64,
    /// All memory in bytes.
    pub total: u64,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// The host's processor.
    Cpu,
    /// A card with memory of its own.
    Gpu,
    /// A GPU that shares the host's memory.
    Igpu,
    /// A helper of the CPU, e.g. a BLAS library.
    Accel,
}

impl Description {
    /// Whether any device can take layers off the CPU.
    pub fn can_offload(&self) -> bool {
        self.devices.iter().any(|d| matches!(d.kind, DeviceKind::Gpu | DeviceKind::Igpu))
    }

    /// llama-bench's `cpu_info` or `gpu_info`: the makers' names of all such devices, joined.
    pub fn device_names(&self, kinds: &[DeviceKind]) -> String {
        let names: Vec<_> = self
            .devices
            .iter()
            .filter(|device| kinds.contains(&device.kind))
            .map(|device| device.description.as_str())
            .collect();
        names.join(", ")
    }
}
