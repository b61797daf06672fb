//! Facts of a run: what is true of a whole run: what a result must say beside its rows.

use serde::{Deserialize, Serialize};

use crate::ledger::Priors;
use crate::machine::Host;
use crate::machine::Link;
use crate::roofline::Roofline;
use crate::setup::{Process, Word};
use crate::stats::stopping::Rule;

/// What is true of the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Version of lbench.
    pub version: String,
    /// The machine and the engine on it.
    pub host: Host,
    /// When a row has been measured enough.
    pub stop: Rule,
    /// What else ends its rounds.
    #[serde(default)]
    pub bound: Bound,
    /// Cold starts asked for; with 0 they have no column.
    pub cold: u32,
    /// Seed of the order, where jobs were measured in rounds.
    pub interleave: Option<u64>,
    /// By how much visits to the same thing differ here, as far as earlier runs have shown.
    #[serde(default, skip_serializing_if = "Priors::is_empty")]
    pub priors: Priors,
    /// What the devices can do at best, where that was measured.
    pub roofs: Vec<Roofline>,
    /// The links to the RPC servers of the run, or why one could not be measured.
    #[serde(default)]
    pub links: Links,
    /// How the process ran that measured.
    #[serde(default)]
    pub process: Process,
}

/// What ends the rounds of a run beside its rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Most of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
    /// Whether they may take more than a share of llama-bench's time.
    #[serde(default)]
    pub open: bool,
}

impl RunFacts {
    /// Whether rows are measured here until the same is known of them as there.
    pub fn wants_as_much(&self, other: &Self) -> bool {
        (self.stop, self.bound, self.cold) == (other.stop, other.bound, other.cold)
    }

    /// In what the machine, the engine or its process was another one than for other results, in words; empty
    /// where nothing that is known of both differs.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let devices = |facts: &Self| {
            let devices = facts.host.engine.devices.iter();
            devices.map(|device| device.description.clone()).collect::<Vec<_>>().join(", ")
        };
        let kernels = |facts: &Self| facts.host.engine.cpu_features.join(" ");
        let process = |facts: &Self| {
            let Process { numa, priority } = facts.process;
            format!("priority {priority}, NUMA {}", numa.map_or("as it comes", Word::name))
        };
        let pairs = [
            ("the hardware", devices(self), devices(other)),
            ("the engine", self.host.engine.engine.clone(), other.host.engine.engine.clone()),
            (
                "its build",
                self.host.engine.build_commit.clone(),
                other.host.engine.build_commit.clone(),
            ),
            ("the set of CPU kernels", kernels(self), kernels(other)),
            ("the process", process(self), process(other)),
        ];
        let differing = pairs.into_iter().filter(|(_, was, is)| was != is);
        differing.map(|(what, was, is)| format!("{what} was {was} and is {is}")).collect()
    }
}

/// RPC servers, each with its link, or why that could not be measured.
pub type Links = Vec<(String, Result<Link, String>)>;
