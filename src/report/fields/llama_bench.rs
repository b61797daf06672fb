//! llama-bench's fields.

use serde_json::Value;

use super::{Field, Shape, error, model, value, values, whole};
use crate::machine::DeviceKind;
use crate::units::rfc3339;
use crate::work::speed;

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
    Field::text("model_type", "Family, size class and file type, in the engine's words", |row| {
        row.job.setup.model().map(|_| row.description).into()
    }),
    Field::int("model_size", "bytes", "Size of all tensors", |row| {
        model(row, |model| model.tensor_bytes.0.into())
    }),
    Field::int("model_n_params", "", "Elements of all tensors", |row| {
        model(row, |model| model.n_params.0.into())
    }),
    Field::axis("n_batch"),
    Field::axis("n_ubatch"),
    Field::axis("n_threads"),
    Field::axis("cpu_mask"),
    Field::axis("cpu_strict"),
    Field::axis("poll"),
    Field::axis("type_k"),
    Field::axis("type_v"),
    Field::axis("n_gpu_layers"),
    Field::axis("n_cpu_moe"),
    Field::axis("split_mode"),
    Field::axis("main_gpu"),
    Field::axis("no_kv_offload"),
    Field::axis("flash_attn"),
    Field::axis("devices"),
    Field::axis("tensor_split"),
    Field::axis("tensor_buft_overrides"),
    Field::axis("load_mode"),
    Field::axis("lazy_mode"),
    Field::axis("embeddings"),
    Field::axis("no_op_offload"),
    Field::axis("no_host"),
    Field::axis("repack"),
    Field::axis("fit_target"),
    Field::axis("fit_min_ctx"),
    Field::int("n_prompt", "tokens", "Tokens of the prompt", |row| {
        row.job.work.speed().map(|speed| speed.n_prompt).into()
    }),
    Field::int("n_gen", "tokens", "Tokens generated", |row| {
        row.job.work.speed().map(|speed| speed.n_gen).into()
    }),
    Field::axis("n_depth"),
    Field::text("test_time", "When it started, in UTC", |row| {
        row.measured.started.map(rfc3339).into()
    }),
    Field::int("avg_ns", "ns", "Mean time of a repetition", |row| whole(value(row, &speed::TIME))),
    Field::int("stddev_ns", "ns", "Its standard deviation", |row| whole(error(row, &speed::TIME))),
    Field::speed("avg_ts", "Mean speed over the repetitions", |row| {
        value(row, &speed::RATE).into()
    }),
    Field::speed("stddev_ts", "Its standard deviation", |row| error(row, &speed::RATE).into()),
    Field::list("samples_ns", &Shape::Int, "ns", "Time of each repetition", |row| {
        row.summary.samples_ns.iter().map(|ns| ns.0).collect::<Value>()
    }),
    Field::list("samples_ts", &Shape::Float, "tokens/s", "Speed of each repetition", |row| {
        values(row, &speed::RATE).iter().copied().collect::<Value>()
    }),
];
