//! Measuring of quality: chunk by chunk, what the model foretells, and how far that is from the reference.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the row, chunk by chunk |
//! | `distribution.rs` | from logits to probabilities, and what is kept of them. Pure |
//! | `answers.rs` | the reference's answers, in a file |

pub(super) mod answers;
pub(super) mod distribution;

use std::path::PathBuf;

use self::answers::{About, AnswerWriter, Answers, Chunk};
use self::distribution::{Distribution, Sketch};
use super::measure::Measurement;
use super::{Events, JobFailure};
use crate::engine::{EngineError, Session, Token};
use crate::job::Job;
use crate::models::texts;
use crate::record::{Phase, Warning, WarningKind};
use crate::stats::stopping::{Rule, StopReason, Stopping};
use crate::units::{Nanos, counted, short_hash};
use crate::wire::Event;
use crate::work::quality::{Quality, Role};
use crate::work::{Sample, Sums};

/// Fewest chunks before the divergence may be known well enough: below that their own scatter is guesswork.
const LEAST: u32 = 8;

/// Share of a row's chunks that may give no numbers before the row is a failure.
const MOST_BROKEN: f64 = 0.5;

fn failure(reason: impl Into<String>) -> JobFailure {
    JobFailure { phase: Phase::Score, error: EngineError(reason.into()) }
}

/// Has the model foretell the chunks of the text, sending each when it is scored.
pub fn foretell<S: Session>(
    session: &mut S,
    (job, quality): (&Job, &Quality),
    engine: &str,
    events: &Events,
) -> Result<Measurement, JobFailure> {
    events.send(&Event::Phase { job: job.id.clone(), phase: Phase::Score });
    let passage = texts::read(&quality.passage).map_err(failure)?;
    let tokens =
        session.tokens_of(&passage).map_err(|error| JobFailure { phase: Phase::Score, error })?;
    let n_ctx = quality.n_ctx as usize;
    let all = u32::try_from(tokens.len() / n_ctx).unwrap_or(u32::MAX);
    if all == 0 {
        return Err(failure(format!(
            "the text {} has {}, and a chunk takes {n_ctx}: give a longer one, or a smaller --quality-ctx",
            quality.passage.name,
            counted(tokens.len(), "token")
        )));
    }
    let about = About {
        n_ctx: quality.n_ctx,
        first_scored: quality.first_scored(),
        text: quality.passage.hash.clone(),
        tokens: hash(&tokens),
        engine: engine.into(),
    };
    let row = RowSession { session, job, quality, tokens: &tokens, events };
    match &quality.role {
        Role::Alone => row.alone(all),
        Role::Reference => row.reference(all, &job.id.0, &about),
        Role::Against { reference } => row.against(all, reference, &about),
    }
}

/// Hash of tokens.
pub(super) fn hash(tokens: &[Token]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    short_hash(&bytes)
}

/// Where the answers of a reference are kept: in the user's cache, or, without one, among temporary files.
fn place(reference: &str, engine: &str) -> PathBuf {
    folder().join(format!("{reference}-{}.answers", short_hash(engine.as_bytes())))
}

/// The folder of answers.
pub(super) fn folder() -> PathBuf {
    let folder =
        crate::dirs::user_folder("XDG_CACHE_HOME", ".cache").unwrap_or_else(std::env::temp_dir);
    folder.join("lbench").join("quality")
}

/// A row on its session.
struct RowSession<'a, S> {
    session: &'a mut S,
    job: &'a Job,
    quality: &'a Quality,
    tokens: &'a [Token],
    events: &'a Events,
}

impl<S: Session> RowSession<'_, S> {
    /// The perplexity of the chunks, all of them.
    fn alone(mut self, all: u32) -> Result<Measurement, JobFailure> {
        let chosen = self.quality.chosen(all);
        self.measure(&chosen, None, |row, number| {
            let mut nll = 0.0;
            let ns = row.score(number, |_, next, seen| nll -= seen.log_p(next))?;
            Ok(ns.map(|ns| (row.sample(number, nanos(nll), None, ns), 0.0)))
        })
    }

    /// The same, with what is foretold written down; or read, where an earlier run did that.
    fn reference(mut self, all: u32, id: &str, about: &About) -> Result<Measurement, JobFailure> {
        let chosen = self.quality.chosen(all);
        let path = place(id, &about.engine);
        if let Ok(mut kept) = Answers::open(&path, about) {
            let chunks: Vec<_> =
                chosen.iter().map_while(|number| kept.chunk(*number).ok()).collect();
            if chunks.len() == chosen.len() {
                self.warn(
                    "the reference's answers are those of an earlier run, kept in the cache".into(),
                );
                let mut chunks = chunks.into_iter();
                return self.measure(&chosen, None, |row, number| {
                    let chunk = chunks.next().filter(|chunk| !chunk.sketches.is_empty());
                    Ok(chunk.map(|chunk| (row.sample(number, chunk.nll, None, chunk.ns), 0.0)))
                });
            }
        }
        let refuse = |error: std::io::Error| failure(format!("{}: {error}", path.display()));
        let mut writer = AnswerWriter::create(&path, about).map_err(refuse)?;
        let seed = self.quality.seed.unwrap_or(0);
        let course = self.measure(&chosen, None, |row, number| {
            let mut sketches = Vec::with_capacity(row.quality.scored() as usize);
            let mut nll = 0.0;
            let ns = row.score(number, |place, next, seen| {
                nll -= seen.log_p(next);
                sketches.push(Sketch::of(seen, (seed, number, place)));
            })?;
            if ns.is_none() {
                sketches.clear();
            }
            let chunk = Chunk { number, nll: nanos(nll), ns: ns.unwrap_or_default(), sketches };
            writer.write(&chunk).map_err(refuse)?;
            Ok(ns.map(|ns| (row.sample(number, chunk.nll, None, ns), 0.0)))
        })?;
        writer.finish().map_err(refuse)?;
        Ok(course)
    }

    /// Chunks held against the reference, until the divergence is known well enough.
    fn against(
        mut self,
        all: u32,
        reference: &str,
        about: &About,
    ) -> Result<Measurement, JobFailure> {
        let chosen = self.quality.chosen(all);
        let mut kept = Answers::open(&place(reference, &about.engine), about).map_err(failure)?;
        let target = f64::from(self.quality.per_mille) / 1000.0;
        let rule = Rule::Precision {
            min_samples: LEAST,
            target,
            max_samples: self.quality.n_chunks,
            max_time: Nanos(u64::MAX),
        };
        self.measure(&chosen, Some(Stopping::new(rule)), |row, number| {
            let chunk = kept.chunk(number).map_err(failure)?;
            if chunk.sketches.is_empty() {
                return Ok(None);
            }
            let (mut nll, mut kld, mut same_top, mut strange) = (0.0, 0.0, 0, false);
            let ns = row.score(number, |place, next, seen| {
                nll -= seen.log_p(next);
                let Some(sketch) = chunk.sketches.get(place) else { return strange = true };
                let Some(divergence) = sketch.divergence(seen) else { return strange = true };
                kld += divergence;
                same_top += u32::from(sketch.likeliest() == Some(seen.likeliest()));
            })?;
            if strange {
                return Err(failure("the reference's answers are about another vocabulary"));
            }
            let sums = Sums { nll: chunk.nll, kld: nanos(kld), same_top };
            let value = kld / f64::from(row.quality.scored().max(1));
            Ok(ns.map(|ns| (row.sample(number, nanos(nll), Some(sums), ns), value)))
        })
    }

    /// Chunk after chunk, each sent when `one` has scored it, with the value that decides when there are enough. A
    /// chunk without figures is told of and left out.
    fn measure(
        &mut self,
        chosen: &[u32],
        mut stopping: Option<Stopping>,
        mut one: impl FnMut(&mut Self, u32) -> Result<Option<(Sample, f64)>, JobFailure>,
    ) -> Result<Measurement, JobFailure> {
        let started = self.session.now();
        let (mut broken, mut stop) = (0, StopReason::Repetitions);
        for &number in chosen {
            let Some((sample, value)) = one(self, number)? else {
                broken += 1;
                if f64::from(broken)
                    > MOST_BROKEN * f64::from(u32::try_from(chosen.len()).unwrap_or(u32::MAX))
                {
                    return Err(failure(format!(
                        "{broken} of {} of the text give no numbers: what this computes is nonsense",
                        counted(chosen.len(), "chunk")
                    )));
                }
                let name = &self.quality.passage.name;
                self.warn(format!(
                    "chunk {number} of {name} gives no numbers (NaN): it is left out"
                ));
                continue;
            };
            self.events.send(&Event::Sample { job: self.job.id.clone(), sample });
            let elapsed = self.session.now().since(started);
            if let Some(reason) =
                stopping.as_mut().and_then(|stopping| stopping.push(value, elapsed))
            {
                stop = reason;
                break;
            }
        }
        Ok(Measurement { steady: None, stop, traffic: Vec::new() })
    }

    /// Has the model foretell a chunk: hands over each scored place, the token that comes, and what the model thinks of
    /// it. The time; `None` where the model gives no numbers.
    fn score(
        &mut self,
        number: u32,
        mut each: impl FnMut(usize, Token, &Distribution<'_>),
    ) -> Result<Option<Nanos>, JobFailure> {
        let n_ctx = self.quality.n_ctx as usize;
        let first = self.quality.first_scored() as usize;
        let start = number as usize * n_ctx;
        let text = &self.tokens[start..start + n_ctx];
        let mut chunk = text.to_vec();
        if let Some(opening) = self.session.opening_token() {
            chunk[0] = opening;
        }
        let mut is_broken = false;
        let started = self.session.now();
        let done = self.session.score(&chunk, first, &mut |place, logits| {
            let Some(&next) = text.get(place + 1) else { return };
            match Distribution::of(logits) {
                Some(seen) if !is_broken => each(place - first, next, &seen),
                Some(_) => {}
                None => is_broken = true,
            }
        });
        done.map_err(|error| JobFailure { phase: Phase::Score, error })?;
        let ns = self.session.now().since(started);
        Ok((!is_broken).then_some(ns))
    }

    fn sample(&self, chunk: u32, nll: i64, against: Option<Sums>, ns: Nanos) -> Sample {
        Sample::Chunk { chunk, scored: self.quality.scored(), nll, against, ns }
    }

    fn warn(&self, text: String) {
        let warning = Warning::new(WarningKind::Quality, text);
        self.events.send(&Event::Warned { job: self.job.id.clone(), warning });
    }
}

/// Nats as whole billionths.
#[allow(clippy::cast_possible_truncation)] // `as` saturates
fn nanos(nats: f64) -> i64 {
    (nats * 1e9).round() as i64
}
