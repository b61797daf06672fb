//! One sentence out of the engine's error lines.

use super::logs::{self, Level, LogLine};
use crate::engine::EngineError;

/// Openings that say only that something went wrong, not what.
const EMPTY_WORDS: [&str; 3] =
    ["error loading model: ", "failed to initialize the context: ", "llama_model_loader: "];

/// Functions of the engine whose names are words.
const FUNCTIONS: [&str; 3] = ["init", "decode", "encode"];

/// Why a call failed according to the engine's log since it began; `what` went wrong where that is
/// silent.
pub(super) fn failure(what: &str) -> EngineError {
    let silent = || format!("{what}, and the engine gave no reason");
    EngineError(distil(&logs::lines()).unwrap_or_else(silent))
}

/// What the engine's log has of errors since it began, each line without the name of the function that wrote it.
pub(super) fn errors() -> Vec<String> {
    let lines = logs::lines().into_iter().filter(|line| line.level == Level::Error);
    lines.map(|line| bare(&line.text).to_owned()).collect()
}

/// The cause in the log: the engine's own conclusion, with the first error it reported on the way
/// there in brackets where that says more.
fn distil(lines: &[LogLine]) -> Option<String> {
    let told = joined(lines);
    let mut told = told.iter().map(|text| bare(text)).filter(|text| !is_empty(text));
    let first = told.next()?;
    let last = told.next_back();
    match last {
        // Its conclusion repeats the path, which the reader knows, and the first error says why.
        Some(last) if last.starts_with("failed to load model from") => Some(first.to_owned()),
        Some(last) if last != first => Some(format!("{last} ({first})")),
        _ => Some(first.to_owned()),
    }
}

/// The errors in a log, each on one line: what ends in a colon goes on in the lines below, which are indented.
fn joined(lines: &[LogLine]) -> Vec<String> {
    let mut errors: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in lines.iter().filter(|line| line.level == Level::Error) {
        let text = line.text.trim();
        match errors.last_mut() {
            Some(before) if is_open && line.text.starts_with(' ') => {
                let parted = if before.ends_with(':') { " " } else { ", " };
                before.push_str(parted);
                before.push_str(text.trim_start_matches(['-', ' ']));
            }
            _ => {
                is_open = text.ends_with(':');
                errors.push(text.to_owned());
            }
        }
    }
    let whole = |text: String| text.trim_end_matches([':', ' ']).to_owned();
    errors.into_iter().map(whole).collect()
}

/// A line that adds nothing to the failure it reports.
fn is_empty(text: &str) -> bool {
    text.is_empty() || text == "failed to load model"
}

/// The line without the name of the function that wrote it, and without empty words.
fn bare(line: &str) -> &str {
    let mut text = line.trim();
    if let Some((function, rest)) = text.split_once(": ")
        && (function.contains(['_', '(']) || FUNCTIONS.contains(&function))
        && !function.contains(' ')
    {
        text = rest.trim_start();
    }
    while let Some(rest) = EMPTY_WORDS.iter().find_map(|words| text.strip_prefix(words)) {
        text = rest;
    }
    text
}

/// What a code returned by a decode means.
pub(super) fn decode_failure(code: i32) -> EngineError {
    let what = match code {
        1 => "the context has no room for the batch".to_owned(),
        2 => "the computation was aborted".to_owned(),
        -1 => "the engine rejected the batch".to_owned(),
        -2 => "no memory for the computation".to_owned(),
        -3 => "the computation failed".to_owned(),
        code => format!("the decode failed with code {code}"),
    };
    EngineError(match distil(&logs::lines()) {
        Some(reason) => format!("{what}: {reason}"),
        None => what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(errors: &[&str]) -> Option<String> {
        let line = |text: &&str| LogLine { level: Level::Error, text: (*text).to_owned() };
        distil(&errors.iter().map(line).collect::<Vec<_>>())
    }

    #[test]
    fn the_reason_is_the_cause_and_not_the_path_to_it() {
        for (errors, expected) in [
            (
                vec![
                    "llama_model_load: error loading model: unknown model architecture: 'foo'",
                    "llama_model_load_from_file_impl: failed to load model",
                ],
                "unknown model architecture: 'foo'",
            ),
            (
                vec![
                    "gguf_init_from_file: failed to open GGUF file 'x' (No such file or directory)",
                    "llama_model_load: error loading model: llama_model_loader: failed to load model from x",
                    "llama_model_load_from_file_impl: failed to load model",
                ],
                "failed to open GGUF file 'x' (No such file or directory)",
            ),
            (
                vec![
                    "alloc_buffer: allocating 9.00 MiB on device 0: cudaMalloc failed: out of memory",
                    "alloc_tensor_range: failed to allocate CUDA0 buffer of size 9",
                    "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
                ],
                "unable to allocate CUDA0 buffer \
                 (allocating 9.00 MiB on device 0: cudaMalloc failed: out of memory)",
            ),
            (
                vec!["llama_init_from_model: quantized V cache requires flash_attn to be enabled"],
                "quantized V cache requires flash_attn to be enabled",
            ),
        ] {
            assert_eq!(reason(&errors).as_deref(), Some(expected));
        }
        let told = reason(&[
            "init: the tokens of sequence 1 in the input batch have inconsistent sequence positions:",
            " - the last position stored for sequence 1 is X = 16",
            " - the tokens for sequence 1 have a starting position of Y = 16",
            " it is required that the sequence positions remain consecutive: Y = X + 1",
            "decode: failed to initialize batch",
        ]);
        let expected = "failed to initialize batch (the tokens of sequence 1 in the input batch have inconsistent \
                        sequence positions: the last position stored for sequence 1 is X = 16, the tokens for \
                        sequence 1 have a starting position of Y = 16, it is required that the sequence positions \
                        remain consecutive: Y = X + 1)";
        assert_eq!(told.as_deref(), Some(expected));
        assert_eq!(
            reason(&["load: these tensors are missing:"]).unwrap(),
            "load: these tensors are missing"
        );
        assert_eq!(reason(&[]), None);
        assert_eq!(reason(&["llama_model_load_from_file_impl: failed to load model"]), None);
    }

    #[test]
    fn words_before_a_colon_stay_unless_they_name_a_function() {
        assert_eq!(bare("CUDA error: out of memory"), "CUDA error: out of memory");
        assert_eq!(bare("operator(): no"), "no");
        assert_eq!(bare("key: value"), "key: value");
    }
}
