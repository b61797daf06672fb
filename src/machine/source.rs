//! Places in source code, as messages of the engine name them: with all folders of the machine that built it. Nobody
//! else has those, and they are most of the line.

/// Endings of source files.
const ENDINGS: [&str; 14] =
    ["c", "cc", "cpp", "cxx", "cu", "cuh", "h", "hpp", "inl", "m", "mm", "metal", "comp", "rs"];

/// What may stand before a place.
const OPENING: &str = "'\"`([<";

/// A text in which places in source code, `folder/file.c:12`, have lost their folders.
pub fn without_folders(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let Some((start, name)) = place(word) else {
            words.push(word);
            continue;
        };
        // A folder with a space in its name began in the word before.
        let is_rest = !word[start..].starts_with(is_slash) && !is_drive(&word[start..]);
        if is_rest && words.last().is_some_and(|before| is_beginning(before)) {
            words.pop();
        } else {
            words.push(&word[..start]);
        }
        words.push(&word[name..]);
    }
    words.concat()
}

/// Where a place in source code begins in a word, and its file's name.
fn place(word: &str) -> Option<(usize, usize)> {
    let name = word.rfind(is_slash)? + 1;
    let rest = &word[name..];
    let end = rest.find(|c: char| !c.is_alphanumeric() && !"._-+".contains(c))?;
    let ending = rest[..end].rsplit('.').next().unwrap_or_default();
    let mut behind = rest[end..].chars();
    let is_numbered = matches!(behind.next(), Some(':' | '('))
        && behind.next().is_some_and(|c| c.is_ascii_digit());
    let start = word.find(|c: char| !OPENING.contains(c)).unwrap_or(0);
    (ENDINGS.contains(&ending) && is_numbered && start < name).then_some((start, name))
}

fn is_slash(c: char) -> bool {
    c == '/' || c == '\\'
}

/// Whether a path begins with a drive: `C:\`.
fn is_drive(path: &str) -> bool {
    let mut chars = path.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':')
}

/// Whether a word may be the beginning of a folder that goes on behind a space: a path, and of no file.
fn is_beginning(word: &str) -> bool {
    let word = word.trim().trim_start_matches(|c: char| OPENING.contains(c));
    let last = word.rsplit(is_slash).next().unwrap_or_default();
    (word.starts_with(is_slash) || is_drive(word)) && !last.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_build_are_cut_and_no_others() {
        for (text, expected) in [
            (
                "/home/ci/.cargo/registry/src/index.crates.io-1949cf/llama-cpp-sys-2-0.1.161/llama.cpp/ggml/src/ggml.c:42: \
                 GGML_ASSERT(a/b) failed",
                "ggml.c:42: GGML_ASSERT(a/b) failed",
            ),
            (
                "current device: 0, in function alloc at /b/ggml-cuda/ggml-cuda.cu:521",
                "current device: 0, in function alloc at ggml-cuda.cu:521",
            ),
            ("/home/two words/llama.cpp/src/llama-kv-cache.cpp:7: x", "llama-kv-cache.cpp:7: x"),
            (r"C:\build\ggml\src\ggml-backend.cpp:9: y", "ggml-backend.cpp:9: y"),
            (r"'D:\a b\ggml.c(12)' z", "ggml.c(12)' z"),
            ("(../../ggml/src/ggml.c:1)", "(ggml.c:1)"),
            ("a/x.rs:3:5 and b/y.rs:4:6", "x.rs:3:5 and y.rs:4:6"),
        ] {
            assert_eq!(without_folders(text), expected);
        }
        for text in [
            "failed to open /models/my model.gguf",
            "/models/x.gguf: 3 tensors in ggml.c:12",
            "/home/me/prompts.txt:3: no prompt",
            "/home/me/notes.c is no model",
            "host:50052/x.c",
            "",
        ] {
            assert_eq!(without_folders(text), text);
        }
    }
}
