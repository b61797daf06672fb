//! Choice of files: which files of a repository are the model: llama-bench's rules.

use super::Wanted;

/// Quantizations that are looked for where none is named, in this order.
const USUAL: [&str; 2] = ["Q4_K_M", "Q8_0"];

/// What is in the names of GGUF files that are no models of their own: projectors, importance matrices,
/// heads for speculation.
const BESIDE: [&str; 6] = ["mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-"];

/// Most names that an error lists.
const LISTED: usize = 30;

/// The files to have, the one to load first: one, or all parts of a split model.
///
/// # Errors
/// What is missing, and what there is instead.
pub(super) fn files(all: &[String], wanted: &Wanted) -> Result<Vec<String>, String> {
    let first = match &wanted.file {
        Some(file) => all.iter().find(|name| *name == file).ok_or_else(|| {
            let names = all.iter().filter(|name| is_gguf(name)).cloned().collect::<Vec<_>>();
            format!("there is no file {file}: {}", list(&names, "GGUF files"))
        })?,
        None => choose(all, wanted.quant.as_deref()).ok_or_else(|| match &wanted.quant {
            Some(quant) => format!("there is no {quant}: {}", list(&quants(all), "models")),
            None => "there is no GGUF model".into(),
        })?,
    };
    parts(all, first)
}

/// The model of a repository; of a split one the first part.
fn choose<'a>(all: &'a [String], quant: Option<&str>) -> Option<&'a String> {
    let models = || all.iter().filter(|name| is_model(name) && ShardPlace::of(name).index == 1);
    let of_quant = |quant: &str| {
        let exact = models().find(|name| has(name, quant, true));
        exact.or_else(|| models().find(|name| has(name, quant, false)))
    };
    match quant {
        Some(quant) => of_quant(quant),
        None => USUAL.iter().find_map(|quant| of_quant(quant)).or_else(|| models().next()),
    }
}

/// As llama.cpp has it: in small letters.
fn is_gguf(path: &str) -> bool {
    path.strip_suffix(".gguf").is_some()
}

fn is_model(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    is_gguf(path) && !BESIDE.iter().any(|mark| name.contains(mark))
}

/// Whether a path has this quantization in it, with `.` or `-` behind it, and if `exact` none of its
/// characters before it: F16 is not BF16.
fn has(path: &str, quant: &str, exact: bool) -> bool {
    let (path, quant) = (path.to_lowercase(), quant.to_lowercase());
    path.match_indices(&quant).any(|(at, _)| {
        let before = path[..at].chars().next_back();
        let behind = path[at + quant.len()..].chars().next();
        let begins = before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
        matches!(behind, Some('.' | '-')) && (begins || !exact)
    })
}

/// A file's place in a split model; one that is whole is the first of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ShardPlace<'a> {
    stem: &'a str,
    index: u32,
    count: u32,
}

impl<'a> ShardPlace<'a> {
    /// Reads `stem-00001-of-00003.gguf`.
    fn of(name: &'a str) -> Self {
        let stem = name.strip_suffix(".gguf").unwrap_or(name);
        let numbered = || {
            let number = |text: &str| (text.len() == 5).then(|| text.parse().ok()).flatten();
            let (rest, count) = stem.rsplit_once("-of-")?;
            let (stem, index) = rest.rsplit_once('-')?;
            Some(Self { stem, index: number(index)?, count: number(count)? })
        };
        numbered().filter(|part| part.count > 1).unwrap_or(Self { stem, index: 1, count: 1 })
    }
}

/// All parts of the model that a file is one of, in order.
fn parts(all: &[String], name: &str) -> Result<Vec<String>, String> {
    let part = ShardPlace::of(name);
    if part.count == 1 {
        return Ok(vec![name.to_string()]);
    }
    let names = (1..=part.count).map(|n| format!("{}-{n:05}-of-{:05}.gguf", part.stem, part.count));
    names
        .map(|name| {
            if all.contains(&name) {
                Ok(name)
            } else {
                Err(format!("there is no {name}, a part of it"))
            }
        })
        .collect()
}

/// The quantizations of all models, as their names have them.
fn quants(all: &[String]) -> Vec<String> {
    let mut quants = Vec::new();
    for name in all.iter().filter(|name| is_model(name)) {
        let stem = ShardPlace::of(name).stem;
        let quant = stem.rsplit(['-', '.', '/']).next().unwrap_or(stem).to_string();
        if !quants.contains(&quant) {
            quants.push(quant);
        }
    }
    quants
}

/// What there is, in words.
fn list(names: &[String], what: &str) -> String {
    let rest = names.len().saturating_sub(LISTED);
    match (names.is_empty(), rest) {
        (true, _) => format!("there are no {what} at all"),
        (false, 0) => format!("there are {}", names.join(", ")),
        (false, _) => format!("there are {} and {rest} more", names[..LISTED].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picked(all: &[&str], wanted: &str, file: Option<&str>) -> String {
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        let file = file.map(str::to_string);
        let wanted = Wanted { file, ..Wanted::parse(wanted).unwrap() };
        files(&all, &wanted).map_or_else(|why| format!("! {why}"), |files| files.join(" "))
    }

    const REPO: [&str; 9] = [
        "README.md",
        "mmproj-Q4_K_M.gguf",
        "m-BF16.gguf",
        "m-F16.gguf",
        "m-Q4_K_M.gguf",
        "m-Q4_K_S.gguf",
        "Q6_K/m-Q6_K-00002-of-00002.gguf",
        "Q6_K/m-Q6_K-00001-of-00002.gguf",
        "m-q8_0.gguf",
    ];

    #[test]
    fn by_quantization() {
        for (wanted, file) in [
            ("u/m", "m-Q4_K_M.gguf"),
            ("u/m:q4_k_s", "m-Q4_K_S.gguf"),
            ("u/m:F16", "m-F16.gguf"),
            ("u/m:bf16", "m-BF16.gguf"),
            ("u/m:Q8_0", "m-q8_0.gguf"),
            ("u/m:q6_K", "Q6_K/m-Q6_K-00001-of-00002.gguf Q6_K/m-Q6_K-00002-of-00002.gguf"),
            ("u/m:Q4_K", "! there is no Q4_K: there are BF16, F16, Q4_K_M, Q4_K_S, Q6_K, q8_0"),
        ] {
            assert_eq!(picked(&REPO, wanted, None), file, "{wanted}");
        }
        assert_eq!(picked(&["m-BF16.gguf"], "u/m:f16", None), "m-BF16.gguf", "as llama-bench");
    }

    #[test]
    fn without_a_quantization() {
        assert_eq!(picked(&["a.gguf", "m-Q8_0.gguf"], "u/m", None), "m-Q8_0.gguf");
        assert_eq!(picked(&["mmproj-a.gguf", "b.gguf", "c.gguf"], "u/m", None), "b.gguf");
        assert_eq!(
            picked(&["mmproj-a.gguf", "imatrix.gguf"], "u/m", None),
            "! there is no GGUF model"
        );
        let parts = ["m-00002-of-00002.gguf", "m-00001-of-00002.gguf"];
        assert_eq!(picked(&parts, "u/m", None), "m-00001-of-00002.gguf m-00002-of-00002.gguf");
        assert_eq!(
            picked(&parts[1..], "u/m", None),
            "! there is no m-00002-of-00002.gguf, a part of it"
        );
    }

    #[test]
    fn by_name() {
        assert_eq!(picked(&REPO, "u/m:Q4_K_M", Some("m-F16.gguf")), "m-F16.gguf");
        assert_eq!(
            picked(&REPO, "u/m", Some("Q6_K/m-Q6_K-00002-of-00002.gguf")),
            "Q6_K/m-Q6_K-00001-of-00002.gguf Q6_K/m-Q6_K-00002-of-00002.gguf"
        );
        let missing = picked(&REPO, "u/m", Some("none.gguf"));
        assert!(missing.starts_with("! there is no file none.gguf: there are mmproj"), "{missing}");
        assert_eq!(
            picked(&["README.md"], "u/m", Some("a.gguf")),
            "! there is no file a.gguf: there are no GGUF files at all"
        );
    }

    proptest! {
        /// Whatever a repository holds: what is picked is in it, whole, and no projector.
        #[test]
        fn what_is_picked_is_there(
            names in prop::collection::vec("(mmproj-)?[ab](-Q[48]_(0|K_M))?(-0000[123]-of-0000[123])?\\.(gguf|md)", 0..12),
            quant in prop::option::of("[qQ][48]_(0|k_m)"),
        ) {
            let wanted = Wanted { repo: "u/m".into(), quant: quant.clone(), file: None };
            if let Ok(files) = files(&names, &wanted) {
                prop_assert!(files.iter().all(|file| names.contains(file)));
                let part = ShardPlace::of(&files[0]);
                prop_assert_eq!((part.index, part.count as usize), (1, files.len()));
                prop_assert!(!files[0].contains("mmproj"));
                if let Some(quant) = quant {
                    prop_assert!(files[0].to_lowercase().contains(&quant.to_lowercase()));
                }
            }
        }

        /// The order of a repository's list decides between equals only.
        #[test]
        fn a_quantization_is_found_wherever_it_stands(at in 0_usize..4) {
            let mut names = vec!["a-Q8_0.gguf", "a-IQ4_XS.gguf", "a-Q4_K_S.gguf"];
            names.insert(at.min(3), "a-Q4_K_M.gguf");
            prop_assert_eq!(picked(&names, "u/a", None), "a-Q4_K_M.gguf");
        }
    }
}
