//! Identity of a job: a text of every axis and the work, which is hashed. It is put together by hand, because
//! text cannot fail: what could not be written would have the identity of something else. What the first versions of lbench
//! wrote is written the same way for ever, so that jobs keep their ids and journals can be resumed.

use std::sync::LazyLock;

use serde_json::Value as Json;

use super::JobId;
use crate::axis::{self, AXES, Axis, Value};
use crate::setup::{FlashAttention, Setup, Word as _};
use crate::units::short_hash;
use crate::work::{Speed, Work};

/// Axes that are always in the text, whatever they are at.
const ALWAYS: [&[&Axis]; 4] = [
    &named(["n_gpu_layers", "n_batch", "n_ubatch"]),
    &named(["type_k", "type_v", "flash_attn"]),
    &named(["split_mode", "main_gpu", "tensor_split", "devices", "rpc_servers"]),
    &named(["n_threads", "n_depth", "reserve_ctx"]),
];

/// Axes that are in it together, where one of them is not at its default, each with its name there.
const TOGETHER: [&[(&str, &Axis)]; 2] = [
    &[
        ("n_cpu_moe", axis::named("n_cpu_moe")),
        ("mode", axis::named("load_mode")),
        ("lazy", axis::named("lazy_mode")),
        ("overrides", axis::named("tensor_buft_overrides")),
        ("no_host", axis::named("no_host")),
        ("repack", axis::named("repack")),
        ("fit_target", axis::named("fit_target")),
        ("fit_ctx", axis::named("fit_min_ctx")),
    ],
    &[
        ("embeddings", axis::named("embeddings")),
        ("no_op_offload", axis::named("no_op_offload")),
        ("no_kv_offload", axis::named("no_kv_offload")),
        ("cpu_mask", axis::named("cpu_mask")),
        ("cpu_strict", axis::named("cpu_strict")),
        ("poll", axis::named("poll")),
        ("n_parallel", axis::named("n_parallel")),
        ("prompt_shared", axis::named("prompt_shared")),
    ],
];

/// Axes that came later: each is in it by its name, where it is not at its default.
static LATER: LazyLock<Vec<&Axis>> = LazyLock::new(|| {
    let always = ALWAYS.into_iter().flatten().copied();
    let together = TOGETHER.into_iter().flatten().map(|(_, axis)| *axis);
    let first: Vec<_> = always.chain(together).map(|axis| axis.name).collect();
    AXES.iter().filter(|axis| !first.contains(&axis.name)).collect()
});

const fn named<const N: usize>(names: [&str; N]) -> [&'static Axis; N] {
    let mut all = [&AXES[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = axis::named(names[at]);
        at += 1;
    }
    all
}

/// The identity of a job.
pub(super) fn of(setup: &Setup, work: &Work) -> JobId {
    let Setup::Llama(config) = setup;
    let value = |axis: &Axis| axis.get(setup, work);
    let is_set = |axis: &Axis| value(axis).is_some_and(|now| axis.fixed_default() != Some(now));
    let pair = |&(name, axis): &(_, &Axis)| Some((name, text(&value(axis)?)));
    let model = &config.model;
    let mut groups = vec![list([quoted(&model.header_hash), model.file_size.0.to_string()])];
    groups.extend(ALWAYS.map(|axes| {
        let values = axes.iter().filter_map(|axis| value(axis));
        list(values.map(|value| text(&value)))
    }));
    // A kind that came later is in the text as it is written down.
    let written = || Json::to_string(&serde_json::to_value(work).unwrap_or_default());
    groups.push(work.speed().map_or_else(written, tokens));
    let mut identity = list(groups);
    for axes in TOGETHER {
        if axes.iter().any(|(_, axis)| is_set(axis)) {
            identity.push_str(&object(axes.iter().filter_map(pair)));
        }
    }
    if let Some(text) = work.speed().and_then(|speed| speed.text.as_ref()) {
        identity.push_str(&text.hash);
    }
    for axis in LATER.iter().filter(|axis| is_set(axis)) {
        identity.push_str(&object(pair(&(axis.name, *axis))));
    }
    JobId(short_hash(identity.as_bytes()))
}

/// The tokens of a test, in the words for three kinds of work that there were at first.
fn tokens(speed: &Speed) -> String {
    let prompt = ("n_prompt", speed.n_prompt.to_string());
    let generation = ("n_gen", speed.n_gen.to_string());
    let (kind, counts) = match (speed.n_prompt, speed.n_gen) {
        (_, 0) => ("prompt", vec![prompt]),
        (0, _) => ("generate", vec![generation]),
        _ => ("prompt_generate", vec![prompt, generation]),
    };
    object([(kind, object(counts))])
}

/// A value in the words of the text, which are not those that are shown.
fn text(value: &Value) -> String {
    let names = |names: &[String]| list(names.iter().map(|name| quoted(name)));
    match value {
        Value::Int(value) => value.to_string(),
        Value::Switch(on) => on.to_string(),
        Value::Cache(kind) => quoted(kind.name()),
        Value::Flash(FlashAttention::Auto) => quoted("auto"),
        Value::Flash(FlashAttention::Off) => quoted("off"),
        Value::Flash(FlashAttention::On) => quoted("on"),
        Value::Split(mode) => quoted(mode.name()),
        Value::Load(mode) => quoted(&mode.name().replace('+', "_")),
        Value::Lazy(mode) => quoted(mode.name()),
        Value::Mask(mask) => quoted(mask),
        Value::Overrides(all) => list(all.iter().map(|one| {
            object([("pattern", quoted(&one.pattern)), ("buffer", quoted(&one.buffer))])
        })),
        Value::Shares(shares) => list(shares.iter().map(u32::to_string)),
        Value::Devices(all) | Value::Servers(all) => names(all),
    }
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

fn list(entries: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", entries.into_iter().collect::<Vec<_>>().join(","))
}

fn object<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs = pairs.into_iter().map(|(name, value)| format!("{}:{value}", quoted(name)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}
