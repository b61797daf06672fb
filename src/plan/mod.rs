//! From a sweep to a plan: every combination of axis values becomes a job, in an order that loads a
//! model as rarely as possible, and jobs that are the same thing are measured once. Pure: nothing here
//! touches a file or a device, and `--dry-run` prints the result.

mod collapse;
mod cover;
mod expand;
mod possible;
mod print;
mod remarks;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use cover::cover;
pub use expand::{config, expand, expand_all, find_varying};
pub use print::print;
pub use remarks::remarks;

use crate::axis::Value;
use crate::job::{Job, JobId};
use crate::setup::Model;
use crate::setup::Setup;
use crate::work::{Text, Work};

/// What was asked for: lists of values, not yet combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Models, in order.
    pub models: Vec<Model>,
    /// For each entry of [`crate::axis::AXES`], its values in order; never empty.
    pub axes: Vec<Vec<Value>>,
    /// What is measured under each combination, in order.
    pub works: Vec<Work>,
    /// For each model, prompts that are texts, in its tokens; none at all where there are none.
    pub texts: Vec<Vec<Text>>,
    /// The model that the quality of the others is held against; `None` for the largest of them.
    pub reference: Option<Model>,
    /// Whether jobs that are the same thing are measured once.
    pub collapse: bool,
}

impl Sweep {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        let texts = self.texts.iter().map(Vec::len).max().unwrap_or(0);
        let axes = self.axes.iter().map(Vec::len).fold(1, usize::saturating_mul);
        axes.saturating_mul(self.models.len()).saturating_mul(self.works.len() + texts)
    }
}

/// One sweep of several that make one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Titled {
    /// What stands above its table.
    pub title: String,
    /// Cold starts of each job with a prompt.
    pub cold: u32,
    /// What was asked for.
    pub sweep: Sweep,
}

/// What will be done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// One entry a row of the table.
    pub jobs: Vec<Planned>,
    /// For each entry of [`crate::axis::AXES`], whether it takes more than one value or another than the
    /// default: it then has a column. Found anew when a plan is read.
    #[serde(skip)]
    pub varying: Vec<bool>,
    /// The sweeps that the run is made of, in order; empty where it is one.
    #[serde(default)]
    pub parts: Vec<Part>,
}

/// One of several sweeps in a plan: a table of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What stands above its table.
    pub title: String,
    /// Index in [`Plan::jobs`] of its first row; its rows end where the next part's begin.
    pub first: usize,
    /// [`Plan::varying`], of this sweep alone.
    #[serde(skip)]
    pub varying: Vec<bool>,
    /// Cold starts of each job with a prompt.
    pub cold: u32,
}

/// A row to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The measurement.
    pub job: Job,
    /// Set where an earlier row measures the very same thing.
    pub same_as: Option<SameAs>,
    /// Why it is not begun: the model cannot do that, or not with these settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impossible: Option<String>,
    /// What its reader must know: settings that do nothing with this model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl From<Job> for Planned {
    /// A row that is measured.
    fn from(job: Job) -> Self {
        Self { job, same_as: None, impossible: None, notes: Vec::new() }
    }
}

/// Why a row needs no measurement of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SameAs {
    /// Index in [`Plan::jobs`] of the row that is measured.
    pub index: usize,
    /// Why they are the same thing.
    pub reason: String,
    /// Whether its memory is not that of the other row: a context of its own is made, and nothing timed.
    #[serde(default)]
    pub own_memory: bool,
}

impl Plan {
    /// The part that a row belongs to; `None` where the run is one sweep.
    pub fn part(&self, row: usize) -> Option<&Part> {
        self.parts.iter().rev().find(|part| part.first <= row)
    }

    /// The rows of a part.
    pub fn rows_of(&self, part: &Part) -> std::ops::Range<usize> {
        let next = self.parts.iter().map(|other| other.first).find(|first| *first > part.first);
        let all = self.jobs.len();
        part.first.min(all)..next.unwrap_or(all).min(all)
    }

    /// How many cold starts each job gets, where the parts of a plan differ in it: the most that any row
    /// which shows the job asks for.
    pub fn cold_starts(&self) -> HashMap<JobId, u32> {
        let mut cold = HashMap::new();
        for part in &self.parts {
            for row in self.rows_of(part) {
                let planned = &self.jobs[row];
                let source = planned.same_as.as_ref().map_or(row, |same| same.index);
                let most: &mut u32 = cold.entry(self.jobs[source].job.id.clone()).or_default();
                *most = part.cold.max(*most);
            }
        }
        cold
    }

    /// The jobs that are measured themselves, in order.
    pub fn measured(&self) -> impl Iterator<Item = &Job> {
        let own = self.jobs.iter().filter(|planned| planned.is_measured());
        own.map(|planned| &planned.job)
    }

    /// The jobs that a worker is asked for, in order: those that are measured, and those whose memory is.
    pub fn visited(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|planned| planned.is_visited()).map(|planned| &planned.job)
    }

    /// Whether any job would have layers on a device of this machine, if there were one.
    pub fn asks_for_a_device(&self) -> bool {
        self.jobs.iter().any(|planned| {
            let Setup::Llama(config) = &planned.job.setup;
            planned.is_possible() && config.rpc.is_empty() && config.effective_gpu_layers(true) > 0
        })
    }

    /// The jobs to measure, grouped by what one loaded model can serve, in order.
    pub fn groups(&self) -> Vec<Vec<&Job>> {
        self.groups_but(HashMap::new())
    }

    /// The same without jobs that are `done`, each as often as the number says.
    pub fn groups_but(&self, mut done: HashMap<&JobId, usize>) -> Vec<Vec<&Job>> {
        let is_left = |job: &&Job| match done.get_mut(&job.id).filter(|times| **times > 0) {
            Some(times) => {
                *times -= 1;
                false
            }
            None => true,
        };
        grouped(self.measured().filter(is_left))
    }
}

impl Planned {
    /// Whether it is measured itself.
    pub fn is_measured(&self) -> bool {
        self.same_as.is_none() && self.is_possible()
    }

    /// Whether nothing is known against it.
    pub fn is_possible(&self) -> bool {
        self.impossible.is_none()
    }

    /// Whether a worker is asked for it: it is measured, or its memory is.
    pub fn is_visited(&self) -> bool {
        self.is_possible() && self.same_as.as_ref().is_none_or(|same| same.own_memory)
    }
}

/// Jobs, grouped by what one loaded model can serve, in order.
pub fn grouped<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> Vec<Vec<&'a Job>> {
    let mut groups: Vec<Vec<&Job>> = Vec::new();
    for job in jobs {
        match groups.last_mut() {
            Some(group) if group[0].setup.same_load(&job.setup) => group.push(job),
            _ => groups.push(vec![job]),
        }
    }
    groups
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Sweep;
    use crate::axis::{AXES, Value};
    use crate::machine::Host;
    use crate::setup::{Config, Layout, Model};
    use crate::units::{Bytes, Params};
    use crate::work::Work;

    /// A model of 28 layers, for tests.
    pub(crate) fn model() -> Model {
        Model {
            path: "models/test.gguf".into(),
            header_hash: "00".repeat(32),
            file_size: Bytes(2_640_000_000),
            architecture: "llama".into(),
            label: "llama 3B Q6_K".into(),
            tensor_bytes: Bytes(2_635_000_000),
            n_params: Params(3_212_749_888),
            n_layers: 28,
            n_vocab: Some(128_256),
            synthetic_seed: Some(1),
            source: None,
            token_cost: None,
            layout: Layout::default(),
            ..Model::default()
        }
    }

    /// A sweep over that model with some axes set.
    pub(crate) fn sweep(host: &Host, set: &[(&str, Vec<i64>)], works: &[Work]) -> Sweep {
        let axes = AXES.iter().map(|axis| {
            let given = set.iter().find(|(name, _)| *name == axis.name);
            given.map_or_else(
                || vec![axis.default(host)],
                |(_, values)| values.iter().map(|&value| Value::Int(value)).collect(),
            )
        });
        Sweep {
            models: vec![model()],
            axes: axes.collect(),
            works: works.to_vec(),
            texts: Vec::new(),
            reference: None,
            collapse: true,
        }
    }

    /// That model with every axis at its default.
    pub(crate) fn config() -> Config {
        super::config(&model(), &Host::for_tests())
    }
}
