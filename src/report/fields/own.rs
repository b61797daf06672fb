//! The fields that llama-bench does not have.

use serde_json::{Value, json};

use super::nested::{link, visits};
use super::{Field, Shape, error, model, shape, value, whole};
use crate::job::Job;
use crate::machine::{DeviceKind, Roof};
use crate::report::{Against, Row};
use crate::roofline;
use crate::setup::{Numa, Word as _};
use crate::stats::interval::Interval;
use crate::stats::spread::Spread;
use crate::stats::stopping::Rule;
use crate::stats::verdict::Comparison;
use crate::units::Rate;
use crate::work::{Metric, Text, speed};

pub(super) static FIELDS: [Field; 126] = [
    Field::int("schema_version", "", "Version of the schema that the row follows", |_| {
        shape::VERSION.into()
    }),
    Field::text(
        "outcome",
        "completed, failed, crashed, timed_out, skipped or interrupted",
        |row| row.outcome_name().into(),
    ),
    Field::text("phase", "Where it was when it went wrong", |row| json!(row.phase())),
    Field::text("cause", "Why it went wrong", |row| row.cause().into()),
    Field::text("trouble", "What kind of reason that is, where it is a known one", |row| {
        json!(row.trouble())
    }),
    Field::int("signal", "", "The signal that ended the worker", |row| row.signal().into()),
    Field::text("hint", "What to try", |row| row.hint().into()),
    Field::list("log", &Shape::Text, "", "Last lines of the engine's log", |row| json!(row.log())),
    Field::text("same_as", "The job whose measurement this row shows", |row| {
        row.same.map(|same| same.job.id.0.as_str()).into()
    }),
    Field::text("same_as_reason", "Why the two are the same thing", |row| {
        row.same.map(|same| same.reason).into()
    }),
    Field::list("warnings", &Shape::Text, "", "What a reader must know", |row| {
        row.warnings().map(|(_, text)| text).collect::<Value>()
    }),
    Field::list(
        "warning_kinds",
        &Shape::Text,
        "",
        "Kinds of the warnings, in their order",
        |row| row.warnings().map(|(kind, _)| kind.name()).collect::<Value>(),
    ),
    Field::text("job_id", "Identity: equal jobs on equal model files have equal ids", |row| {
        row.job.id.0.as_str().into()
    }),
    Field::text("test", "The test's name", |row| row.job.work.test_name().into()),
    Field::text("model_source", "Where a model of the hub is from, with its commit", |row| {
        model(row, |model| model.source.as_deref().into())
    }),
    Field::text("sweep", "The sweep of a preset that has several", |row| row.part_title().into()),
    Field::int("n_gpu_layers_effective", "layers", "Layers on a device", |row| {
        row.gpu_layers().into()
    }),
    Field::int("n_samples", "", "Repetitions measured", |row| row.summary.samples_ns.len().into()),
    Field::int("ttft_avg_ns", "ns", "Mean time to first token, model loaded", |row| {
        whole(value(row, &speed::FIRST_TOKEN))
    }),
    Field::int("ttft_stddev_ns", "ns", "Its standard deviation", |row| {
        whole(error(row, &speed::FIRST_TOKEN))
    }),
    Field::list(
        "ttft_samples_ns",
        &Shape::Int,
        "ns",
        "Time to first token of each repetition",
        |row| row.first_token_samples().collect::<Value>(),
    ),
    Field::int("cold_avg_ns", "ns", "Mean time from process start to first token", |row| {
        whole(value(row, &speed::COLD))
    }),
    Field::int("cold_stddev_ns", "ns", "Its standard deviation", |row| {
        whole(error(row, &speed::COLD))
    }),
    Field::list("cold_samples_ns", &Shape::Int, "ns", "Each cold start", |row| {
        row.cold_samples().collect::<Value>()
    }),
    Field::list(
        "token_ns",
        &Shape::Several(&Shape::Int),
        "ns",
        "Time of each token of each repetition",
        |row| row.token_samples().collect::<Value>(),
    ),
    Field::int("load_ns", "ns", "Time of loading the model", |row| {
        row.measured.loaded.as_ref().map(|loaded| loaded.load_ns.0).into()
    }),
    Field::axis("rpc_servers"),
    Field::float("rpc_up_per_token", "bytes", "Sent to RPC servers for each token", |row| {
        row.remote().map(|remote| remote.up).into()
    }),
    Field::float("rpc_down_per_token", "bytes", "Received from them for each token", |row| {
        row.remote().map(|remote| remote.down).into()
    }),
    Field::float("rpc_share", "share", "Least share of the time that the links take", |row| {
        row.remote().and_then(|remote| remote.share).into()
    }),
    Field::list(
        "rpc_traffic",
        &shape::TRAFFIC,
        "bytes",
        "To and from each server in the measured runs",
        |row| json!(row.measured.reading.traffic),
    ),
    Field::list(
        "rpc_links",
        &shape::LINK,
        "",
        "Round trip and bandwidth of each server's link",
        |row| row.links().map(|(endpoint, found)| link(endpoint, found)).collect::<Value>(),
    ),
    Field::text("prompt", "The prompt: random tokens, or the place of a text", |row| {
        let work = &row.job.work;
        let foretold = work.quality().map(|quality| quality.passage.name.as_str());
        let processed = work
            .speed()
            .map(|speed| speed.text.as_ref().map_or("random", |text| text.name.as_str()));
        foretold.or(processed).into()
    }),
    Field::text("prompt_hash", "SHA-256 of the text, its first 16 hex digits", |row| {
        let foretold = row.job.work.quality().map(|quality| quality.passage.hash.as_str());
        text(row).map(|text| text.hash.as_str()).or(foretold).into()
    }),
    Field::axis("n_parallel"),
    Field::axis("prompt_shared"),
    Field::int("t_pp_ns", "ns", "Mean time of the prompt's part of a test with both", |row| {
        whole(value(row, &speed::PROMPT_TIME))
    }),
    Field::float("s_pp_ts", "tokens/s", "Mean speed of that part, all sequences together", |row| {
        value(row, &speed::PROMPT_RATE).into()
    }),
    Field::int("t_tg_ns", "ns", "Mean time of the generation's part", |row| {
        whole(value(row, &speed::GENERATION_TIME))
    }),
    Field::float("s_tg_ts", "tokens/s", "Mean speed of that part, all sequences together", |row| {
        value(row, &speed::GENERATION_RATE).into()
    }),
    Field::axis("reserve_ctx"),
    Field::int("n_ctx", "tokens", "Size of the context", |row| row.memory.n_ctx.into()),
    Field::flag("flash_attn_used", "Whether flash attention was in use", |row| {
        row.measured.reading.flash_attn.into()
    }),
    Field::int("peak_rss", "bytes", "Peak resident memory of the worker", |row| {
        row.memory.peak_rss.map(|bytes| bytes.0).into()
    }),
    Field::int("devices_used", "bytes", "Most memory taken on all devices together", |row| {
        row.device_memory().map(|bytes| bytes.0).into()
    }),
    Field::text("vram_method", "Who says so: process, device_delta or engine", |row| {
        row.peaks().first().map_or(Value::Null, |peak| json!(peak.method))
    }),
    Field::float("joules_per_token", "J", "Energy for each token of the measured runs", |row| {
        row.joules_per_token().into()
    }),
    Field::float("energy_j", "J", "Energy of the measured runs, by the devices' counters", |row| {
        row.joules().into()
    }),
    Field::float("power_w", "W", "Mean power of the devices in the measured runs", |row| {
        row.watts().into()
    }),
    Field::float("sm_clock_mhz", "MHz", "Mean clock of the first device", |row| {
        let first = row.measured.reading.telemetry.first();
        first.and_then(|seen| seen.sm_mhz).map(|[_, mean, _]| mean).into()
    }),
    Field::flag(
        "throttled",
        "Whether heat, a fault or a falling clock held a device back",
        |row| row.throttled().into(),
    ),
    Field::float(
        "canary_kld",
        "nats",
        "Divergence of what it computes from the same file on the CPU",
        |row| row.measured.reading.canary.and_then(|canary| canary.kld).into(),
    ),
    Field::float("canary_same_top", "share", "Places with the same likeliest token there", |row| {
        row.measured.reading.canary.map(|canary| canary.same_top).into()
    }),
    Field::list("telemetry", &shape::TELEMETRY, "", "What the driver said of each device", |row| {
        json!(row.measured.reading.telemetry)
    }),
    Field::list(
        "memory_split",
        &shape::SPLIT,
        "bytes",
        "What the engine takes, by what it is for",
        |row| json!(row.memory.split),
    ),
    Field::list(
        "memory_predicted",
        &shape::SPLIT,
        "bytes",
        "The same, predicted before the load",
        |row| json!(row.memory.predicted),
    ),
    Field::list("devices_memory", &shape::DEVICE, "bytes", "Memory taken on each device", |row| {
        json!(row.memory.devices)
    }),
    Field::text("model_architecture", "The model's architecture", |row| {
        model(row, |model| model.architecture.as_str().into())
    }),
    Field::text("model_hash", "SHA-256 of the model file's header", |row| {
        model(row, |model| model.header_hash.as_str().into())
    }),
    Field::int("model_file_size", "bytes", "Size of the model file, all parts", |row| {
        model(row, |model| model.file_size.0.into())
    }),
    Field::int("model_n_layers", "layers", "Layers without the output layer", |row| {
        model(row, |model| model.n_layers.into())
    }),
    Field::int("synthetic_seed", "", "Seed of the weights, where they are random", |row| {
        model(row, |model| model.synthetic_seed.into())
    }),
    Field::text("engine_description", "What the engine calls the model", |row| {
        let loaded = row.measured.loaded.as_ref();
        loaded.map(|loaded| loaded.description.as_str()).into()
    }),
    Field::int("engine_model_size", "bytes", "Size of all tensors, by the engine", |row| {
        row.measured.loaded.as_ref().map(|loaded| loaded.tensor_bytes.0).into()
    }),
    Field::int("engine_n_params", "", "Elements of all tensors, by the engine", |row| {
        row.measured.loaded.as_ref().map(|loaded| loaded.n_params).into()
    }),
    Field::int("repetitions", "", "Repetitions asked for with -r", |row| match row.facts.stop {
        Rule::Fixed { n } => n.into(),
        Rule::Precision { .. } | Rule::Visit { .. } => Value::Null,
    }),
    Field::float(
        "precision_target",
        "",
        "Half-width of the 95 % interval asked for, as a share",
        |row| match row.facts.stop {
            Rule::Fixed { .. } | Rule::Visit { .. } => Value::Null,
            Rule::Precision { target, .. } => target.into(),
        },
    ),
    Field::float("precision", "", "Half-width of the 95 % interval reached, as a share", |row| {
        row.precision().into()
    }),
    Field::float("drift", "share", "Change of the machine over the run, where it drifted", |row| {
        row.drift.into()
    }),
    Field::int("remeasured", "", "Repairs because of drift, by lbench before its rounds", |row| {
        row.measured.check.as_ref().map(|check| check.rounds).into()
    }),
    Field::int("n_visits", "", "Processes that its samples come from", |row| row.n_visits().into()),
    Field::list("visits", &shape::VISIT, "", "Each: round, start, samples", visits),
    Field::list("known", &shape::KNOWN, "", "What the visits say, for comparisons", |row| {
        json!(row.known.into_iter().collect::<Vec<_>>())
    }),
    Field::flag("marked", "Whether it says of itself that it does not compare", |row| {
        row.marked.into()
    }),
    Field::float("between_visits", "share", "Standard deviation between processes", |row| {
        row.known.map(|known| known.between.sd).into()
    }),
    Field::int("interleave_seed", "", "Seed of the order, where it was drawn", |row| {
        row.facts.interleave.into()
    }),
    Field::float(
        "noise_floor",
        "share",
        "How runs of the same thing differ, by lbench doctor",
        |row| row.facts.host.floors.and_then(|floors| row.job.work.floor(floors)).into(),
    ),
    Field::text("stop_reason", "Why its last visit has no more samples", |row| {
        json!(row.measured.reading.stop)
    }),
    Field::flag("warmup_steady", "Whether the warm-up runs came to agree", |row| {
        row.measured.reading.steady.into()
    }),
    Field::list("warmup_ns", &Shape::Int, "ns", "Each warm-up run; in no other figure", |row| {
        json!(row.summary.warmup_ns)
    }),
    Field::int("runs_per_sample", "", "How often the test runs within a sample", |row| {
        row.summary.runs_per_sample.into()
    }),
    Field::float("median_ts", "t/s", "Median speed", |row| rate(row, |spread| Some(spread.median))),
    Field::float("ci_low_ts", "t/s", "Lower end of the mean's 95 % interval", |row| {
        speeds(row).map(|interval| interval.low).into()
    }),
    Field::float("ci_high_ts", "t/s", "Upper end of the mean's 95 % interval", |row| {
        speeds(row).map(|interval| interval.high).into()
    }),
    Field::float("q1_ts", "t/s", "First quartile", |row| rate(row, |spread| Some(spread.q1))),
    Field::float("q3_ts", "t/s", "Third quartile", |row| rate(row, |spread| Some(spread.q3))),
    Field::float("min_ts", "t/s", "Slowest sample", |row| rate(row, |spread| Some(spread.min))),
    Field::float("max_ts", "t/s", "Fastest sample", |row| rate(row, |spread| Some(spread.max))),
    Field::float("n_effective", "", "Independent samples that would know as much", |row| {
        rate(row, |spread| Some(spread.n_eff))
    }),
    Field::list(
        "outliers",
        &Shape::Int,
        "",
        "Positions of outlying samples, from 0; they count",
        |row| json!(spread(row, &speed::RATE).map_or(&[][..], |spread| &spread.outliers)),
    ),
    Field::int("ttft_p50_ns", "ns", "Median time to first token", |row| {
        whole(spread(row, &speed::FIRST_TOKEN).map(|spread| spread.median))
    }),
    Field::int("ttft_p95_ns", "ns", "95th percentile of the time to first token", |row| {
        whole(spread(row, &speed::FIRST_TOKEN).map(|spread| spread.p95))
    }),
    Field::int("itl_p50_ns", "ns", "Median time of a generated token", |row| {
        whole(row.summary.latency.as_ref().map(|latency| latency.p50_ns))
    }),
    Field::int("itl_p95_ns", "ns", "95th percentile of it", |row| {
        whole(row.summary.latency.as_ref().map(|latency| latency.p95_ns))
    }),
    Field::int("itl_p99_ns", "ns", "99th percentile of it", |row| {
        whole(row.summary.latency.as_ref().map(|latency| latency.p99_ns))
    }),
    Field::int("itl_max_ns", "ns", "Longest of them", |row| {
        whole(row.summary.latency.as_ref().map(|latency| latency.max_ns))
    }),
    Field::float("itl_drift", "", "How the time of a token grows over the generation", |row| {
        row.summary.latency.as_ref().and_then(|latency| latency.drift).into()
    }),
    Field::float("bandwidth_share", "share", "Memory bandwidth reached, of the possible", |row| {
        of_roof(row, roofline::bandwidth_share)
    }),
    Field::float("compute_share", "share", "Matrix rate reached, of the possible", |row| {
        of_roof(row, roofline::compute_share)
    }),
    Field::float("bytes_per_token", "bytes", "Bytes read to generate a token", |row| {
        roofline::bytes_per_token(row.job).into()
    }),
    Field::float("flop_per_token", "FLOP", "Operations for a token of the prompt", |row| {
        roofline::flop_per_token(row.job).into()
    }),
    Field::float("device_bandwidth", "bytes/s", "Memory bandwidth of the device, at best", |row| {
        row.roof().and_then(|roof| roof.bandwidth).into()
    }),
    Field::float("device_compute", "FLOP/s", "Matrix rate of the device, at best", |row| {
        row.roof().and_then(|roof| roof.compute).into()
    }),
    Field::float("baseline_ts", "t/s", "Mean speed in the baseline", |row| {
        let against = row.against.as_ref();
        against.filter(|against| *against.metric == speed::RATE).and_then(|one| one.then).into()
    }),
    Field::float("baseline_change", "", "Change since the baseline, as a share", |row| {
        compared(row).and_then(|compared| compared.effect).into()
    }),
    Field::float("baseline_change_low", "", "Lower end of the change's interval", |row| {
        compared(row).and_then(|compared| compared.interval).map(|range| range.low).into()
    }),
    Field::float("baseline_change_high", "", "Upper end of the change's interval", |row| {
        compared(row).and_then(|compared| compared.interval).map(|range| range.high).into()
    }),
    Field::text("baseline_verdict", "faster, slower, same, unclear, failed_in_baseline", |row| {
        row.against.as_ref().and_then(Against::verdict).into()
    }),
    Field::list("fit", &shape::FIT, "", "What fitting chose: layers, shares, places", |row| {
        let fit = row.measured.loaded.as_ref().and_then(|loaded| loaded.fit.as_ref());
        json!(fit.into_iter().collect::<Vec<_>>())
    }),
    Field::text("numa", "Where threads and memory went, if that was asked for", |row| {
        row.facts.process.numa.map(Numa::name).into()
    }),
    Field::int("priority", "", "Priority of the process that measured, from -1 to 3", |row| {
        row.facts.process.priority.into()
    }),
    Field::int("numa_nodes", "", "The machine's NUMA nodes", |row| {
        row.facts.host.numa_nodes.into()
    }),
    Field::int("cold_repetitions", "", "Cold starts asked for", |row| {
        row.cold_repetitions().into()
    }),
    Field::text("lbench_version", "Version of lbench", |row| row.facts.version.as_str().into()),
    Field::text("engine", "The engine", |row| row.facts.host.engine.engine.as_str().into()),
    Field::text("cpu_features", "Instruction sets the kernels were built for", |row| {
        row.facts.host.engine.cpu_features.join(", ").into()
    }),
    Field::text("cpu_features_unused", "Instruction sets the CPU has and they lack", |row| {
        row.facts.host.engine.cpu_features_unused.join(", ").into()
    }),
    Field::int("cpu_cores", "", "Physical cores", |row| row.facts.host.physical_cores.into()),
    Field::int("cpu_threads", "", "Hardware threads", |row| row.facts.host.logical_cores.into()),
    Field::float("cpu_quota", "", "CPUs' worth of time that the control groups give", |row| {
        row.facts.host.cpu_quota.into()
    }),
    Field::text("cpu_governor", "CPU frequency governor", |row| {
        row.facts.host.governor.as_deref().into()
    }),
    Field::int("memory_total", "bytes", "Memory that a process may have", |row| {
        row.facts.host.memory.into()
    }),
    Field::text("os", "Operating system", |row| row.facts.host.os.as_str().into()),
    Field::text("kernel", "Kernel version", |row| row.facts.host.kernel.as_deref().into()),
    Field::list(
        "gpu_devices",
        &Shape::Text,
        "",
        "Devices that can take layers, by ggml's names",
        |row| {
            let devices = row.facts.host.engine.devices.iter();
            let gpus =
                devices.filter(|device| matches!(device.kind, DeviceKind::Gpu | DeviceKind::Igpu));
            gpus.map(|device| device.name.as_str()).collect::<Value>()
        },
    ),
    Field::flag("can_offload", "Whether a device here can take layers", |row| {
        row.facts.host.can_offload.into()
    }),
];

/// The prompt, where it is a text.
fn text<'a>(row: &Row<'a>) -> Option<&'a Text> {
    row.job.work.speed()?.text.as_ref()
}

/// The 95 % interval of a speed.
fn speeds(row: &Row<'_>) -> Option<Interval> {
    row.interval().filter(|_| row.job.work.speed().is_some())
}

/// A figure of the speeds.
fn rate(row: &Row<'_>, pick: fn(&Spread) -> Option<f64>) -> Value {
    spread(row, &speed::RATE).and_then(pick).into()
}

/// How the values of a metric are spread.
fn spread<'a>(row: &'a Row<'_>, metric: &Metric) -> Option<&'a Spread> {
    row.figure(metric)?.spread.as_ref()
}

/// What share of its device's ceiling a row reaches.
fn of_roof(row: &Row<'_>, share: fn(&Job, Rate, Roof) -> Option<f64>) -> Value {
    let rate = value(row, &speed::RATE).map(Rate);
    rate.and_then(|rate| share(row.job, rate, row.roof()?)).into()
}

/// The row beside its baseline.
fn compared(row: &Row<'_>) -> Option<Comparison> {
    row.against.as_ref()?.comparison
}
