//! Sighting of a test in a run, for those who follow one setting from run to run.

use super::Run;
use super::entry::{ComparedRow, RowEnding};
use super::keys::{FACTS, KEYS, is_in_test_name};
use crate::stats::sides::Side;
use crate::work::{Figure, Metric};

/// A row, as the same test of another run is recognised by.
#[derive(Debug, Clone)]
pub struct Sighting(ComparedRow);

impl Run {
    /// Its rows.
    pub fn sightings(&self) -> impl Iterator<Item = Sighting> {
        self.entries.iter().cloned().map(Sighting)
    }
}

impl Sighting {
    /// What it is: equal texts are equal settings of equal models.
    pub fn key(&self) -> String {
        format!("{:?} {:?} {:?}", self.0.model, self.0.keys, self.0.name)
    }

    /// Name of the model.
    pub fn label(&self) -> &str {
        self.0.label()
    }

    /// Name of the test.
    pub fn test(&self) -> String {
        self.0.test()
    }

    /// Its settings by the names of their columns, but for what the test's name says.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let keys = KEYS.iter().zip(&self.0.keys).enumerate();
        keys.filter(|(at, _)| !is_in_test_name(*at))
            .filter_map(|(_, (key, value))| Some((key.heading, value.as_deref()?)))
    }

    /// What is true of it and no setting, in words: an engine build, a kernel.
    pub fn facts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let facts = FACTS.iter().zip(&self.0.facts);
        facts.filter_map(|((_, words), value)| Some((*words, value.as_deref()?)))
    }

    /// What it is judged by.
    pub fn metric(&self) -> &'static Metric {
        self.0.metric
    }

    /// What it came to; `None` where it failed.
    pub fn figure(&self) -> Option<&Figure> {
        self.0.figure.as_ref()
    }

    /// Its values.
    pub fn side(&self) -> Side<'_> {
        self.0.side()
    }

    /// Why there is no figure.
    pub fn failure(&self) -> Option<&str> {
        match &self.0.ending {
            RowEnding::Failed(why) => Some(why),
            RowEnding::Completed | RowEnding::Interrupted => None,
        }
    }
}
