//! What makes two rows the same test, as data: llama-bench's fields, which are ours too. Later fields of
//! either program are one entry here.

/// A setting that both rows of a pair must share.
#[derive(Debug)]
pub(super) struct Key {
    /// llama-bench's name of the field, and what `--by` takes.
    pub name: &'static str,
    /// Its column in a table, as llama-bench has it; `--by` takes it too.
    pub heading: &'static str,
    /// What a row without the field was measured with, where that is known.
    pub absent: Option<&'static str>,
}

const fn key(name: &'static str) -> Key {
    Key { name, heading: name, absent: None }
}

const fn titled(name: &'static str, heading: &'static str) -> Key {
    Key { name, heading, absent: None }
}

/// How many of [`KEYS`], at their end, make up the test's name.
const TESTS: usize = 3;

/// Every setting besides the model, the likely ones first: where several of them would pair rows that
/// have no partner, the first is offered.
pub(super) static KEYS: [Key; 35] = [
    titled("n_gpu_layers", "ngl"),
    titled("n_threads", "threads"),
    key("n_batch"),
    key("n_ubatch"),
    key("type_k"),
    key("type_v"),
    titled("flash_attn", "fa"),
    titled("n_cpu_moe", "ncmoe"),
    titled("split_mode", "sm"),
    titled("main_gpu", "mg"),
    titled("no_kv_offload", "nkvo"),
    titled("devices", "dev"),
    titled("tensor_split", "ts"),
    titled("tensor_buft_overrides", "ot"),
    titled("rpc_servers", "rpc"),
    key("cpu_mask"),
    key("cpu_strict"),
    key("poll"),
    titled("use_mmap", "mmap"),
    titled("use_direct_io", "dio"),
    titled("load_mode", "lm"),
    key("lazy_mode"),
    titled("embeddings", "embd"),
    titled("no_op_offload", "nopo"),
    titled("no_host", "noh"),
    titled("repack", "rpk"),
    titled("fit_target", "fitt"),
    titled("fit_min_ctx", "fitc"),
    Key { name: "reserve_ctx", heading: "reserve_ctx", absent: Some("0") },
    Key { name: "n_parallel", heading: "np", absent: Some("1") },
    Key { name: "prompt_shared", heading: "pps", absent: Some("0") },
    Key { name: "prompt_hash", heading: "prompt_hash", absent: Some("random") },
    key("n_prompt"),
    key("n_gen"),
    Key { name: "n_depth", heading: "n_depth", absent: Some("0") },
];

/// What `--by` takes for the model: its name, size and hash together.
pub(super) const MODEL: &str = "model";

/// Position of a key.
pub(super) fn position(name: &str) -> Option<usize> {
    KEYS.iter().position(|key| key.name == name || key.heading == name)
}

/// Whether the name of the test says the value of a key.
pub(super) fn is_in_test_name(position: usize) -> bool {
    position >= KEYS.len() - TESTS
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
    let near = |known: &&str| strsim::jaro_winkler(known, name) > 0.8;
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
    use crate::axis::AXES;
    use crate::report::fields;

    #[test]
    fn every_axis_is_a_key() {
        for axis in &AXES {
            assert!(position(axis.name).is_some(), "{}", axis.name);
            let heading = axis.column.unwrap_or(axis.name);
            assert_eq!(position(heading), position(axis.name), "{heading}");
        }
        let tests: Vec<_> = KEYS[KEYS.len() - TESTS..].iter().map(|key| key.name).collect();
        assert_eq!(tests, ["n_prompt", "n_gen", "n_depth"]);
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
