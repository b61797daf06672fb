//! Metrics of quality: each chunk is one value.

use crate::stats::Estimate;
use crate::stats::interval::count;
use crate::work::metric::{Better, Chance, FACE, Face, FieldNames, Figure, Kind, Metric, Words};
use crate::work::quality::Role;
use crate::work::{Sample, Work};

/// What a row yields that is held against a reference.
pub static AGAINST: Kind =
    Kind { name: "divergence", metrics: &[&DIVERGENCE, &PERPLEXITY, &RATIO, &SAME_TOP] };

/// What a row yields that is held against nothing.
pub static ALONE: Kind = Kind { name: "perplexity", metrics: &[&PERPLEXITY] };

/// Words on what is nearer to a reference.
const NEARNESS: Words = Words { better: "CLOSER", worse: "FARTHER" };

/// How far the row foretells otherwise than the reference: mean over tokens of Σ p (ln p − ln q), p being the
/// reference's probabilities, in nats.
pub static DIVERGENCE: Metric = Metric {
    name: "divergence",
    doc: "Kullback-Leibler divergence from the reference, a token",
    unit: "nats",
    face: Some(Face { heading: "kld", width: 19, places: 6, shows: is_against, ..COLUMN }),
    fields: FieldNames { value: "kld", error: Some("kld_error"), samples: Some("kld_chunks") },
    values: |_, samples| chunks(samples, |chunk| Some(chunk.against?.kld)),
    figure: mean,
    ..OF_CHUNKS
};

/// Perplexity: exp of the mean negative logarithm of the probability of each token.
pub static PERPLEXITY: Metric = Metric {
    name: "perplexity",
    doc: "Perplexity of the text",
    face: Some(Face { heading: "ppl", width: 18, places: 4, shows: is_quality, ..COLUMN }),
    fields: FieldNames { value: "ppl", error: Some("ppl_error"), samples: Some("nll_chunks") },
    values: |_, samples| chunks(samples, |chunk| Some(chunk.nll)),
    figure: exp_mean,
    ..OF_CHUNKS
};

/// Perplexity over that of the reference.
pub static RATIO: Metric = Metric {
    name: "perplexity_ratio",
    doc: "Perplexity over that of the reference",
    face: Some(Face { heading: "ppl ratio", places: 4, shows: is_against, ..COLUMN }),
    fields: FieldNames {
        value: "ppl_ratio",
        error: Some("ppl_ratio_error"),
        samples: Some("nll_difference_chunks"),
    },
    values: |_, samples| chunks(samples, |chunk| Some(chunk.nll - chunk.against?.nll)),
    figure: exp_mean,
    ..OF_CHUNKS
};

/// Share of tokens for which the likeliest one is the reference's.
pub static SAME_TOP: Metric = Metric {
    name: "same_top",
    doc: "Share of tokens whose likeliest continuation is the reference's",
    better: Better::Higher(NEARNESS),
    face: Some(Face { heading: "same top %", scale: 100.0, shows: is_against, ..COLUMN }),
    fields: FieldNames { value: "same_top", error: Some("same_top_error"), samples: None },
    values: |_, samples| chunks(samples, |chunk| Some(chunk.against?.same_top)),
    figure: mean,
    ..OF_CHUNKS
};

const COLUMN: Face = Face { says: "mean over chunks ± its standard error", ..FACE };

const OF_CHUNKS: Metric = Metric {
    name: "",
    doc: "",
    unit: "",
    better: Better::Lower(NEARNESS),
    chance: Chance::Paired,
    face: None,
    fields: FieldNames { value: "", error: None, samples: None },
    values: |_, _| Vec::new(),
    figure: mean,
};

fn is_quality(work: &Work, _: u32) -> bool {
    work.quality().is_some()
}

fn is_against(work: &Work, _: u32) -> bool {
    work.quality().is_some_and(|quality| matches!(quality.role, Role::Against { .. }))
}

/// A chunk, as means over its scored tokens.
struct ChunkMeans {
    nll: f64,
    against: Option<AgainstMeans>,
}

#[derive(Clone, Copy)]
struct AgainstMeans {
    nll: f64,
    kld: f64,
    same_top: f64,
}

#[allow(clippy::cast_precision_loss)] // nanonats of a few hundred tokens
fn chunks(samples: &[Sample], value: impl Fn(ChunkMeans) -> Option<f64>) -> Vec<f64> {
    let of = |sample: &Sample| {
        let Sample::Chunk { scored, nll, against, .. } = sample else { return None };
        let n = f64::from(*scored);
        let each = |sum: i64| sum as f64 / 1e9 / n;
        let against = against.as_ref().map(|sums| AgainstMeans {
            nll: each(sums.nll),
            kld: each(sums.kld),
            same_top: f64::from(sums.same_top) / n,
        });
        value(ChunkMeans { nll: each(*nll), against })
    };
    samples.iter().filter_map(of).collect()
}

/// The mean over chunks and its standard error.
fn mean(values: &[f64]) -> Option<Figure> {
    let Estimate { mean, sd, n } = Estimate::of(values)?;
    let error = sd.map(|sd| sd / count(n).sqrt());
    Some(Figure { value: mean, error, spread: None })
}

/// exp of that, with the error that follows.
fn exp_mean(values: &[f64]) -> Option<Figure> {
    let Figure { value, error, .. } = mean(values)?;
    let value = value.exp();
    Some(Figure { value, error: error.map(|error| value * error), spread: None })
}

#[cfg(test)]
mod tests {
    use super::super::{Passage, Quality};
    use super::*;
    use crate::units::Nanos;
    use crate::work::Sums;

    fn sample(nll: f64, base: f64, kld: f64, same_top: u32) -> Sample {
        #[allow(clippy::cast_possible_truncation)]
        let sum = |mean: f64| (mean * 255e9).round() as i64;
        let against = Some(Sums { nll: sum(base), kld: sum(kld), same_top });
        Sample::Chunk { chunk: 0, scored: 255, nll: sum(nll), against, ns: Nanos(1) }
    }

    fn figures(samples: &[Sample]) -> [Figure; 4] {
        let work = Work::Quality(Quality {
            passage: Passage::new("prose".into(), b"", None),
            n_ctx: 512,
            n_chunks: 2,
            seed: None,
            per_mille: 0,
            role: Role::Against { reference: "0".into() },
        });
        [&DIVERGENCE, &PERPLEXITY, &RATIO, &SAME_TOP]
            .map(|metric| metric.of(&work, samples).unwrap())
    }

    #[test]
    fn figures_are_means_over_chunks_with_the_error_of_these() {
        let [kld, ppl, ratio, same] =
            figures(&[sample(2.0, 1.9, 0.01, 255), sample(3.0, 2.9, 0.03, 0)]);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(kld.value, 0.02);
        near(kld.error.unwrap(), 0.01);
        near(ppl.value, 2.5_f64.exp());
        near(ppl.error.unwrap(), 2.5_f64.exp() * 0.5);
        near(ratio.value, 0.1_f64.exp());
        assert!(ratio.error.unwrap() < 1e-6, "the text cancels");
        near(same.value, 0.5);
    }

    #[test]
    fn one_chunk_has_no_error() {
        let [kld, ..] = figures(&[sample(2.0, 1.9, 0.01, 255)]);
        assert_eq!(kld.error, None);
    }
}
