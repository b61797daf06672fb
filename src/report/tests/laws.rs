//! Whatever is recorded, in whatever order and wherever it breaks off: the documents are whole.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::fixture::{Run, bad_endings, gpu_host};
use super::{PP, TG};
use crate::job::JobId;
use crate::record::{Outcome, Reading, Record, Warning, WarningKind};
use crate::report::fields::{FieldKind, all};
use crate::report::summary::Summary;
use crate::report::{Format, Stream};
use crate::units::Nanos;
use crate::work::Sample;

/// A run with rows of their own and rows that are the same as others.
fn run() -> Run {
    let set = [("n_gpu_layers", vec![10, 29, 99]), ("n_threads", vec![1, 2])];
    Run::new(gpu_host(1), &set, &[PP, TG], 3)
}

/// One thing that may happen to the job at a place in the plan; beyond its end, to an unknown one.
fn record(run: &Run, place: usize, what: u8, ns: u64) -> Record {
    let planned = run.plan.jobs.get(place);
    let job = planned.map_or_else(|| JobId("?".into()), |planned| planned.job.id.clone());
    let warning = Warning::new(WarningKind::Other, "watch | out\n");
    match what {
        0 => Record::Started { job, unix_time: ns, round: 1, nth: 0 },
        1 => Record::Loaded { job, facts: run.loaded(place.min(run.plan.jobs.len() - 1)) },
        2 => Record::Sampled { job, sample: Sample::Cold { ns: Nanos(ns) } },
        3 => Record::Warned { job: ns.is_multiple_of(2).then_some(job), warning },
        4..=8 => {
            let endings = bad_endings();
            let ending = endings.get(usize::from(what) - 4);
            Record::Finished {
                job,
                outcome: ending.cloned().unwrap_or(Outcome::Interrupted),
                reading: Reading::default(),
            }
        }
        9 => Record::Finished { job, outcome: Outcome::Completed, reading: Reading::default() },
        _ => Record::Sampled {
            job,
            sample: Sample::Run {
                runs: 1,
                ns: Nanos(ns),
                first_token_ns: vec![Nanos(ns)],
                token_ns: vec![],
            },
        },
    }
}

/// What a stream has written after each record, and at its end.
fn written(format: Format, happenings: &[(usize, u8, u64)]) -> String {
    let mut run = run();
    let mut stream = Stream::new(format);
    let mut out = Vec::new();
    stream.advance(&run.report, &mut out).unwrap();
    for &(place, what, ns) in happenings {
        let record = record(&run, place, what, ns);
        run.report.fold(&record);
        stream.advance(&run.report, &mut out).unwrap();
    }
    stream.finish(&run.report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn happenings() -> impl Strategy<Value = Vec<(usize, u8, u64)>> {
    let ns = prop_oneof![Just(0), Just(u64::MAX), 1..10_000_000_000_u64];
    prop::collection::vec((0..14_usize, 0..14_u8, ns), 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn json_is_valid(happenings in happenings()) {
        let rows: Vec<Map<String, Value>> =
            serde_json::from_str(&written(Format::Json, &happenings)).unwrap();
        prop_assert!(rows.len() <= 12);
        for row in &rows {
            prop_assert_eq!(row.len(), all().count());
        }
        let whole = serde_json::to_value(&rows).unwrap();
        prop_assert!(super::schema::validator().is_valid(&whole));
        let lines = written(Format::Jsonl, &happenings);
        let lines: Result<Vec<Map<String, Value>>, _> =
            lines.lines().map(serde_json::from_str).collect();
        // In the order in which they finished.
        let sorted = |rows: Vec<Map<String, Value>>| {
            let mut texts: Vec<_> = rows.into_iter().map(|row| Value::from(row).to_string()).collect();
            texts.sort();
            texts
        };
        prop_assert_eq!(sorted(lines.unwrap()), sorted(rows));
    }

    #[test]
    fn csv_has_the_same_columns_everywhere(happenings in happenings()) {
        let text = written(Format::Csv, &happenings);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let columns = all().filter(|field| field.kind != FieldKind::List).count();
        prop_assert_eq!(reader.headers().unwrap().len(), columns);
        for row in reader.records() {
            prop_assert_eq!(row.unwrap().len(), columns);
        }
    }

    #[test]
    fn sql_is_what_json_is(happenings in happenings()) {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.execute_batch(&written(Format::Sql, &happenings)).unwrap();
        let rows: Vec<Map<String, Value>> =
            serde_json::from_str(&written(Format::Json, &happenings)).unwrap();
        let count = |what: &str| -> u32 {
            database.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
        };
        prop_assert_eq!(count("lbench") as usize, rows.len());
        let measured = rows.iter().filter(|row| !row["avg_ts"].is_null()).count();
        prop_assert_eq!(count("llama_bench") as usize, measured);
        prop_assert_eq!(count("llama_bench WHERE avg_ts IS NULL"), 0);
    }

    #[test]
    fn rows_are_summed_up_once_and_again_when_something_happens(happenings in happenings()) {
        let mut run = run();
        for &(place, what, ns) in &happenings {
            let record = record(&run, place, what, ns);
            run.report.fold(&record);
            for index in 0..run.report.len() {
                let (row, again) = (run.report.row(index), run.report.row(index));
                prop_assert!(std::ptr::eq(row.summary, again.summary));
                prop_assert_eq!(row.summary, &Summary::of(row.measured, row.job));
            }
        }
    }

    #[test]
    fn every_line_of_the_table_has_the_same_cells(happenings in happenings()) {
        let text = written(Format::Markdown, &happenings);
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        let table: Vec<_> = text.lines().take_while(|line| line.starts_with('|')).collect();
        for line in &table {
            prop_assert_eq!(bars(line), bars(table[0]), "{}", line);
        }
        prop_assert!(text.lines().skip(table.len()).all(|line| !line.starts_with('|')));
    }
}
