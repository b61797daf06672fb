//! Prompts from a file: one a line, or JSON.

use std::path::Path;

use serde::Deserialize;

use crate::encoding;
use crate::error::Error;

/// A prompt and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// File and line, or file and number: `prompts.txt:3`.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// Largest file of prompts, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Longest prompt, in bytes: its tokens are one message of a worker.
const MAX_PROMPT: usize = 8 << 20;

/// Reads a file of prompts. Where its name ends in `.json`, it is an array; in `.jsonl`, a value a line:
/// strings, or objects with a `prompt` or a `text`. Any other file is a prompt a line, empty lines apart.
///
/// # Errors
/// One sentence that names the file, and the line or number where something is wrong.
pub fn read(path: &Path) -> Result<Vec<Prompt>, Error> {
    let refuse =
        |reason: String| Error::Usage(format!("--prompt-file {}: {reason}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(refuse("it is larger than 64 MiB".into()));
    }
    let bytes = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let text = encoding::decode(bytes).map_err(refuse)?;
    let prompts = parse(path, &text).map_err(refuse)?;
    if prompts.is_empty() {
        return Err(refuse("there is no prompt in it".into()));
    }
    Ok(prompts)
}

/// Prompts in parts, none of which has more text than the longest prompt may have.
pub fn parts(prompts: &[Prompt]) -> Vec<&[Prompt]> {
    let (mut parts, mut first, mut length) = (Vec::new(), 0, 0);
    for (at, prompt) in prompts.iter().enumerate() {
        if at > first && length + prompt.text.len() > MAX_PROMPT {
            parts.push(&prompts[first..at]);
            (first, length) = (at, 0);
        }
        length += prompt.text.len();
    }
    parts.push(&prompts[first..]);
    parts
}

/// A prompt in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum JsonPrompt {
    Plain(String),
    Object {
        #[serde(alias = "text")]
        prompt: String,
    },
}

impl JsonPrompt {
    fn text(self) -> String {
        match self {
            Self::Plain(text) | Self::Object { prompt: text } => text,
        }
    }
}

const EXPECTED: &str = "expected a string or an object with a \"prompt\"";

fn parse(path: &Path, text: &str) -> Result<Vec<Prompt>, String> {
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let named = |number: usize, text: String| Prompt { name: format!("{file}:{number}"), text };
    let ending = path.extension().and_then(|ending| ending.to_str());
    let lines = || {
        // Files that were put one behind the other have a mark in the middle.
        let lines = text.lines().map(|line| line.trim_start_matches(encoding::MARK));
        let numbered = lines.enumerate().map(|(index, line)| (index + 1, line));
        numbered.filter(|(_, line)| !line.trim().is_empty())
    };
    let prompts: Vec<Prompt> = match ending {
        Some("json") => {
            let values: Vec<serde_json::Value> =
                serde_json::from_str(text).map_err(|error| format!("no array of JSON: {error}"))?;
            let entry = |(index, value)| match serde_json::from_value::<JsonPrompt>(value) {
                Ok(entry) => Ok(named(index + 1, entry.text())),
                Err(_) => Err(format!("entry {}: {EXPECTED}", index + 1)),
            };
            values.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?
        }
        Some("jsonl") => {
            let entry = |(number, line)| match serde_json::from_str::<JsonPrompt>(line) {
                Ok(entry) => Ok(named(number, entry.text())),
                Err(_) => Err(format!("line {number}: {EXPECTED}")),
            };
            lines().map(entry).collect::<Result<_, _>>()?
        }
        _ => lines().map(|(number, line)| named(number, line.to_string())).collect(),
    };
    if let Some(empty) = prompts.iter().find(|prompt| prompt.text.is_empty()) {
        return Err(format!("{} is empty", empty.name));
    }
    if let Some(long) = prompts.iter().find(|prompt| prompt.text.len() > MAX_PROMPT) {
        return Err(format!("{} is longer than 8 MiB, which no context holds", long.name));
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str, text: &str) -> Result<Vec<String>, String> {
        let prompts = parse(Path::new(file), text)?;
        Ok(prompts.into_iter().map(|prompt| format!("{} {}", prompt.name, prompt.text)).collect())
    }

    #[test]
    fn prompts_are_lines_or_json() {
        let lines = texts("dir/p.txt", "What is love?\r\n\n[1]\n").unwrap();
        assert_eq!(lines, ["p.txt:1 What is love?", "p.txt:3 [1]"]);
        let json = texts("p.json", r#"["two\nlines", {"prompt": "b"}, {"text": "c", "id": 4}]"#);
        assert_eq!(json.unwrap(), ["p.json:1 two\nlines", "p.json:2 b", "p.json:3 c"]);
        let jsonl = texts("p.jsonl", "\"a\"\n\n{\"prompt\": \"b\"}\n");
        assert_eq!(jsonl.unwrap(), ["p.jsonl:1 a", "p.jsonl:3 b"]);
    }

    #[test]
    fn a_file_from_elsewhere_has_the_same_prompts() {
        let dir = tempfile::tempdir().unwrap();
        let text = "\u{feff}What is love?\r\n\r\n\u{feff}Ünd?\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        for bytes in [
            text.as_bytes().to_vec(),
            units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        ] {
            let path = dir.path().join("p.txt");
            std::fs::write(&path, bytes).unwrap();
            let prompts = read(&path).unwrap();
            let texts: Vec<_> = prompts.iter().map(|prompt| prompt.text.as_str()).collect();
            assert_eq!(texts, ["What is love?", "Ünd?"]);
        }
    }

    #[test]
    fn many_long_prompts_are_several_parts() {
        let lengths = [MAX_PROMPT, 1, 5, MAX_PROMPT - 6, 1];
        let prompt = |length| Prompt { name: String::new(), text: "x".repeat(length) };
        let prompts: Vec<_> = lengths.into_iter().map(prompt).collect();
        let parts: Vec<_> = parts(&prompts).iter().map(|part| part.len()).collect();
        assert_eq!(parts, [1, 3, 1]);
        let told = texts("p.txt", &"x".repeat(MAX_PROMPT + 1)).unwrap_err();
        assert_eq!(told, "p.txt:1 is longer than 8 MiB, which no context holds");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let messages = [
            texts("p.json", "{}").unwrap_err(),
            texts("p.json", "[1]").unwrap_err(),
            texts("p.json", r#"["a", ""]"#).unwrap_err(),
            texts("p.jsonl", "\"a\"\nb\n").unwrap_err(),
        ];
        insta::assert_snapshot!(messages.join("\n"));
    }
}
