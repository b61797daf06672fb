//! Prompts from a file: one a line, or JSON.

use std::path::Path;

use serde::Deserialize;

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
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".into()))?;
    let prompts = parse(path, &text).map_err(refuse)?;
    if prompts.is_empty() {
        return Err(refuse("there is no prompt in it".into()));
    }
    Ok(prompts)
}

/// A prompt in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Plain(String),
    Object {
        #[serde(alias = "text")]
        prompt: String,
    },
}

impl Entry {
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
        let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        numbered.filter(|(_, line)| !line.trim().is_empty())
    };
    let prompts: Vec<Prompt> = match ending {
        Some("json") => {
            let values: Vec<serde_json::Value> =
                serde_json::from_str(text).map_err(|error| format!("no array of JSON: {error}"))?;
            let entry = |(index, value)| match serde_json::from_value::<Entry>(value) {
                Ok(entry) => Ok(named(index + 1, entry.text())),
                Err(_) => Err(format!("entry {}: {EXPECTED}", index + 1)),
            };
            values.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?
        }
        Some("jsonl") => {
            let entry = |(number, line)| match serde_json::from_str::<Entry>(line) {
                Ok(entry) => Ok(named(number, entry.text())),
                Err(_) => Err(format!("line {number}: {EXPECTED}")),
            };
            lines().map(entry).collect::<Result<_, _>>()?
        }
        _ => lines().map(|(number, line)| named(number, line.to_string())).collect(),
    };
    match prompts.iter().find(|prompt| prompt.text.is_empty()) {
        Some(empty) => Err(format!("{} is empty", empty.name)),
        None => Ok(prompts),
    }
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
