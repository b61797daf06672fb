//! Job: a setup and a work, with an identity that survives a rename of the model file.

mod identity;
#[cfg(test)]
mod tests;
mod written;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Value};
use crate::setup::Setup;
use crate::work::{Extent, Work};

/// Identity of a job: the first 16 hex digits of a SHA-256 over its setup and work, with the model as
/// header hash and size, never as a path. Equal jobs on equal model files have equal ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One measurement to make: a row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "written::WrittenJob")]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// What it is measured under.
    pub setup: Setup,
    /// What is measured.
    pub work: Work,
}

impl Job {
    /// A job with its identity worked out.
    pub fn new(setup: impl Into<Setup>, work: Work) -> Self {
        let setup = setup.into();
        Self { id: identity::of(&setup, &work), setup, work }
    }

    /// The value of an axis; `None` where it is none of this job's.
    pub fn value(&self, axis: &Axis) -> Option<Value> {
        axis.get(&self.setup, &self.work)
    }

    /// The context that it needs: room for what is measured, or what is reserved where that is more.
    pub fn extent(&self) -> Extent {
        let Setup::Llama(config) = &self.setup;
        self.work.extent().at_least(config.reserve_ctx)
    }
}
