//! Flags that llama-bench has replaced: `-mmp` and `-dio` are load modes now.

use clap::Args;

use super::AxisArgs;
use super::values;
use crate::axis::{AXES, Grammar, Value};
use crate::setup::{LoadMode, Word as _};

/// The flags.
#[derive(Debug, Clone, Args)]
#[allow(clippy::option_option)] // a flag that may be there without its value
pub struct DeprecatedArgs {
    /// Older spelling of --load-mode mmap and none
    #[arg(long, value_name = "0|1", value_parser = switches, hide = true)]
    mmap: Vec<Switches>,
    /// Older spelling of --load-mode dio
    #[arg(long, value_name = "0|1", value_parser = switches, hide = true)]
    direct_io: Vec<Switches>,
    /// Rows are measured in rounds anyway; SEED is that of their order
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true, hide = true)]
    interleave: Option<Option<u64>>,
    /// There is no anchor any more
    #[arg(long, hide = true)]
    no_anchor: bool,
}

/// What one occurrence stands for. A type of its own, since clap would flatten a `Vec`.
#[derive(Debug, Clone)]
struct Switches(Vec<bool>);

fn switches(text: &str) -> Result<Switches, String> {
    let values = values::axis(Grammar::Switch, text)?;
    Ok(Switches(values.iter().map(|value| *value == Value::Switch(true)).collect()))
}

impl DeprecatedArgs {
    /// The load modes that they stand for, each once; none where no such flag was given. Direct reading
    /// goes before mapping, as it did in llama.cpp.
    fn modes(&self) -> Vec<LoadMode> {
        let values = |given: &[Switches]| -> Vec<Option<bool>> {
            let all: Vec<_> = given.iter().flat_map(|switches| &switches.0).copied().collect();
            if all.is_empty() { vec![None] } else { all.into_iter().map(Some).collect() }
        };
        let mut modes = Vec::new();
        for mmap in values(&self.mmap) {
            for direct in values(&self.direct_io) {
                let mode = match (direct, mmap) {
                    (Some(true), _) => LoadMode::Dio,
                    (_, Some(true)) => LoadMode::Mmap,
                    (_, Some(false)) => LoadMode::None,
                    (Some(false), None) => LoadMode::Auto,
                    (None, None) => continue,
                };
                if !modes.contains(&mode) {
                    modes.push(mode);
                }
            }
        }
        modes
    }

    /// Gives the axis of load modes their values.
    pub fn apply(&self, axes: &mut AxisArgs) {
        let place = AXES.iter().position(|axis| axis.name == "load_mode");
        if let Some(values) = place.and_then(|place| axes.0.get_mut(place)) {
            values.extend(self.modes().into_iter().map(Value::Load));
        }
    }

    /// What to say about them.
    pub fn notes(&self) -> Vec<String> {
        let modes: Vec<_> = self.modes().into_iter().map(LoadMode::name).collect();
        let text =
            || format!("-mmp and -dio are deprecated: -lm {} says the same", modes.join(","));
        let mut notes = if modes.is_empty() { Vec::new() } else { vec![text()] };
        if self.interleave.is_some() {
            let text = "--interleave is always on: rows are measured in rounds, in an order drawn from a seed";
            notes.push(text.into());
        }
        if self.no_anchor {
            notes.push("--no-anchor has no effect: rounds show what changes over time".into());
        }
        notes
    }

    /// The seed of the order that was given with an older flag.
    pub fn seed(&self) -> Option<u64> {
        self.interleave.flatten()
    }
}
