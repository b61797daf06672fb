//! Metrics of speed: tokens per second, and the times that a user waits.

use super::Speed;
use crate::units::Nanos;
use crate::work::metric::{Better, Chance, FACE, Face, FieldNames, Figure, Kind, Metric, SPEED};
use crate::work::{Sample, Work};

/// What a prompt and a generation yield.
pub static KIND: Kind = Kind {
    name: "speed",
    metrics: &[
        &RATE,
        &PROMPT_TIME,
        &PROMPT_RATE,
        &GENERATION_TIME,
        &GENERATION_RATE,
        &FIRST_TOKEN,
        &COLD,
        &TIME,
        &TOKEN_TIME,
    ],
};

/// Tokens per second, over the samples (not the inverse of the mean time), as llama-bench has it.
pub static RATE: Metric = Metric {
    name: "rate",
    doc: "Mean speed over the repetitions",
    face: Some(Face { heading: "t/s", width: 20, shows: |work, _| work.speed().is_some(), ..FACE }),
    fields: FieldNames { value: "avg_ts", error: Some("stddev_ts"), samples: Some("samples_ts") },
    values: |work, samples| {
        let speed = work.speed().into_iter();
        speed.flat_map(|speed| samples.iter().filter_map(|sample| speed.rate(sample))).collect()
    },
    ..PER_SECOND
};

/// Time of the prompt's part of a test that has both, in nanoseconds.
pub static PROMPT_TIME: Metric = Metric {
    name: "prompt_time",
    doc: "Mean time of the prompt's part of a test with both",
    face: Some(Face { heading: "T_PP s", scale: 1e-9, places: 3, ..PART }),
    fields: FieldNames { value: "t_pp_ns", error: None, samples: None },
    values: |work, samples| times(&stretches(work, samples, Half::Prompt)),
    figure: Figure::mean,
    ..TIMED
};

/// Tokens of all prompts per second, in a test that has both.
pub static PROMPT_RATE: Metric = Metric {
    name: "prompt_rate",
    doc: "Mean speed of that part, all sequences together",
    face: Some(Face { heading: "S_PP t/s", ..PART }),
    fields: FieldNames { value: "s_pp_ts", error: None, samples: None },
    values: |work, samples| rates(&stretches(work, samples, Half::Prompt)),
    figure: Figure::mean,
    ..PER_SECOND
};

/// Time of the generation's part of a test that has both, in nanoseconds.
pub static GENERATION_TIME: Metric = Metric {
    name: "generation_time",
    doc: "Mean time of the generation's part",
    face: Some(Face { heading: "T_TG s", scale: 1e-9, places: 3, ..PART }),
    fields: FieldNames { value: "t_tg_ns", error: None, samples: None },
    values: |work, samples| times(&stretches(work, samples, Half::Generation)),
    figure: Figure::mean,
    ..TIMED
};

/// Tokens that all sequences generate per second, in a test that has both.
pub static GENERATION_RATE: Metric = Metric {
    name: "generation_rate",
    doc: "Mean speed of that part, all sequences together",
    face: Some(Face { heading: "S_TG t/s", ..PART }),
    fields: FieldNames { value: "s_tg_ts", error: None, samples: None },
    values: |work, samples| rates(&stretches(work, samples, Half::Generation)),
    figure: Figure::mean,
    ..PER_SECOND
};

/// Time to first token of each run, model loaded, in nanoseconds.
pub static FIRST_TOKEN: Metric = Metric {
    name: "first_token",
    doc: "Mean time to first token, model loaded",
    face: Some(Face {
        heading: "ttft ms",
        shows: |work, _| work.speed().is_some_and(Speed::has_first_token),
        ..MILLIS
    }),
    fields: FieldNames {
        value: "ttft_avg_ns",
        error: Some("ttft_stddev_ns"),
        samples: Some("ttft_samples_ns"),
    },
    values: |_, samples| {
        let first = samples.iter().filter_map(|sample| match sample {
            Sample::Run { first_token_ns, .. } => Some(first_token_ns),
            _ => None,
        });
        first.flatten().copied().map(as_f64).collect()
    },
    ..TIMED
};

/// Time to first token from starting the process, load included, in nanoseconds.
pub static COLD: Metric = Metric {
    name: "cold",
    doc: "Mean time from process start to first token",
    face: Some(Face {
        heading: "cold ms",
        shows: |work, starts| work.speed().is_some_and(|speed| !speed.is_mute) && starts > 0,
        ..MILLIS
    }),
    fields: FieldNames {
        value: "cold_avg_ns",
        error: Some("cold_stddev_ns"),
        samples: Some("cold_samples_ns"),
    },
    values: |_, samples| {
        let cold = samples.iter().filter_map(|sample| match sample {
            Sample::Cold { ns } => Some(as_f64(*ns)),
            _ => None,
        });
        cold.collect()
    },
    ..TIMED
};

/// Time of a run, in nanoseconds.
pub static TIME: Metric = Metric {
    name: "time",
    doc: "Mean time of a repetition",
    fields: FieldNames { value: "avg_ns", error: Some("stddev_ns"), samples: Some("samples_ns") },
    values: |_, samples| samples.iter().filter_map(Sample::each).map(as_f64).collect(),
    figure: Figure::mean,
    ..TIMED
};

/// Time of a generated token, in nanoseconds.
pub static TOKEN_TIME: Metric = Metric {
    name: "token_time",
    doc: "Median time of a generated token",
    fields: FieldNames { value: "itl_p50_ns", error: None, samples: None },
    values: |_, samples| {
        let tokens = samples.iter().filter_map(|sample| match sample {
            Sample::Run { token_ns, .. } => Some(token_ns),
            _ => None,
        });
        tokens.flatten().copied().map(as_f64).collect()
    },
    figure: Figure::median,
    ..TIMED
};

/// Metric in tokens per second.
const PER_SECOND: Metric = Metric {
    name: "",
    doc: "",
    unit: "tokens/s",
    better: Better::Higher(SPEED),
    chance: Chance::Independent,
    face: None,
    fields: FieldNames { value: "", error: None, samples: None },
    values: |_, _| Vec::new(),
    figure: Figure::spread,
};

/// Metric in nanoseconds.
const TIMED: Metric = Metric { unit: "ns", better: Better::Lower(SPEED), ..PER_SECOND };

/// Column of times in milliseconds.
const MILLIS: Face = Face { scale: 1e-6, ..FACE };

/// Column of one of the two parts of a test, beside the speed of both: where sequences are side by side, as
/// llama-batched-bench has it.
const PART: Face = Face {
    width: 10,
    with_error: false,
    is_part: true,
    shows: |work, _| {
        let both = |speed: &Speed| speed.n_prompt > 0 && speed.n_gen > 0;
        work.speed().is_some_and(|speed| both(speed) && speed.n_parallel > 1)
    },
    ..FACE
};

/// Half of a test that has a prompt and a generation, one behind the other under one clock.
#[derive(Clone, Copy)]
enum Half {
    Prompt,
    Generation,
}

/// Stretch of a sample: how many runs it is of, the time of all of them, and the tokens of each.
struct SampleSpan {
    runs: u32,
    ns: Nanos,
    tokens: u32,
}

/// One half of each sample; none where a test has one half alone.
fn stretches(work: &Work, samples: &[Sample], half: Half) -> Vec<SampleSpan> {
    let both = |speed: &&Speed| speed.n_prompt > 0 && speed.n_gen > 0;
    let Some(speed) = work.speed().filter(both) else { return Vec::new() };
    let stretch = |sample: &Sample| {
        let Sample::Run { runs, ns, token_ns, .. } = sample else { return None };
        let generation = Nanos(token_ns.iter().map(|ns| ns.0).sum());
        let (ns, tokens) = match half {
            Half::Prompt => (ns.since(generation), speed.prompt_tokens()),
            Half::Generation => (generation, speed.generated_tokens()),
        };
        Some(SampleSpan { runs: *runs, ns, tokens })
    };
    samples.iter().filter_map(stretch).collect()
}

fn times(stretches: &[SampleSpan]) -> Vec<f64> {
    stretches.iter().map(|part| as_f64(part.ns) / f64::from(part.runs.max(1))).collect()
}

fn rates(stretches: &[SampleSpan]) -> Vec<f64> {
    let rates = stretches.iter().map(|part| part.ns.rate(part.tokens.saturating_mul(part.runs)));
    rates.flatten().map(|rate| rate.0).collect()
}

#[allow(clippy::cast_precision_loss)] // 2^53 ns are 104 days
fn as_f64(ns: Nanos) -> f64 {
    ns.0 as f64
}
