//! clap's errors as one line.

use super::argv;

/// What is wrong, which flag, and what to do: one line, with the flag spelled as llama-bench spells it.
pub fn one_line(error: &clap::Error) -> String {
    format!("{} (see --help)", what(error))
}

/// The same without where to read more.
pub fn what(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut parts = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        let line = line.strip_prefix("error: ").unwrap_or(line);
        parts.push(line.strip_prefix("tip: ").unwrap_or(line).to_string());
    }
    let mut line = parts.join("; ").replace(":; ", ": ");
    // `--n-gpu-layers <N>` is right, but `-ngl` is what was typed.
    let long = line.split("'--").nth(1).and_then(|rest| rest.split([' ', '\'', '=']).next());
    let short = long.and_then(argv::spelling);
    if let (Some(long), Some(short)) = (long, short) {
        line = line.replacen(&format!("'--{long}"), &format!("'-{short}, --{long}"), 1);
    }
    line
}
