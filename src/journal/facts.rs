//! What is true of a whole run: what a result must say beside its rows.

use serde::{Deserialize, Serialize};

use crate::machine::Host;
use crate::machine::Link;
use crate::roofline::Roofline;
use crate::setup::Process;
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
    /// Cold starts asked for; with 0 they have no column.
    pub cold: u32,
    /// Seed of the order, where jobs on one model were measured in rounds.
    pub interleave: Option<u64>,
    /// What the devices can do at best, where that was measured.
    pub roofs: Vec<Roofline>,
    /// The links to the RPC servers of the run, or why one could not be measured.
    #[serde(default)]
    pub links: Links,
    /// How the process ran that measured.
    #[serde(default)]
    pub process: Process,
}

/// RPC servers, each with its link, or why that could not be measured.
pub type Links = Vec<(String, Result<Link, String>)>;
