//! llama-bench's spellings for clap: `-ngl 99` would be `-n gl` to it, so flags of several letters behind
//! one dash get their long form first.

use std::ffi::OsString;

use crate::axis::AXES;

/// Flags of several letters that are not axes, with their long forms.
const OTHERS: [(&str, &str); 8] = [
    ("pg", "prompt-gen"),
    ("oe", "output-err"),
    ("mmp", "mmap"),
    ("dio", "direct-io"),
    ("hf", "hf-repo"),
    ("hfr", "hf-repo"),
    ("hff", "hf-file"),
    ("hft", "hf-token"),
];

/// Rewrites arguments so that clap understands them; the program's name is passed through.
pub fn normalise(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut out = Vec::new();
    let mut args = args.into_iter();
    out.extend(args.next());
    let mut literal = false;
    for arg in args {
        literal |= arg == "--";
        let rewritten = if literal { None } else { arg.to_str().and_then(rewrite) };
        out.push(rewritten.map_or(arg, OsString::from));
    }
    out
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
    let axes = AXES.iter().map(|axis| (axis.short, axis.long));
    axes.chain(OTHERS).filter(|(short, _)| short.len() > 1)
}

/// What is wrong with a flag of several letters behind one dash that nobody knows. To clap, `-nglx` would be
/// `-n glx`, and `-ctkv` a flag `-c`.
pub fn unknown(command: &clap::Command, args: &[OsString]) -> Option<String> {
    let first = args.get(1).and_then(|arg| arg.to_str()).filter(|arg| !arg.starts_with('-'));
    let command = match first {
        Some(name) => command.find_subcommand(name).filter(|command| is_sweep(command))?,
        None => command,
    };
    let typed = args.iter().skip(1).map_while(|arg| arg.to_str().filter(|arg| *arg != "--"));
    let flags = typed.filter_map(|arg| {
        let word = arg.strip_prefix('-')?.split('=').next()?;
        (word.len() > 1 && word.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(word)
    });
    let word = { flags }.find(|word| !is_known(command, word))?;
    // What follows -hft may be a token.
    let word = if word.starts_with("hft") { "hft…" } else { word };
    let scored = spellings().map(|(short, long)| (strsim::jaro_winkler(word, short), short, long));
    let nearest = scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|best| best.0 > 0.7);
    Some(match nearest {
        Some((_, short, long)) => {
            format!("there is no flag -{word}: did you mean -{short} (--{long})? (see --help)")
        }
        None => format!("there is no flag -{word} (see --help)"),
    })
}

/// Whether a word behind one dash is one of llama-bench's flags, or a letter with its value: `-t4`, `-ojson`.
fn is_known(command: &clap::Command, word: &str) -> bool {
    if spellings().any(|(short, _)| short == word) {
        return true;
    }
    let (letter, value) = word.split_at(1);
    let mut args = command.get_arguments();
    let Some(arg) = args.find(|arg| arg.get_short().is_some_and(|short| letter.starts_with(short)))
    else {
        return false;
    };
    let is_number = arg.get_value_names().is_some_and(|names| names == ["N"]);
    !is_number || !value.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Whether a command takes the flags of a sweep.
fn is_sweep(command: &clap::Command) -> bool {
    AXES.iter().all(|axis| command.get_arguments().any(|arg| arg.get_long() == Some(axis.long)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> String {
        let args = line.split(' ').map(OsString::from);
        let out: Vec<_> = normalise(args).into_iter().map(|a| a.into_string().unwrap()).collect();
        out.join(" ")
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
        ] {
            assert_eq!(words(typed), seen);
        }
    }
}
