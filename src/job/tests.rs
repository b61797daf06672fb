use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::axis::tests::examples;
use crate::axis::{self, AXES, Lens, Value as AxisValue};
use crate::plan::tests::config;
use crate::setup::{CacheType, Config, FlashAttention, LoadMode, Model, Override, SplitMode};
use crate::work::{Speed, Text};

/// Journals of the first schema have jobs of another shape.
#[test]
fn a_job_of_the_first_shape_is_read() {
    let text = Text::new("a.txt:1".into(), "Hello", vec![1, 2, 3]);
    let speed = Speed { n_depth: 7, n_parallel: 4, text: Some(text), ..Speed::new(3, 0) };
    let job = Job::new(Config { n_batch: 64, ..config() }, Work::Speed(speed));
    let now = serde_json::to_value(&job).unwrap();
    assert_eq!(serde_json::from_value::<Job>(now.clone()).unwrap(), job);

    let mut first = now.clone();
    let settings = &mut first["setup"]["llama"];
    settings["n_depth"] = 7.into();
    settings["compute"]["n_parallel"] = 4.into();
    settings["compute"]["prompt_shared"] = false.into();
    first["config"] = settings.take();
    first["text"] = first["work"]["speed"]["text"].take();
    first["work"] = serde_json::json!({"prompt": {"n_prompt": 3}});
    let object = first.as_object_mut().unwrap();
    object.remove("setup");
    assert_eq!(serde_json::from_value::<Job>(first.clone()).unwrap(), job);

    // The very first had neither sequences nor texts.
    let object = first.as_object_mut().unwrap();
    object.remove("text");
    object["config"].as_object_mut().unwrap().remove("compute");
    let plain: Job = serde_json::from_value(first.clone()).unwrap();
    assert_eq!(plain.work, Work::prompt(3).with_depth(7));
    first.as_object_mut().unwrap().remove("config");
    let error = serde_json::from_value::<Job>(first).unwrap_err();
    assert_eq!(error.to_string(), "missing field `config`");
}

fn id(setup: &Setup, work: &Work) -> JobId {
    Job::new(setup.clone(), work.clone()).id
}

#[test]
fn every_axis_makes_another_job() {
    for axis in &AXES {
        let (mut setup, mut work) = (Setup::from(config()), Work::prompt_generate(512, 128));
        let ids = examples(axis).into_iter().map(|value| {
            axis.set(&mut setup, &mut work, value);
            id(&setup, &work)
        });
        let ids: Vec<_> = ids.collect();
        let different: HashSet<_> = ids.iter().collect();
        assert!(ids.len() > 1 && different.len() == ids.len(), "{}: {ids:?}", axis.name);
    }
}

/// Whatever a setting of llama.cpp is called, it is an axis, so that the identity knows it.
#[test]
fn every_setting_is_an_axis() {
    fn leaves(value: &Value) -> usize {
        value.as_object().map_or(1, |fields| fields.values().map(leaves).sum())
    }
    let mut settings = serde_json::to_value(config()).unwrap();
    settings.as_object_mut().unwrap().remove("model");
    let axes = AXES.iter().filter(|axis| matches!(axis.lens, Lens::Llama { .. }));
    assert_eq!(leaves(&settings), axes.count());
}

#[test]
fn every_field_of_a_work_makes_another_job() {
    let plain = Speed::new(512, 128);
    // A new field is one line here, unless it follows from the model.
    let Speed { n_prompt, n_gen, n_depth, n_parallel, prompt_shared, text: _, is_mute: _ } = plain;
    let text = |words: &str| Some(Text::new("a.txt:1".into(), words, vec![1; 512]));
    let works = [
        Speed { n_prompt: n_prompt + 1, ..plain.clone() },
        Speed { n_gen: n_gen + 1, ..plain.clone() },
        Speed { n_depth: n_depth + 1, ..plain.clone() },
        Speed { n_parallel: n_parallel + 1, ..plain.clone() },
        Speed { prompt_shared: !prompt_shared, ..plain.clone() },
        Speed { text: text("Hello"), ..plain.clone() },
        Speed { text: text("Good bye"), ..plain.clone() },
        Speed { n_gen: 0, ..plain.clone() },
        Speed { n_prompt: 0, ..plain.clone() },
        plain,
    ];
    let ids: HashSet<_> =
        works.iter().map(|speed| id(&config().into(), &Work::Speed(speed.clone()))).collect();
    assert_eq!(ids.len(), works.len());
}

#[test]
fn a_model_is_its_header_and_its_size() {
    let with = |change: fn(&mut Model)| {
        let mut config = config();
        change(&mut config.model);
        id(&config.into(), &Work::prompt(512))
    };
    let plain = with(|_| {});
    assert_eq!(plain, with(|model| model.path = "elsewhere.gguf".into()));
    assert_ne!(plain, with(|model| model.header_hash = "11".repeat(32)));
    assert_ne!(plain, with(|model| model.file_size.0 += 1));
}

/// Ids stay what they are, or journals could not be resumed.
#[test]
fn ids_are_what_they_were() {
    let text = Text::new("a.txt:1".into(), "Hello", vec![1, 2, 3]);
    let shared = Work::prompt_generate(128, 64).with_parallel(4, true);
    let mut ids = Vec::new();
    let mut add = |set: &[(&str, AxisValue)], work: Work| {
        let (mut setup, mut work) = (Setup::from(config()), work);
        for (name, value) in set {
            axis::named(name).set(&mut setup, &mut work, value.clone());
        }
        let set = set.iter().map(|(name, value)| format!(" {name} {value}"));
        ids.push(format!("{} {}{}", id(&setup, &work), work.test_name(), set.collect::<String>()));
    };
    let servers = vec!["a:1".into(), "b:2".into()];
    let one = Override { pattern: r#"a "b"\.c"#.into(), buffer: "CPU".into() };
    add(&[], Work::prompt(512));
    add(&[], Work::generate(128));
    add(&[], Work::prompt_generate(512, 128).with_depth(4096));
    add(&[], Work::text(text));
    add(&[], shared);
    add(&[("n_gpu_layers", AxisValue::Int(20)), ("main_gpu", AxisValue::Int(1))], Work::prompt(1));
    add(&[("split_mode", AxisValue::Split(SplitMode::Row))], Work::prompt(1));
    add(&[("tensor_split", AxisValue::Shares(vec![300, 100]))], Work::prompt(1));
    add(&[("rpc_servers", AxisValue::Servers(servers))], Work::prompt(1));
    add(&[("type_v", AxisValue::Cache(CacheType::Iq4Nl))], Work::prompt(1));
    add(&[("flash_attn", AxisValue::Flash(FlashAttention::On))], Work::prompt(1));
    add(&[("reserve_ctx", AxisValue::Int(8192))], Work::prompt(1));
    add(&[("load_mode", AxisValue::Load(LoadMode::MmapMlock))], Work::prompt(1));
    add(&[("tensor_buft_overrides", AxisValue::Overrides(vec![one]))], Work::prompt(1));
    add(&[("cpu_mask", AxisValue::Mask("0xff".into()))], Work::prompt(1));
    add(&[("poll", AxisValue::Int(0))], Work::generate(1));
    insta::assert_snapshot!(ids.join("\n"));
}

/// Jobs of journals that were written long ago, with the ids that they were written with. Those of before RPC
/// servers were an axis had others.
#[test]
fn jobs_of_old_journals_have_their_ids() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/h200");
    // The folder is not in what is published.
    let mut checked = 0;
    for file in fs::read_dir(&folder).into_iter().flatten() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        // Since schema 3, rows are lines of their own.
        let Some(jobs) = header["header"]["plan"]["jobs"].as_array() else { continue };
        checked += jobs.len();
        for planned in jobs.iter().filter(|planned| !planned["job"]["config"]["rpc"].is_null()) {
            let job: Job = serde_json::from_value(planned["job"].clone()).unwrap();
            assert_eq!(id(&job.setup, &job.work), job.id, "{}", path.display());
        }
    }
    assert!(checked > 50 || !folder.exists(), "{checked} jobs");
}
