//! Values that come to the same thing: what llama.cpp makes of an axis where it does not take it as asked.

use super::Value;
use crate::document::text::quoted;
use crate::machine::Host;
use crate::setup::{
    CacheType, Compute, Config, FlashAttention, ModelKind, Override, Setup, SplitMode,
};
use crate::units::counted;
use crate::work::Work;

/// llama.cpp rounds a context up to a multiple of this many tokens.
pub const CONTEXT_GRAIN: u32 = 256;

/// A job as it stands, every axis before this one at what it comes to, and the machine.
type JobSoFar<'a> = (&'a Config, &'a Work, &'a Host);

/// Rule for an axis that is not always taken as asked.
#[derive(Debug, Clone, Copy)]
pub struct Collapse {
    value: fn(JobSoFar<'_>) -> Option<Value>,
    reason: fn(JobSoFar<'_>) -> String,
    /// Whether it is the model that makes nothing of a value: a row says so that stands alone, too.
    by_model: bool,
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

    /// Why the model makes something else of the value as asked; `None` where it takes it.
    pub fn idle(&self, asked: &Value, setup: &Setup, work: &Work, host: &Host) -> Option<String> {
        let comes_to = self.value(setup, work, host).filter(|_| self.by_model)?;
        // A count that is cut at what there is does all that was asked.
        let is_cut = matches!(comes_to, Value::Int(1..));
        (!is_cut && comes_to != *asked).then(|| self.reason(setup, work, host))
    }
}

/// Whether a device, here or behind a server, can take layers.
fn can_offload((config, _, host): JobSoFar<'_>) -> bool {
    host.can_offload || !config.rpc.is_empty()
}

/// The context that a job needs, as llama.cpp rounds it.
fn context((config, work, _): JobSoFar<'_>) -> u32 {
    work.extent().at_least(config.reserve_ctx).n_ctx.next_multiple_of(CONTEXT_GRAIN)
}

/// A rule that goes by the machine, or by other axes.
const fn by_machine(
    value: fn(JobSoFar<'_>) -> Option<Value>,
    reason: fn(JobSoFar<'_>) -> String,
) -> Collapse {
    Collapse { value, reason, by_model: false }
}

/// A rule that goes by the model.
const fn by_model(
    value: fn(JobSoFar<'_>) -> Option<Value>,
    reason: fn(JobSoFar<'_>) -> String,
) -> Collapse {
    Collapse { value, reason, by_model: true }
}

const FITTED: &str = "fitting chooses layers, shares and places itself";
const NOTHING_TO_SPREAD: &str = "no device here can take layers, so there is nothing to spread";

pub(super) const LAYERS: Collapse = by_machine(
    |(config, _, host)| {
        let layers = config.effective_gpu_layers(host.can_offload);
        Some(Value::Int(if config.loading.fits() { -1 } else { layers.into() }))
    },
    |place @ (config, ..)| {
        if config.loading.fits() {
            FITTED.into()
        } else if can_offload(place) {
            let all = config.model.n_layers + 1;
            let layers = counted(all, "layer");
            format!("the model has {layers} to offload, the output layer counted")
        } else {
            "no device here can take layers, so every -ngl runs on the CPU".into()
        }
    },
);

pub(super) const EXPERTS: Collapse = by_model(
    |(config, ..)| {
        if config.loading.fits() {
            return Some(Value::Int(0));
        }
        let blocks = config.model.tensors.blocks_with_experts(config.loading.n_cpu_moe)?;
        Some(Value::Int(blocks.into()))
    },
    |(config, ..)| {
        let (tensors, asked) = (&config.model.tensors, config.loading.n_cpu_moe);
        let layers = counted(asked, "layer");
        match (tensors.blocks_with_experts(u32::MAX), tensors.blocks_with_experts(asked)) {
            _ if config.loading.fits() => FITTED.into(),
            (Some(0) | None, _) => {
                "-ncmoe matches no tensor of this model: it has no experts".into()
            }
            (_, Some(0) | None) => {
                format!("-ncmoe matches no tensor of this model: no experts in the first {layers}")
            }
            (_, Some(last)) => format!(
                "of the first {layers} of this model, those behind the first {last} have no experts"
            ),
        }
    },
);

pub(super) const PLACES: Collapse = by_model(
    |(config, _, host)| {
        if config.loading.fits() {
            return Some(Value::Overrides(Vec::new()));
        }
        let overrides = &config.loading.overrides;
        let placed = config.model.tensors.placed_by(overrides)?;
        // A buffer that is not there is an error of the engine's, whatever would go into it.
        let is_there = |one: &Override| {
            one.buffer == "CPU" || host.engine.devices.iter().any(|had| had.name == one.buffer)
        };
        let kept = overrides.iter().zip(placed).filter(|(one, placed)| *placed || !is_there(one));
        Some(Value::Overrides(kept.map(|(one, _)| one.clone()).collect()))
    },
    |(config, ..)| {
        if config.loading.fits() { FITTED.into() } else { placing_nothing(config) }
    },
);

/// Patterns that place no tensor.
fn placing_nothing(config: &Config) -> String {
    const MOST: usize = 3;
    let (tensors, overrides) = (&config.model.tensors, &config.loading.overrides);
    let placed = tensors.placed_by(overrides).unwrap_or_default();
    let idle: Vec<_> =
        overrides.iter().zip(placed).filter(|(_, placed)| !placed).map(|(one, _)| one).collect();
    let alone = |one: &&Override| tensors.placed_by(std::slice::from_ref(*one)) == Some(vec![true]);
    let left = if idle.iter().any(alone) { " that those before leave" } else { "" };
    let mut patterns: Vec<_> = idle.iter().map(|one| quoted(&one.pattern)).collect();
    let verb = if patterns.len() == 1 { "matches" } else { "match" };
    let more = patterns.len().saturating_sub(MOST);
    patterns.truncate(MOST);
    if more > 0 {
        patterns.push(format!("{more} more"));
    }
    format!("-ot {} {verb} no tensor of this model{left}", patterns.join(", "))
}

const NO_CACHE: &str = "this model keeps no cache of keys and values";

pub(super) const TYPE_K: Collapse = by_model(
    |(config, ..)| config.model.cacheless.then_some(Value::Cache(CacheType::F16)),
    |_| NO_CACHE.into(),
);

pub(super) const TYPE_V: Collapse = by_model(
    |(config, ..)| {
        // The engine looks at it all the same: quantized, it wants flash attention.
        let is_refused = config.flash_attn == FlashAttention::Off
            && config.type_v.element_bytes() < CacheType::F16.element_bytes();
        let idle = config.model.cacheless && !is_refused;
        idle.then_some(Value::Cache(CacheType::F16))
    },
    |_| NO_CACHE.into(),
);

pub(super) const FLASH_ATTENTION: Collapse = by_model(
    |(config, ..)| {
        let none = config.model.kind == ModelKind::Recurrent;
        none.then_some(Value::Flash(FlashAttention::Auto))
    },
    |_| "this model has no attention".into(),
);

/// What means nothing where no device can take layers.
const fn spread(value: fn(JobSoFar<'_>) -> Option<Value>) -> Collapse {
    by_machine(value, |_| NOTHING_TO_SPREAD.into())
}

pub(super) const SPLIT_MODE: Collapse =
    spread(|place| (!can_offload(place)).then_some(Value::Split(SplitMode::Layer)));

pub(super) const MAIN_GPU: Collapse =
    spread(|place| (!can_offload(place)).then_some(Value::Int(0)));

pub(super) const SHARES: Collapse = by_machine(
    |place @ (config, ..)| {
        let none = !can_offload(place) || config.loading.fits();
        none.then(|| Value::Shares(Vec::new()))
    },
    |(config, ..)| {
        let why = if config.loading.fits() { FITTED } else { NOTHING_TO_SPREAD };
        why.into()
    },
);

/// What a batch is clamped to.
const fn clamped(value: fn(JobSoFar<'_>) -> Option<Value>) -> Collapse {
    by_machine(value, |place| {
        let n_ctx = context(place);
        format!("a batch is never larger than the context ({n_ctx} here) or the logical batch")
    })
}

pub(super) const BATCH: Collapse = clamped(|place @ (config, ..)| {
    // The engine clamps what goes in piece by piece.
    let whole = config.model.kind.is_mute();
    (!whole).then(|| Value::Int(config.n_batch.min(context(place)).into()))
});

pub(super) const UBATCH: Collapse =
    clamped(|(config, ..)| Some(Value::Int(config.n_ubatch.min(config.n_batch).into())));

pub(super) const POLL: Collapse = by_machine(
    |(_, _, host)| {
        // The threads of a CPU backend that uses OpenMP wait in their own way.
        let ignored = host.engine.cpu_features.iter().any(|feature| feature == "OPENMP");
        ignored.then(|| Value::Int(Compute::default().poll.into()))
    },
    |_| "the CPU kernels use OpenMP, whose threads do not go by --poll".into(),
);

pub(super) const PROMPT_SHARED: Collapse = by_machine(
    |(_, work, _)| {
        let speed = work.speed()?;
        (speed.n_parallel == 1 || speed.n_prompt == 0).then_some(Value::Switch(false))
    },
    |_| "there is no prompt that several sequences could share".into(),
);
