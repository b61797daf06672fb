//! Rows that are the very same thing to llama.cpp, so that one measurement serves them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Planned, SameAs};
use crate::job::{Job, JobId};
use crate::machine::Host;
use crate::setup::{Compute, Config, Setup, SplitMode};
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
    match measured.entry(effective.id) {
        Entry::Vacant(slot) => {
            slot.insert(jobs.len());
            None
        }
        Entry::Occupied(slot) => {
            let index = *slot.get();
            Some(SameAs { index, reason: reason(job, &jobs[index].job, host) })
        }
    }
}

/// The job as llama.cpp will see it: what it clamps is clamped, so that equal work has equal ids.
pub(super) fn effective(job: &Job, host: &Host) -> Job {
    let can_offload = host.can_offload;
    let (Setup::Llama(config), mut work) = (&job.setup, job.work.clone());
    let mut config = Config::clone(config);
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
    config.n_batch = config.n_batch.min(job.extent().n_ctx.next_multiple_of(CONTEXT_GRAIN));
    config.n_ubatch = config.n_ubatch.min(config.n_batch);
    Job::new(config, work)
}

/// Why the two are the same thing, in one sentence.
pub(super) fn reason(job: &Job, earlier: &Job, host: &Host) -> String {
    let (Setup::Llama(config), Setup::Llama(other)) = (&job.setup, &earlier.setup);
    // Remote devices take layers as well.
    let can_offload = host.can_offload || !config.rpc.is_empty();
    let mut reasons = Vec::new();
    if config.loading.fits() {
        reasons.push("fitting chooses layers, shares and places itself".to_string());
    } else if config.n_gpu_layers != other.n_gpu_layers {
        reasons.push(if can_offload {
            let all = config.model.n_layers + 1;
            format!("the model has {all} layers to offload, the output layer counted")
        } else {
            "no device here can take layers, so every -ngl runs on the CPU".to_string()
        });
    }
    if !config.same_devices(other) && !config.loading.fits() {
        reasons.push("no device here can take layers, so there is nothing to spread".to_string());
    }
    if config.compute.poll != other.compute.poll {
        let text = "the CPU kernels use OpenMP, whose threads do not go by --poll";
        reasons.push(text.to_string());
    }
    if job.work.speed().prompt_shared != earlier.work.speed().prompt_shared {
        reasons.push("there is no prompt that several sequences could share".to_string());
    }
    if (config.n_batch, config.n_ubatch) != (other.n_batch, other.n_ubatch) {
        let n_ctx = job.extent().n_ctx.next_multiple_of(CONTEXT_GRAIN);
        reasons.push(format!(
            "a batch is never larger than the context ({n_ctx} here) or the logical batch"
        ));
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
