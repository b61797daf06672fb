//! The most informative jobs first: where time is short, every value of every axis is seen at least once
//! before any combination is filled in.

use std::collections::HashSet;

use crate::axis::{AXES, Value};
use crate::job::Job;

/// Something that a job can be the first to show.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Facet<'a> {
    Model(&'a str),
    Test(String),
    Axis(&'static str, Value),
}

/// Splits jobs into those that show every value once, and the rest; each in the order given.
pub fn cover<'a>(jobs: &[&'a Job]) -> (Vec<&'a Job>, Vec<&'a Job>) {
    let mut seen = HashSet::new();
    let mut picked = vec![false; jobs.len()];
    loop {
        let news = |job: &Job| facets(job).filter(|facet| !seen.contains(facet)).count();
        let open = jobs.iter().enumerate().filter(|(index, _)| !picked[*index]);
        // The first of those that show most.
        let counted = open.map(|(index, job)| (news(job), index));
        let best = counted.reduce(|best, next| if next.0 > best.0 { next } else { best });
        match best {
            Some((count, index)) if count > 0 => {
                picked[index] = true;
                seen.extend(facets(jobs[index]));
            }
            _ => break,
        }
    }
    let with = |wanted| jobs.iter().zip(&picked).filter(move |(_, is)| **is == wanted);
    (with(true).map(|(job, _)| *job).collect(), with(false).map(|(job, _)| *job).collect())
}

fn facets(job: &Job) -> impl Iterator<Item = Facet<'_>> {
    let axes = AXES.iter().filter_map(|axis| Some(Facet::Axis(axis.name, job.value(axis)?)));
    let model = job.setup.model().map(|model| Facet::Model(&model.header_hash));
    model.into_iter().chain([Facet::Test(job.work.test())]).chain(axes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::config;
    use crate::setup::Config;
    use crate::work::Work;

    #[test]
    fn every_value_is_seen_before_any_combination() {
        let mut jobs = Vec::new();
        for n_gpu_layers in [10, 20, 29] {
            for n_batch in [64, 128, 256, 512] {
                for work in [Work::prompt(512), Work::generate(128)] {
                    jobs.push(Job::new(Config { n_gpu_layers, n_batch, ..config() }, work.clone()));
                }
            }
        }
        let all: Vec<_> = jobs.iter().collect();
        let (first, rest) = cover(&all);
        assert_eq!(first.len(), 4, "as many as the longest axis has values");
        assert_eq!(first.len() + rest.len(), 24);
        let seen: HashSet<_> = first.iter().flat_map(|job| facets(job)).collect();
        assert!(rest.iter().flat_map(|job| facets(job)).all(|facet| seen.contains(&facet)));
    }
}
