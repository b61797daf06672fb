//! Terminal: what goes to people: the one place that writes to standard error, and a filter for what goes to standard output.
//!
//! Names and texts in it come from model files, logs, hubs and command lines. What a terminal would obey in them is
//! made harmless here, whoever says it. And nobody may be there: standard error may be closed or full, and that ends
//! nothing.

use std::io::{self, Write};

use crate::document::text::{is_harmful, one_line};

/// Says a line on standard error, behind the program's name.
pub fn tell(text: &str) {
    say(&format!("lbench: {}", one_line(text)));
}

/// Writes a line of somebody else's to standard error: the engine's, or a worker's.
pub fn copy(line: &[u8]) {
    let line = String::from_utf8_lossy(line);
    say(&harmless(line.trim_end_matches(['\r', '\n'])));
}

fn say(line: &str) {
    let line = format!("{line}\n");
    // Nothing is left to do if even this fails.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Whether there is nothing in a text that needs a second look: most have not, and results may be long.
fn is_tame(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
}

/// The same text without what a terminal would obey, but for tabs and ends of lines.
fn harmless(text: &str) -> String {
    if is_tame(text) {
        return text.to_string();
    }
    text.chars().map(|c| if is_harmful(c) && !matches!(c, '\n' | '\t') { ' ' } else { c }).collect()
}

/// JSON with nothing in it that a terminal would obey: in strings, which alone can hold it, such characters are
/// written by their numbers.
pub fn in_json(json: &str) -> String {
    if is_tame(json) {
        return json.to_string();
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_harmful(c) && !matches!(c, '\n' | '\t' | '\r') {
            let mut units = [0; 2];
            escaped.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Writer of text that makes what passes it harmless, but for tabs and ends of lines.
pub struct Harmless<W: Write> {
    out: W,
    /// The beginning of a character whose end was not written yet.
    begun: Vec<u8>,
}

impl<W: Write> Harmless<W> {
    /// A filter before a writer.
    pub fn new(out: W) -> Self {
        Self { out, begun: Vec::new() }
    }

    /// The bytes of `text` as they are to be written, but for a character that is not whole.
    fn filtered(&mut self, text: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(text);
        let whole = match std::str::from_utf8(&bytes) {
            // What is no text is none with more behind it either.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => bytes.len(),
        };
        self.begun = bytes.split_off(whole);
        harmless(&String::from_utf8_lossy(&bytes))
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let filtered = self.filtered(text);
        self.out.write_all(filtered.as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "a\u{1b}[2J\u{7f}\u{9b}31m\u{202e}b\rc";

    #[test]
    fn what_a_terminal_obeys_passes_nowhere() {
        assert_eq!(harmless(&format!("{EVIL}\td\ne")), "a [2J  31m b c\td\ne");
        let json = serde_json::to_string(EVIL).unwrap();
        let escaped = in_json(&json);
        assert!(!escaped.chars().any(is_harmful), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), EVIL);
        assert_eq!(in_json("[\n\t{}\r\n]"), "[\n\t{}\r\n]");
    }

    /// However the bytes come, even in the middle of a character.
    #[test]
    fn a_filter_does_the_same_to_bytes_in_pieces() {
        let text = format!("{EVIL}\n😀 ä\tz");
        for size in 1..7 {
            let mut out = Vec::new();
            let mut filter = Harmless::new(&mut out);
            text.as_bytes().chunks(size).for_each(|piece| filter.write_all(piece).unwrap());
            filter.flush().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), harmless(&text), "{size}");
        }
        let mut out = Vec::new();
        Harmless::new(&mut out).write_all(b"a\xffb\n").unwrap();
        assert_eq!(out, "a\u{fffd}b\n".as_bytes());
    }
}
