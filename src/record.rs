//! The vocabulary of what happened: samples, readings, outcomes, warnings, and the records they travel
//! in. Serde and documentation, next to no behaviour. Live display, disk and replay all speak it.

mod again;
mod peaks;
mod settled;
mod warning;

use serde::{Deserialize, Serialize};

pub use peaks::Peak;
pub use settled::rows as settled_rows;
pub use warning::{Warning, WarningKind};

use crate::job::JobId;
use crate::stats::stopping::StopReason;
use crate::units::{Bytes, Nanos};
use crate::work::Sample;

/// Where a job was when something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Starting the worker and its backends.
    Start,
    /// Loading the model.
    Load,
    /// Creating the context.
    Context,
    /// Warming up.
    Warmup,
    /// Filling the context to its depth.
    Depth,
    /// Processing the prompt.
    Prompt,
    /// Generating.
    Generate,
    /// Foretelling a text.
    Score,
    /// Looking whether what is computed is still what the file says.
    Canary,
    /// Between jobs.
    Idle,
    /// Measuring the anchor again, to see whether the machine has changed.
    Anchor,
}

/// What the engine said about a loaded model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Time of the load, from the call to its return.
    pub load_ns: Nanos,
    /// llama.cpp's own description, e.g. `llama 3B Q6_K`.
    pub description: String,
    /// Bytes of all tensors, as llama.cpp counts them.
    pub tensor_bytes: Bytes,
    /// Parameters, as llama.cpp counts them.
    pub n_params: u64,
    /// Layers that went to a device.
    pub offloaded_layers: u32,
    /// Backends that hold weights, joined with `,`: `CPU`, `CUDA`, `CUDA,RPC`.
    pub backends: String,
    /// What was chosen where the model was fitted into free memory.
    #[serde(default)]
    pub fit: Option<Fit>,
}

/// A model's places, chosen by the engine so that it fits into the devices' free memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    /// Whether places were found with which it fits.
    pub found: bool,
    /// Layers to offload; negative means all.
    pub n_gpu_layers: i32,
    /// Shares of the devices, in hundredths; empty is left to the engine.
    pub tensor_split: Vec<u32>,
    /// Patterns of tensors that go elsewhere than their layers.
    pub overrides: Vec<String>,
}

/// Memory of one device, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceMemory {
    /// ggml's name of the device, e.g. `CUDA0`.
    pub device: String,
    /// How much less was free at the end of the job than before the model was loaded.
    pub used: Bytes,
    /// The same once the model was loaded.
    #[serde(default)]
    pub after_load: Option<Bytes>,
    /// The same once the context was there.
    #[serde(default)]
    pub after_context: Option<Bytes>,
    /// Size of the device's memory.
    pub total: Bytes,
}

/// What the engine takes of one device, by what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemorySplit {
    /// ggml's name of the device; `host` for the machine's own memory.
    pub device: String,
    /// Weights.
    pub weights: Bytes,
    /// What the context keeps of its tokens.
    pub context: Bytes,
    /// Room for the computation.
    pub compute: Bytes,
}

impl MemorySplit {
    /// All of it.
    pub fn total(&self) -> Bytes {
        let parts = [self.weights.0, self.context.0, self.compute.0];
        Bytes(parts.into_iter().fold(0, u64::saturating_add))
    }
}

/// Comparison of what a row computes with what the same file gives on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Mean Kullback-Leibler divergence, in nats a token; `None` where what is computed is no number.
    pub kld: Option<f64>,
    /// Share of places with the same likeliest token.
    pub same_top: f64,
}

/// Health of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// What differs is rounding.
    Well,
    /// More differs than rounding explains.
    Suspect,
    /// Another model, or none.
    Broken,
}

impl Canary {
    /// Divergence from which it is suspect: that of a quantization which people would see, and a multiple of what other
    /// kernels for the same weights come to.
    pub const SUSPECT: f64 = 0.01;
    /// Divergence from which what is computed is another model.
    pub const BROKEN: f64 = 0.1;

    /// How it is.
    pub fn health(&self) -> Health {
        match self.kld {
            Some(kld) if kld < Self::SUSPECT => Health::Well,
            Some(kld) if kld < Self::BROKEN => Health::Suspect,
            _ => Health::Broken,
        }
    }

    /// What it says, in words.
    pub fn in_words(&self) -> String {
        match self.kld {
            Some(kld) => format!(
                "a divergence of {kld:.3} nats a token from what the same file gives on the CPU, with {:.0} % of the \
                 likeliest tokens the same",
                self.same_top * 100.0
            ),
            None => "no numbers (NaN) where the same file gives some on the CPU".into(),
        }
    }
}

/// Where a figure of a device's memory comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryMethod {
    /// The driver, for the worker's process alone.
    Process,
    /// The driver, for the whole device, from before the worker started: others count in it.
    DeviceDelta,
    /// The engine, which asks the device what is free.
    #[default]
    Engine,
}

/// What the driver said about one device while a job ran. Times are those of the measured runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceTelemetry {
    /// ggml's name of the device.
    pub device: String,
    /// Most memory that was taken at any time of the row, load included.
    pub peak: Option<Bytes>,
    /// Memory that others had taken before.
    pub baseline: Option<Bytes>,
    /// Where these two come from.
    pub method: MemoryMethod,
    /// Looks at the device.
    pub looks: u32,
    /// Energy of the measured runs, in joules, by the device's counter; `None` for less than a second.
    pub energy_j: Option<f64>,
    /// How long they took, in seconds.
    pub seconds: f64,
    /// Mean power, in watts: by the counter, or else the mean of what was sampled.
    pub power_w: Option<f64>,
    /// Clock of the processors, in MHz: least, mean, greatest.
    pub sm_mhz: Option<[f64; 3]>,
    /// Clock of the memory, in MHz, the mean.
    pub memory_mhz: Option<f64>,
    /// Greatest temperature, in degrees Celsius.
    pub celsius: Option<u32>,
    /// Share of the time in which it computed anything.
    pub utilisation: Option<f64>,
    /// Why clocks were lower than they could be, by the driver's names.
    pub throttle_reasons: Vec<String>,
    /// For how long heat or power held it back, in nanoseconds, by the driver's counters.
    pub throttled_ns: Option<u64>,
    /// Whether the row's speed is that of a device that was held back by more than its usual limits.
    pub throttled: bool,
}

/// Bytes between this machine and an RPC server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteTraffic {
    /// The server: `host:port`.
    pub endpoint: String,
    /// To it.
    pub up: Bytes,
    /// From it.
    pub down: Bytes,
}

/// What was read beside the clock while a job ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Peak resident memory of the worker during this job. `None` where the system does not tell.
    pub peak_rss: Option<Bytes>,
    /// Memory taken on each offload device; empty on a CPU build.
    pub devices: Vec<DeviceMemory>,
    /// What the engine says it takes, by what it is for.
    #[serde(default)]
    pub split: Vec<MemorySplit>,
    /// What was predicted before anything was loaded.
    #[serde(default)]
    pub predicted: Vec<MemorySplit>,
    /// What went to and from RPC servers during the measured runs.
    #[serde(default)]
    pub traffic: Vec<RemoteTraffic>,
    /// What the driver said meanwhile.
    #[serde(default)]
    pub telemetry: Vec<DeviceTelemetry>,
    /// Size of the context, in tokens, as the engine allocated it.
    pub n_ctx: Option<u32>,
    /// Whether flash attention was in use, where the engine says so.
    pub flash_attn: Option<bool>,
    /// Whether the warm-up reached a steady state within its bounds. `None` without a warm-up.
    pub steady: Option<bool>,
    /// Whether it computes what the file says; `None` where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Why there are no more samples than there are. `None` where the job did not come to its end.
    pub stop: Option<StopReason>,
}

/// How a job ended. Every started job has exactly one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// Measured.
    Completed,
    /// The engine said no and the worker lived on.
    Failed {
        /// Where it was.
        phase: Phase,
        /// The reason, in words.
        cause: String,
        /// What kind of reason that is.
        #[serde(default)]
        trouble: Trouble,
        /// Last lines of the engine's log.
        log: Vec<String>,
    },
    /// The worker died.
    Crashed {
        /// Where it was.
        phase: Phase,
        /// What ended it, in words: `SIGABRT`, `exit code 3`, `broke the protocol`.
        how: String,
        /// The signal's number, where a signal ended it.
        signal: Option<i32>,
        /// What kind of trouble that was.
        #[serde(default)]
        trouble: Trouble,
        /// What to try, where the way it died is a known one.
        hint: Option<String>,
        /// Last lines of its log.
        log: Vec<String>,
    },
    /// It took longer than allowed, and was ended.
    TimedOut {
        /// Where it was.
        phase: Phase,
        /// The limit that it passed.
        limit: Nanos,
    },
    /// It was not tried: it would have failed.
    Skipped {
        /// Why, in words.
        reason: String,
    },
    /// The user ended the run.
    Interrupted,
}

impl Outcome {
    /// The outcome in a few words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Completed => "completed".into(),
            Self::Failed { cause, .. } => cause.clone(),
            Self::Crashed { how, .. } => how.clone(),
            Self::TimedOut { limit, .. } => format!("not within {limit}"),
            Self::Skipped { reason } => reason.clone(),
            Self::Interrupted => "interrupted".into(),
        }
    }

    /// Whether another try may end otherwise: a time limit, a kill or a peer that was away may not be
    /// there the next time; a setting that the engine refuses is refused again.
    pub fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Completed => false,
            Self::Interrupted | Self::TimedOut { .. } | Self::Skipped { .. } => true,
            Self::Failed { trouble, .. } => *trouble == Trouble::Remote,
            Self::Crashed { trouble, .. } => {
                !matches!(trouble, Trouble::DeviceMemory | Trouble::Instruction)
            }
        }
    }
}

/// Kinds of trouble that are known by their looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// A device has no room.
    DeviceMemory,
    /// The host has no room.
    HostMemory,
    /// A quantized V cache without flash attention.
    CacheType,
    /// A model of an architecture that the engine does not know.
    Architecture,
    /// The model file is damaged or no model.
    File,
    /// An instruction that this CPU does not have.
    Instruction,
    /// The system gives no further thread.
    Threads,
    /// A remote device that cannot be reached, or is gone.
    Remote,
    /// Anything else.
    #[default]
    Other,
}

/// A look at the anchor behind some rows: the first row of a run or of a load, measured again. Journals of
/// schema 1 have them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The row that is measured again and again.
    pub anchor: JobId,
    /// How often the rows in between were measured again, because the anchor had drifted.
    pub rounds: u32,
    /// By how much its speed is another one now, as a share (-0.05 is 5 % slower); `None` where that is
    /// no drift.
    pub drift: Option<f64>,
}

/// One thing that happened, in the order it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A visit to a job began: from here to its ending it is measured in one process.
    Started {
        /// Which.
        job: JobId,
        /// When, in seconds since 1970.
        unix_time: u64,
        /// The round that it belongs to, from 1; 0 where there are none.
        #[serde(default)]
        round: u32,
        /// Which of several equal jobs it is, from 0.
        #[serde(default)]
        nth: usize,
    },
    /// A job moved to another phase. For the progress display; never kept.
    Phase {
        /// Which.
        job: JobId,
        /// Where it is now.
        phase: Phase,
    },
    /// The job's model is loaded (once for each load; later jobs on it get the same facts).
    Loaded {
        /// Which.
        job: JobId,
        /// What the engine said.
        facts: Loaded,
    },
    /// A timing.
    Sampled {
        /// Which.
        job: JobId,
        /// The timing.
        sample: Sample,
    },
    /// Something to tell the reader; about the whole run where no job is named.
    Warned {
        /// Which.
        job: Option<JobId>,
        /// What.
        warning: Warning,
    },
    /// A job ended.
    Finished {
        /// Which.
        job: JobId,
        /// How.
        outcome: Outcome,
        /// What was read beside the clock.
        reading: Reading,
    },
    /// Rows are as they will stay: they will not be measured again.
    Settled {
        /// Which.
        jobs: Vec<JobId>,
        /// Which of several equal jobs each of them is, from 0; empty where each is the first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        nth: Vec<usize>,
        /// The look at the anchor behind them, in journals of schema 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        check: Option<Check>,
    },
}
