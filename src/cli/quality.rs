//! Flags about quality: which text, how much of it, and what it is held against.

use std::path::PathBuf;

use clap::Args;

use super::quantities;
use crate::error::Error;
use crate::models::texts;
use crate::work::Work;
use crate::work::quality::{Quality, Role};

/// What is foretold, and what it is held against.
#[derive(Debug, Clone, Args)]
pub struct QualityArgs {
    /// Measure quality too: perplexity, and the divergence from the largest model
    #[arg(long, help_heading = "Sweep")]
    quality: bool,
    /// Text to foretell, in place of the one that lbench has; give it again for another
    #[arg(long, value_name = "FILE", help_heading = "Sweep")]
    text: Vec<PathBuf>,
    /// Model that the others are held against, in place of the largest of -m
    #[arg(long, value_name = "FILE", help_heading = "Sweep")]
    pub reference: Option<PathBuf>,
    /// Tokens of a chunk; the second half of each is scored
    #[arg(long, value_name = "N", default_value_t = 512, help_heading = "Sweep")]
    #[arg(value_parser = clap::value_parser!(u32).range(8..=16_777_216))]
    quality_ctx: u32,
    /// Most chunks of a text
    #[arg(long, value_name = "N", default_value_t = 32, help_heading = "Sweep")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    chunks: u32,
    /// Take the first chunks and all of them, as llama-perplexity does, and not such that are spread over the text
    #[arg(long, help_heading = "Sweep")]
    first_chunks: bool,
    /// Seed of the choice and order of the chunks
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Sweep")]
    chunk_seed: u64,
    /// Measure chunks until the divergence is known this well
    #[arg(long, value_name = "PERCENT", default_value = "10%", help_heading = "Sweep")]
    #[arg(value_parser = quantities::percent)]
    quality_precision: f64,
}

impl QualityArgs {
    /// Whether quality is measured at all.
    pub fn is_wanted(&self) -> bool {
        self.quality
    }

    /// A work for each text.
    ///
    /// # Errors
    /// When a text cannot be read.
    pub fn works(&self) -> Result<Vec<Work>, Error> {
        if !self.quality {
            return Ok(Vec::new());
        }
        let given = self.text.iter().map(|path| texts::of_file(path));
        let mut passages = given.collect::<Result<Vec<_>, _>>()?;
        if passages.is_empty() {
            passages.push(texts::built_in());
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of 1
        let per_mille = (self.quality_precision * 1000.0).round().clamp(1.0, 1000.0) as u32;
        let work = |passage| {
            Work::Quality(Quality {
                passage,
                n_ctx: self.quality_ctx,
                n_chunks: self.chunks,
                seed: (!self.first_chunks).then_some(self.chunk_seed),
                per_mille: if self.first_chunks { 0 } else { per_mille },
                role: Role::Alone,
            })
        };
        Ok(passages.into_iter().map(work).collect())
    }
}
