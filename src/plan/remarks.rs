//! Remarks on the models of a plan: what the tests of one mean that is no plain decoder, and which go beyond what it was
//! trained with. Each stands once, not in every row.

use super::possible::reach;
use super::{Plan, Planned};
use crate::setup::{Model, ModelKind};
use crate::units::counted;

/// Most tests that one sentence names.
const MOST: usize = 4;

/// What is to be said of the models of some rows, each once, in order.
pub fn remarks(rows: &[Planned]) -> Vec<String> {
    let mut models: Vec<&Model> = Vec::new();
    for model in rows.iter().filter_map(|planned| planned.job.setup.model()) {
        if !models.iter().any(|known| known.header_hash == model.header_hash) {
            models.push(model);
        }
    }
    let each = |model: &&Model| {
        let of_model = |planned: &&Planned| {
            let own = planned.job.setup.model();
            own.is_some_and(|own| own.header_hash == model.header_hash)
        };
        let own: Vec<_> = rows.iter().filter(of_model).filter(|row| row.is_possible()).collect();
        [kind(model, &own), training(model, &own)].into_iter().flatten().collect::<Vec<_>>()
    };
    models.iter().flat_map(each).collect()
}

/// What tests of a model mean that takes a text at once.
fn kind(model: &Model, rows: &[&Planned]) -> Option<String> {
    let has_prompt = |row: &&Planned| row.job.work.speed().is_some_and(|speed| speed.n_prompt > 0);
    let read = || rows.iter().filter(|row| has_prompt(row)).map(|row| row.job.work.test());
    let (example, label) = (read().next()?, &model.label);
    let what = match model.kind {
        ModelKind::Encoder => "is one text, read at once; no token comes of it, so it has no ttft",
        ModelKind::Diffusion => {
            "is one pass over a text; no single token comes of it, so it has no ttft"
        }
        ModelKind::EncoderDecoder => {
            "is one text, encoded at once; ttft has the decoder's first step, too"
        }
        ModelKind::Decoder | ModelKind::Recurrent | ModelKind::Hybrid => return None,
    };
    Some(format!("{label} is {}: {example} {what}", model.kind.in_words()))
}

/// Which tests are longer than what a model was trained with.
fn training(model: &Model, rows: &[&Planned]) -> Option<String> {
    let trained = model.n_ctx_train?;
    let is_beyond = |row: &&&Planned| {
        row.job.work.speed().is_some_and(|speed| reach(speed) > u64::from(trained))
    };
    let mut tests: Vec<String> = Vec::new();
    for row in rows.iter().filter(is_beyond) {
        let name = row.job.work.test_name();
        if !tests.contains(&name) {
            tests.push(name);
        }
    }
    let more = tests.len().saturating_sub(MOST);
    tests.truncate(MOST);
    if more > 0 {
        tests.push(format!("{more} more"));
    }
    let verb = if tests.len() == 1 { "goes" } else { "go" };
    let (tests, label) = (join(&tests)?, &model.label);
    Some(format!(
        "{tests} {verb} beyond the {} that {label} was trained with: the speed holds, what it computes may make no sense",
        counted(trained, "token")
    ))
}

/// `a`, `a and b`, `a, b and c`.
fn join(words: &[String]) -> Option<String> {
    let (last, before) = words.split_last()?;
    Some(if before.is_empty() { last.clone() } else { format!("{} and {last}", before.join(", ")) })
}

impl Plan {
    /// What is to be said of the models of all rows.
    pub fn remarks(&self) -> Vec<String> {
        remarks(&self.jobs)
    }
}
