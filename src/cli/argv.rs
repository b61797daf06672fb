//! llama-bench's spellings for clap: `-ngl 99` would be `-n gl` to it, so flags of several letters behind
//! one dash get their long form first.

use std::ffi::OsString;

use super::flags;
use crate::models::NO_TEXT;

/// Rewrites arguments so that clap understands them; the program's name is passed through, and so is the word behind
/// one that `takes_line` says takes a command line.
pub fn normalise(
    args: impl IntoIterator<Item = OsString>,
    takes_line: impl Fn(&str) -> bool,
) -> Vec<OsString> {
    let mut out = Vec::new();
    let mut args = args.into_iter();
    out.extend(args.next());
    let mut literal = false;
    let mut is_line = false;
    for arg in args {
        literal |= arg == "--";
        let rewritten = if literal || is_line { None } else { arg.to_str().and_then(rewrite) };
        is_line = !is_line && arg.to_str().is_some_and(&takes_line);
        out.push(rewritten.map_or(arg, OsString::from));
    }
    out
}

/// What is wrong with an argument that is no text, named by the flag that it belongs to: names go to workers, journals
/// and results, all of which are text.
pub fn no_text(args: &[OsString]) -> Option<String> {
    let at = args.iter().skip(1).position(|arg| arg.to_str().is_none())? + 1;
    let word = args[at].to_string_lossy();
    let typed = word.split_once('=').filter(|(flag, _)| flag.starts_with('-'));
    let before = args[at - 1].to_str().filter(|before| at > 1 && before.starts_with('-'));
    let (flag, value) = match (typed, before) {
        (Some((flag, value)), _) => (format!("{flag} "), value),
        (None, Some(flag)) => (format!("{flag} "), &*word),
        (None, None) => (String::new(), &*word),
    };
    Some(format!("{flag}{value}: {NO_TEXT}"))
}

/// The long form of one argument, with an attached `=value` kept; `None` if it is fine as it is.
fn rewrite(arg: &str) -> Option<String> {
    let (flag, value) = match arg.split_once('=') {
        Some((flag, value)) => (flag, Some(value)),
        None => (arg, None),
    };
    let long = if let Some(long) = flag.strip_prefix("--") {
        // llama-bench takes --n_gpu_layers for --n-gpu-layers.
        long.contains('_').then(|| long.replace('_', "-"))?
    } else {
        let short = flag.strip_prefix('-').filter(|short| short.len() > 1)?;
        spellings().find(|(spelling, _)| *spelling == short)?.1.to_string()
    };
    Some(value.map_or_else(|| format!("--{long}"), |value| format!("--{long}={value}")))
}

/// The flag as llama-bench users know it, for a message that names its long form.
pub fn spelling(long: &str) -> Option<&'static str> {
    spellings().find(|(_, known)| *known == long).map(|(short, _)| short)
}

/// The long flag that llama-bench's users know by this short name.
pub fn long_form(short: &str) -> Option<&'static str> {
    spellings().find(|(known, _)| *known == short).map(|(_, long)| long)
}

/// llama-bench's flags of several letters behind one dash, with their long forms.
pub fn spellings() -> impl Iterator<Item = (&'static str, &'static str)> {
    flags::all().flat_map(|flag| flag.spellings.iter().map(move |short| (*short, flag.long)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> String {
        let args = line.split(' ').map(OsString::from);
        let out: Vec<_> = normalise(args, |word| word == "--line")
            .into_iter()
            .map(|a| a.into_string().unwrap())
            .collect();
        out.join(" ")
    }

    #[test]
    fn what_is_no_text_names_its_flag() {
        use std::os::unix::ffi::OsStringExt as _;
        let told = |words: &[&[u8]]| {
            let words: Vec<_> =
                words.iter().map(|word| OsString::from_vec(word.to_vec())).collect();
            no_text(&words).map(|text| text.split(": ").next().unwrap().to_string())
        };
        assert_eq!(told(&[b"lbench", b"-m", b"a\xff"]).unwrap(), "-m a\u{fffd}");
        assert_eq!(told(&[b"lbench", b"--models-dir=a\xff"]).unwrap(), "--models-dir a\u{fffd}");
        assert_eq!(told(&[b"lbench", b"report", b"a\xff"]).unwrap(), "a\u{fffd}");
        assert_eq!(told(&[b"lbench", b"a\xff"]).unwrap(), "a\u{fffd}");
        assert_eq!(told(&[b"lbench", b"--a\xff"]).unwrap(), "--a\u{fffd}");
        assert_eq!(told(&[b"l\xff", b"-m", b"a"]), None);
    }

    #[test]
    fn several_letters_behind_one_dash() {
        for (typed, seen) in [
            ("lbench -ngl 99", "lbench --n-gpu-layers 99"),
            ("lbench -ngl=10,20", "lbench --n-gpu-layers=10,20"),
            ("lbench -n 16 -p 64", "lbench -n 16 -p 64"),
            ("lbench -pg 512,128 -oe md", "lbench --prompt-gen 512,128 --output-err md"),
            (
                "lbench -ctk q8_0 -ub 64 -fa 1",
                "lbench --cache-type-k q8_0 --ubatch-size 64 --flash-attn 1",
            ),
            ("lbench --n_gpu_layers 3", "lbench --n-gpu-layers 3"),
            ("lbench -ngl -1 -t4", "lbench --n-gpu-layers -1 -t4"),
            ("lbench -- -ngl", "lbench -- -ngl"),
            ("lbench --line -ngl -ngl 9", "lbench --line -ngl --n-gpu-layers 9"),
            ("lbench --line --type_k", "lbench --line --type_k"),
        ] {
            assert_eq!(words(typed), seen);
        }
    }
}
