//! Engine of a command: llama.cpp or, in tests, a script in its place. Who has to know which asks here.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::scripted::Script;
use crate::machine::Limits;
use crate::machine::cache::Cache;

/// Which engine measures.
#[derive(Debug, Clone, Args)]
pub struct EngineArgs {
    /// Use the scripted engine: for tests.
    #[arg(long, hide = true, value_parser = script)]
    scripted: Option<Script>,
}

fn script(text: &str) -> Result<Script, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

impl EngineArgs {
    /// The script, where there is one.
    pub fn script(&self) -> Option<&Script> {
        self.scripted.as_ref()
    }

    /// Whether it is this machine that is measured. What a script says is nobody's result, and its devices
    /// are none.
    pub fn is_real(&self) -> bool {
        self.scripted.is_none()
    }

    /// The limits of the system on who measures: of this machine, or of the one that a script plays.
    pub fn limits(&self) -> Limits {
        let played = self.script().and_then(|script| script.machine.as_deref());
        Limits::of(played.unwrap_or(Path::new("/")))
    }

    /// Whether the limits are those of what is measured: of a script, only where it plays a machine.
    pub fn is_limited(&self) -> bool {
        self.script().is_none_or(|script| script.machine.is_some())
    }

    /// Whether its runs are somebody's results, to be kept in the user's folder.
    pub fn is_kept(&self) -> bool {
        self.script().is_none_or(|script| script.keep)
    }

    /// Whether this build has it.
    pub fn is_built_in(&self) -> bool {
        cfg!(feature = "llama") || !self.is_real()
    }

    /// The user's file of this name about the machine; none for a script.
    pub fn cache<T: Serialize + DeserializeOwned>(&self, name: &str) -> Cache<T> {
        if self.is_real() { Cache::of_user(name) } else { Cache::none() }
    }

    /// The flags for a worker of the run of this number: the noise of a script is another one in each run, as
    /// a machine's is.
    pub fn words(&self, run: u64) -> Vec<String> {
        let word = |script: &Script| {
            let script = Script { seed: script.seed.wrapping_add(run), ..script.clone() };
            // Parsed from JSON a moment ago, so it can be written as JSON.
            format!("--scripted={}", serde_json::to_string(&script).unwrap_or_default())
        };
        self.scripted.iter().map(word).collect()
    }
}
