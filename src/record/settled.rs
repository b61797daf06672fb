//! Settled rows: which of them a record is about.

use super::Record;
use crate::job::JobId;

impl Record {
    /// Rows that are as they will stay, each with its number among equal ones.
    pub fn settled(rows: impl IntoIterator<Item = (JobId, usize)>) -> Self {
        let (jobs, mut nth): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        if nth.iter().all(|nth| *nth == 0) {
            nth.clear();
        }
        Self::Settled { jobs, nth, check: None }
    }
}

/// The rows that a [`Record::Settled`] is about, each with its number among equal ones.
pub fn rows<'a>(jobs: &'a [JobId], nth: &'a [usize]) -> impl Iterator<Item = (&'a JobId, usize)> {
    let numbers = nth.iter().copied().chain(std::iter::repeat(0));
    jobs.iter().zip(numbers)
}
