//! Shapes of lists: what the entries of lists are, for the schema: one shape for each record that a row carries. A test
//! holds them against the records themselves.

/// Version of the schema. Within one, fields are added and never removed, renamed or retyped.
pub const VERSION: u32 = 1;

/// What a value within a list is.
#[derive(Debug)]
pub enum Shape {
    /// Words.
    Text,
    /// Yes or no.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Null, or this.
    Maybe(&'static Shape),
    /// A list of these.
    Several(&'static Shape),
    /// An object: names, what is there, and one sentence about it.
    Record(&'static [(&'static str, Shape, &'static str)]),
}

use Shape::{Bool, Float, Int, Maybe, Record, Several, Text};

/// Bytes to and from an RPC server.
pub(super) static TRAFFIC: Shape = Record(&[
    ("endpoint", Text, "The server: host:port"),
    ("up", Int, "Bytes to it"),
    ("down", Int, "Bytes from it"),
]);

/// The link to an RPC server.
pub(super) static LINK: Shape = Record(&[
    ("endpoint", Text, "The server: host:port"),
    ("protocol", Maybe(&Text), "Version of the protocol that it speaks"),
    ("round_trip_ns", Maybe(&Int), "Median time of a small request and its answer"),
    ("up", Maybe(&Float), "Bytes a second to it"),
    ("down", Maybe(&Float), "Bytes a second from it"),
    ("devices", Several(&REMOTE), "Its devices"),
    ("cause", Maybe(&Text), "Why the link could not be measured"),
]);

/// A device of an RPC server.
static REMOTE: Shape = Record(&[
    ("name", Text, "ggml's name of it"),
    ("description", Text, "The hardware's name"),
    ("kind", Text, "cpu, gpu, igpu or accel"),
    ("backend", Text, "The backend that drives it"),
    ("id", Maybe(&Text), "Its place on the bus"),
    ("free", Int, "Free memory in bytes"),
    ("total", Int, "Memory in bytes"),
]);

/// What the driver said of a device.
pub(super) static TELEMETRY: Shape = Record(&[
    ("device", Text, "ggml's name of the device"),
    ("peak", Maybe(&Int), "Most memory taken at any time of the row, in bytes"),
    ("baseline", Maybe(&Int), "Memory that others had taken before, in bytes"),
    ("method", Text, "Where these two come from: process, device_delta or engine"),
    ("looks", Int, "Looks at the device"),
    ("energy_j", Maybe(&Float), "Energy of the measured runs in joules"),
    ("seconds", Float, "How long they took"),
    ("power_w", Maybe(&Float), "Mean power in watts"),
    ("sm_mhz", Maybe(&Several(&Float)), "Clock of the processors in MHz: least, mean, greatest"),
    ("memory_mhz", Maybe(&Float), "Mean clock of the memory in MHz"),
    ("celsius", Maybe(&Int), "Greatest temperature"),
    ("utilisation", Maybe(&Float), "Share of the time in which it computed"),
    ("throttle_reasons", Several(&Text), "Why clocks were lower, by the driver's names"),
    ("throttled_ns", Maybe(&Int), "For how long heat or power held it back"),
    ("throttled", Bool, "Whether it was held back by more than its usual limits"),
]);

/// What the engine takes of a device.
pub(super) static SPLIT: Shape = Record(&[
    ("device", Text, "ggml's name of the device; host for the machine's own memory"),
    ("weights", Int, "Bytes of weights"),
    ("context", Int, "Bytes that the context keeps of its tokens"),
    ("compute", Int, "Bytes for the computation"),
]);

/// Memory taken on a device, by the engine.
pub(super) static DEVICE: Shape = Record(&[
    ("device", Text, "ggml's name of the device"),
    ("used", Int, "Bytes less free at the end of the job than before the load"),
    ("after_load", Maybe(&Int), "The same once the model was loaded"),
    ("after_context", Maybe(&Int), "The same once the context was there"),
    ("total", Int, "Size of the device's memory in bytes"),
]);

/// What is known of a speed. Logarithms are natural ones, of tokens per second.
pub(super) static KNOWN: Shape = Record(&[
    ("log_mean", Float, "Logarithm of the speed"),
    ("visits", Int, "Visits that it comes from"),
    ("between", DEVIATION, "How visits differ"),
    (
        "left",
        Float,
        "The share of the variance between visits that is left in the square of the error",
    ),
    ("within", DEVIATION, "The part of the error that comes from the samples within visits"),
]);

/// A standard deviation of logarithms.
const DEVIATION: Shape = Record(&[
    ("sd", Float, "The standard deviation: 0.01 is 1 %"),
    ("freedom", Float, "How well it is known, in degrees of freedom"),
]);

/// A visit to a row.
pub(super) static VISIT: Shape = Record(&[
    ("round", Int, "The round that it belongs to, from 1; 0 where there were none"),
    ("started", Text, "When it started, in UTC"),
    ("n_samples", Int, "Samples that it took, those in samples_ns that follow on the visit before"),
]);

/// The places that fitting chose.
pub(super) static FIT: Shape = Record(&[
    ("found", Bool, "Whether places were found with which it fits"),
    ("n_gpu_layers", Int, "Layers to offload; negative means all"),
    (
        "tensor_split",
        Several(&Int),
        "Shares of the devices, in hundredths; empty is left to the engine",
    ),
    ("overrides", Several(&Text), "Patterns of tensors that go elsewhere than their layers"),
]);
