//! Values that come to the same thing: what llama.cpp makes of an axis where it does not take it as asked.

use super::Value;
use crate::machine::Host;
use crate::setup::{Compute, Config, Setup, SplitMode};
use crate::work::Work;

/// llama.cpp rounds a context up to a multiple of this many tokens.
pub const CONTEXT_GRAIN: u32 = 256;

/// A job as it stands, every axis before this one at what it comes to, and the machine.
type Place<'a> = (&'a Config, &'a Work, &'a Host);

/// Rule for an axis that is not always taken as asked.
#[derive(Debug, Clone, Copy)]
pub struct Collapse {
    value: fn(Place<'_>) -> Option<Value>,
    reason: fn(Place<'_>) -> String,
}

impl Collapse {
    /// What the axis comes to; `None` where it is taken as asked.
    pub fn value(&self, setup: &Setup, work: &Work, host: &Host) -> Option<Value> {
        let Setup::Llama(config) = setup;
        (self.value)((config, work, host))
    }

    /// Why two values come to the same, in a sentence about the job as it was asked for.
    pub fn reason(&self, setup: &Setup, work: &Work, host: &Host) -> String {
        let Setup::Llama(config) = setup;
        (self.reason)((config, work, host))
    }
}

/// Whether a device, here or behind a server, can take layers.
fn can_offload((config, _, host): Place<'_>) -> bool {
    host.can_offload || !config.rpc.is_empty()
}

/// The context that a job needs, as llama.cpp rounds it.
fn context((config, work, _): Place<'_>) -> u32 {
    work.extent().at_least(config.reserve_ctx).n_ctx.next_multiple_of(CONTEXT_GRAIN)
}

const FITTED: &str = "fitting chooses layers, shares and places itself";
const NOTHING_TO_SPREAD: &str = "no device here can take layers, so there is nothing to spread";

pub(super) const LAYERS: Collapse = Collapse {
    value: |(config, _, host)| {
        let layers = config.effective_gpu_layers(host.can_offload);
        Some(Value::Int(if config.loading.fits() { -1 } else { layers.into() }))
    },
    reason: |place @ (config, ..)| {
        if config.loading.fits() {
            FITTED.into()
        } else if can_offload(place) {
            let all = config.model.n_layers + 1;
            format!("the model has {all} layers to offload, the output layer counted")
        } else {
            "no device here can take layers, so every -ngl runs on the CPU".into()
        }
    },
};

/// What fitting replaces.
const fn fitted(value: fn(Place<'_>) -> Option<Value>) -> Collapse {
    Collapse { value, reason: |_| FITTED.into() }
}

pub(super) const EXPERTS: Collapse =
    fitted(|(config, ..)| config.loading.fits().then_some(Value::Int(0)));

pub(super) const PLACES: Collapse =
    fitted(|(config, ..)| config.loading.fits().then_some(Value::Overrides(Vec::new())));

/// What means nothing where no device can take layers.
const fn spread(value: fn(Place<'_>) -> Option<Value>) -> Collapse {
    Collapse { value, reason: |_| NOTHING_TO_SPREAD.into() }
}

pub(super) const SPLIT_MODE: Collapse =
    spread(|place| (!can_offload(place)).then_some(Value::Split(SplitMode::Layer)));

pub(super) const MAIN_GPU: Collapse =
    spread(|place| (!can_offload(place)).then_some(Value::Int(0)));

pub(super) const SHARES: Collapse = Collapse {
    value: |place @ (config, ..)| {
        let none = !can_offload(place) || config.loading.fits();
        none.then(|| Value::Shares(Vec::new()))
    },
    reason: |(config, ..)| {
        let why = if config.loading.fits() { FITTED } else { NOTHING_TO_SPREAD };
        why.into()
    },
};

/// What a batch is clamped to.
const fn clamped(value: fn(Place<'_>) -> Option<Value>) -> Collapse {
    Collapse {
        value,
        reason: |place| {
            let n_ctx = context(place);
            format!("a batch is never larger than the context ({n_ctx} here) or the logical batch")
        },
    }
}

pub(super) const BATCH: Collapse =
    clamped(|place @ (config, ..)| Some(Value::Int(config.n_batch.min(context(place)).into())));

pub(super) const UBATCH: Collapse =
    clamped(|(config, ..)| Some(Value::Int(config.n_ubatch.min(config.n_batch).into())));

pub(super) const POLL: Collapse = Collapse {
    value: |(_, _, host)| {
        // The threads of a CPU backend that uses OpenMP wait in their own way.
        let ignored = host.engine.cpu_features.iter().any(|feature| feature == "OPENMP");
        ignored.then(|| Value::Int(Compute::default().poll.into()))
    },
    reason: |_| "the CPU kernels use OpenMP, whose threads do not go by --poll".into(),
};

pub(super) const PROMPT_SHARED: Collapse = Collapse {
    value: |(_, work, _)| {
        let speed = work.speed()?;
        (speed.n_parallel == 1 || speed.n_prompt == 0).then_some(Value::Switch(false))
    },
    reason: |_| "there is no prompt that several sequences could share".into(),
};
