//! Specifications as typed.

use std::fmt::Write as _;

use super::geometry::{Arch, Geometry, PRESETS};
use super::{DEFAULT_SEED, Spec, SynthError};
use crate::gguf::filetype::FileType;
use crate::near;

const KEYS: [&str; 12] = [
    "layers",
    "embd",
    "ff",
    "heads",
    "kv",
    "head_dim",
    "vocab",
    "experts",
    "experts_used",
    "context",
    "tied",
    "rope_freqs",
];

impl Spec {
    /// Reads a specification:
    ///
    /// ```text
    /// <preset>:<file type>[:seed=<n>]                      llama-3.2-3b:q6_k
    /// <arch>:<key>=<n>,...[,tied]:<file type>[:seed=<n>]   llama:layers=4,embd=256,ff=1024,heads=4:q8_0
    /// ```
    ///
    /// Architectures are `llama`, `qwen2`, `qwen3` and `qwen3moe`. `layers`, `embd`, `ff` and `heads`
    /// are required. `kv` is `heads` unless given, `head_dim` is `embd / heads`, `vocab` 32000,
    /// `experts` 0, `experts_used` 2 where there are experts, and `context` 131072. The flag `tied`
    /// lets the output layer share the token embedding, the flag `rope_freqs` adds Llama 3's tensor of
    /// rotary factors. File types are those of llama.cpp's quantize tool that need no importance matrix;
    /// case does not matter.
    ///
    /// # Errors
    /// Where the text does not follow the grammar, or llama.cpp could not run the geometry. The message
    /// says what there is instead.
    pub fn parse(text: &str) -> Result<Self, SynthError> {
        let text = text.trim().to_ascii_lowercase();
        let mut parts = text.split(':').collect::<Vec<_>>();
        let seed = match parts.last().and_then(|part| part.strip_prefix("seed=")) {
            Some(number) => {
                parts.pop();
                number.parse().map_err(|_| grammar(format!("seed={number} is no number")))?
            }
            None => DEFAULT_SEED,
        };
        match parts[..] {
            [preset, file_type] if arch(preset).is_none() => {
                let preset = find_preset(preset)?;
                let file_type = parse_file_type(file_type)?;
                let (name, geometry) = (Some(preset.name), preset.geometry);
                Ok(Self { preset: name, geometry, file_type, seed, note: None })
            }
            [name, numbers, file_type] => {
                let arch = arch(name).ok_or_else(|| unknown_arch(name))?;
                let geometry = parse_geometry(arch, numbers)?;
                Self::new(geometry, parse_file_type(file_type)?, seed)
            }
            [name, _] => Err(grammar(format!(
                "{name} needs a geometry and a file type, e.g. \
                 {name}:layers=4,embd=256,ff=1024,heads=4:q8_0"
            ))),
            [name] if arch(name).is_none() => {
                let name = find_preset(name)?.name;
                let types = file_types();
                Err(grammar(format!(
                    "{name} needs a file type, e.g. {name}:q4_k_m; there are {types}"
                )))
            }
            _ => Err(grammar(format!(
                "{text:?} is no synthetic model; one is written like llama-3.2-1b:q4_k_m"
            ))),
        }
    }

    /// `general.size_label`, for a preset.
    pub(super) fn size_label(&self) -> Option<&'static str> {
        PRESETS
            .iter()
            .find(|preset| Some(preset.name) == self.preset)
            .map(|preset| preset.size_label)
    }
}

/// The part of a specification that stands for this geometry; what has its default is left out.
pub(super) fn describe(geometry: &Geometry) -> String {
    let Geometry { arch, layers, embd, ff, heads, .. } = geometry;
    let default = with_defaults(*arch, *layers, *embd, *ff, *heads, geometry.experts);
    let mut text = format!("{}:layers={layers},embd={embd},ff={ff},heads={heads}", arch.name());
    for (key, value, default) in [
        ("kv", geometry.kv, default.kv),
        ("head_dim", geometry.head_dim, default.head_dim),
        ("vocab", geometry.vocab, default.vocab),
        ("experts", geometry.experts, 0),
        ("experts_used", geometry.experts_used, default.experts_used),
        ("context", geometry.context, default.context),
    ] {
        if value != default {
            // Writing to a string cannot fail.
            let _ = write!(text, ",{key}={value}");
        }
    }
    for (flag, is_set) in [("tied", geometry.tied), ("rope_freqs", geometry.rope_freqs)] {
        if is_set {
            let _ = write!(text, ",{flag}");
        }
    }
    text
}

fn with_defaults(
    arch: Arch,
    layers: u32,
    embd: u32,
    ff: u32,
    heads: u32,
    experts: u32,
) -> Geometry {
    Geometry {
        arch,
        layers,
        embd,
        ff,
        heads,
        kv: heads,
        head_dim: embd.checked_div(heads).unwrap_or(0),
        vocab: 32_000,
        tied: false,
        experts,
        experts_used: experts.min(2),
        rope_freqs: false,
        context: 131_072,
    }
}

fn parse_geometry(arch: Arch, text: &str) -> Result<Geometry, SynthError> {
    let mut given: Vec<(&str, u32)> = Vec::new();
    for item in text.split(',') {
        let (key, number) = match item.split_once('=') {
            Some((key, number)) => (key, Some(number)),
            None => (item, None),
        };
        if !KEYS.contains(&key) {
            return Err(grammar(format!("{key:?} is unknown{}", suggest(key, KEYS.into_iter()))));
        }
        if given.iter().any(|(earlier, _)| *earlier == key) {
            return Err(grammar(format!("{key} is given twice")));
        }
        let is_flag = matches!(key, "tied" | "rope_freqs");
        let value = match number {
            None if is_flag => 1,
            Some(number) if !is_flag => {
                number.parse().map_err(|_| grammar(format!("{key}={number} is no number")))?
            }
            None => return Err(grammar(format!("{key} needs a number: {key}=..."))),
            Some(_) => return Err(grammar(format!("{key} is a flag and takes no value"))),
        };
        given.push((key, value));
    }
    let get = |key: &str| given.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let require =
        |key: &str| get(key).ok_or_else(|| grammar(format!("{} needs {key}=", arch.name())));
    let (layers, embd, ff) = (require("layers")?, require("embd")?, require("ff")?);
    let heads = require("heads")?;
    let experts = get("experts").unwrap_or(0);
    let default = with_defaults(arch, layers, embd, ff, heads, experts);
    if get("head_dim").is_none() && heads > 0 && embd % heads != 0 {
        let why = format!("embd={embd} is not a multiple of heads={heads}; give head_dim=");
        return Err(SynthError::Geometry(why));
    }
    Ok(Geometry {
        kv: get("kv").unwrap_or(default.kv),
        head_dim: get("head_dim").unwrap_or(default.head_dim),
        vocab: get("vocab").unwrap_or(default.vocab),
        experts_used: get("experts_used").unwrap_or(default.experts_used),
        context: get("context").unwrap_or(default.context),
        tied: get("tied").is_some(),
        rope_freqs: get("rope_freqs").is_some(),
        ..default
    })
}

fn parse_file_type(name: &str) -> Result<FileType, SynthError> {
    FileType::from_name(name).ok_or_else(|| {
        let hint = suggest(name, FileType::all().map(FileType::name));
        let types = file_types();
        grammar(format!("{name:?} is no file type of synthetic models{hint}; there are {types}"))
    })
}

fn file_types() -> String {
    FileType::all().map(FileType::name).collect::<Vec<_>>().join(", ")
}

fn find_preset(name: &str) -> Result<&'static super::geometry::KnownModel, SynthError> {
    PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
        let names = || PRESETS.iter().map(|preset| preset.name);
        let hint = suggest(name, names());
        let list = names().collect::<Vec<_>>().join(", ");
        grammar(format!("there is no preset {name:?}{hint}; there are {list}"))
    })
}

fn arch(name: &str) -> Option<Arch> {
    Arch::ALL.into_iter().find(|arch| arch.name() == name)
}

fn unknown_arch(name: &str) -> SynthError {
    let hint = suggest(name, Arch::ALL.into_iter().map(Arch::name));
    let list = Arch::ALL.map(Arch::name).join(", ");
    grammar(format!("there is no architecture {name:?}{hint}; there are {list}"))
}

/// `, did you mean ...?` where one of the names is close.
fn suggest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> String {
    let meant = near::nearest(typed, names, |name| name);
    meant.map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}

fn grammar(why: String) -> SynthError {
    SynthError::Grammar(why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const FREE: &str = "llama:layers=4,embd=256,ff=1024,heads=4,kv=2,vocab=4096,tied:q8_0";

    #[test]
    fn names_read_back_as_themselves() {
        let mut files = BTreeSet::new();
        for text in [
            "llama-3.2-3b:q6_k",
            "qwen3-30b-a3b:q4_k_m:seed=7",
            FREE,
            "qwen3:layers=4,embd=256,ff=1024,heads=4,head_dim=96:f16",
            "llama:layers=4,embd=256,ff=1024,heads=4,experts=8:q4_k_m",
            "llama:layers=4,embd=256,ff=1024,heads=4,experts=8,experts_used=3,rope_freqs:q4_k_m",
        ] {
            let spec = Spec::parse(text).unwrap();
            assert_eq!(spec.name(), text);
            assert!(files.insert(spec.file_name()), "{}", spec.file_name());
        }
        let spec = Spec::parse("LLaMA-3.2-3B:Q4_K").unwrap();
        assert_eq!(spec.file_name(), "synth-llama-3.2-3b-q4_k_m.gguf");
        assert_eq!(
            Spec::parse(FREE).unwrap().file_name(),
            "synth-llama-layers4-embd256-ff1024-heads4-kv2-vocab4096-tied-q8_0.gguf"
        );
    }

    #[test]
    fn what_cannot_be_read_is_explained() {
        for (text, words) in [
            ("llama-3.2-3b:q6k", "did you mean q6_k"),
            ("llama-3.3-3b:q6_k", "did you mean llama-3.2-3b"),
            ("nothing:q6_k", "there are llama-135m, "),
            ("llama-3.2-3b", "needs a file type"),
            ("llama:q8_0", "needs a geometry"),
            ("llama", "is no synthetic model"),
            ("", "no preset"),
            (":::", "is no synthetic model"),
            ("gpt:layers=1:q8_0", "there is no architecture"),
            ("llama:layers=4:q8_0", "needs embd="),
            ("llama:layer=4:q8_0", "did you mean layers?"),
            ("llama:layers=4,layers=5:q8_0", "twice"),
            ("llama:layers=-1:q8_0", "is no number"),
            ("llama:layers=99999999999:q8_0", "is no number"),
            ("llama:layers:q8_0", "needs a number"),
            ("llama:tied=1:q8_0", "is a flag"),
            ("llama:layers=1,embd=64,ff=64,heads=0:q8_0", "heads=0"),
            ("llama:layers=1,embd=64,ff=64,heads=3:q8_0", "give head_dim="),
            ("llama-3.2-3b:q6_k:seed=x", "seed=x"),
        ] {
            let error = Spec::parse(text).expect_err(text).to_string();
            assert!(error.contains(words) && !error.contains('\n'), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_a_panic(text in "[a-z0-9:=,._ -]{0,60}|\\PC{0,30}") {
            if let Ok(spec) = Spec::parse(&text) {
                assert_eq!(Spec::parse(&spec.name()).unwrap(), spec);
            }
        }
    }
}
