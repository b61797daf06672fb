//! Rows that are the very same thing to llama.cpp, so that one measurement serves them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Planned, SameAs};
use crate::job::{Job, JobId};
use crate::machine::Host;
use crate::setup::{Compute, Config, SplitMode};
use crate::work::Work;

/// llama.cpp rounds a context up to a multiple of this many tokens.
pub(super) const CONTEXT_GRAIN: u32 = 256;

/// The earlier row that measures the very same thing, if there is one; otherwise remembers this one.
pub(super) fn same_as(
    job: &Job,
    jobs: &[Planned],
    measured: &mut HashMap<JobId, usize>,
    host: &Host,
) -> Option<SameAs> {
    let effective = effective(job, host);
    match measured.entry(as_timed(&effective).id) {
        Entry::Vacant(slot) => {
            slot.insert(jobs.len());
            None
        }
        Entry::Occupied(slot) => {
            let index = *slot.get();
            let earlier = &jobs[index].job;
            let own_memory = job.config.same_load(&earlier.config)
                && (effective.config.n_batch, effective.config.n_ubatch) != batches(earlier);
            Some(SameAs { index, reason: reason(job, earlier, host), own_memory })
        }
    }
}

/// Logical and physical batch as llama.cpp will see them.
fn batches(job: &Job) -> (u32, u32) {
    let n_batch = job.config.n_batch.min(job.extent().n_ctx.next_multiple_of(CONTEXT_GRAIN));
    (n_batch, job.config.n_ubatch.min(n_batch))
}

/// The job as far as its speed goes: a token at a time is a batch of one, whatever the batches may hold.
pub(super) fn as_timed(job: &Job) -> Job {
    let speed = job.work.speed();
    if speed.n_prompt > 0 {
        return job.clone();
    }
    let n_batch = speed.n_parallel;
    let config = Config { n_batch, n_ubatch: n_batch, ..job.config.clone() };
    Job::new(config, job.work.clone())
}

/// The job as llama.cpp will see it: what it clamps is clamped, so that equal work has equal ids.
pub(super) fn effective(job: &Job, host: &Host) -> Job {
    let can_offload = host.can_offload;
    let (mut config, mut work) = (job.config.clone(), job.work.clone());
    config.n_gpu_layers =
        i32::try_from(config.effective_gpu_layers(can_offload)).unwrap_or(i32::MAX);
    if !can_offload && config.rpc.is_empty() {
        // With no device to spread over, nothing is spread.
        config.split_mode = SplitMode::Layer;
        config.main_gpu = 0;
        config.tensor_split = Vec::new();
    }
    if config.loading.fits() {
        // Layers, shares and places are then the engine's choice.
        config.n_gpu_layers = -1;
        config.tensor_split = Vec::new();
        (config.loading.overrides, config.loading.n_cpu_moe) = (Vec::new(), 0);
    }
    let Work::Speed(speed) = &mut work;
    if speed.n_parallel == 1 || speed.n_prompt == 0 {
        speed.prompt_shared = false;
    }
    if ignores_polling(host) {
        config.compute.poll = Compute::default().poll;
    }
    (config.n_batch, config.n_ubatch) = batches(job);
    Job::new(config, work)
}

/// Why the two are the same thing, in one sentence.
pub(super) fn reason(job: &Job, earlier: &Job, host: &Host) -> String {
    // Remote devices take layers as well.
    let can_offload = host.can_offload || !job.config.rpc.is_empty();
    let mut reasons = Vec::new();
    if job.config.loading.fits() {
        reasons.push("fitting chooses layers, shares and places itself".to_string());
    } else if job.config.n_gpu_layers != earlier.config.n_gpu_layers {
        reasons.push(if can_offload {
            let all = job.config.model.n_layers + 1;
            format!("the model has {all} layers to offload, the output layer counted")
        } else {
            "no device here can take layers, so every -ngl runs on the CPU".to_string()
        });
    }
    if !job.config.same_devices(&earlier.config) && !job.config.loading.fits() {
        reasons.push("no device here can take layers, so there is nothing to spread".to_string());
    }
    let (own, other) = (&job.config.compute, &earlier.config.compute);
    if own.poll != other.poll {
        let text = "the CPU kernels use OpenMP, whose threads do not go by --poll";
        reasons.push(text.to_string());
    }
    if job.work.speed().prompt_shared != earlier.work.speed().prompt_shared {
        reasons.push("there is no prompt that several sequences could share".to_string());
    }
    if (job.config.n_batch, job.config.n_ubatch)
        != (earlier.config.n_batch, earlier.config.n_ubatch)
    {
        reasons.push(if batches(job) == batches(earlier) {
            let n_ctx = job.extent().n_ctx.next_multiple_of(CONTEXT_GRAIN);
            format!("a batch is never larger than the context ({n_ctx} here) or the logical batch")
        } else {
            "a generated token is a batch of one, whatever -b and -ub allow; its memory is its own"
                .to_string()
        });
    }
    if reasons.is_empty() {
        reasons.push("the same values were asked for twice".to_string());
    }
    reasons.join("; ")
}

/// Whether the CPU backend's threads are OpenMP's, which wait in their own way.
fn ignores_polling(host: &Host) -> bool {
    host.engine.cpu_features.iter().any(|feature| feature == "OPENMP")
}
