//! The grammar of values: lists, ranges, cache types, switches. Text in, numbers out; no I/O.

use super::pattern;
use crate::axis::{Grammar, Value};
use crate::setup::{FlashAttention, Override, Word};

/// Most values that one flag may stand for.
const MAX_VALUES: usize = 100_000;

/// Largest number any flag takes: llama.cpp counts tokens in 32 bits with sign.
const MAX: i64 = i32::MAX as i64;

/// Parses the text of an axis flag: one or more values, separated by commas.
///
/// # Errors
/// One sentence that says what is wrong with which part and what is expected.
pub fn axis(grammar: Grammar, text: &str) -> Result<Vec<Value>, String> {
    match grammar {
        Grammar::Count { min } => Ok(numbers(text, min)?.into_iter().map(Value::Int).collect()),
        Grammar::Layers => layers(text),
        Grammar::Percent => percents(text),
        Grammar::Switch => list(text, |word| switch(word).map(Value::Switch)),
        Grammar::CacheType => list(text, |word| named(word, "cache type").map(Value::Cache)),
        Grammar::SplitMode => list(text, |word| named(word, "split mode").map(Value::Split)),
        Grammar::LoadMode => list(text, |word| named(word, "load mode").map(Value::Load)),
        Grammar::LazyMode => list(text, |word| named(word, "lazy mode").map(Value::Lazy)),
        Grammar::Mask => list(text, |word| mask(word).map(Value::Mask)),
        Grammar::Overrides => placements(text),
        Grammar::Shares => list(text, |word| shares(word).map(Value::Shares)),
        Grammar::Servers => servers(text).map(|servers| vec![Value::Servers(servers)]),
        Grammar::Devices => list(text, |word| Ok(Value::Devices(devices(word)))),
        Grammar::FlashAttention => list(text, |word| flash_attention(word).map(Value::Flash)),
    }
}

/// Parses counts from 0, as `-p` and `-n` take them.
///
/// # Errors
/// As [`axis`].
pub fn counts(text: &str) -> Result<Vec<u32>, String> {
    // Every number was checked against MAX, which fits.
    Ok(numbers(text, 0)?.into_iter().filter_map(|value| u32::try_from(value).ok()).collect())
}

/// Parses `pp,tg`: one prompt length and one generation length.
///
/// # Errors
/// As [`axis`].
pub fn pair(text: &str) -> Result<(u32, u32), String> {
    let bad = || format!("'{text}' is not a pair: give prompt,generation as in -pg 512,128");
    let is_pair = text.split(',').filter(|word| word.trim().parse::<u64>().is_ok()).count() == 2;
    match list(text, |word| number(word, 0)) {
        Ok(values) if values.len() == 2 => {
            let as_count = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
            Ok((as_count(values[0]), as_count(values[1])))
        }
        // Two numbers, and one of them too large.
        Err(error) if is_pair => Err(error),
        _ => Err(bad()),
    }
}

/// The setting of this name.
pub(super) fn named<T: Word>(word: &str, what: &str) -> Result<T, String> {
    let found = T::ALL.iter().find(|value| value.name() == word.to_ascii_lowercase());
    found.copied().ok_or_else(|| {
        let names: Vec<_> = T::ALL.iter().map(|value| value.name()).collect();
        format!("'{word}' is not a {what}: {}", names.join(", "))
    })
}

fn layers(text: &str) -> Result<Vec<Value>, String> {
    let is_word = text.chars().any(|c| c.is_ascii_alphabetic());
    let all = |error| if is_word { format!("{error}; all layers are -1") } else { error };
    Ok(numbers(text, -1).map_err(all)?.into_iter().map(Value::Int).collect())
}

fn switch(word: &str) -> Result<bool, String> {
    match word {
        "1" | "on" | "true" => Ok(true),
        "0" | "off" | "false" => Ok(false),
        _ => Err(format!("'{word}' is neither 0 nor 1")),
    }
}

fn percents(text: &str) -> Result<Vec<Value>, String> {
    let values = numbers(text, 0)?;
    match values.iter().find(|value| **value > 100) {
        Some(value) => Err(format!("{value} is too large: at most 100")),
        None => Ok(values.into_iter().map(Value::Int).collect()),
    }
}

/// CPUs in hexadecimal, kept as typed; the engine has room for 512.
fn mask(word: &str) -> Result<String, String> {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let fine = (1..=128).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if fine {
        Ok(word.to_string())
    } else {
        Err(format!("'{word}' is no set of CPUs: give hexadecimal digits, like 0xff"))
    }
}

/// Sets of overrides, parted by commas, as llama-bench parts them: whatever else a comma might mean.
fn placements(text: &str) -> Result<Vec<Value>, String> {
    let sets = text.split(',').map(|group| overrides(group).map(Value::Overrides));
    let told = |error| {
        let several = "a comma begins another set, wherever it stands";
        if text.contains(',') { format!("{error}; {several}") } else { error }
    };
    sets.collect::<Result<_, _>>().map_err(told)
}

/// One set of overrides: `pattern=buffer` parted by `;`. None at all is a set too.
fn overrides(group: &str) -> Result<Vec<Override>, String> {
    if group.is_empty() || group == "none" {
        return Ok(Vec::new());
    }
    group.split(';').filter(|text| !text.is_empty()).map(placement).collect()
}

fn placement(text: &str) -> Result<Override, String> {
    match text.split_once('=') {
        Some((expression, buffer)) if !expression.is_empty() && !buffer.is_empty() => {
            pattern::check(expression).map_err(|what| {
                let first = if buffer.contains('=') { "; the first = ends it" } else { "" };
                format!("'{expression}' is no regular expression: {what}{first}")
            })?;
            Ok(Override { pattern: expression.into(), buffer: buffer.into() })
        }
        _ => Err(format!("'{text}' places nothing: give pattern=buffer, like exps=CPU")),
    }
}

/// Shares of devices in hundredths: `3/1`, as llama-bench also `3;1`. All zero leaves them to the engine.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and a million
fn shares(word: &str) -> Result<Vec<u32>, String> {
    let bad = || format!("'{word}' are no shares: give one number for each GPU, like 3/1");
    let share = |part: &str| match part.trim().parse::<f64>() {
        Ok(share) if (0.0..=1e6).contains(&share) => Ok((share * 100.0).round() as u32),
        _ => Err(bad()),
    };
    let shares = word.split(['/', ';']).map(share).collect::<Result<Vec<_>, _>>()?;
    Ok(if shares.iter().all(|share| *share == 0) { Vec::new() } else { shares })
}

/// One set of servers: commas part the servers of a set, not its alternatives.
fn servers(text: &str) -> Result<Vec<String>, String> {
    if text == "none" || text.is_empty() {
        return Ok(Vec::new());
    }
    let server = |word: &str| match word.trim().rsplit_once(':') {
        Some((host, port))
            if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Ok(word.trim().to_string())
        }
        _ => Err(format!("'{word}' is no server: give host:port, or none")),
    };
    text.split(',').map(server).collect()
}

/// Names of devices; none is all of them.
fn devices(word: &str) -> Vec<String> {
    if word == "auto" { Vec::new() } else { word.split('/').map(str::to_string).collect() }
}

/// Parses numbers and ranges: `first`, `first-last`, `first-last+step`, `first-last*factor`.
fn numbers(text: &str, min: i64) -> Result<Vec<i64>, String> {
    let mut values = Vec::new();
    for part in list(text, |part| Ok(part.to_string()))? {
        range(&part, min, &mut values)?;
        if values.len() > MAX_VALUES {
            return Err(format!("'{part}' is more than {MAX_VALUES} values"));
        }
    }
    Ok(values)
}

fn range(part: &str, min: i64, values: &mut Vec<i64>) -> Result<(), String> {
    // The first character may be the sign of a number; a later dash separates.
    let Some(dash) = part.get(1..).and_then(|rest| rest.find('-')).map(|at| at + 1) else {
        values.push(number(part, min)?);
        return Ok(());
    };
    let (first, rest) = (&part[..dash], &part[dash + 1..]);
    let (last, step) = match rest.find(['+', '*']) {
        Some(at) => (&rest[..at], Some((rest.as_bytes()[at], &rest[at + 1..]))),
        None => (rest, None),
    };
    let (first, last) = (number(first, min)?, number(last, min)?);
    if last < first {
        return Err(format!("'{part}' runs backwards: {first} is more than {last}"));
    }
    let next: Box<dyn Fn(i64) -> i64> = match step {
        None => Box::new(|at| at + 1),
        Some((b'*', factor)) => {
            let factor = number(factor, 0)?;
            if factor < 2 || first < 1 {
                return Err(format!(
                    "'{part}' never ends: start at 1 or more, multiply by 2 or more"
                ));
            }
            Box::new(move |at| at.saturating_mul(factor))
        }
        Some((_, step)) => {
            let step = number(step, 0)?;
            if step < 1 {
                return Err(format!("'{part}' never ends: the step must be 1 or more"));
            }
            Box::new(move |at| at + step)
        }
    };
    let mut at = first;
    while at <= last && values.len() <= MAX_VALUES {
        values.push(at);
        at = next(at);
    }
    Ok(())
}

fn number(word: &str, min: i64) -> Result<i64, String> {
    let value: i64 = word.parse().map_err(|_| {
        if word.len() > 9 && word.bytes().all(|b| b.is_ascii_digit()) {
            format!("'{word}' is too large: at most {MAX}")
        } else {
            format!("'{word}' is not a whole number or a range (8, 1-8, 1-8+2, 1-8*2)")
        }
    })?;
    if value < min {
        return Err(format!("{value} is too small: at least {min}"));
    }
    if value > MAX {
        return Err(format!("{value} is too large: at most {MAX}"));
    }
    Ok(value)
}

fn flash_attention(word: &str) -> Result<FlashAttention, String> {
    match word {
        "on" | "1" | "true" | "enabled" => Ok(FlashAttention::On),
        "off" | "0" | "false" | "disabled" => Ok(FlashAttention::Off),
        "auto" | "-1" => Ok(FlashAttention::Auto),
        _ => Err(format!("'{word}' is not one of on, off, auto")),
    }
}

/// Splits at commas; an empty part is an error, since it is a slip.
fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',')
        .map(|part| match part.trim() {
            "" if text.trim().is_empty() => Err("the list is empty".to_string()),
            "" => Err(format!("'{text}' has an empty place in the list")),
            part => parse(part),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::setup::CacheType;

    #[test]
    fn lists_and_ranges() {
        for (text, values) in [
            ("8", vec![8]),
            ("64,128,512", vec![64, 128, 512]),
            ("1-4", vec![1, 2, 3, 4]),
            ("10-35+10", vec![10, 20, 30]),
            ("64-1024*2", vec![64, 128, 256, 512, 1024]),
            ("1-3,8", vec![1, 2, 3, 8]),
            ("-1", vec![-1]),
            ("-1-1", vec![-1, 0, 1]),
        ] {
            assert_eq!(numbers(text, -1), Ok(values), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let messages: Vec<_> = [
            "",
            " ",
            "1,,2",
            "1,",
            "abc",
            "1.5",
            "-3",
            "5-1",
            "1-8*1",
            "0-8*2",
            "1-8+0",
            "1-",
            "-",
            "99999999999",
            "3000000000",
            "1-200000",
            "9223372036854775808",
            "1-8^2",
            "--1",
            "1-2-3",
        ]
        .iter()
        .map(|text| format!("{text:?}: {}", numbers(text, 0).unwrap_err()))
        .chain([flash_attention("maybe").unwrap_err(), switch("maybe").unwrap_err()])
        .chain([named::<CacheType>("q9_0", "cache type").unwrap_err()])
        .chain([mask("0xfg").unwrap_err(), mask("").unwrap_err()])
        .chain([overrides("exps").unwrap_err(), overrides("a=CPU;=b").unwrap_err()])
        .chain([percents("0,101").unwrap_err()])
        .chain([pair("512").unwrap_err(), pair("1,2,3").unwrap_err()])
        .collect();
        insta::assert_snapshot!(messages.join("\n"));
    }

    #[test]
    fn what_is_placed_by_hand() {
        let group = |text| {
            axis(Grammar::Overrides, text)
                .map(|groups| groups.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let exps = r"blk\.[0-9]+\.ffn_.*_exps=CPU";
        assert_eq!(group(exps), Ok(vec![exps.to_string()]));
        assert_eq!(group("a=CPU;b=CUDA0,"), Ok(vec!["a=CPU;b=CUDA0".into(), "none".into()]));
        assert_eq!(group("none,x=y=z"), Ok(vec!["none".into(), "x=y=z".into()]));
    }

    proptest! {
        #[test]
        fn any_text_is_values_or_a_message(text in "[-+*,0-9a-z ]{0,12}") {
            if let Ok(values) = numbers(&text, -1) {
                prop_assert!(!values.is_empty());
                prop_assert!(values.iter().all(|v| (-1..=MAX).contains(v)));
            }
        }

        #[test]
        fn a_range_is_what_a_loop_would_count(first in 0_i64..500, span in 0_i64..500, step in 1_i64..50) {
            let text = format!("{first}-{}+{step}", first + span);
            let expected: Vec<_> = (first..=first + span).step_by(usize::try_from(step).unwrap()).collect();
            prop_assert_eq!(numbers(&text, 0), Ok(expected));
        }
    }
}
