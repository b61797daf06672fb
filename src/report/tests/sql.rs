//! What `SQLite` makes of the statements.

use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use super::{cpu_sweep, failures, hostile, render};
use crate::report::fields::{all, llama_bench};
use crate::report::{Format, Report};

fn imported(reports: &[Report]) -> Connection {
    let database = Connection::open_in_memory().unwrap();
    for report in reports {
        database.execute_batch(&render(report, Format::Sql)).unwrap();
    }
    database
}

/// All rows of a question, as text.
fn ask(database: &Connection, question: &str) -> Vec<Vec<String>> {
    let mut statement = database.prepare(question).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells = (0..width).map(|index| {
            Ok(match row.get(index)? {
                Cell::Null => "NULL".into(),
                Cell::Integer(number) => number.to_string(),
                Cell::Real(number) => format!("{number:?}"),
                Cell::Text(text) => text,
                Cell::Blob(_) => "blob".into(),
            })
        });
        cells.collect()
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn several_runs_append_to_one_database() {
    let database = imported(&[cpu_sweep(), failures(), cpu_sweep()]);
    let counts = ask(&database, "SELECT (SELECT count(*) FROM llama_bench), count(*) FROM lbench");
    assert_eq!(counts, [["25", "30"]]);
    let kinds = "SELECT DISTINCT typeof(model_type), typeof(n_batch), typeof(cpu_strict), typeof(avg_ts), \
                 typeof(test_time) FROM llama_bench";
    assert_eq!(ask(&database, kinds), [["text", "integer", "integer", "real", "text"]]);
}

/// A database that llama-bench began, with a table that knows its own columns and no others.
#[test]
fn llama_benchs_own_database_takes_our_rows() {
    let database = Connection::open_in_memory().unwrap();
    let flat = llama_bench().filter(|field| !field.name.starts_with("samples"));
    let names = flat.map(|field| field.name).collect::<Vec<_>>().join(", ");
    database.execute_batch(&format!("CREATE TABLE llama_bench ({names});")).unwrap();
    database.execute_batch(&render(&cpu_sweep(), Format::Sql)).unwrap();
    assert_eq!(ask(&database, "SELECT count(*) FROM llama_bench"), [["12"]]);
}

#[test]
fn the_view_has_every_field_and_failed_rows() {
    let database = imported(&[failures()]);
    let statement = database.prepare("SELECT * FROM lbench").unwrap();
    let names: Vec<_> = all().map(|field| field.name).collect();
    assert_eq!(statement.column_names().skip(1).collect::<Vec<_>>(), names);
    let question =
        "SELECT n_batch, outcome, avg_ts, signal, samples_ns, lbench.llama_bench FROM lbench";
    insta::assert_snapshot!(
        ask(&database, question).iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n")
    );
    let both = "SELECT count(*) FROM lbench l JOIN llama_bench b ON b.rowid = l.llama_bench \
                WHERE b.avg_ts = l.avg_ts AND b.n_batch = l.n_batch AND b.no_host = l.no_host";
    assert_eq!(ask(&database, both), [["1"]]);
}

#[test]
fn harmful_text_stays_text() {
    let database = imported(&[hostile()]);
    let table = ask(&database, "SELECT model_type, model_filename FROM llama_bench");
    assert_eq!(table, [["a|b [31m |  evil \\| \"q\"", "=cmd|'/C calc'!A0 .gguf"]]);
    let view = ask(&database, "SELECT model_filename, warnings FROM lbench");
    assert_eq!(view[0][0], "=cmd|'/C calc'!A0\n.gguf");
    assert!(view[0][1].starts_with("[\"the model's end of text\\n"), "{}", view[0][1]);
}
