//! The machine and the build: taken once, recorded once.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::machine::cards::Cards;
use crate::machine::system;
use crate::machine::{Description, Limits};
use crate::units::counted;

/// What a result must say about where it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Physical cores, where the system tells; logical ones otherwise.
    pub physical_cores: u32,
    /// Hardware threads that this process may use.
    pub logical_cores: u32,
    /// All memory that a process may have, in bytes: the machine's, or what a control group or a limit leaves of it.
    pub memory: u64,
    /// CPUs' worth of time that the control groups give, where they limit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<f64>,
    /// Operating system and version, e.g. `Debian GNU/Linux 12`.
    pub os: String,
    /// Kernel version.
    pub kernel: Option<String>,
    /// CPU frequency governor, where there is one.
    pub governor: Option<String>,
    /// NUMA nodes, where the system tells.
    #[serde(default)]
    pub numa_nodes: Option<u32>,
    /// Whether any device can take layers off the CPU.
    pub can_offload: bool,
    /// By how much runs of the same thing differ here, where `lbench doctor` has found out.
    #[serde(default)]
    pub floors: Option<Floors>,
    /// The GPUs that are there, whether the engine can use them or not.
    #[serde(default, skip_serializing_if = "Cards::is_none")]
    pub cards: Cards,
    /// What the engine found.
    pub engine: Description,
}

/// By how much runs of the same thing differ on a machine beyond what the samples within them explain: the
/// standard deviation of the difference of two, as a share of the speed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Floors {
    /// Of prompts.
    pub prompt: f64,
    /// Of generations.
    pub generate: f64,
}

impl Host {
    /// The backends that a run here would use, joined as llama-bench does: all that have a device besides the CPU,
    /// or else the CPU.
    pub fn backends(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for device in &self.engine.devices {
            let name = device.backend.as_str();
            if device.kind != super::DeviceKind::Cpu && !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() { "CPU".into() } else { names.join(",") }
    }

    /// Looks at the machine; what the engine found is handed in, and where the system's limits are.
    pub fn take(engine: Description, limits: &Limits) -> Self {
        let ram = sysinfo::MemoryRefreshKind::nothing().with_ram();
        let memory =
            sysinfo::System::new_with_specifics(sysinfo::RefreshKind::nothing().with_memory(ram))
                .map_or(0, |system| system.total_memory());
        let memory = limits.memory().map_or(memory, |limits| limits.total().0);
        let logical = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let physical = sysinfo::System::physical_core_count().unwrap_or(logical).min(logical);
        Self {
            physical_cores: u32::try_from(physical).unwrap_or(u32::MAX).max(1),
            logical_cores: u32::try_from(logical).unwrap_or(u32::MAX),
            memory,
            cpu_quota: limits.cpus().quota,
            os: sysinfo::System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.into()),
            kernel: sysinfo::System::kernel_version().ok(),
            governor: system::governor(Path::new("/")),
            numa_nodes: system::numa_nodes(Path::new("/")),
            can_offload: engine.can_offload(),
            floors: None,
            cards: Cards::default(),
            engine,
        }
    }

    /// Network name of this machine, where it has one.
    pub fn name() -> Option<String> {
        sysinfo::System::host_name().ok().filter(|name| !name.is_empty())
    }

    /// Its cores and threads, in words.
    pub fn cores(&self) -> String {
        let (cores, threads) = (self.physical_cores, self.logical_cores);
        let quota = self.cpu_quota.map(|quota| format!(", the time of {quota} CPUs"));
        let quota = quota.unwrap_or_default();
        format!("{}, {}{quota}", counted(cores, "core"), counted(threads, "thread"))
    }

    /// Threads when `-t` is not given: the physical cores, as llama-bench.
    pub fn default_threads(&self) -> u32 {
        self.physical_cores
    }

    /// A small machine that is the same everywhere.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self {
            physical_cores: 4,
            logical_cores: 8,
            memory: 16 << 30,
            cpu_quota: None,
            os: "TestOS 1".into(),
            kernel: None,
            governor: None,
            numa_nodes: None,
            can_offload: true,
            floors: None,
            cards: Cards::default(),
            engine: Description::default(),
        }
    }
}
