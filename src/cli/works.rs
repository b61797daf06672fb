//! Flags that say what is measured under each combination of axes.

use std::path::PathBuf;

use clap::Args;

use super::{AxisArgs, QualityArgs, values};
use crate::axis::{AXES, Value};
use crate::error::Error;
use crate::work::Work;

/// What is measured.
#[derive(Debug, Clone, Args)]
pub struct WorkArgs {
    /// Prompt lengths to test; 0 for none [default: 512]
    #[arg(short = 'p', long, value_name = "N", value_parser = prompts, help_heading = "Sweep")]
    #[arg(allow_hyphen_values = true)]
    n_prompt: Vec<Counts>,
    /// Generation lengths to test; 0 for none [default: 128]
    #[arg(short = 'n', long, value_name = "N", value_parser = counts, help_heading = "Sweep")]
    #[arg(allow_hyphen_values = true)]
    n_gen: Vec<Counts>,
    /// [-pg] Prompt and generation in one test, e.g. 512,128
    #[arg(long, value_name = "PP,TG", value_parser = values::pair, help_heading = "Sweep")]
    #[arg(allow_hyphen_values = true)]
    prompt_gen: Vec<(u32, u32)>,
    /// Prompts to process besides random tokens: one a line, or JSON (.json, .jsonl); without -p in their
    /// stead
    #[arg(long, value_name = "FILE", help_heading = "Sweep")]
    pub prompt_file: Option<PathBuf>,
    /// Measure at depths from 0 to MAX, in one pass over a growing context [default STEP: an eighth]
    #[arg(long, value_name = "MAX[+STEP]", value_parser = curve, help_heading = "Sweep")]
    #[arg(allow_hyphen_values = true)]
    depth_curve: Option<Counts>,
    /// Text to foretell.
    #[command(flatten)]
    pub quality: QualityArgs,
}

/// What one occurrence of a flag stands for. A type of its own, since clap would flatten a `Vec`.
#[derive(Debug, Clone)]
struct Counts(Vec<u32>);

fn counts(text: &str) -> Result<Counts, String> {
    values::counts(text).map(Counts)
}

/// Lengths of prompts. To llama-cli, `-p` is a prompt itself.
fn prompts(text: &str) -> Result<Counts, String> {
    let is_text = text.chars().any(char::is_alphabetic);
    let texts =
        |error| if is_text { format!("{error}; texts are for --prompt-file") } else { error };
    counts(text).map_err(texts)
}

/// Depths from 0 to a greatest one.
fn curve(text: &str) -> Result<Counts, String> {
    let (max, step) = match text.split_once('+') {
        Some((max, step)) => (max, Some(step)),
        None => (text, None),
    };
    let number = |word: &str| match word.trim().parse::<u32>() {
        Ok(number) if (1..=i32::MAX.unsigned_abs()).contains(&number) => Ok(number),
        _ => {
            Err(format!("'{text}' is no curve: give its greatest depth and a step, like 8192+1024"))
        }
    };
    let max = number(max)?;
    let step = step.map_or_else(|| Ok(max.div_ceil(8)), number)?;
    values::counts(&format!("0-{max}+{step}")).map(Counts)
}

impl WorkArgs {
    /// What is measured under each combination, in llama-bench's order: prompts, generations, pairs. The
    /// texts of a file are not among them.
    ///
    /// # Errors
    /// When nothing is left to measure.
    pub fn works(&self) -> Result<Vec<Work>, Error> {
        let lengths = |given: &[Counts], default| -> Vec<u32> {
            let all = given.iter().flat_map(|counts| counts.0.iter().copied());
            let all: Vec<_> = if given.is_empty() { vec![default] } else { all.collect() };
            all.into_iter().filter(|&n| n > 0).collect()
        };
        let default_prompt = if self.prompt_file.is_some() { 0 } else { 512 };
        let prompts = lengths(&self.n_prompt, default_prompt);
        let prompts = prompts.into_iter().map(Work::prompt);
        let generations = lengths(&self.n_gen, 128).into_iter().map(Work::generate);
        let pairs = self.prompt_gen.iter().filter(|pair| **pair != (0, 0));
        let pairs = pairs.map(|&(n_prompt, n_gen)| Work::prompt_generate(n_prompt, n_gen));
        let works: Vec<_> = prompts.chain(generations).chain(pairs).collect();
        if works.is_empty() && self.prompt_file.is_none() && !self.quality.is_wanted() {
            let text = "-p 0 and -n 0 leave nothing to measure: give one of -p, -n, -pg a length";
            return Err(Error::Usage(text.into()));
        }
        Ok(works)
    }

    /// Gives the axis of depths the values of a curve.
    pub(super) fn apply(&self, axes: &mut AxisArgs) {
        let Some(Counts(depths)) = &self.depth_curve else { return };
        let place = AXES.iter().position(|axis| axis.name == "n_depth");
        if let Some(values) = place.and_then(|place| axes.0.get_mut(place)) {
            values.extend(depths.iter().map(|depth| Value::Int(i64::from(*depth))));
        }
    }
}
