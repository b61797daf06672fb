//! Devices and links, as the engine of this build finds them.

use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// What a device can do at best, measured through the engine itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Roof {
    /// Bytes read from its memory in a second.
    pub bandwidth: Option<f64>,
    /// Floating point operations of matrix products in a second.
    pub compute: Option<f64>,
}

/// The link to an RPC server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Version of the protocol that the server speaks.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Its devices, with their free memory.
    pub devices: Vec<Device>,
    /// Median time of a small request and its answer.
    pub round_trip: Nanos,
    /// Bytes a second to the server.
    pub up: Option<f64>,
    /// Bytes a second from it.
    pub down: Option<f64>,
}

/// What the engine of this build found on this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Engine and version, e.g. `llama.cpp 0.9.1`.
    pub engine: String,
    /// llama-bench's `build_commit`: the engine's version string, or `unknown`.
    pub build_commit: String,
    /// Backends in the order they registered, e.g. `CUDA`, `RPC`, `CPU`.
    pub backends: Vec<String>,
    /// Every device, the CPU included.
    pub devices: Vec<Device>,
    /// Instruction sets that the CPU kernels were compiled for, e.g. `AVX2`.
    pub cpu_features: Vec<String>,
    /// Instruction sets that this CPU has and the kernels lack.
    pub cpu_features_unused: Vec<String>,
    /// Backend modules that were found, where the build has any.
    #[serde(default)]
    pub modules: Vec<Module>,
    /// What the backends that are there could not do when they started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start_errors: Vec<String>,
}

/// A backend in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// The file.
    pub file: String,
    /// Why it could not be loaded; `None` where it was.
    pub trouble: Option<String>,
}

impl Module {
    /// Name of the file.
    pub fn file_name(&self) -> &str {
        self.file.rsplit(std::path::MAIN_SEPARATOR).next().unwrap_or(&self.file)
    }
}

/// A device that ggml can compute on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// ggml's name, e.g. `CUDA0`.
    pub name: String,
    /// The maker's name, e.g. `NVIDIA H200`.
    pub description: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Backend that drives it, e.g. `CUDA`.
    pub backend: String,
    /// PCI bus id, where the backend tells: `0000:65:00.0`.
    #[serde(default)]
    pub id: Option<String>,
    /// Free memory in bytes.
    pub free: u64,
    /// All memory in bytes.
    pub total: u64,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// The host's processor.
    Cpu,
    /// A card with memory of its own.
    Gpu,
    /// A GPU that shares the host's memory.
    Igpu,
    /// A helper of the CPU, e.g. a BLAS library.
    Accel,
}

impl Description {
    /// Whether any device can take layers off the CPU.
    pub fn can_offload(&self) -> bool {
        self.devices.iter().any(|d| matches!(d.kind, DeviceKind::Gpu | DeviceKind::Igpu))
    }

    /// llama-bench's `cpu_info` or `gpu_info`: the makers' names of all such devices, joined.
    pub fn device_names(&self, kinds: &[DeviceKind]) -> String {
        let names: Vec<_> = self
            .devices
            .iter()
            .filter(|device| kinds.contains(&device.kind))
            .map(|device| device.description.as_str())
            .collect();
        names.join(", ")
    }
}
