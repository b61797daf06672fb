//! Flags: what is true of each flag of a sweep, as one table: what it is about, where it may be given, what it goes
//! together with. How a flag is parsed is the parser's business, and what an axis sets stands in [`AXES`];
//! everything else that anybody wants to know of a flag stands in its entry here, and nowhere a second time.
//!
//! | who reads it | what for |
//! |---|---|
//! | `argv.rs`, `shell.rs` | llama-bench's spellings, and words to complete |
//! | `help.rs` | the few words of `-h` |
//! | `settings.rs` | secrets, and what is refused together |
//! | `defaults/` | what may come from where, what sweeps may differ in, what a resumed run goes by |

mod table;

use super::settings::Setting;
use crate::axis::{AXES, Axis};
pub use table::FLAGS;

/// All about a flag.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Its long name without the dashes: `output-err`.
    pub long: &'static str,
    /// llama-bench's names for it, of several letters behind one dash: `oe`.
    pub spellings: &'static [&'static str],
    /// What it is about.
    pub concern: Concern,
    /// Where it may come from.
    pub places: Places,
    /// Whether it may differ between the sweeps of a preset; else it is about the whole run.
    pub is_of_a_sweep: bool,
    /// Whether its value is nobody else's business: never shown, never written down.
    pub is_secret: bool,
    /// Whether it is a command in the shape of a flag, and no setting.
    pub is_apart: bool,
    /// A flag without which it means nothing. Typed alone it is a slip; a standing wish waits.
    pub needs: Option<Tie>,
    /// Flags that it cannot stand beside, where the parser does not see to that.
    pub excludes: Option<Tie>,
    /// A variable besides the one of its name.
    pub variable: Option<&'static str>,
    /// How `-h` has it; `None` where that does not show it.
    pub brief: Option<Brief>,
    /// The words that it takes, where the parser does not know them.
    pub choices: Choices,
}

/// What a flag is about. It decides what becomes of it in a resumed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// What is measured, or how. A run that is resumed without any such flag keeps those that it had.
    Measuring,
    /// By what means: where things lie, what limits hold. Typed it counts, else what the run had.
    Means,
    /// How results are shown and kept. What is asked for now counts.
    Showing,
    /// How rows are judged against others. What is asked for now counts.
    Comparing,
}

/// Where a flag may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// The command line, the environment, a preset, the configuration file.
    All,
    /// The command line and the environment.
    NoFile,
    /// The command line.
    Typed,
}

/// Other flags that one has to do with, and what to say where that goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Tie {
    /// Their long names.
    pub to: &'static str,
    /// What is wrong, and what to do.
    pub text: &'static str,
}

/// A flag in the short help.
#[derive(Debug, Clone, Copy)]
pub struct Brief {
    /// What it does.
    pub words: &'static str,
    /// The heading that it stands under there, if not its own.
    pub heading: Option<&'static str>,
    /// What its value is called there, if not as elsewhere.
    pub value: Option<&'static str>,
}

/// Words that a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choices {
    /// Any, or those that the parser knows.
    Any,
    /// Formats of results.
    Formats,
    /// What can be done about NUMA nodes.
    NumaModes,
    /// Presets, built in and the user's.
    Presets,
}

impl Flag {
    const fn new(long: &'static str, concern: Concern) -> Self {
        Self {
            long,
            spellings: &[],
            concern,
            places: Places::All,
            is_of_a_sweep: false,
            is_secret: false,
            is_apart: false,
            needs: None,
            excludes: None,
            variable: None,
            brief: None,
            choices: Choices::Any,
        }
    }

    const fn spelled(mut self, spellings: &'static [&'static str]) -> Self {
        self.spellings = spellings;
        self
    }

    const fn from(mut self, places: Places) -> Self {
        self.places = places;
        self
    }

    const fn of_a_sweep(mut self) -> Self {
        self.is_of_a_sweep = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    const fn apart(mut self) -> Self {
        self.is_apart = true;
        self
    }

    const fn needs(mut self, to: &'static str, text: &'static str) -> Self {
        self.needs = Some(Tie { to, text });
        self
    }

    const fn excludes(mut self, to: &'static str, text: &'static str) -> Self {
        self.excludes = Some(Tie { to, text });
        self
    }

    const fn variable(mut self, name: &'static str) -> Self {
        self.variable = Some(name);
        self
    }

    const fn brief(mut self, words: &'static str) -> Self {
        self.brief = Some(Brief { words, heading: None, value: None });
        self
    }

    const fn brief_under(
        mut self,
        heading: &'static str,
        value: Option<&'static str>,
        words: &'static str,
    ) -> Self {
        self.brief = Some(Brief { words, heading: Some(heading), value });
        self
    }

    const fn choices(mut self, choices: Choices) -> Self {
        self.choices = choices;
        self
    }

    /// The flag of an axis: what the axis says of itself, and what the table has to add.
    fn of_axis(axis: &'static Axis) -> Self {
        let added = FLAGS.iter().find(|flag| flag.long == axis.long).copied();
        let flag = added.unwrap_or(Self::new(axis.long, Concern::Measuring)).of_a_sweep();
        match axis.short.len() {
            0 | 1 => flag,
            _ => flag.spelled(std::slice::from_ref(&axis.short)),
        }
    }
}

/// Every flag: those of the axes, then the others.
pub fn all() -> impl Iterator<Item = Flag> {
    let is_axis = |flag: &&Flag| AXES.iter().any(|axis| axis.long == flag.long);
    let others = FLAGS.iter().filter(move |flag| !is_axis(flag)).copied();
    AXES.iter().map(Flag::of_axis).chain(others)
}

/// The flag of this long name.
pub fn find(long: &str) -> Option<Flag> {
    let axis = AXES.iter().find(|axis| axis.long == long).map(Flag::of_axis);
    axis.or_else(|| FLAGS.iter().find(|flag| flag.long == long).copied())
}

/// What a flag is about. One that nobody knows might be about anything.
pub fn concern(long: &str) -> Concern {
    find(long).map_or(Concern::Measuring, |flag| flag.concern)
}

/// Whether two flags cannot be given together, beyond what the parser knows.
pub fn exclude(a: &str, b: &str) -> bool {
    let tied = |a: &str, b: &str| {
        find(a).and_then(|flag| flag.excludes).is_some_and(|excluded| excluded.to == b)
    };
    tied(a, b) || tied(b, a)
}

/// What is wrong with these settings together, if anything, beyond what the parser knows.
pub fn clash(settings: &[&Setting]) -> Option<&'static str> {
    let given = |long: &str| settings.iter().any(|setting| setting.flag == long);
    let ties = settings.iter().filter_map(|setting| find(&setting.flag)?.excludes);
    { ties }.find(|tie| given(tie.to)).map(|tie| tie.text)
}

/// What is wrong with a setting that lacks another, if there is one.
pub fn lonely(settings: &[Setting]) -> Option<String> {
    let given = |long: &str| settings.iter().any(|setting| setting.flag == long);
    settings.iter().find_map(|setting| {
        let flag = find(&setting.flag)?;
        let needed = flag.needs.filter(|needed| !given(needed.to))?;
        let spelled = flag.spellings.first().map(|short| format!("-{short}"));
        Some(format!("{} {}", spelled.unwrap_or_else(|| format!("--{}", flag.long)), needed.text))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ties_lead_to_flags_and_spellings_are_used_once() {
        for flag in all() {
            for tie in [flag.needs, flag.excludes].into_iter().flatten() {
                assert!(find(tie.to).is_some(), "--{}: {}", flag.long, tie.to);
            }
        }
        let spellings: Vec<_> = all().flat_map(|flag| flag.spellings).collect();
        assert_eq!(spellings.iter().collect::<BTreeSet<_>>().len(), spellings.len());
        assert!(spellings.iter().all(|spelling| spelling.len() > 1));
    }
}
