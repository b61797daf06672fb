//! One row of one side, whoever wrote it: a result file's object, a CSV line, or a row just measured.

use serde_json::Value;

use super::keys::{FACTS, Ignored, KEYS};
use crate::stats::known::Known;
use crate::stats::sides::Side;
use crate::work::{Figure, KINDS, Metric, speed};

/// A row, reduced to what a comparison needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ComparedRow {
    /// Its place among the rows of its side, from 1.
    pub position: usize,
    /// The model.
    pub model: ModelId,
    /// The value of each of [`KEYS`], where it has one.
    pub keys: Vec<Option<String>>,
    /// The value of each of [`FACTS`], where it has one.
    pub facts: Vec<Option<String>>,
    /// Its name, where the keys do not say it: of tests that have no prompt and no generation.
    pub name: Option<String>,
    /// What it is judged by.
    pub metric: &'static Metric,
    /// The values of that, one a sample; none where the row has only what they came to, or failed.
    pub values: Vec<f64>,
    /// What they came to, or what the file says where there are none.
    pub figure: Option<Figure>,
    /// By how much runs of the same thing differed where it was measured, if that was known.
    pub floor: Option<f64>,
    /// What its visits say, where it was measured by an lbench that knew.
    pub known: Option<Known>,
    /// Whether it says of itself that it does not compare.
    pub marked: bool,
    /// How it ended.
    pub ending: RowEnding,
}

/// What tells one model from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct ModelId {
    /// Family, size class and file type.
    pub label: Option<String>,
    /// Hash of the file's header; lbench's files have it.
    pub hash: Option<String>,
    /// Size and number of parameters.
    pub sizes: [Option<String>; 2],
    /// Seed of the weights, where they are random.
    pub seed: Option<String>,
}

/// How a row ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowEnding {
    /// With all samples.
    Completed,
    /// By the user; the samples until then count.
    Interrupted,
    /// Without a result, for this reason.
    Failed(String),
}

impl ComparedRow {
    /// Reads a row's fields through `look`, which answers null for what is not there; `None` if they are
    /// not those of a benchmark.
    pub(super) fn read(position: usize, look: &dyn Fn(&str) -> Value) -> Option<Self> {
        let text = |name: &str| word(&look(name));
        let tokens = number(&look("n_prompt")).zip(number(&look("n_gen"))).map(|(pp, tg)| pp + tg);
        let name = if tokens.is_none() { Some(text("test")?) } else { None };
        let metric = metric(look);
        let ending = ending(look);
        let failed = matches!(ending, RowEnding::Failed(_));
        let values = if failed { Vec::new() } else { values(metric, tokens, look) };
        let said = || {
            let value = number(&look(metric.fields.value))?;
            let error = metric.fields.error.and_then(|name| number(&look(name)));
            Some(Figure { value, error, spread: None })
        };
        Some(Self {
            position,
            model: ModelId {
                label: text("model_label").or_else(|| text("model_type")),
                hash: text("model_hash"),
                sizes: [text("model_size"), text("model_n_params")],
                seed: text("synthetic_seed"),
            },
            keys: KEYS.iter().map(|key| text(key.name).or_else(|| key.absent())).collect(),
            facts: FACTS.iter().map(|(name, _)| fact(&look(name))).collect(),
            figure: if failed { None } else { (metric.figure)(&values).or_else(said) },
            name,
            metric,
            values,
            floor: number(&look("noise_floor")),
            known: look("known")
                .get(0)
                .and_then(|known| serde_json::from_value(known.clone()).ok()),
            marked: is_marked(look),
            ending,
        })
    }

    /// The row as a side of a comparison.
    pub(super) fn side(&self) -> Side<'_> {
        Side { values: &self.values, known: self.known, marked: self.marked }
    }

    /// The value of a key.
    pub(super) fn key(&self, name: &str) -> Option<&str> {
        let position = KEYS.iter().position(|key| key.name == name)?;
        self.keys[position].as_deref()
    }

    /// The test's name: `pp512`, `tg128 @ d4096`, `pp512+tg128`.
    pub(super) fn test(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let count = |name| self.key(name).filter(|&count| count != "0");
        let parts = [("pp", "n_prompt"), ("tg", "n_gen")].map(|(short, name)| (short, count(name)));
        let parts = parts.iter().filter_map(|(short, n)| Some(format!("{short}{}", (*n)?)));
        let test = parts.collect::<Vec<_>>().join("+");
        count("n_depth").map_or(test.clone(), |depth| format!("{test} @ d{depth}"))
    }

    /// The model's name.
    pub(super) fn label(&self) -> &str {
        self.model.label.as_deref().unwrap_or("unknown model")
    }

    /// Whether this row and another are of the same test, as far as both say.
    pub(super) fn fits(&self, other: &Self, ignored: &Ignored) -> bool {
        let mut keys = self.keys.iter().zip(&other.keys).enumerate();
        self.name == other.name
            && self.model.fits(&other.model, ignored)
            && keys.all(|(at, (a, b))| ignored.keys.contains(&at) || agree(a.as_ref(), b.as_ref()))
    }
}

impl ModelId {
    fn fits(&self, other: &Self, ignored: &Ignored) -> bool {
        let same_label = agree(self.label.as_ref(), other.label.as_ref());
        if ignored.model || (ignored.model_file && same_label) {
            return true;
        }
        if self.hash.is_some() && other.hash.is_some() {
            return self.hash == other.hash;
        }
        // The programs have names of their own for models that they do not know; sizes are the file's.
        let sized = |id: &Self| id.sizes.iter().all(Option::is_some);
        if sized(self) && sized(other) { self.sizes == other.sizes } else { same_label }
    }
}

/// Whether a row says of itself that it does not compare; older files have that in several fields.
fn is_marked(look: &dyn Fn(&str) -> Value) -> bool {
    let is = |name: &str, value: &str| word(&look(name)).as_deref() == Some(value);
    is("marked", "1")
        || is("throttled", "1")
        || is("warmup_steady", "0")
        || !look("drift").is_null()
}

/// Whether two values do not contradict each other.
fn agree(a: Option<&String>, b: Option<&String>) -> bool {
    a.zip(b).is_none_or(|(a, b)| a == b)
}

/// A value as a word, one spelling for each: older versions wrote true where newer ones write 1, and CSV
/// has everything in quotes.
fn word(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::Bool(truth) => u8::from(*truth).to_string(),
        Value::String(text) => text.trim().to_string(),
        other => other.to_string(),
    };
    match text.as_str() {
        "" => None,
        "true" => Some("1".into()),
        "false" => Some("0".into()),
        _ => Some(text),
    }
}

/// A fact in words. A machine without a GPU says so with an empty text; what was not found out is no fact.
fn fact(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => Some("none".into()),
        Value::String(text) if text == "unknown" => None,
        other => word(other),
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number| number.is_finite())
}

/// What a row is judged by: the headline of the first kind of work of which it has a field.
fn metric(look: &dyn Fn(&str) -> Value) -> &'static Metric {
    let has = |name: &str| match look(name) {
        Value::Null => false,
        Value::Array(values) => !values.is_empty(),
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    };
    let headlines = || KINDS.iter().map(|kind| kind.headline());
    let names = |metric: &&Metric| [Some(metric.fields.value), metric.fields.samples];
    headlines().find(|metric| names(metric).into_iter().flatten().any(has)).unwrap_or(&speed::RATE)
}

/// The values of a row's samples; of speeds, what their times make of them where a file has times alone.
fn values(metric: &Metric, tokens: Option<f64>, look: &dyn Fn(&str) -> Value) -> Vec<f64> {
    let list = |name: &str| -> Vec<f64> {
        let value = look(name);
        value.as_array().into_iter().flatten().filter_map(number).collect()
    };
    let values = metric.fields.samples.map_or_else(Vec::new, list);
    match tokens {
        Some(tokens) if values.is_empty() && *metric == speed::RATE => {
            let times = list("samples_ns").into_iter().filter(|ns| *ns > 0.0);
            times.map(|ns| tokens * 1e9 / ns).collect()
        }
        _ => values,
    }
}

fn ending(look: &dyn Fn(&str) -> Value) -> RowEnding {
    let outcome = word(&look("outcome"));
    match outcome.as_deref() {
        // llama-bench writes no row for what did not work.
        None | Some("completed") => RowEnding::Completed,
        Some("interrupted") => RowEnding::Interrupted,
        Some(other) => {
            let cause = word(&look("cause")).map(|cause| format!(": {cause}"));
            RowEnding::Failed(format!("{}{}", other.replace('_', " "), cause.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(value: &Value) -> Option<ComparedRow> {
        ComparedRow::read(1, &|name| value[name].clone())
    }

    #[test]
    fn samples_are_rates_or_times() {
        let times =
            json!({"n_prompt": 100, "n_gen": 0, "samples_ns": [1_000_000_000, 500_000_000]});
        assert_eq!(entry(&times).unwrap().values, [100.0, 200.0]);
        let csv = json!({"n_prompt": "100", "n_gen": "0", "avg_ts": "12.5", "stddev_ts": "0.5"});
        let csv = entry(&csv).unwrap();
        assert_eq!(csv.figure, Some(Figure { value: 12.5, error: Some(0.5), spread: None }));
        assert!(csv.values.is_empty());
        assert_eq!(entry(&json!({"a": 1})), None);
    }

    #[test]
    fn a_failed_row_has_no_rates() {
        let row = json!({
            "n_prompt": 100, "n_gen": 0, "samples_ts": [1.0], "outcome": "timed_out", "cause": "slow",
        });
        let row = entry(&row).unwrap();
        assert_eq!((row.values.len(), row.figure), (0, None));
        assert_eq!(row.ending, RowEnding::Failed("timed out: slow".into()));
    }

    #[test]
    fn one_spelling_for_each_value() {
        let row = |fa: Value| json!({"n_prompt": 512, "n_gen": 0, "flash_attn": fa});
        let on = entry(&row(json!(1))).unwrap();
        for same in [json!(true), json!("1"), json!("true"), Value::Null] {
            assert!(on.fits(&entry(&row(same)).unwrap(), &Ignored::default()));
        }
        assert!(!on.fits(&entry(&row(json!(false))).unwrap(), &Ignored::default()));
    }

    #[test]
    fn a_model_is_its_hash_or_its_sizes_or_its_name() {
        let row = |label: &str, size: Value, hash: Value| {
            let row = json!({
                "n_prompt": 512, "n_gen": 0, "model_type": label, "model_size": size,
                "model_n_params": 7, "model_hash": hash,
            });
            entry(&row).unwrap()
        };
        let fits = |a: &ComparedRow, b: &ComparedRow| a.fits(b, &Ignored::default());
        let (one, none) = (json!(1), Value::Null);
        let known = row("llama 1B", one.clone(), json!("aa"));
        assert!(!fits(&known, &row("llama 1B", one.clone(), json!("bb"))));
        assert!(fits(&known, &row("llama ?B", one.clone(), none.clone())));
        assert!(!fits(&known, &row("llama 1B", json!(2), none.clone())));
        assert!(fits(&known, &row("llama 1B", none.clone(), none.clone())));
        assert!(!fits(&known, &row("llama 3B", none.clone(), none)));
    }

    #[test]
    fn names_of_tests() {
        for (pp, tg, d, name) in [
            (512, 0, json!(0), "pp512"),
            (0, 128, json!(4096), "tg128 @ d4096"),
            (512, 128, Value::Null, "pp512+tg128"),
        ] {
            let row = json!({"n_prompt": pp, "n_gen": tg, "n_depth": d});
            assert_eq!(entry(&row).unwrap().test(), name);
        }
    }
}
