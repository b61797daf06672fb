//! The fields about a model that llama-bench does not have, and that came behind the others.

use super::{Field, model};

pub(super) static FIELDS: [Field; 3] = [
    Field::text(
        "model_label",
        "model_type in the words of the table: its size class is that of the parameters",
        |row| model(row, |model| model.label.as_str().into()),
    ),
    Field::text(
        "model_kind",
        "decoder, recurrent, hybrid, encoder, diffusion or encoder-decoder: how it takes a text",
        |row| model(row, |model| model.kind.name().into()),
    ),
    Field::int("n_ctx_train", "tokens", "Tokens that the model was trained with at once", |row| {
        model(row, |model| model.n_ctx_train.into())
    }),
];
