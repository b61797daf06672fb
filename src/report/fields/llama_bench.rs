//! llama-bench's fields.

use serde_json::Value;

use super::{Field, Row, Shape, config, model, whole};
use crate::axis::AXES;
use crate::machine::DeviceKind;
use crate::setup::Word as _;
use crate::units::rfc3339;

pub(super) static FIELDS: [Field; 44] = [
    Field::text("build_commit", "The engine's version", |row| {
        row.facts.host.engine.build_commit.as_str().into()
    }),
    // What llama.cpp itself says where it was built outside its repository, as the bindings do.
    Field::int("build_number", "", "Always 0: the engine is built from a release", |_| 0.into()),
    Field::text("cpu_info", "The processor's name", |row| {
        let engine = &row.facts.host.engine;
        engine.device_names(&[DeviceKind::Cpu, DeviceKind::Accel]).into()
    }),
    Field::text("gpu_info", "The GPUs' names", |row| {
        let engine = &row.facts.host.engine;
        let own = engine.device_names(&[DeviceKind::Gpu, DeviceKind::Igpu]);
        // A device of an RPC server goes by its address.
        let remote = row.links().flat_map(|(endpoint, link)| {
            std::iter::repeat_n(
                endpoint.clone(),
                link.as_ref().map_or(0, |link| link.devices.len()),
            )
        });
        let own = Some(own).filter(|own| !own.is_empty());
        own.into_iter().chain(remote).collect::<Vec<_>>().join(", ").into()
    }),
    Field::text("backends", "Where it ran: the backends that hold weights", |row| {
        row.backends().into()
    }),
    Field::text("model_filename", "The model file, as given", |row| {
        model(row, |model| model.path.to_string_lossy().into())
    }),
    Field::text("model_type", "Family, size class and file type", |row| {
        model(row, |model| model.label.as_str().into())
    }),
    Field::int("model_size", "bytes", "Size of all tensors", |row| {
        model(row, |model| model.tensor_bytes.0.into())
    }),
    Field::int("model_n_params", "", "Elements of all tensors", |row| {
        model(row, |model| model.n_params.0.into())
    }),
    Field::int("n_batch", "tokens", "Logical batch", |row| config(row).n_batch.into()),
    Field::int("n_ubatch", "tokens", "Physical batch", |row| config(row).n_ubatch.into()),
    Field::int("n_threads", "threads", "CPU threads", |row| config(row).n_threads.into()),
    Field::text("cpu_mask", "CPUs that the threads may run on; all zero is any", |row| {
        config(row).compute.cpu_mask.as_str().into()
    }),
    Field::flag("cpu_strict", "Whether each thread is tied to one CPU", |row| {
        config(row).compute.cpu_strict.into()
    }),
    Field::int("poll", "", "How hard idle threads look for work, 0 to 100", |row| {
        config(row).compute.poll.into()
    }),
    Field::text("type_k", "Element type of the K cache", |row| config(row).type_k.name().into()),
    Field::text("type_v", "Element type of the V cache", |row| config(row).type_v.name().into()),
    Field::int("n_gpu_layers", "layers", "Layers to offload, as asked", |row| {
        config(row).n_gpu_layers.into()
    }),
    Field::int("n_cpu_moe", "layers", "Layers whose experts stay on the CPU", |row| {
        config(row).loading.n_cpu_moe.into()
    }),
    Field::text("split_mode", "How a model is split over GPUs", |row| {
        config(row).split_mode.name().into()
    }),
    Field::int("main_gpu", "", "The GPU for what is not split", |row| config(row).main_gpu.into()),
    Field::flag("no_kv_offload", "Whether the KV cache stays on the CPU", |row| {
        config(row).compute.no_kv_offload.into()
    }),
    Field::int("flash_attn", "", "Flash attention, as asked: 1 on, 0 off, -1 auto", |row| {
        config(row).flash_attn.number().into()
    }),
    Field::text("devices", "Devices to use", |row| axis(row, "devices")),
    Field::text("tensor_split", "Shares of the GPUs; 0.00 leaves it to llama.cpp", |row| {
        axis(row, "tensor_split")
    }),
    Field::text("tensor_buft_overrides", "Tensors placed by hand", |row| {
        axis(row, "tensor_buft_overrides")
    }),
    Field::text("load_mode", "How the file is read", |row| config(row).loading.mode.name().into()),
    Field::text("lazy_mode", "Which tensors are read when they are needed", |row| {
        config(row).loading.lazy.name().into()
    }),
    Field::flag("embeddings", "Whether embeddings are computed", |row| {
        config(row).compute.embeddings.into()
    }),
    // A truth value with a number's type, as in llama-bench.
    Field::int("no_op_offload", "", "Whether host operations stay on the CPU", |row| {
        u8::from(config(row).compute.no_op_offload).into()
    }),
    Field::flag("no_host", "Whether host buffers are bypassed", |row| {
        config(row).loading.no_host.into()
    }),
    Field::flag("repack", "Whether weights are repacked for the CPU", |row| {
        config(row).loading.repack.into()
    }),
    Field::int("fit_target", "MiB", "Memory to leave free when fitting", |row| {
        config(row).loading.fit_target.into()
    }),
    Field::int("fit_min_ctx", "tokens", "Least context when fitting", |row| {
        config(row).loading.fit_ctx.into()
    }),
    Field::int("n_prompt", "tokens", "Tokens of the prompt", |row| {
        row.job.work.speed().n_prompt.into()
    }),
    Field::int("n_gen", "tokens", "Tokens generated", |row| row.job.work.speed().n_gen.into()),
    Field::int("n_depth", "tokens", "Tokens in the context beforehand", |row| {
        row.job.work.speed().n_depth.into()
    }),
    Field::text("test_time", "When it started, in UTC", |row| {
        row.measured.started.map(rfc3339).into()
    }),
    Field::int("avg_ns", "ns", "Mean time of a repetition", |row| {
        whole(row.summary.ns.map(|ns| ns.mean))
    }),
    Field::int("stddev_ns", "ns", "Its standard deviation", |row| {
        whole(row.summary.ns.and_then(|ns| ns.sd))
    }),
    Field::speed("avg_ts", "Mean speed over the repetitions", |row| {
        row.summary.rate.as_ref().map(|rate| rate.mean).into()
    }),
    Field::speed("stddev_ts", "Its standard deviation", |row| {
        row.summary.rate.as_ref().and_then(|rate| rate.sd).into()
    }),
    Field::list("samples_ns", &Shape::Int, "ns", "Time of each repetition", |row| {
        row.summary.samples_ns.iter().map(|ns| ns.0).collect::<Value>()
    }),
    Field::list("samples_ts", &Shape::Float, "tokens/s", "Speed of each repetition", |row| {
        row.summary.samples_rate.iter().copied().collect::<Value>()
    }),
];

/// The value of an axis, as llama-bench prints it.
fn axis(row: &Row<'_>, name: &str) -> Value {
    let axis = AXES.iter().find(|axis| axis.name == name);
    axis.and_then(|axis| row.job.value(axis)).map(|value| value.to_string()).into()
}
