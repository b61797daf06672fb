//! A journal, torn or made up.
#![no_main]

use std::path::Path;

use lbench::journal::{Kept, parse};
use lbench::report::{Format, Report, write_all};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(journal) = parse(Path::new("run.jsonl"), bytes) else { return };
    let plan = journal.header.plan.clone();
    for to_resume in [true, false] {
        let kept = Kept::of(&journal, &plan, to_resume);
        let mut report = Report::new(plan.clone(), journal.header.facts.clone());
        kept.replay(&plan, |record| report.fold(record));
        for (_, format) in Format::NAMES {
            let _ = write_all(format, std::slice::from_ref(&report), &mut std::io::sink());
        }
    }
});
