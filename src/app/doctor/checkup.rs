//! Checkup: everything that the doctor measured.

use serde::Serialize;

use super::aa::SelfTest;
use super::timer::{ClockCheck, Scheduler};
use crate::machine::Host;
use crate::machine::system::Machine;
use crate::roofline::Roofline;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Checkup {
    /// Version of lbench.
    pub version: String,
    /// The machine and the engine on it.
    pub host: Host,
    /// What the system tells.
    pub machine: Machine,
    /// The clock that times everything.
    pub clock: ClockCheck,
    /// What a thread that only reads the clock notices of others.
    pub scheduler: Scheduler,
    /// Nanoseconds that lbench's loop adds to a generated token.
    pub loop_ns_per_token: Option<f64>,
    /// What the devices can do at best.
    pub roofs: Vec<Roofline>,
    /// The model that was compared with itself.
    pub model: String,
    /// How it compared.
    pub self_test: SelfTest,
    /// What should be different, and what to do about it.
    pub advice: Vec<String>,
    /// What differences can be told from noise, in a sentence.
    pub conclusion: String,
}
