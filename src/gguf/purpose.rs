//! Purpose of a file that is no model: GGUF holds other things too, and a model's name in their headers.

use std::collections::BTreeMap;

use super::entries::{MetadataValue, TensorInfo};

/// What files say they are under `general.type`, and what that is. A model says `model`, or nothing.
const TYPES: [(&str, &str); 5] = [
    ("adapter", ADAPTER),
    ("mmproj", PROJECTOR),
    ("imatrix", IMATRIX),
    ("vocab", "a vocabulary alone: give a model"),
    ("controlvector", CONTROL_VECTOR),
];

/// Architectures of what is no model by itself.
const ARCHITECTURES: [(&str, &str); 6] = [
    ("clip", PROJECTOR),
    ("controlvector", CONTROL_VECTOR),
    ("eagle3", DRAFT_HEAD),
    ("dflash", DRAFT_HEAD),
    ("gemma4-assistant", DRAFT_HEAD),
    ("clef", "a decision model, which chooses among options: give a model of texts"),
];

/// Whether a tensor is one of those that no model has.
type IsOne = fn(&str) -> bool;

/// Endings and beginnings of tensors' names, where a header says nothing else.
const TENSORS: [(IsOne, &str); 4] = [
    (|name| name.ends_with(".lora_a") || name.ends_with(".lora_b"), ADAPTER),
    (|name| name.ends_with(".in_sum2"), IMATRIX),
    (|name| name.starts_with("direction."), CONTROL_VECTOR),
    (|name| name.starts_with("v.blk.") || name.starts_with("a.blk."), PROJECTOR),
];

const ADAPTER: &str =
    "an adapter (LoRA), which changes a model: give the model, with the adapter merged into it";
const PROJECTOR: &str =
    "a projector (mmproj), the eyes or ears of a model: give the model that it belongs to";
const IMATRIX: &str = "an importance matrix, which a quantizer reads: give a model";
const CONTROL_VECTOR: &str = "a control vector, which steers a model: give the model";
const DRAFT_HEAD: &str =
    "a draft head, which runs beside the model that it drafts for and never alone: give that model";

/// What a file is for, if it is no model that could be run.
pub(super) fn other_than_model(
    metadata: &BTreeMap<String, MetadataValue>,
    tensors: &[TensorInfo],
) -> Option<String> {
    let text = |key: &str| metadata.get(key).and_then(MetadataValue::text);
    let known = |table: &[(&str, &str)], word: &str| {
        table.iter().find(|(name, _)| *name == word).map(|(_, what)| (*what).to_owned())
    };
    let of_architecture = || known(&ARCHITECTURES, text("general.architecture")?);
    let of_tensors = || {
        let is_any = |is: &IsOne| tensors.iter().any(|tensor| is(&tensor.name));
        let has_table = tensors.iter().any(|tensor| tensor.name == "token_embd.weight");
        let found = TENSORS.iter().find(|(is, _)| is_any(is)).map(|(_, what)| (*what).to_owned());
        found.filter(|_| !has_table)
    };
    match text("general.type") {
        None | Some("model") => of_architecture().or_else(of_tensors),
        Some(word) => known(&TYPES, word).or_else(of_architecture).or_else(of_tensors),
    }
}
