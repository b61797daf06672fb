//! The table of fields is what llama-bench's readers expect, and well formed.

use std::collections::HashSet;

use serde_json::Value;

use super::{cpu_sweep, failures, offload_sweep, render};
use crate::axis::AXES;
use crate::report::Format;
use crate::report::fields::{FieldKind, all};

/// llama-bench's fields in its order, with the first letter of their types.
const LLAMA_BENCH: [(&str, char); 44] = [
    ("build_commit", 's'),
    ("build_number", 'i'),
    ("cpu_info", 's'),
    ("gpu_info", 's'),
    ("backends", 's'),
    ("model_filename", 's'),
    ("model_type", 's'),
    ("model_size", 'i'),
    ("model_n_params", 'i'),
    ("n_batch", 'i'),
    ("n_ubatch", 'i'),
    ("n_threads", 'i'),
    ("cpu_mask", 's'),
    ("cpu_strict", 'b'),
    ("poll", 'i'),
    ("type_k", 's'),
    ("type_v", 's'),
    ("n_gpu_layers", 'i'),
    ("n_cpu_moe", 'i'),
    ("split_mode", 's'),
    ("main_gpu", 'i'),
    ("no_kv_offload", 'b'),
    ("flash_attn", 'i'),
    ("devices", 's'),
    ("tensor_split", 's'),
    ("tensor_buft_overrides", 's'),
    ("load_mode", 's'),
    ("lazy_mode", 's'),
    ("embeddings", 'b'),
    ("no_op_offload", 'i'),
    ("no_host", 'b'),
    ("repack", 'b'),
    ("fit_target", 'i'),
    ("fit_min_ctx", 'i'),
    ("n_prompt", 'i'),
    ("n_gen", 'i'),
    ("n_depth", 'i'),
    ("test_time", 's'),
    ("avg_ns", 'i'),
    ("stddev_ns", 'i'),
    ("avg_ts", 'f'),
    ("stddev_ts", 'f'),
    ("samples_ns", 'l'),
    ("samples_ts", 'l'),
];

fn letter(kind: FieldKind) -> char {
    match kind {
        FieldKind::Text => 's',
        FieldKind::Bool => 'b',
        FieldKind::Int => 'i',
        FieldKind::Float => 'f',
        FieldKind::List => 'l',
    }
}

fn fits(kind: FieldKind, value: &Value) -> bool {
    match value {
        Value::Null => kind != FieldKind::List,
        Value::Bool(_) => kind == FieldKind::Bool,
        Value::Number(number) if number.is_f64() => kind == FieldKind::Float,
        Value::Number(_) => kind == FieldKind::Int,
        Value::String(_) => kind == FieldKind::Text,
        Value::Array(_) => kind == FieldKind::List,
        Value::Object(_) => false,
    }
}

#[test]
fn llama_benchs_fields_come_first() {
    let ours: Vec<_> = all().map(|field| (field.name, letter(field.kind))).collect();
    assert_eq!(ours[..LLAMA_BENCH.len()], LLAMA_BENCH);
}

#[test]
fn no_field_has_the_name_of_another() {
    let names: HashSet<_> = all().map(|field| field.name).collect();
    assert_eq!(names.len(), all().count());
}

#[test]
fn every_field_says_what_it_is() {
    for field in all() {
        assert!(!field.doc.is_empty(), "{}", field.name);
        let timed = field.name.ends_with("_ns");
        assert_eq!(timed, field.unit == "ns", "{}", field.name);
    }
}

#[test]
fn every_axis_is_a_field() {
    for axis in &AXES {
        assert!(all().any(|field| field.name == axis.name), "{}", axis.name);
    }
}

#[test]
fn values_are_of_the_kind_that_the_table_says() {
    for report in [cpu_sweep(), offload_sweep(), failures()] {
        for index in 0..report.len() {
            let row = report.row(index);
            for field in all() {
                let value = field.value(&row);
                assert!(fits(field.kind, &value), "{}: {value}", field.name);
            }
        }
    }
}

#[test]
fn every_format_begins_with_llama_benchs_fields() {
    let all: Vec<_> = LLAMA_BENCH.iter().map(|(name, _)| *name).collect();
    let flat: Vec<_> = LLAMA_BENCH.iter().filter(|(_, letter)| *letter != 'l').collect();
    assert_eq!((all.len(), flat.len()), (44, 42));
    let report = cpu_sweep();
    let csv = render(&report, Format::Csv);
    let header = csv.lines().next().unwrap();
    assert_eq!(header.split(',').take(42).collect::<Vec<_>>(), all[..42]);
    assert!(!header.contains('"'));
    let json = render(&report, Format::Json);
    let keys = json.lines().filter_map(|line| line.strip_prefix("    \"")?.split('"').next());
    assert_eq!(keys.take(44).collect::<Vec<_>>(), all);
    let jsonl = render(&report, Format::Jsonl);
    let keys =
        jsonl.lines().next().unwrap().split("\": ").map(|part| part.rsplit('"').next().unwrap());
    assert_eq!(keys.take(44).collect::<Vec<_>>(), all);
    let sql = render(&report, Format::Sql);
    let columns = flat.iter().map(|(name, letter)| {
        let kind = match letter {
            's' => "TEXT",
            'f' => "REAL",
            _ => "INTEGER",
        };
        format!("  {name} {kind}")
    });
    let columns = columns.collect::<Vec<_>>().join(",\n");
    let created = format!("CREATE TABLE IF NOT EXISTS llama_bench (\n{columns}\n);\n\n");
    assert!(sql.starts_with(&created), "{sql}");
    let insert = format!("\nINSERT INTO llama_bench ({}) VALUES ('", all[..42].join(", "));
    assert_eq!(sql.matches(&insert).count(), report.len());
}

/// Types and decimals of JSON and CSV as llama-bench writes them: numbers bare or in quotes, truth values
/// as words or as 1 and 0, speeds with six decimals.
#[test]
fn values_are_written_as_llama_bench_writes_them() {
    let json = render(&cpu_sweep(), Format::Jsonl);
    let first = json.lines().next().unwrap();
    for (name, letter) in LLAMA_BENCH {
        let value = first.split(&format!("\"{name}\": ")).nth(1).unwrap();
        let fits = match letter {
            's' => value.starts_with('"'),
            'b' => value.starts_with("true,") || value.starts_with("false,"),
            'i' => value.split(',').next().unwrap().parse::<i64>().is_ok(),
            'f' => value.split(',').next().unwrap().split('.').nth(1).unwrap().len() == 6,
            _ => value.starts_with('['),
        };
        assert!(fits, "{name}: {}", value.split(", \"").next().unwrap());
    }
    let csv = render(&cpu_sweep(), Format::Csv);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let row = reader.records().next().unwrap().unwrap();
    for ((name, letter), cell) in LLAMA_BENCH.iter().zip(&row) {
        let fits = match letter {
            'b' => ["0", "1"].contains(&cell),
            'i' => cell.parse::<i64>().is_ok(),
            'f' => cell.split('.').nth(1).is_some_and(|decimals| decimals.len() == 6),
            _ => true,
        };
        assert!(fits, "{name}: {cell}");
    }
    assert!(csv.lines().nth(1).unwrap().split("\",\"").count() > 42, "every value is in quotes");
}

#[test]
fn json_keeps_the_order_of_the_table() {
    let text = render(&offload_sweep(), Format::Json);
    let names = text.lines().filter_map(|line| line.strip_prefix("    \"")?.split('"').next());
    let names: Vec<_> = names.collect();
    let expected: Vec<_> = all().map(|field| field.name).collect();
    for row in names.chunks(expected.len()) {
        assert_eq!(row, expected);
    }
}

#[test]
fn json_reads_back_what_was_measured() {
    let rows: Vec<Value> = serde_json::from_str(&render(&offload_sweep(), Format::Json)).unwrap();
    let lines = render(&offload_sweep(), Format::Jsonl);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows, lines);
    assert_eq!(rows.len(), 10);
    let first = &rows[0];
    assert_eq!(first["avg_ns"], 1_006_000_000_u64);
    assert_eq!(first["samples_ns"].as_array().unwrap().len(), 5);
    assert_eq!(first["test_time"], "2026-05-01T12:00:00Z");
    assert_eq!(first["same_as"], Value::Null);
    // -ngl 99 is -ngl 29: the settings are its own, the figures the other's.
    let (same, measured) = (&rows[6], &rows[2]);
    assert_eq!(same["n_gpu_layers"], 99);
    assert_eq!(same["n_gpu_layers_effective"], 29);
    assert_eq!(same["same_as"], measured["job_id"]);
    assert_eq!(same["avg_ts"], measured["avg_ts"]);
}

#[test]
fn figures_of_a_failed_row_are_null_and_its_samples_kept() {
    let rows: Vec<Value> = serde_json::from_str(&render(&failures(), Format::Json)).unwrap();
    let crashed = rows.iter().find(|row| row["outcome"] == "crashed").unwrap();
    for field in ["avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "ttft_avg_ns"] {
        assert_eq!(crashed[field], Value::Null, "{field}");
    }
    assert_eq!(crashed["samples_ns"].as_array().unwrap().len(), 2);
    assert_eq!(crashed["signal"], 6);
}
