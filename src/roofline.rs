//! Roofline: what a device can do at best, and what share of it a row reaches. Formulas in `docs/roofline.md`.
//!
//! The ceilings are measured in a worker, through the engine; here is what follows from them, and the
//! file in which they are kept. Whatever is not known is `None`, and so is all that follows from it.

mod cache;
mod measure;

use serde::{Deserialize, Serialize};

pub use measure::{measure, wanted};

use crate::job::Job;
use crate::machine::Host;
use crate::machine::{Device, DeviceKind, Roof};
use crate::setup::Setup;
use crate::units::Rate;

/// A device as it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// ggml's name of it.
    pub device: String,
    /// Threads in use; `None` for what is not the CPU.
    pub threads: Option<u32>,
}

/// The ceilings of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Roofline {
    /// The device.
    pub target: Target,
    /// The ceilings.
    pub roof: Roof,
}

impl Target {
    /// The CPU with so many threads; `None` where the engine names none.
    pub fn cpu(host: &Host, threads: u32) -> Option<Self> {
        let cpu = host.engine.devices.iter().find(|device| device.kind == DeviceKind::Cpu)?;
        Some(Self { device: cpu.name.clone(), threads: Some(threads) })
    }

    /// Every device: the CPU with so many threads, and all that can take layers.
    pub fn all(host: &Host, threads: u32) -> Vec<Self> {
        let gpus = gpus(host).map(|device| Self { device: device.name.clone(), threads: None });
        Self::cpu(host, threads).into_iter().chain(gpus).collect()
    }

    /// The one device that does all of a job's work, with so many layers offloaded; `None` where several
    /// share it.
    pub fn of(job: &Job, offloaded_layers: u32, host: &Host) -> Option<Self> {
        let Setup::Llama(config) = &job.setup;
        let (loading, compute) = (&config.loading, &config.compute);
        if loading.places_tensors() || (compute.no_kv_offload && host.can_offload) {
            return None;
        }
        let mut gpus = gpus(host);
        match (offloaded_layers, gpus.next(), gpus.next()) {
            // The engine sends big batches to the GPU even where all layers stay on the CPU.
            (0, Some(_), _) if job.work.class() != "generation" && !compute.no_op_offload => None,
            (0, ..) => Self::cpu(host, config.n_threads),
            (layers, Some(gpu), None) if layers > config.model.n_layers => {
                Some(Self { device: gpu.name.clone(), threads: None })
            }
            _ => None,
        }
    }

    /// What the job is expected to run on, before its model is loaded.
    pub fn expected(job: &Job, host: &Host) -> Option<Self> {
        let Setup::Llama(config) = &job.setup;
        Self::of(job, config.effective_gpu_layers(host.can_offload), host)
    }
}

fn gpus(host: &Host) -> impl Iterator<Item = &Device> {
    let devices = host.engine.devices.iter();
    devices.filter(|device| matches!(device.kind, DeviceKind::Gpu | DeviceKind::Igpu))
}

/// Bytes read from memory to generate one token of `job`, at the middle of its generation: the weights,
/// and what earlier tokens left in the cache. `None` for any other work.
pub fn bytes_per_token(job: &Job) -> Option<f64> {
    let (Setup::Llama(config), speed) = (&job.setup, job.work.speed()?);
    if speed.n_prompt > 0 || speed.n_gen == 0 {
        return None;
    }
    let cost = config.model.token_cost?;
    let attention = cost.attention?;
    let seen = seen(speed.n_depth, speed.n_gen, attention.window)?;
    let per_seen = float(attention.k) * config.type_k.element_bytes()
        + float(attention.v) * config.type_v.element_bytes();
    Some(float(cost.weight_bytes.0) + seen * per_seen)
}

/// Floating point operations for one token of a prompt, on the average of all its tokens. `None` for any
/// other work, and for several sequences.
pub fn flop_per_token(job: &Job) -> Option<f64> {
    let (Setup::Llama(config), speed) = (&job.setup, job.work.speed()?);
    let (n_prompt, 0, 1) = (speed.n_prompt, speed.n_gen, speed.n_parallel) else { return None };
    let cost = config.model.token_cost?;
    let attention = cost.attention?;
    let seen = seen(speed.n_depth, n_prompt, attention.window)?;
    // Logits are wanted of the last token of each batch only.
    let outputs = f64::from(n_prompt.div_ceil(config.n_batch.max(1))) / f64::from(n_prompt);
    let weights = float(cost.body_params) + outputs * float(cost.output_params);
    Some(2.0 * weights + 2.0 * seen * float(attention.q + attention.out))
}

/// Tokens that a token looks back at, itself included, in the mean over `n` tokens from the depth on.
/// `None` where some block looks back at fewer.
fn seen(depth: u32, n: u32, window: Option<u64>) -> Option<f64> {
    let last = u64::from(depth) + u64::from(n);
    let fits = window.is_none_or(|window| last <= window);
    fits.then(|| f64::from(depth) + f64::midpoint(f64::from(n), 1.0))
}

/// Share of the memory bandwidth that a speed comes to.
pub fn bandwidth_share(job: &Job, rate: Rate, roof: Roof) -> Option<f64> {
    share(bytes_per_token(job)?, rate, roof.bandwidth?)
}

/// Share of the matrix rate that a speed comes to.
pub fn compute_share(job: &Job, rate: Rate, roof: Roof) -> Option<f64> {
    share(flop_per_token(job)?, rate, roof.compute?)
}

fn share(per_token: f64, rate: Rate, ceiling: f64) -> Option<f64> {
    Some(per_token * rate.0 / ceiling).filter(|share| share.is_finite())
}

#[allow(clippy::cast_precision_loss)] // sizes below 2^53
fn float(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
