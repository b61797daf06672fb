//! Text that came from a model file, a log or the system, made harmless; and dates.

/// Most characters that a cell shows: a model's header may hold a name of any length.
const MAX_CELL: usize = 80;

/// Most characters that a note shows of one text.
const MAX_NOTE: usize = 400;

/// Text on one line without anything that a terminal would obey: control characters, and the invisible
/// ones that reorder a line, become spaces.
pub(super) fn one_line(text: &str) -> String {
    let harmless = text.chars().map(|c| if is_harmful(c) { ' ' } else { c });
    harmless.collect::<String>().trim().to_string()
}

/// The same, cut where it is absurdly long.
pub(crate) fn plain(text: &str) -> String {
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
pub(crate) fn cell(text: &str) -> String {
    limited(text, MAX_CELL).replace('\\', "\\\\").replace('|', "\\|")
}

/// The same as markdown code. A backtick would end it.
pub(crate) fn code(text: &str) -> String {
    format!("`{}`", plain(text).replace('`', "'"))
}

/// Seconds since 1970 as RFC 3339 in UTC: `2026-05-01T12:00:00Z`.
pub(super) fn rfc3339(unix_time: u64) -> String {
    let (year, month, day) = civil(unix_time / 86_400);
    let second = unix_time % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a number of days since 1970-01-01. Years are counted from March, so that the
/// leap day is the last of its year and months have a simple formula.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = match month_from_march {
        0..=9 => (month_from_march + 3, 0),
        _ => (month_from_march - 9, 1),
    };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_time, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(unix_time), text);
        }
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn text_from_outside_stays_in_its_cell() {
        assert_eq!(cell("a|b\n\u{1b}[31mc\u{202e}"), "a\\|b  [31mc");
        assert_eq!(code("a`b"), "`a'b`");
        assert_eq!(cell(&"x".repeat(500)).chars().count(), MAX_CELL + 1);
    }
}
