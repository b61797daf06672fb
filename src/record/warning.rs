//! Warning: what a reader of a row, or of a run, must know. Its kinds are a closed set, each with its advice.

use serde::{Deserialize, Serialize};

/// Something that a reader of the results must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Kind of it. Older journals do not say.
    #[serde(default)]
    pub kind: WarningKind,
    /// One sentence: what is the matter.
    pub text: String,
}

impl Warning {
    /// A warning of a kind.
    pub fn new(kind: WarningKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// Kinds of warnings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// What the plan says of a row before anything is measured.
    Plan,
    /// A setting that the engine did not take as it was asked for.
    Setting,
    /// More threads than there are CPUs for.
    Threads,
    /// More memory wanted than there is.
    Memory,
    /// Other programs, other guests, swapping, a battery.
    Neighbours,
    /// A row of an earlier run, measured under something else.
    Earlier,
    /// A later visit to a row that did not end well.
    Visit,
    /// A cold start that there is not, or that went wrong.
    ColdStart,
    /// A chunk of a text that was left out, a reference that was not computed anew.
    Quality,
    /// A row that could not be held against the CPU.
    Canary,
    /// A journal that cannot be written.
    Journal,
    /// A run that is compared with, and not like this one.
    Baseline,
    /// Any other: of a journal that does not say.
    #[default]
    Other,
}

impl WarningKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Plan,
        Self::Setting,
        Self::Threads,
        Self::Memory,
        Self::Neighbours,
        Self::Earlier,
        Self::Visit,
        Self::ColdStart,
        Self::Quality,
        Self::Canary,
        Self::Journal,
        Self::Baseline,
        Self::Other,
    ];

    /// Its name, as result files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Setting => "setting",
            Self::Threads => "threads",
            Self::Memory => "memory",
            Self::Neighbours => "neighbours",
            Self::Earlier => "earlier",
            Self::Visit => "visit",
            Self::ColdStart => "cold_start",
            Self::Quality => "quality",
            Self::Canary => "canary",
            Self::Journal => "journal",
            Self::Baseline => "baseline",
            Self::Other => "other",
        }
    }

    /// What there is to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Plan => {
                "take the row for what the plan says it is, or change the flag that is named"
            }
            Self::Setting => {
                "read the row as one without the setting, or let the system or the device allow it"
            }
            Self::Threads => "give `-t` no more than the CPUs that are named",
            Self::Memory => {
                "offload fewer layers, take a smaller context or type, or end what holds the memory"
            }
            Self::Neighbours => "measure again on a quiet machine, or with more `--rounds`",
            Self::Earlier => {
                "measure again without `--resume` where this machine and build are to be known"
            }
            Self::Visit => "look at the reason: the figures are of the visits before",
            Self::ColdStart => "leave `--cold` out for such tests, or look at the reason",
            Self::Quality => "look at the text and the model: what is left out is in no figure",
            Self::Canary => "give the CPU the memory to load the model, or `--no-canary`",
            Self::Journal => {
                "free the disk or name another file with `--journal`: `--resume` will not find this run"
            }
            Self::Baseline => {
                "compare runs of the same machine, model and settings, or take the difference as theirs"
            }
            Self::Other => "read it: it is of a journal that names no kind",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_its_advice_is_in_the_documents() {
        let document = include_str!("../../docs/failures.md");
        for kind in WarningKind::ALL {
            let row = format!("| `{}` | {} |", kind.name(), kind.advice());
            assert!(document.contains(&row), "docs/failures.md lacks: {row}");
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.name());
        }
    }

    #[test]
    fn warnings_of_older_journals_have_no_kind() {
        let warning: Warning = serde_json::from_str(r#"{"text":"hot"}"#).unwrap();
        assert_eq!(warning, Warning::new(WarningKind::Other, "hot"));
    }
}
