//! Quantities that are no axes: counts, times, shares, sizes. Text in, numbers out; each says what is wanted.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::units::Bytes;

/// A parser of whole numbers between two, both included.
pub fn whole<T: TryFrom<i64>>(
    range: RangeInclusive<i64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.trim().parse::<i64>().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            format!("'{text}' is no whole number from {} to {}", range.start(), range.end())
        })
    }
}

/// A parser of times in seconds between two, both included; parts of seconds are times too.
pub fn seconds(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    move |text| {
        let number = text.trim().parse::<f64>().ok().filter(|number| range.contains(number));
        number.and_then(|number| Duration::try_from_secs_f64(number).ok()).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            format!("'{text}' is no number of seconds from {least} to {most}, like 20 or 0.5")
        })
    }
}

/// Parses a share of something, `0.5%` or `0.5`, both half a percent.
///
/// # Errors
/// When it is no number between 0 and 100, both excluded.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 100.0 => Ok(value / 100.0),
        _ => Err(format!("'{text}' is not a percentage between 0 and 100, like 0.5%")),
    }
}

/// Parses a size: `500M`, `1.5GiB`, a plain number being bytes. Prefixes are powers of 1024.
///
/// # Errors
/// When it is no such size.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and `as` saturates
pub fn size(text: &str) -> Result<Bytes, String> {
    let trimmed = text.trim();
    let digits = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = trimmed[digits.len()..].to_ascii_lowercase();
    let unit = unit.trim_end_matches('b').trim_end_matches('i');
    let scale = ["", "k", "m", "g", "t"].iter().position(|known| *known == unit);
    let number = digits.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    match (number, scale.and_then(|scale| i32::try_from(scale).ok())) {
        (Some(number), Some(scale)) => Ok(Bytes((number * 1024_f64.powi(scale)) as u64)),
        _ => Err(format!("'{text}' is not a size, like 500M or 1.5GiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_and_what_is_wanted_instead() {
        assert_eq!(seconds(0.0..=9.0)("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(whole::<i32>(-1..=3)("-1"), Ok(-1));
        assert_eq!((percent("0.5%"), percent("50")), (Ok(0.005), Ok(0.5)));
        assert_eq!(size("1.5GiB"), Ok(Bytes(3 << 29)));
        let count = |text| whole::<u32>(1..=1_000_000)(text).unwrap_err();
        let time = |text| seconds(0.001..=86_400.0)(text).unwrap_err();
        let wrong = ["0", "1.5", "abc", "", "-1", "99999999999999999999"].map(count);
        let late = ["0", "1h", "", "-1", "inf", "nan", "86401"].map(time);
        let shares = ["0", "100", "abc"].map(|text| percent(text).unwrap_err());
        let sizes = ["lots", "-1", "5X"].map(|text| size(text).unwrap_err());
        insta::assert_snapshot!([&wrong[..], &late, &shares, &sizes].concat().join("\n"));
    }
}
