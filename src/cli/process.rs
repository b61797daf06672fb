//! Flags for the process that measures, as typed by a user and as handed to a worker.

use clap::Args;

use crate::setup::{Numa, Process, Word as _};

/// How the process runs that measures.
#[derive(Debug, Clone, Args)]
pub struct ProcessArgs {
    /// Where threads and memory go on a machine with several NUMA nodes: distribute, isolate, numactl
    #[arg(long, value_name = "MODE", value_parser = numa, help_heading = "Measuring")]
    numa: Option<Numa>,
    /// Priority of process and threads: -1 low, 0 normal, 1 medium, 2 high, 3 realtime
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Measuring")]
    #[arg(value_parser = super::quantities::whole::<i32>(-1..=3), allow_hyphen_values = true)]
    prio: i32,
}

impl ProcessArgs {
    /// What was asked for.
    pub fn process(&self) -> Process {
        Process { numa: self.numa, priority: self.prio }
    }

    /// The flags for a worker.
    pub fn words(&self) -> Vec<String> {
        let numa = self.numa.map(|numa| format!("--numa={}", numa.name()));
        numa.into_iter().chain([format!("--prio={}", self.prio)]).collect()
    }
}

fn numa(text: &str) -> Result<Numa, String> {
    // llama-bench takes an empty word for the first.
    let word = if text.is_empty() { Numa::Distribute.name() } else { text };
    super::values::named(word, "NUMA mode")
}
