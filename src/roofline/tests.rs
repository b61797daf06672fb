use super::cache as kept;
use super::*;
use crate::gguf::synth::Spec;
use crate::machine::Host;
use crate::machine::cache::Cache;
use crate::models::token_cost;
use crate::plan::tests::{config, model};
use crate::setup::{Attention, CacheType, Config, Model, TokenCost};
use crate::units::Bytes;
use crate::work::Work;

fn header_of(spec: &str) -> crate::gguf::Header {
    Spec::parse(spec).unwrap().header()
}

fn cost_of(spec: &str) -> TokenCost {
    token_cost(&header_of(spec)).unwrap()
}

fn job(spec: &str, work: Work, depth: u32) -> Job {
    let model = Model { token_cost: token_cost(&header_of(spec)), ..model() };
    Job::new(Config { model, ..config() }, work.with_depth(depth))
}

fn settings(job: &mut Job) -> &mut Config {
    let Setup::Llama(config) = &mut job.setup;
    config
}

#[track_caller]
fn near(value: Option<f64>, expected: f64) {
    let value = value.unwrap();
    assert!((value / expected - 1.0).abs() < 1e-9, "{value} is not {expected}");
}

const TG: Work = Work::generate(128);
const PP: Work = Work::prompt(512);

#[test]
fn roofline_a_tied_model_reads_all_of_its_file() {
    let header = header_of("llama-3.2-3b:q6_k");
    let cost = token_cost(&header).unwrap();
    assert_eq!(cost.weight_bytes, Bytes(header.tensor_bytes()));
    assert_eq!(cost.output_params, 3072 * 128_256);
    // 28 blocks: Q and the output 3072², K and V 3072 · 1024, three of 3072 · 8192.
    assert_eq!(cost.body_params, 28 * (2 * 3072 * 3072 + 2 * 3072 * 1024 + 3 * 3072 * 8192));
    let widths =
        Attention { k: 28 * 1024, v: 28 * 1024, q: 28 * 3072, out: 28 * 3072, window: None };
    assert_eq!(cost.attention, Some(widths));
}

#[test]
fn roofline_an_untied_model_looks_up_one_row_of_its_embedding() {
    let header = header_of("llama-3.1-8b:q4_0");
    let table = header.tensors.iter().find(|tensor| tensor.name == "token_embd.weight").unwrap();
    let cost = token_cost(&header).unwrap();
    assert_eq!(cost.weight_bytes, Bytes(header.tensor_bytes() - table.bytes));
    assert_eq!(cost.output_params, 4096 * 128_256);
}

#[test]
fn roofline_of_experts_counts_those_in_use() {
    let mut header = header_of("llama-135m:f16");
    let all = token_cost(&header).unwrap();
    for tensor in &mut header.tensors {
        tensor.name = tensor.name.replace("ffn_up.", "ffn_up_exps.");
    }
    assert_eq!(token_cost(&header), None, "without the number of experts");
    let mut count = |key: &str, n| {
        header.metadata.insert(format!("llama.{key}"), crate::gguf::MetadataValue::Unsigned(n));
    };
    count("expert_count", 8);
    count("expert_used_count", 2);
    let cost = token_cost(&header).unwrap();
    let up = 30 * 576 * 1536;
    assert_eq!(cost.body_params, all.body_params - up + up / 4);
    assert_eq!(cost.weight_bytes.0, all.weight_bytes.0 - 2 * (up - up / 4));
}

#[test]
fn roofline_without_ordinary_attention_is_unknown() {
    let mut header = header_of("llama-135m:f16");
    header.tensors.retain(|tensor| tensor.name != "blk.3.attn_k.weight");
    let cost = token_cost(&header).unwrap();
    assert_eq!(cost.attention, None);
    let model = Model { token_cost: Some(cost), ..model() };
    let job = Job::new(Config { model, ..config() }, TG);
    assert_eq!(bytes_per_token(&job), None);
    header.tensors.retain(|tensor| tensor.name != "token_embd.weight");
    assert_eq!(token_cost(&header), None);
}

#[test]
fn roofline_bytes_grow_with_the_depth() {
    let weights = as_f64(cost_of("llama-3.2-3b:q6_k").weight_bytes.0);
    // K and V of 28 blocks of 1024 elements of two bytes.
    let each = 2.0 * 28.0 * 1024.0 * 2.0;
    near(bytes_per_token(&job("llama-3.2-3b:q6_k", TG, 0)), weights + 64.5 * each);
    near(bytes_per_token(&job("llama-3.2-3b:q6_k", TG, 4096)), weights + 4160.5 * each);
    let mut job = job("llama-3.2-3b:q6_k", TG, 4096);
    settings(&mut job).type_k = CacheType::Q8_0;
    let less = 28.0 * 1024.0 * (2.0 + 34.0 / 32.0);
    near(bytes_per_token(&job), weights + 4160.5 * less);
    assert_eq!(bytes_per_token(&Job { work: PP, ..job }), None);
}

#[test]
fn roofline_operations_count_the_output_once_a_batch() {
    let cost = cost_of("llama-3.2-1b:f16");
    let (body, output) = (as_f64(cost.body_params), as_f64(cost.output_params));
    let attention = 2.0 * 256.5 * 2.0 * 16.0 * 2048.0;
    let mut job = job("llama-3.2-1b:f16", PP, 0);
    near(flop_per_token(&job), 2.0 * (body + output / 512.0) + attention);
    settings(&mut job).n_batch = 64;
    near(flop_per_token(&job), 2.0 * (body + output * 8.0 / 512.0) + attention);
    assert_eq!(flop_per_token(&Job { work: TG, ..job }), None);
}

#[test]
fn roofline_beyond_a_window_is_unknown() {
    let mut job = job("llama-135m:f16", TG, 0);
    let mut cost = settings(&mut job).model.token_cost.unwrap();
    cost.attention.as_mut().unwrap().window = Some(128);
    settings(&mut job).model.token_cost = Some(cost);
    assert!(bytes_per_token(&job).is_some());
    job.work = job.work.with_depth(1);
    assert_eq!(bytes_per_token(&job), None);
}

#[test]
fn roofline_shares_are_of_the_ceiling() {
    let job = job("llama-3.2-3b:q6_k", TG, 0);
    let bytes = bytes_per_token(&job).unwrap();
    let roof = Roof { bandwidth: Some(bytes * 40.0), compute: None };
    near(bandwidth_share(&job, Rate(10.0), roof), 0.25);
    assert_eq!(compute_share(&Job { work: PP, ..job.clone() }, Rate(10.0), roof), None);
    let none = Roof { bandwidth: Some(0.0), compute: None };
    assert_eq!(bandwidth_share(&job, Rate(10.0), none), None);
}

#[test]
fn roofline_of_shared_work_is_unknown() {
    let device = |name: &str, kind| Device {
        id: None,
        name: name.into(),
        description: name.into(),
        kind,
        backend: name.into(),
        free: 1,
        total: 1,
    };
    let mut host = Host { can_offload: false, ..Host::for_tests() };
    host.engine.devices = vec![device("CPU", DeviceKind::Cpu)];
    let (tg, pp) = (job("llama-3.2-3b:q6_k", TG, 0), job("llama-3.2-3b:q6_k", PP, 0));
    let cpu = Some(Target { device: "CPU".into(), threads: Some(4) });
    assert_eq!((Target::of(&tg, 0, &host), Target::of(&pp, 0, &host)), (cpu.clone(), cpu.clone()));
    host.engine.devices.push(device("CUDA0", DeviceKind::Gpu));
    let gpu = Some(Target { device: "CUDA0".into(), threads: None });
    assert_eq!((Target::of(&tg, 0, &host), Target::of(&pp, 0, &host)), (cpu, None));
    assert_eq!((Target::of(&tg, 28, &host), Target::of(&tg, 29, &host)), (None, gpu));
    host.engine.devices.push(device("CUDA1", DeviceKind::Gpu));
    assert_eq!(Target::of(&tg, 29, &host), None);
}

#[test]
fn roofline_cache_keeps_the_best_and_ignores_rubbish() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("roofline.json");
    let (cache, host) = (Cache::at(path.clone()), Host::for_tests());
    let target = |threads| Target { device: "CPU".into(), threads: Some(threads) };
    let roof = |bandwidth, compute| Roof { bandwidth: Some(bandwidth), compute };
    assert_eq!(kept::get(&cache, &host, &target(4)), None);
    assert_eq!(kept::put(&cache, &host, &target(4), roof(2.0, None)), roof(2.0, None));
    assert_eq!(kept::put(&cache, &host, &target(4), roof(1.0, Some(3.0))), roof(2.0, Some(3.0)));
    assert_eq!(kept::get(&cache, &host, &target(4)), Some(roof(2.0, Some(3.0))));
    assert_eq!(kept::get(&cache, &host, &target(2)), None);
    let mut other = Host::for_tests();
    other.engine.cpu_features.push("AVX512".into());
    assert_eq!(kept::get(&cache, &other, &target(4)), None, "another build");
    for rubbish in ["", "{", "[1, 2]", r#"{"version":99,"entries":{}}"#, "\u{0}\u{1}"] {
        std::fs::write(&path, rubbish).unwrap();
        assert_eq!(kept::get(&cache, &host, &target(4)), None, "{rubbish:?}");
    }
    assert_eq!(kept::put(&cache, &host, &target(4), roof(5.0, None)), roof(5.0, None));
    assert_eq!(kept::get(&cache, &host, &target(4)), Some(roof(5.0, None)));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left");
    let nowhere = Cache::at("/dev/null/roofline.json".into());
    assert_eq!(kept::put(&nowhere, &host, &target(4), roof(5.0, None)), roof(5.0, None));
    assert_eq!(kept::get(&nowhere, &host, &target(4)), None);
}

#[test]
fn roofline_is_measured_once_and_again_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path().join("roofline.json"));
    let host = Host::for_tests();
    let targets = [4, 8].map(|n| Target { device: "CPU".into(), threads: Some(n) });
    let mut asked = 0;
    let mut ask = |target: &Target| {
        asked += 1;
        Ok(match target.threads {
            Some(4) => Ok(Roof { bandwidth: Some(1.0), compute: None }),
            _ => Err("no room".to_string()),
        })
    };
    for (anew, found) in [(false, 1), (false, 1), (true, 1)] {
        let all = measure(&targets, &host, &cache, anew, &mut ask, &|_| {}).unwrap();
        assert_eq!(all.len(), found);
    }
    // The first time both, then the one that is not known, then both again.
    assert_eq!(asked, 5);
}

#[allow(clippy::cast_precision_loss)]
fn as_f64(n: u64) -> f64 {
    n as f64
}
