//! Keys of a row: what makes two rows the same test, as data. They are llama-bench's fields, which are ours
//! too; an axis is one by itself.

use std::sync::LazyLock;

use crate::axis::{self, AXES, Axis};
use crate::near;

/// A setting that both rows of a pair must share.
#[derive(Debug)]
pub(super) struct Key {
    /// llama-bench's name of the field, and what `--by` takes.
    pub name: &'static str,
    /// Its column in a table, as llama-bench has it; `--by` takes it too.
    pub heading: &'static str,
    /// What a row without the field was measured with, where that is known.
    absent: Absent,
}

/// What a row without a field was measured with.
#[derive(Debug, Clone, Copy)]
enum Absent {
    /// Nobody knows.
    Unknown,
    /// This.
    Is(&'static str),
    /// The default of the axis.
    Default(&'static Axis),
}

impl Key {
    const fn new(name: &'static str, heading: &'static str, absent: Absent) -> Self {
        Self { name, heading, absent }
    }

    /// The key of an axis, by its name.
    const fn axis(name: &str) -> Self {
        Self::of_axis(axis::named(name))
    }

    /// The same with another heading than its column's in a table of results.
    const fn titled(name: &str, heading: &'static str) -> Self {
        Self { heading, ..Self::axis(name) }
    }

    /// The key of an axis: all about it stands in the axis's own entry.
    const fn of_axis(axis: &'static Axis) -> Self {
        let heading = match axis.column {
            Some(column) => column,
            None => axis.name,
        };
        let absent = if axis.is_implied { Absent::Default(axis) } else { Absent::Unknown };
        Self::new(axis.name, heading, absent)
    }

    /// What a row without the field was measured with, where that is known.
    pub(super) fn absent(&self) -> Option<String> {
        match self.absent {
            Absent::Unknown => None,
            Absent::Is(value) => Some(value.into()),
            Absent::Default(axis) => axis.fixed_default().map(|value| value.to_string()),
        }
    }
}

/// Every setting besides the model, the likely ones first: where several of them would pair rows that
/// have no partner, the first is offered. Then axes that have no place here, and what makes up the test.
pub(super) static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let is_placed = |axis: &&Axis| SETTINGS.iter().chain(&TEST).any(|key| key.name == axis.name);
    let further = AXES.iter().filter(|axis| !is_placed(axis)).map(Key::of_axis);
    SETTINGS.into_iter().chain(further).chain(TEST).collect()
});

const SETTINGS: [Key; 32] = [
    Key::axis("n_gpu_layers"),
    Key::axis("n_threads"),
    Key::axis("n_batch"),
    Key::axis("n_ubatch"),
    Key::axis("type_k"),
    Key::axis("type_v"),
    Key::axis("flash_attn"),
    Key::titled("n_cpu_moe", "ncmoe"),
    Key::axis("split_mode"),
    Key::titled("main_gpu", "mg"),
    Key::axis("no_kv_offload"),
    Key::axis("devices"),
    Key::axis("tensor_split"),
    Key::axis("tensor_buft_overrides"),
    Key::axis("rpc_servers"),
    Key::axis("cpu_mask"),
    Key::axis("cpu_strict"),
    Key::axis("poll"),
    Key::new("use_mmap", "mmap", Absent::Unknown),
    Key::new("use_direct_io", "dio", Absent::Unknown),
    Key::axis("load_mode"),
    Key::axis("lazy_mode"),
    Key::axis("embeddings"),
    Key::axis("no_op_offload"),
    Key::axis("no_host"),
    Key::axis("repack"),
    Key::axis("fit_target"),
    Key::axis("fit_min_ctx"),
    Key::axis("reserve_ctx"),
    Key::axis("n_parallel"),
    Key::axis("prompt_shared"),
    Key::new("prompt_hash", "prompt_hash", Absent::Is("random")),
];

/// What makes up the test's name.
const TEST: [Key; 3] = [
    Key::new("n_prompt", "n_prompt", Absent::Unknown),
    Key::new("n_gen", "n_gen", Absent::Unknown),
    Key::axis("n_depth"),
];

/// What `--by` takes for the model: its name, size and hash together.
pub(super) const MODEL: &str = "model";

/// Position of a key.
pub(super) fn position(name: &str) -> Option<usize> {
    KEYS.iter().position(|key| key.name == name || key.heading == name)
}

/// Whether the name of the test says the value of a key.
pub(super) fn is_in_test_name(position: usize) -> bool {
    position >= KEYS.len() - TEST.len()
}

/// What is no setting, and yet what a comparison is about where it differs: the field, and in words.
pub(super) static FACTS: [(&str, &str); 10] = [
    ("cpu_info", "CPU"),
    ("gpu_info", "GPU"),
    ("backends", "backend"),
    ("engine", "engine"),
    ("build_commit", "engine build"),
    ("lbench_version", "lbench version"),
    ("cpu_features", "CPU kernels"),
    ("cpu_governor", "CPU frequency governor"),
    ("os", "operating system"),
    ("kernel", "kernel"),
];

/// What pairs are made without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ignored {
    /// The model may be another one.
    pub model: bool,
    /// Positions of keys that may differ.
    pub keys: Vec<usize>,
    /// Models of one name are one model, whatever their files hold.
    pub model_file: bool,
}

impl Ignored {
    /// The fields that `--by` names.
    pub(super) fn of(names: &[String]) -> Result<Self, String> {
        let mut ignored = Self::default();
        for name in names {
            let name = name.trim().replace('-', "_");
            match position(&name) {
                Some(position) => ignored.keys.push(position),
                None if name == MODEL || name.starts_with("model_") => ignored.model = true,
                None => return Err(unknown(&name)),
            }
        }
        Ok(ignored)
    }

    /// The same, with one more key.
    pub(super) fn and(&self, position: usize) -> Self {
        let mut more = self.clone();
        more.keys.push(position);
        more
    }
}

fn unknown(name: &str) -> String {
    let near = |known: &&str| near::is_near(name, known);
    let close: Vec<_> = KEYS.iter().map(|key| key.name).filter(near).collect();
    let known = if close.is_empty() {
        vec![MODEL, "n_gpu_layers", "n_threads", "n_batch", "n_ubatch", "type_k", "flash_attn"]
    } else {
        close
    };
    format!("--by {name}: no such setting; there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::report::fields;

    #[test]
    fn every_axis_is_a_key() {
        for axis in &AXES {
            assert!(position(axis.name).is_some(), "{}", axis.name);
            let heading = axis.column.unwrap_or(axis.name);
            assert_eq!(position(heading), position(axis.name), "{heading}");
        }
    }

    #[test]
    fn no_name_is_used_twice() {
        let words = KEYS.iter().flat_map(|key| HashSet::from([key.name, key.heading]));
        let mut seen = HashSet::new();
        for word in words.chain(FACTS.map(|(name, _)| name)) {
            assert!(seen.insert(word), "{word}");
        }
    }

    #[test]
    fn facts_are_fields() {
        for (name, _) in FACTS {
            assert!(fields::all().any(|field| field.name == name), "{name}");
        }
    }

    #[test]
    fn by_takes_names_headings_and_the_model() {
        let by = |names: &str| Ignored::of(&names.split(',').map(String::from).collect::<Vec<_>>());
        assert_eq!(by("n_threads").unwrap(), by("threads").unwrap());
        assert_eq!(by("n-threads").unwrap(), by("threads").unwrap());
        assert!(by("model,ngl").unwrap().model);
        assert!(by("model_type").unwrap().model);
        let messages = [by("n_thread").unwrap_err(), by("zzz").unwrap_err()];
        insta::assert_snapshot!(messages.join("\n"));
    }
}
