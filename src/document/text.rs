//! Text that came from a model file, a log or the system, made harmless in any format. Escaping what a format
//! takes for markup is that format's own.

/// Most characters that a note shows of one text.
const MAX_NOTE: usize = 400;

/// Text on one line without anything that a terminal would obey: control characters, and the invisible
/// ones that reorder a line, become spaces.
pub fn one_line(text: &str) -> String {
    harmless(text).trim().to_string()
}

/// The same, with the blanks around it.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) { ' ' } else { c }).collect()
}

/// The same, cut where it is absurdly long.
pub fn plain(text: &str) -> String {
    limited(text, MAX_NOTE)
}

/// The same, with at most so many characters and a sign that there are more.
pub fn limited(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let mut start = one_line(&chars.by_ref().take(most).collect::<String>());
    if chars.next().is_some() {
        start.push('…');
    }
    start
}

/// Whether a terminal would obey a character, or show those around it in another order or not at all.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A text as a note quotes it: between backticks. A backtick of its own would end it.
pub fn quoted(text: &str) -> String {
    format!("`{}`", one_line(text).replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_on_its_line() {
        assert_eq!(one_line("a|b\n\u{1b}[31mc\u{202e}"), "a|b  [31mc");
        assert_eq!(quoted("a`b\n"), "`a'b`");
        assert_eq!(plain(&"x".repeat(500)).chars().count(), MAX_NOTE + 1);
    }
}
