//! Jobs as they are written down, and as lbench wrote them at first: there was one kind of setup, depth,
//! sequences and text stood beside the work, and the work was one of three.

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::Value;

use super::JobId;
use crate::setup::{Config, Setup};
use crate::work::{Speed, Text, Work};

/// A job in either shape.
#[derive(Deserialize)]
pub(super) struct WrittenJob {
    id: JobId,
    setup: Option<Setup>,
    work: Either,
    /// The settings, as they stood at first.
    config: Option<Value>,
    text: Option<Text>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Now(Work),
    First(FirstWork),
}

/// A work as it was at first.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FirstWork {
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

impl TryFrom<WrittenJob> for super::Job {
    type Error = serde_json::Error;

    fn try_from(written: WrittenJob) -> Result<Self, Self::Error> {
        let WrittenJob { id, setup, work, config, text } = written;
        let missing = serde_json::Error::missing_field;
        let tokens = match work {
            Either::Now(work) => {
                return Ok(Self { id, setup: setup.ok_or_else(|| missing("setup"))?, work });
            }
            Either::First(tokens) => tokens,
        };
        let config = config.ok_or_else(|| missing("config"))?;
        let (n_prompt, n_gen) = match tokens {
            FirstWork::Prompt { n_prompt } => (n_prompt, 0),
            FirstWork::Generate { n_gen } => (0, n_gen),
            FirstWork::PromptGenerate { n_prompt, n_gen } => (n_prompt, n_gen),
        };
        let Around { n_depth, compute } = Around::deserialize(&config)?;
        let Sequences { n_parallel, prompt_shared } = compute;
        let work =
            Speed { n_depth, n_parallel, prompt_shared, text, ..Speed::new(n_prompt, n_gen) };
        Ok(Self { id, setup: Config::deserialize(&config)?.into(), work: Work::Speed(work) })
    }
}
