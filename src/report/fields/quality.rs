//! Fields about how well a text is foretold. Its figures are metrics, with fields of their own.

use serde_json::Value;

use super::Field;
use crate::report::Row;
use crate::work::Quality;
use crate::work::quality::Role;

pub(super) static FIELDS: [Field; 4] = [
    Field::float("bits_per_weight", "bits", "Bits of the model's tensors a parameter", |row| {
        row.bits_per_weight().into()
    }),
    Field::int("chunk_tokens", "tokens", "Tokens of a chunk of the text", |row| {
        of(row, |quality| quality.n_ctx.into())
    }),
    Field::int("chunk_seed", "", "Seed of the choice and order of the chunks", |row| {
        of(row, |quality| quality.seed.into())
    }),
    Field::text("reference", "The job that it is held against", |row| {
        of(row, |quality| match &quality.role {
            Role::Against { reference } => reference.as_str().into(),
            Role::Alone | Role::Reference => Value::Null,
        })
    }),
];

fn of(row: &Row<'_>, read: impl Fn(&Quality) -> Value) -> Value {
    row.job.work.quality().map_or(Value::Null, read)
}
