//! Text that came from a model file, a log or the system, made harmless.

/// Most characters that a cell shows: a model's header may hold a name of any length.
const MAX_CELL: usize = 80;

/// Most characters that a note shows of one text.
const MAX_NOTE: usize = 400;

/// Text on one line without anything that a terminal would obey: control characters, and the invisible
/// ones that reorder a line, become spaces.
pub fn one_line(text: &str) -> String {
    let harmless = text.chars().map(|c| if is_harmful(c) { ' ' } else { c });
    harmless.collect::<String>().trim().to_string()
}

/// The same, cut where it is absurdly long.
pub fn plain(text: &str) -> String {
    limited(text, MAX_NOTE)
}

fn limited(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let mut start = one_line(&chars.by_ref().take(most).collect::<String>());
    if chars.next().is_some() {
        start.push('…');
    }
    start
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same, fit for a cell of a markdown table: a bar would start the next cell.
pub fn cell(text: &str) -> String {
    limited(text, MAX_CELL).replace('\\', "\\\\").replace('|', "\\|")
}

/// The same as markdown code. A backtick would end it.
pub fn code(text: &str) -> String {
    format!("`{}`", plain(text).replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_in_its_cell() {
        assert_eq!(cell("a|b\n\u{1b}[31mc\u{202e}"), "a\\|b  [31mc");
        assert_eq!(code("a`b"), "`a'b`");
        assert_eq!(cell(&"x".repeat(500)).chars().count(), MAX_CELL + 1);
    }
}
