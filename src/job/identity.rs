//! Identity of a job: a text of every axis and the work, which is hashed. What the first versions of lbench
//! wrote is written the same way for ever, so that jobs keep their ids and journals can be resumed.

use serde_json::Value as Json;

use super::JobId;
use crate::axis::{AXES, Axis, Value};
use crate::setup::{FlashAttention, Setup, Word as _};
use crate::units::short_hash;
use crate::work::{Speed, Work};

/// Axes that are always in the text, whatever they are at.
const ALWAYS: [&[&str]; 4] = [
    &["n_gpu_layers", "n_batch", "n_ubatch"],
    &["type_k", "type_v", "flash_attn"],
    &["split_mode", "main_gpu", "tensor_split", "devices", "rpc_servers"],
    &["n_threads", "n_depth", "reserve_ctx"],
];

/// Axes that are in it together, where one of them is not at its default, each with its name there.
const TOGETHER: [&[(&str, &str)]; 2] = [
    &[
        ("n_cpu_moe", "n_cpu_moe"),
        ("load_mode", "mode"),
        ("lazy_mode", "lazy"),
        ("tensor_buft_overrides", "overrides"),
        ("no_host", "no_host"),
        ("repack", "repack"),
        ("fit_target", "fit_target"),
        ("fit_min_ctx", "fit_ctx"),
    ],
    &[
        ("embeddings", "embeddings"),
        ("no_op_offload", "no_op_offload"),
        ("no_kv_offload", "no_kv_offload"),
        ("cpu_mask", "cpu_mask"),
        ("cpu_strict", "cpu_strict"),
        ("poll", "poll"),
        ("n_parallel", "n_parallel"),
        ("prompt_shared", "prompt_shared"),
    ],
];

/// The identity of a job.
pub(super) fn of(setup: &Setup, work: &Work) -> JobId {
    let (Setup::Llama(config), Work::Speed(speed)) = (setup, work);
    let value = |axis: &Axis| axis.get(setup, work);
    let model = &config.model;
    let mut groups = vec![list([quoted(&model.header_hash), model.file_size.0.to_string()])];
    groups
        .extend(ALWAYS.map(|names| list(axes(names).filter_map(value).map(|value| text(&value)))));
    groups.push(tokens(speed));
    let mut identity = list(groups);
    for names in TOGETHER {
        let values = || axes(names.iter().map(|(name, _)| name)).map(|axis| (axis, value(axis)));
        if values().any(|(axis, value)| value.is_some_and(|value| !axis.is_default(&value))) {
            let values = names.iter().zip(values());
            let pairs = values.filter_map(|((_, name), (_, value))| Some((*name, text(&value?))));
            identity.push_str(&object(pairs));
        }
    }
    if let Some(text) = &speed.text {
        identity.push_str(&text.hash);
    }
    JobId(short_hash(identity.as_bytes()))
}

/// The axes of these names.
fn axes<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> impl Iterator<Item = &'static Axis> {
    names.into_iter().filter_map(|name| AXES.iter().find(|axis| axis.name == *name))
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
