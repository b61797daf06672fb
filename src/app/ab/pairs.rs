//! Pairs of both sides' rows, by their order. Pure.

use crate::axis::AXES;
use crate::error::Error;
use crate::plan::{Planned, Sweep};
use crate::setup::Model;

/// Most tests that a message names.
const MOST: usize = 8;

/// Refuses sides whose rows are not the same tests in the same order, naming what differs. Settings may differ.
pub(super) fn check([a, b]: [&[Planned]; 2], sweeps: [&Sweep; 2]) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Usage(format!("A and B do not pair up: {reason}")));
    let test = |planned: &Planned| planned.job.work.test_name();
    if a.len() == b.len() {
        let mut pairs = a.iter().zip(b).enumerate();
        let Some((at, (a, b))) = pairs.find(|(_, (a, b))| test(a) != test(b)) else {
            return Ok(());
        };
        return refuse(format!(
            "row {} is {} in A and {} in B; give both the same tests, settings may differ",
            at + 1,
            test(a),
            test(b)
        ));
    }
    let reason = counts(sweeps).unwrap_or_else(|| format!("A has {}, B {}", names(a), names(b)));
    refuse(format!("{reason}; give as many values to both"))
}

/// What there are more of on one side, if anything is.
fn counts([a, b]: [&Sweep; 2]) -> Option<String> {
    let works =
        |sweep: &Sweep| sweep.works.len() + sweep.texts.iter().map(Vec::len).max().unwrap_or(0);
    let axes = AXES.iter().zip(a.axes.iter().zip(&b.axes));
    let flag = |short: &str, long: &str| {
        if short.is_empty() { format!("--{long} has") } else { format!("-{short} has") }
    };
    let axes = axes.map(|(axis, (a, b))| (flag(axis.short, axis.long), a.len(), b.len()));
    let models = ("-m has".to_string(), a.models.len(), b.models.len());
    let lengths = ("-p, -n, -pg and --prompt-file have".to_string(), works(a), works(b));
    let mut all = axes.chain([models, lengths]);
    let (what, a, b) = all.find(|(_, a, b)| a != b)?;
    let values = if a == 1 { "value" } else { "values" };
    Some(format!("{what} {a} {values} in A and {b} in B"))
}

/// The tests of a side.
fn names(rows: &[Planned]) -> String {
    let names: Vec<_> = rows.iter().take(MOST).map(|row| row.job.work.test_name()).collect();
    let more = if rows.len() > MOST { ", …" } else { "" };
    let count = if rows.len() == 1 { "1 row".into() } else { format!("{} rows", rows.len()) };
    format!("{count} ({}{more})", names.join(", "))
}

/// What to say of pairs of models of one name whose files differ: that is what is compared then.
pub(super) fn models(a: &[Model], b: &[Model]) -> Vec<String> {
    let differ = |(a, b): &(&Model, &Model)| a.label == b.label && a.header_hash != b.header_hash;
    let pairs = a.iter().zip(b).filter(differ);
    let texts = pairs.map(|(a, b)| {
        let (label, a, b) = (&a.label, a.path.display(), b.path.display());
        format!("{label} is another file in B: {a} and {b}")
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Host;
    use crate::plan::{expand, tests::sweep};
    use crate::work::Work;

    fn refusal(a: &Sweep, b: &Sweep) -> Option<String> {
        let rows = [a, b].map(|sweep| expand(sweep, &Host::for_tests()).unwrap().jobs);
        check([&rows[0], &rows[1]], [a, b]).err().map(|error| error.to_string())
    }

    #[test]
    fn sides_of_the_same_tests_pair_up_and_others_are_refused() {
        let side = |set: &[(&str, Vec<i64>)], works: &[Work]| sweep(&Host::for_tests(), set, works);
        let (pp, tg) = (Work::prompt(512), Work::generate(128));
        let one = side(&[("n_threads", vec![4])], &[pp.clone(), tg.clone()]);
        let same = side(&[("n_threads", vec![8])], &[pp.clone(), tg.clone()]);
        assert_eq!(refusal(&one, &same), None);
        let messages = [
            side(&[("n_threads", vec![4, 8])], &[pp.clone(), tg.clone()]),
            side(&[], std::slice::from_ref(&pp)),
            side(&[], &[tg, pp.clone()]),
            side(&[("n_depth", vec![512])], &[pp, Work::generate(128)]),
        ]
        .map(|other| refusal(&one, &other).unwrap());
        insta::assert_snapshot!(messages.join("\n"));
    }
}
