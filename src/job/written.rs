//! Jobs as they are written down, and as lbench wrote them at first: depth, sequences and text stood
//! beside the work then, and the work was one of three.

use serde::Deserialize;
use serde_json::Value;

use super::JobId;
use crate::setup::Config;
use crate::work::{Speed, Text, Work};

/// A job in either shape.
#[derive(Deserialize)]
pub(super) struct Job {
    id: JobId,
    config: Value,
    work: Either,
    text: Option<Text>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Now(Work),
    First(First),
}

/// A work as it was at first.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum First {
    Prompt { n_prompt: u32 },
    Generate { n_gen: u32 },
    PromptGenerate { n_prompt: u32, n_gen: u32 },
}

/// What stood in the settings then and is the work's now.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Around {
    n_depth: u32,
    compute: Sequences,
}

#[derive(Deserialize)]
#[serde(default)]
struct Sequences {
    n_parallel: u32,
    prompt_shared: bool,
}

impl Default for Sequences {
    fn default() -> Self {
        Self { n_parallel: 1, prompt_shared: false }
    }
}

impl TryFrom<Job> for super::Job {
    type Error = serde_json::Error;

    fn try_from(written: Job) -> Result<Self, Self::Error> {
        let Job { id, config, work, text } = written;
        let work = match work {
            Either::Now(work) => work,
            Either::First(first) => {
                let Around { n_depth, compute } = Around::deserialize(&config)?;
                let Sequences { n_parallel, prompt_shared } = compute;
                let (n_prompt, n_gen) = match first {
                    First::Prompt { n_prompt } => (n_prompt, 0),
                    First::Generate { n_gen } => (0, n_gen),
                    First::PromptGenerate { n_prompt, n_gen } => (n_prompt, n_gen),
                };
                Work::Speed(Speed { n_prompt, n_gen, n_depth, n_parallel, prompt_shared, text })
            }
        };
        Ok(Self { id, config: Config::deserialize(&config)?, work })
    }
}
