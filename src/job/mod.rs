//! Job: a setup and a work, with an identity that survives a rename of the model file.

mod identity;
mod written;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Value};
use crate::setup::Config;
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
#[serde(try_from = "written::Job")]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// The settings.
    pub config: Config,
    /// What is measured.
    pub work: Work,
}

impl Job {
    /// A job with its identity worked out.
    pub fn new(config: Config, work: Work) -> Self {
        Self { id: identity::of(&config, &work), config, work }
    }

    /// The value of an axis; `None` where it is none of this job's.
    pub fn value(&self, axis: &Axis) -> Option<Value> {
        axis.get(&self.config, &self.work)
    }

    /// The context that it needs: room for what is measured, or what is reserved where that is more.
    pub fn extent(&self) -> Extent {
        let extent = self.work.extent();
        Extent { n_ctx: extent.n_ctx.max(self.config.reserve_ctx), ..extent }
    }
}
