//! Regular expressions as the engine reads them: C++'s `std::regex` in ECMAScript's grammar. No crate reads that one:
//! `(?=` and `\1` are fine here, `(?<name>` and `(?i)` are not. Refused is only what every C++ library refuses, so that
//! nothing is that the engine would have taken.

use std::iter::Peekable;
use std::str::Chars;

/// What is wrong with a regular expression.
///
/// # Errors
/// When there is anything.
pub fn check(text: &str) -> Result<(), String> {
    let mut reader = PatternReader { left: text.chars().peekable(), groups: 0, is_deep: false };
    reader.alternatives(0)?;
    match reader.left.next() {
        None => Ok(()),
        Some(_) => Err("a ) has no ( before it".into()),
    }
}

/// Groups within groups that are looked into; whoever nests them deeper is left to the engine.
const DEPTH: usize = 200;

/// Names of classes between `[:` and `:]`.
const CLASSES: [&str; 15] = [
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "xdigit", "d", "s", "w",
];

struct PatternReader<'a> {
    left: Peekable<Chars<'a>>,
    /// Groups that began so far, which is what `\1` counts.
    groups: u32,
    /// Whether groups lie so deep that the rest was passed over.
    is_deep: bool,
}

/// What was just read, which decides whether it can be repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Term {
    Atom,
    /// A place, as `^` is.
    Assertion,
    /// Nothing yet.
    Start,
}

impl PatternReader<'_> {
    /// Everything up to a `)` or the end.
    fn alternatives(&mut self, depth: usize) -> Result<(), String> {
        let mut before = Term::Start;
        while let Some(c) = self.left.next_if(|c| *c != ')') {
            before = match c {
                '|' => Term::Start,
                '*' | '+' | '?' | '{' if before != Term::Atom => {
                    return Err(format!("{c} has nothing before it that it could repeat"));
                }
                '{' => self.count()?,
                '^' | '$' => Term::Assertion,
                '(' => self.group(depth)?,
                '[' => self.set()?,
                '\\' => self.escape()?,
                // A character, or a repetition, which may be repeated.
                _ => Term::Atom,
            };
        }
        Ok(())
    }

    fn group(&mut self, depth: usize) -> Result<Term, String> {
        let mut term = Term::Atom;
        if self.left.next_if_eq(&'?').is_some() {
            match self.left.next() {
                Some(':') => {}
                Some('=' | '!') => term = Term::Assertion,
                _ => return Err("behind (? there can be :, = or ! alone".into()),
            }
        } else {
            self.groups += 1;
        }
        if depth == DEPTH {
            self.left.by_ref().for_each(drop);
            self.is_deep = true;
            return Ok(term);
        }
        self.alternatives(depth + 1)?;
        let is_closed = self.left.next().is_some() || self.is_deep;
        if is_closed { Ok(term) } else { Err("a ( is not closed".into()) }
    }

    /// `2}`, `2,}` or `2,5}`.
    fn count(&mut self) -> Result<Term, String> {
        let bad = || "behind { there are no counts, like {2}, {2,} or {2,5}".to_string();
        let least = self.number().ok_or_else(bad)?;
        let mut most = None;
        if self.left.next_if_eq(&',').is_some() {
            most = self.number();
        }
        match self.left.next() {
            Some('}') if most.is_none_or(|most| most >= least) => Ok(Term::Atom),
            _ => Err(bad()),
        }
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = None;
        while let Some(digit) = self.left.peek().and_then(|c| c.to_digit(10)) {
            self.left.next();
            number = Some(number.unwrap_or(0_u64).saturating_mul(10).saturating_add(digit.into()));
        }
        number
    }

    /// A set of characters, behind its `[`.
    fn set(&mut self) -> Result<Term, String> {
        let open = || "a [ is not closed".to_string();
        self.left.next_if_eq(&'^');
        // The character before, where a range can begin with it, and whether a dash came behind it.
        let (mut first, mut is_range) = (None, false);
        loop {
            let c = self.left.next().ok_or_else(open)?;
            let single = match c {
                ']' => return Ok(Term::Atom),
                '-' if first.is_some() && !is_range => {
                    is_range = true;
                    continue;
                }
                '[' => match self.left.next_if(|c| [':', '.', '='].contains(c)) {
                    Some(mark) => {
                        self.named(mark)?;
                        None
                    }
                    None => Some('['),
                },
                '\\' => {
                    self.escape_in_set()?;
                    None
                }
                c => Some(c).filter(char::is_ascii),
            };
            if let (true, Some(first), Some(last)) = (is_range, first, single)
                && last < first
            {
                return Err(format!("[{first}-{last}] runs backwards"));
            }
            (first, is_range) = (single.filter(|_| !is_range), false);
        }
    }

    /// `alpha:]`, behind `[:`.
    fn named(&mut self, mark: char) -> Result<(), String> {
        let mut name = String::new();
        loop {
            match self.left.next() {
                None => return Err("a [ is not closed".into()),
                Some(c) if c == mark && self.left.next_if_eq(&']').is_some() => break,
                Some(c) => name.push(c),
            }
        }
        let is_known = CLASSES.contains(&name.to_ascii_lowercase().as_str());
        if mark != ':' || is_known { Ok(()) } else { Err(format!("there is no class [:{name}:]")) }
    }

    fn escape(&mut self) -> Result<Term, String> {
        match self.left.peek().copied() {
            Some('b' | 'B') => {
                self.left.next();
                Ok(Term::Assertion)
            }
            Some('1'..='9') => {
                let number = self.number().unwrap_or_default();
                if number > self.groups.into() {
                    return Err(format!("\\{number} means a group, and there are {}", self.groups));
                }
                Ok(Term::Atom)
            }
            _ => self.escape_in_set().map(|()| Term::Atom),
        }
    }

    fn escape_in_set(&mut self) -> Result<(), String> {
        let digits = match self.left.next() {
            None => return Err("a \\ at the end means nothing".into()),
            Some('x') => 2,
            Some('u') => 4,
            Some('c') => {
                let letter = self.left.next();
                return letter.map(drop).ok_or_else(|| "behind \\c there is no letter".into());
            }
            Some(_) => 0,
        };
        let are_hex = (0..digits).all(|_| self.left.next().is_some_and(|c| c.is_ascii_hexdigit()));
        let what = if digits == 2 { 'x' } else { 'u' };
        if are_hex {
            Ok(())
        } else {
            Err(format!("behind \\{what} there must be {digits} hexadecimal digits"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `std::regex` takes, by trial with the C++ library of GCC.
    #[test]
    fn what_the_engine_takes_is_taken() {
        for text in [
            "exps",
            r"blk\.(0|1|2)\.ffn_.*_exps\.weight",
            r"blk\.[0-9]{1,2}\.ffn_(gate|up|down)_exps\.",
            r"^token_embd\.weight$",
            "(?:a|b)+?",
            "a(?!b)c(?=d)",
            r"(a)\1",
            r"[\w\-.]+[^\]]",
            r"\x41\u0041\cA\_",
            "[[:alpha:]]+[[.a.]][[=a=]]",
            "a**",
            "[]a]b}",
            "[^]",
            "(|a)",
            "a{2,}{3}",
            "[a-][-a]",
            "ä[ö-ü]",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_it_refuses_is_refused_and_said() {
        let wrong = [
            "attn(",
            "attn)",
            "a[b",
            "*exps",
            "a|*b",
            "^*",
            "a{",
            "a{x}",
            "a{3,1}",
            "a{,3}",
            "(?i)exps",
            "(?<n>a)",
            r"\1",
            r"(a)\2",
            r"exps\",
            r"\x4",
            r"\u12",
            r"\c",
            "[z-a]",
            "[[:letter:]]",
            "[[:alpha",
            "(?=a)*",
        ];
        let told = wrong.map(|text| format!("{text}: {}", check(text).unwrap_err()));
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn no_depth_is_too_great() {
        let deep = |n: usize| "(".repeat(n) + &")".repeat(n);
        assert_eq!((check(&deep(100)), check(&deep(100_000))), (Ok(()), Ok(())));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in r"[-ab1(){}\[\]\\*+?|^$.:=,]{0,20}") {
            let _ = check(&text);
        }
    }
}
