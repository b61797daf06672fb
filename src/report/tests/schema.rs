//! The published schema: what is committed is what is generated, and what is written is what it says.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{cpu_sweep, failures, interrupted, offload_sweep, render, single};
use crate::machine::{Device, DeviceKind};
use crate::record::{DeviceMemory, DeviceTelemetry, Fit, MemorySplit, RemoteTraffic};
use crate::report::Format;
use crate::report::fields::{FieldKind, Shape, all};
use crate::units::Bytes;

fn schema() -> Value {
    let mut text = Vec::new();
    crate::report::write_schema(&mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// What tells whether a document is as the schema says.
pub(super) fn validator() -> &'static Validator {
    static VALIDATOR: LazyLock<Validator> =
        LazyLock::new(|| jsonschema::draft202012::new(&schema()).unwrap());
    &VALIDATOR
}

#[test]
fn the_schema_is_a_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
    let properties = schema()["$defs"]["row"]["properties"].as_object().unwrap().clone();
    assert_eq!(properties.len(), all().count());
    for field in all() {
        assert_eq!(properties[field.name]["description"], field.doc);
    }
}

#[test]
fn every_list_says_what_is_in_it() {
    for field in all() {
        assert_eq!(field.kind == FieldKind::List, field.items.is_some(), "{}", field.name);
    }
}

#[test]
fn rows_of_every_kind_are_as_the_schema_says() {
    for report in [cpu_sweep(), offload_sweep(), failures(), single(), interrupted()] {
        let json: Value = serde_json::from_str(&render(&report, Format::Json)).unwrap();
        validator().validate(&json).unwrap();
        for line in render(&report, Format::Jsonl).lines() {
            validator().validate(&serde_json::from_str(line).unwrap()).unwrap();
        }
    }
    assert!(validator().is_valid(&json!([])), "a run without rows");
}

#[test]
fn what_is_not_a_row_is_none_by_the_schema() {
    let rows: Value = serde_json::from_str(&render(&cpu_sweep(), Format::Json)).unwrap();
    let changes: [(&str, Value); 6] = [
        ("n_batch", "64".into()),
        ("avg_ts", "fast".into()),
        ("outcome", Value::Null),
        ("schema_version", 2.into()),
        ("samples_ns", json!(["1"])),
        ("telemetry", json!([{"device": 1}])),
    ];
    for (name, value) in changes {
        let mut row = rows[0].clone();
        row[name] = value;
        assert!(!validator().is_valid(&row), "{name}");
        assert!(!validator().is_valid(&json!([row])), "{name}");
    }
    let mut row = rows[0].clone();
    row.as_object_mut().unwrap().remove("avg_ts");
    assert!(!validator().is_valid(&row));
    row["avg_ts"] = 1.0.into();
    row["a_field_of_tomorrow"] = true.into();
    assert!(validator().is_valid(&row));
}

/// The records that rows carry, each with all that it may have.
fn records() -> [(&'static str, Value); 7] {
    let device = "CUDA0".to_string();
    let some = Some(Bytes(1));
    let telemetry = DeviceTelemetry {
        peak: some,
        baseline: some,
        energy_j: Some(1.5),
        power_w: Some(1.5),
        sm_mhz: Some([1.0, 2.0, 3.0]),
        memory_mhz: Some(1.0),
        celsius: Some(60),
        utilisation: Some(0.9),
        throttle_reasons: vec!["sw_power_cap".into()],
        throttled_ns: Some(7),
        ..DeviceTelemetry::default()
    };
    let memory = DeviceMemory {
        device: device.clone(),
        used: Bytes(1),
        after_load: some,
        after_context: some,
        total: Bytes(2),
    };
    let split = MemorySplit { device: device.clone(), ..MemorySplit::default() };
    let remote = Device {
        name: device,
        description: "Test GPU".into(),
        kind: DeviceKind::Gpu,
        backend: "CUDA".into(),
        id: Some("0000:65:00.0".into()),
        free: 1,
        total: 2,
    };
    let fit = Fit {
        found: true,
        n_gpu_layers: 20,
        tensor_split: vec![300, 100],
        overrides: vec!["exps=CPU".into()],
    };
    let link = json!({
        "endpoint": "a:1", "protocol": "7.0.0", "round_trip_ns": 1, "up": 1.5, "down": 1.5,
        "devices": [remote],
        "cause": "no route",
    });
    [
        ("telemetry", json!(telemetry)),
        ("devices_memory", json!(memory)),
        ("memory_split", json!(split)),
        ("memory_predicted", json!(split)),
        ("rpc_traffic", json!(RemoteTraffic::default())),
        ("rpc_links", link),
        ("fit", json!(fit)),
    ]
}

/// Whether a record has the parts that its shape says, and no others.
fn fits(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Maybe(shape) => value.is_null() || fits(shape, value),
        Shape::Text => value.is_string(),
        Shape::Bool => value.is_boolean(),
        Shape::Int => value.is_u64() || value.is_i64(),
        Shape::Float => value.is_f64(),
        Shape::Several(shape) => {
            value.as_array().is_some_and(|items| items.iter().all(|item| fits(shape, item)))
        }
        Shape::Record(parts) => value.as_object().is_some_and(|object| {
            let known = |name: &String| parts.iter().any(|(part, ..)| part == name);
            object.len() == parts.len()
                && object.keys().all(known)
                && parts.iter().all(|(name, shape, _)| fits(shape, &object[*name]))
        }),
    }
}

#[test]
fn records_in_lists_have_the_parts_that_the_schema_names() {
    for (name, record) in records() {
        let field = all().find(|field| field.name == name).unwrap();
        assert!(fits(field.items.unwrap(), &record), "{name}: {record}");
    }
}
