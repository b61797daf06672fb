//! The real engine on a small model that lbench makes itself. A process has one engine, so there is one
//! test, told in sections.
#![cfg(feature = "llama")]

mod draft;

use std::path::Path;

use lbench::engine::llama::LlamaEngine;
use lbench::engine::{Engine, EngineError, Session};
use lbench::gguf::Header;
use lbench::gguf::synth::Spec;
use lbench::machine::DeviceKind;
use lbench::record::MemorySplit;
use lbench::setup::{
    CacheType, Compute, Config, FlashAttention, Layout, LoadMode, Loading, Model, ModelKind,
    Override, Process, SplitMode,
};
use lbench::units::{Bytes, Nanos, Params};
use lbench::work::Extent;

const LAYERS: u32 = 3;
const VOCAB: i32 = 512;
/// Tokens of the contexts.
const N_CTX: u32 = 80;

/// The settings of a model file, with what the engine does not read left out.
fn config(path: &Path) -> Config {
    Config {
        model: Model {
            path: path.to_owned(),
            header_hash: String::new(),
            file_size: Bytes(0),
            architecture: "llama".into(),
            label: String::new(),
            tensor_bytes: Bytes(0),
            n_params: Params(0),
            n_layers: LAYERS,
            n_vocab: None,
            synthetic_seed: None,
            source: None,
            token_cost: None,
            layout: Layout::default(),
            ..Model::default()
        },
        n_gpu_layers: 99,
        n_batch: 32,
        n_ubatch: 16,
        type_k: CacheType::F16,
        type_v: CacheType::F16,
        flash_attn: FlashAttention::Auto,
        n_threads: 2,
        split_mode: SplitMode::Layer,
        main_gpu: 0,
        tensor_split: vec![],
        devices: vec![],
        rpc: vec![],
        reserve_ctx: 0,
        loading: Loading::default(),
        compute: Compute::default(),
    }
}

#[test]
fn the_engine_loads_runs_and_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small.gguf");
    let spec = format!("llama:layers={LAYERS},embd=128,ff=256,heads=4,kv=2,vocab={VOCAB}:q8_0");
    let spec = Spec::parse(&spec).expect("a specification");
    spec.write(&path, &mut |_, _| {}).expect("a model");
    let config = config(&path);

    let mut engine = LlamaEngine::new(false, None, Process::default()).expect("an engine");
    assert!(LlamaEngine::new(false, None, Process::default()).is_err(), "one engine at a time");
    describes_itself(&mut engine);
    refuses_bad_files(&mut engine, &config, folder.path());
    assert!(reason(engine.open(&config, Extent::of(64))).contains("no model"));

    loads(&mut engine, &config, &Header::read(&path).expect("a header"));
    runs(&mut engine, &config);
    repeats_itself(&mut engine, &config);
    runs_side_by_side(&mut engine, &config);
    obeys(&mut engine, &config);
    let texts = ["What is love?".to_string()];
    assert!(reason(engine.tokenize(&path, &texts)).contains("no vocabulary for texts"));
    keeps_its_state(&mut engine, &config);
    refuses_bad_contexts(&mut engine, &config);
    knows_flash_attention(&mut engine, &config);
    sessions_keep_their_model(&mut engine, &config);
    reads_clock_and_memory(&mut engine);
    measures_devices(&mut engine);

    predicts_what_it_takes(&mut engine, &config);
    refuses_what_was_planned_for_another_kind(&mut engine, &config, folder.path());
    drop(engine);
    let mut again =
        LlamaEngine::new(false, None, Process::default()).expect("a second engine after the first");
    again.load(&config, Extent::of(N_CTX)).expect("a load");
    drop(again.open(&config, Extent::of(64)).expect("a session"));
}

fn describes_itself(engine: &mut LlamaEngine) {
    let description = engine.describe();
    assert!(description.engine.starts_with("llama.cpp "), "{}", description.engine);
    assert!(!description.build_commit.is_empty());
    assert!(description.backends.contains(&"CPU".into()), "{:?}", description.backends);
    let cpu = description.devices.iter().find(|device| device.kind == DeviceKind::Cpu);
    let cpu = cpu.expect("a CPU");
    assert_eq!(cpu.backend, "CPU");
    assert!(cpu.total > 0);
    assert!(!description.cpu_features.is_empty());
    let unused = &description.cpu_features_unused;
    assert!(unused.iter().all(|name| !description.cpu_features.contains(name)), "{unused:?}");
    println!("{description:#?}");
}

/// What is worked out before a load is what the engine says behind it.
fn predicts_what_it_takes(engine: &mut LlamaEngine, config: &Config) {
    let path = config.model.path.to_string_lossy().into_owned();
    let found = lbench::models::resolve(&[path], Path::new("."), false, &mut |_| {});
    let model = found.expect("the header").remove(0);
    // All on the host: of a file that is mapped, the engine counts what lies between two tensors of the host as the
    // host's, and with layers on a device there is much between them.
    let config = Config { model, devices: vec!["none".into()], ..config.clone() };
    let predicted = engine.predict(&config, Extent::of(512)).expect("a simulated load");
    engine.load(&config, Extent::of(N_CTX)).expect("a load");
    drop(engine.open(&config, Extent::of(512)).expect("a context"));
    let taken = engine.memory_split();
    println!("predicted {predicted:#?}\ntaken {taken:#?}");
    let host = |splits: &[MemorySplit]| {
        splits.iter().find(|split| split.device == "host").cloned().expect("the host's share")
    };
    let (predicted, taken) = (host(&predicted), host(&taken));
    let near = |a: Bytes, b: Bytes| a.0.abs_diff(b.0) <= 64 * 1024 + b.0 / 20;
    assert!(near(predicted.context, taken.context), "{predicted:?} {taken:?}");
    assert!(near(predicted.weights, taken.weights), "{predicted:?} {taken:?}");
}

/// Tests of a decoder would be of something else with an encoder, and the other way round.
fn refuses_what_was_planned_for_another_kind(
    engine: &mut LlamaEngine,
    config: &Config,
    folder: &Path,
) {
    let mut opened = |draft: draft::Draft, kind: ModelKind| {
        let path = draft.write(folder, "other.gguf");
        let model = Model { path, kind, ..config.model.clone() };
        let config = Config { model, n_gpu_layers: 0, ..config.clone() };
        engine.load(&config, Extent::of(N_CTX)).expect("a load");
        engine.open(&config, Extent::of(64)).map(drop).map_err(|error| error.to_string())
    };
    let (encoder, decoder) = (ModelKind::Encoder, ModelKind::Decoder);
    let error = opened(draft::bert(64), decoder).unwrap_err();
    assert!(error.contains("for an encoder, and the tests were planned for a decoder"), "{error}");
    assert!(opened(draft::llama(64), encoder).unwrap_err().contains("for a decoder, and"));
    assert!(opened(draft::t5(), encoder).unwrap_err().contains("for an encoder-decoder, and"));
    assert_eq!(opened(draft::t5_encoder(), encoder), Ok(()));
    assert_eq!(opened(draft::mamba(), ModelKind::Recurrent), Ok(()));
}

fn measures_devices(engine: &mut LlamaEngine) {
    let roof = engine.roof("CPU", 2).expect("ceilings of the CPU");
    // Any machine of these years: beyond a GB/s and a GFLOP/s.
    assert!(roof.bandwidth.is_some_and(|bytes| bytes > 1e9), "{roof:?}");
    assert!(roof.compute.is_some_and(|flop| flop > 1e9), "{roof:?}");
    assert!(reason(engine.roof("nowhere", 2)).contains("no device nowhere"));
    assert!(reason(engine.roof("CPU", 0)).contains("threads"));
}

fn refuses_bad_files(engine: &mut LlamaEngine, config: &Config, folder: &Path) {
    let mut with = |bytes: Option<&[u8]>| {
        let path = folder.join("bad.gguf");
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).expect("a file");
        }
        let mut config = config.clone();
        config.model.path = path;
        let reason = reason(engine.load(&config, Extent::of(N_CTX)));
        println!("{reason}\n  {:?}", engine.log_tail());
        assert!(!engine.log_tail().is_empty());
        reason
    };
    assert!(with(None).contains("No such file or directory"));
    assert!(with(Some(b"")).contains("failed to read magic"));
    assert!(with(Some(b"not a model at all, but text")).contains("magic"));

    let good = std::fs::read(&config.model.path).expect("the model");
    assert!(with(Some(&good[..good.len() / 2])).contains("not within the file bounds"));
    let name = b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0llama";
    let at = good.windows(name.len()).position(|window| window == name).expect("the key");
    let mut unknown = good;
    unknown[at + name.len() - 5..][..5].copy_from_slice(b"\xffabcd");
    assert!(with(Some(&unknown)).contains("unknown model architecture"));
}

fn loads(engine: &mut LlamaEngine, config: &Config, header: &Header) {
    let loaded = engine.load(config, Extent::of(N_CTX)).expect("a load");
    println!("{loaded:#?}");
    assert!(loaded.load_ns > Nanos(0));
    assert!(loaded.description.starts_with("llama"), "{}", loaded.description);
    assert_eq!(loaded.tensor_bytes, Bytes(header.tensor_bytes()));
    assert_eq!(loaded.n_params, header.n_params());
    let has_gpu = engine.describe().can_offload();
    assert_eq!(loaded.offloaded_layers, if has_gpu { LAYERS + 1 } else { 0 });
    assert_eq!(loaded.backends == "CPU", !has_gpu);
    assert_eq!(engine.device_memory().is_empty(), !has_gpu);
}

fn runs(engine: &mut LlamaEngine, config: &Config) {
    let mut session = engine.open(config, Extent::of(80)).expect("a session");
    assert!(session.n_ctx() >= 80);
    assert!(session.sample_greedy().is_err(), "no logits before a decode");
    session.prompt(64).expect("a prompt");
    assert!((0..VOCAB).contains(&session.sample_greedy().expect("a token")));
    session.begin_generation();
    for _ in 0..4 {
        session.step().expect("a step");
        assert!((0..VOCAB).contains(&session.sample_greedy().expect("a token")));
    }
    session.clear();
    assert!(session.sample_greedy().is_err(), "no logits after clearing");

    let full = session.n_ctx();
    session.prompt(full).expect("a full context");
    session.begin_generation();
    assert!(reason(session.step()).contains("no room"));
    session.clear();
    session.begin_generation();
    session.step().expect("generation from an empty context");
}

/// The tokens after a prompt and a step of a session of its own.
fn tokens(engine: &mut LlamaEngine, config: &Config) -> [i32; 2] {
    let mut session = engine.open(config, Extent::of(80)).expect("a session");
    session.prompt(50).expect("a prompt");
    let first = session.sample_greedy().expect("a token");
    session.begin_generation();
    session.step().expect("a step");
    [first, session.sample_greedy().expect("a token")]
}

fn repeats_itself(engine: &mut LlamaEngine, config: &Config) {
    assert_eq!(tokens(engine, config), tokens(engine, config));
}

/// Several sequences: each has room for its tokens, and all have what one was filled with.
fn runs_side_by_side(engine: &mut LlamaEngine, config: &Config) {
    for prompt_shared in [false, true] {
        let extent = Extent { n_ctx: 3 * N_CTX, n_parallel: 3, prompt_shared };
        let config = Config { n_batch: 3, ..config.clone() };
        let narrow = Config { n_batch: 2, ..config.clone() };
        let refused = engine.open(&narrow, extent);
        assert!(reason(refused.map(|_| ())).contains("give -b 3 or more"));
        let mut session = engine.open(&config, extent).expect("a session");
        assert!(session.n_ctx() >= 3 * N_CTX);
        session.fill(10).expect("a depth");
        let state = session.save().expect("a state");
        session.clear();
        assert!(session.restore(&state));
        session.prompt(20).expect("a prompt");
        session.share_prompt().expect("a prompt for all");
        session.begin_generation();
        for _ in 0..20 {
            session.step().expect("a step of three sequences");
        }
        assert!((0..VOCAB).contains(&session.sample_greedy().expect("a token")));
    }
    let many = Extent { n_parallel: 100_000, ..Extent::of(N_CTX) };
    let refused = engine.open(&Config { n_batch: 100_000, ..config.clone() }, many);
    assert!(reason(refused.map(|_| ())).contains("-np 100000"));
}

/// Settings that a model without a GPU can show: the log or the process says what they did.
fn obeys(engine: &mut LlamaEngine, config: &Config) {
    let with = |loading: Loading| Config { loading, ..config.clone() };
    let place = |buffer: &str| vec![Override { pattern: "ffn_up".into(), buffer: buffer.into() }];
    let placed = with(Loading { overrides: place("CPU"), ..Loading::default() });
    engine.load(&placed, Extent::of(N_CTX)).expect("a load");
    assert_eq!(engine.remarks(), Vec::<String>::new());
    let missed = Loading { n_cpu_moe: 2, ..Loading::default() };
    engine.load(&with(missed), Extent::of(N_CTX)).expect("a load");
    let told = engine.remarks();
    assert!(told.len() == 1 && told[0].starts_with("-ncmoe changes nothing"), "{told:?}");
    let nowhere = with(Loading { overrides: place("ATTIC"), ..Loading::default() });
    let cause = reason(engine.load(&nowhere, Extent::of(N_CTX)));
    assert!(
        cause.contains("no buffer type ATTIC here; there are") && cause.contains("CPU"),
        "{cause}"
    );
    for mode in [LoadMode::None, LoadMode::Mmap, LoadMode::Dio] {
        engine
            .load(&with(Loading { mode, ..Loading::default() }), Extent::of(N_CTX))
            .expect("a load");
    }
    let fitted = with(Loading { fit_target: 64, ..Loading::default() });
    let loaded = engine.load(&fitted, Extent::of(N_CTX)).expect("a fitted load");
    assert!(loaded.fit.is_some_and(|fit| fit.found));
    engine.load(config, Extent::of(N_CTX)).expect("a load");
    let compute = Compute { embeddings: true, cpu_mask: "0x1".into(), ..Compute::default() };
    let config = Config { compute, n_threads: 1, ..config.clone() };
    let mut session = engine.open(&config, Extent::of(N_CTX)).expect("a session");
    session.prompt(8).expect("a prompt");
    assert!((0..VOCAB).contains(&session.sample_greedy().expect("a token")));
}

fn keeps_its_state(engine: &mut LlamaEngine, config: &Config) {
    let mut session = engine.open(config, Extent::of(80)).expect("a session");
    assert!(!session.restore(b"not a state"));
    session.clear();
    session.prompt(40).expect("a prompt");
    let state = session.save().expect("a state");

    session.clear();
    assert!(session.restore(&state));
    assert!(session.sample_greedy().is_err(), "a state has no logits");
    session.begin_generation();
    session.step().expect("a step at depth");
    assert_eq!(session.save().map(|longer| longer.len() > state.len()), Some(true));

    // Whatever is stored, it is 40 tokens again, byte for byte.
    session.clear();
    assert!(session.restore(&state));
    assert!(session.save().is_some_and(|again| again == state));

    // Filled further, it is full where an empty one would be.
    session.fill(8).expect("a greater depth");
    let left = session.n_ctx() - 48;
    session.prompt(left).expect("a full context");
    session.begin_generation();
    assert!(reason(session.step()).contains("no room"));

    let mut other = config.clone();
    other.type_k = CacheType::F32;
    let mut other = engine.open(&other, Extent::of(80)).expect("a session");
    assert!(!other.restore(&state), "a state of another cache type does not fit");
}

fn refuses_bad_contexts(engine: &mut LlamaEngine, config: &Config) {
    let mut quantized = config.clone();
    quantized.type_v = CacheType::Q4_0;
    quantized.flash_attn = FlashAttention::Off;
    let cause = reason(engine.open(&quantized, Extent::of(64)));
    assert!(cause.contains("flash_attn"), "{cause}");
    assert!(engine.log_tail().iter().any(|line| line.contains("flash_attn")));

    let mut threads = config.clone();
    for n_threads in [0, 513, u32::MAX] {
        threads.n_threads = n_threads;
        assert!(reason(engine.open(&threads, Extent::of(64))).contains("threads"));
    }

    let compute = Compute { cpu_mask: format!("0x1{}", "0".repeat(127)), ..Compute::default() };
    let cause = reason(engine.open(&Config { compute, ..config.clone() }, Extent::of(64)));
    assert!(cause.contains("gives none of these CPUs"), "{cause}");

    engine.open(config, Extent::of(64)).expect("the engine lives on");
}

fn knows_flash_attention(engine: &mut LlamaEngine, config: &Config) {
    let mut config = config.clone();
    let mut with = |when| {
        config.flash_attn = when;
        engine.open(&config, Extent::of(64)).expect("a session").flash_attn()
    };
    assert_eq!(with(FlashAttention::Off), Some(false));
    assert_eq!(with(FlashAttention::On), Some(true));
    assert_eq!(with(FlashAttention::Auto), Some(true));
}

fn sessions_keep_their_model(engine: &mut LlamaEngine, config: &Config) {
    let mut old = engine.open(config, Extent::of(64)).expect("a session");
    engine.load(config, Extent::of(N_CTX)).expect("a second load");
    old.prompt(8).expect("a prompt on the model before");
    engine.open(config, Extent::of(64)).expect("a session").prompt(8).expect("a prompt");
    old.prompt(8).expect("another prompt on the model before");
}

fn reads_clock_and_memory(engine: &mut LlamaEngine) {
    let start = engine.now();
    engine.rest(Nanos(2_000_000));
    assert!(engine.now().0 - start.0 >= 2_000_000);
    engine.reset_peak_rss();
    assert_eq!(engine.peak_rss().is_some(), cfg!(target_os = "linux"));
}

fn reason<T>(result: Result<T, EngineError>) -> String {
    result.err().expect("a refusal").to_string()
}
