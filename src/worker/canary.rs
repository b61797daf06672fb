//! Canary: whether what runs here is still the model of the file. A kernel that is fast and wrong wins every benchmark.
//!
//! The same 256 tokens are processed at the row's own settings and, once for each file, on the CPU; what both think comes
//! behind the last 128 of them is compared. The CPU's answers are kept as those of a reference are.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::quality::answers::{About, AnswerWriter, Answers, Chunk};
use super::quality::distribution::{Distribution, Sketch};
use super::quality::{folder, hash};
use crate::engine::{Engine, EngineError, Session, Token};
use crate::models::texts;
use crate::record::Canary;
use crate::setup::{Config, FlashAttention, ModelKind};
use crate::units::{Bytes, Nanos, short_hash};
use crate::work::Extent;

/// Tokens that are processed.
pub const TOKENS: u32 = 256;
/// Tokens before the first place that is compared.
const FIRST: u32 = 128;
/// Least tokens of a batch: one by one they would take as long as the row.
const LEAST_BATCH: u32 = 64;

/// Largest model that the CPU is asked about without being told to: larger ones take minutes.
pub const LARGEST: Bytes = Bytes(16 << 30);

/// Whether there can be one for rows under these settings: what gives no logits is not compared.
pub fn is_possible(config: &Config) -> bool {
    config.model.kind == ModelKind::Decoder
        && !config.compute.embeddings
        && config.model.n_vocab.is_some()
}

/// The settings under which a row's answers are looked at: its own, but for what changes no number.
pub fn config_of_row(config: &Config) -> Config {
    let within = |n: u32| n.clamp(LEAST_BATCH, TOKENS);
    Config {
        n_batch: within(config.n_batch),
        n_ubatch: within(config.n_ubatch),
        reserve_ctx: 0,
        ..config.clone()
    }
}

/// The same file on the CPU alone, with the row's cache types: what these cost is no fault.
pub fn config_on_cpu(config: &Config) -> Config {
    let is_plain = config.type_v == crate::setup::CacheType::F16;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Config {
        model: config.model.clone(),
        devices: vec!["none".into()],
        n_batch: TOKENS,
        n_ubatch: TOKENS,
        type_k: config.type_k,
        type_v: config.type_v,
        // A V cache of another type goes with no other.
        flash_attn: if is_plain { FlashAttention::Auto } else { config.flash_attn },
        n_threads: u32::try_from(threads).unwrap_or(1),
        ..Config::default()
    }
}

/// Whether the CPU has answered before.
pub fn is_kept(path: &Path) -> bool {
    let kept = Answers::about(path).and_then(|about| Answers::open(path, &about).ok());
    kept.is_some_and(|mut kept| kept.chunk(0).is_ok())
}

/// Has the CPU answer, and keeps what it says in a file.
///
/// # Errors
/// When the model does not load or run there.
pub fn ask_cpu<E: Engine>(
    engine: &mut E,
    config: &Config,
    (path, name): (&Path, &str),
) -> Result<(), EngineError> {
    let (config, extent) = (config_on_cpu(config), Extent::of(TOKENS));
    engine.load(&config, extent)?;
    let mut session = engine.open(&config, extent)?;
    let tokens = tokens(&session, &config);
    let mut sketches = Vec::new();
    let is_whole = look(&mut session, &tokens, |place, seen| {
        sketches.push(Sketch::of(seen, (0, 0, place)));
    })?;
    if !is_whole {
        return Err(EngineError("the CPU itself gives no numbers for it".into()));
    }
    let chunk = Chunk { number: 0, nll: 0, ns: Nanos(0), sketches };
    let refuse = |error: std::io::Error| EngineError(format!("{}: {error}", path.display()));
    let mut writer = AnswerWriter::create(path, &about(&tokens, name)).map_err(refuse)?;
    writer.write(&chunk).map_err(refuse)?;
    writer.finish().map_err(refuse)
}

/// What a session under a row's settings says, held against the CPU's answers. `None` where these are not there.
///
/// # Errors
/// When it does not run.
pub fn look_at<S: Session>(
    session: &mut S,
    config: &Config,
    (path, name): (&Path, &str),
) -> Result<Option<Canary>, EngineError> {
    let tokens = tokens(session, config);
    let kept = Answers::open(path, &about(&tokens, name)).and_then(|mut kept| kept.chunk(0));
    let Ok(Chunk { sketches, .. }) = kept else { return Ok(None) };
    let (mut kld, mut same, mut is_strange) = (0.0, 0_u32, false);
    let is_whole = look(session, &tokens, |place, seen| {
        let sketch = sketches.get(place);
        match sketch.and_then(|sketch| Some((sketch, sketch.divergence(seen)?))) {
            Some((sketch, divergence)) => {
                kld += divergence;
                same += u32::from(sketch.likeliest() == Some(seen.likeliest()));
            }
            None => is_strange = true,
        }
    })?;
    let places = f64::from(TOKENS - FIRST);
    let canary = Canary { kld: Some(kld / places), same_top: f64::from(same) / places };
    let is_number = is_whole && !is_strange && kld.is_finite();
    Ok(Some(if is_number { canary } else { Canary { kld: None, same_top: 0.0 } }))
}

/// Hands over what the model thinks at each place that is compared; whether it gave numbers at all of them.
fn look<S: Session>(
    session: &mut S,
    tokens: &[Token],
    mut each: impl FnMut(usize, &Distribution<'_>),
) -> Result<bool, EngineError> {
    let (first, mut is_whole) = (FIRST as usize, true);
    session.score(tokens, first, &mut |place, logits| match Distribution::of(logits) {
        Some(seen) => each(place - first, &seen),
        None => is_whole = false,
    })?;
    Ok(is_whole)
}

/// A piece of the text that lbench has; numbers in a row for a model that knows no text.
fn tokens<S: Session>(session: &S, config: &Config) -> Vec<Token> {
    let n = TOKENS as usize;
    let mut tokens = session.tokens_of(texts::excerpt()).unwrap_or_default();
    tokens.truncate(n);
    if tokens.len() < n {
        let known = u64::from(config.model.n_vocab.unwrap_or(1).max(1));
        let any =
            |place: u64| Token::try_from(place.wrapping_mul(2_654_435_761) % known).unwrap_or(0);
        tokens = (1..=u64::from(TOKENS)).map(any).collect();
    }
    if let Some(opening) = session.opening_token() {
        tokens[0] = opening;
    }
    tokens
}

fn about(tokens: &[Token], engine: &str) -> About {
    About {
        n_ctx: TOKENS,
        first_scored: FIRST,
        text: short_hash(texts::excerpt().as_bytes()),
        tokens: hash(tokens),
        engine: engine.into(),
    }
}

/// Where the CPU's answers are kept: those of this file, with these cache types, by this engine.
pub fn place(config: &Config, engine: &str) -> PathBuf {
    let model = &config.model;
    let text = format!(
        "{} {} {} {:?} {:?} {}",
        model.header_hash,
        model.file_size.0,
        fingerprint(&model.path).unwrap_or_default(),
        config.type_k,
        config.type_v,
        short_hash(texts::excerpt().as_bytes()),
    );
    folder().join(format!(
        "{}-{}.canary",
        short_hash(text.as_bytes()),
        short_hash(engine.as_bytes())
    ))
}

/// What tells the weights of a file from those of another with the same header: some of them, from all over it.
fn fingerprint(path: &Path) -> std::io::Result<String> {
    const LOOKS: u64 = 16;
    const LOOK: u64 = 4096;
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut seen = Vec::new();
    for look in 1..=LOOKS {
        file.seek(SeekFrom::Start((size / (LOOKS + 1) * look).min(size.saturating_sub(LOOK))))?;
        (&mut file).take(LOOK).read_to_end(&mut seen)?;
    }
    Ok(short_hash(&seen))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::engine::scripted::{Script, ScriptRule, Scripted};
    use crate::record::Health;

    /// What a canary says of a device that follows a rule; the CPU is without fault.
    fn seen(rule: ScriptRule) -> Canary {
        let when = [("n_gpu_layers".to_string(), "99".to_string())].into();
        let whole = ScriptRule { damage: Some(0.0), ..ScriptRule::default() };
        let rules = vec![ScriptRule { when, ..rule }, whole];
        let folder = tempfile::tempdir().unwrap();
        let kept = (&*folder.path().join("a.canary"), "scripted");
        let mut row = crate::plan::tests::config();
        (row.n_gpu_layers, row.model.path) = (99, "none".into());
        let mut engine =
            Scripted::new(Script { gpu: true, rules, ..Script::default() }, Rc::new(|_| {}));
        let config = config_of_row(&row);
        ask_cpu(&mut engine, &config, kept).unwrap();
        engine.load(&config, Extent::of(TOKENS)).unwrap();
        let mut session = engine.open(&config, Extent::of(TOKENS)).unwrap();
        look_at(&mut session, &config, kept).unwrap().unwrap()
    }

    #[test]
    fn a_thousand_loads_that_round_otherwise_raise_no_alarm_and_every_fault_does() {
        let of = |damage: f64| seen(ScriptRule { damage: Some(damage), ..ScriptRule::default() });
        for load in 0..1000 {
            let canary = of(0.002 + f64::from(load) * 2e-5);
            assert_eq!(canary.health(), Health::Well, "{load}: {canary:?}");
        }
        assert_eq!(of(0.2).health(), Health::Suspect);
        for damage in [0.6, 1.0, 5.0, f64::NAN] {
            assert_eq!(of(damage).health(), Health::Broken, "{damage}: {:?}", of(damage));
        }
    }

    #[test]
    fn what_is_no_number_is_broken() {
        let canary =
            seen(ScriptRule { nan_every: Some(0), damage: Some(0.0), ..ScriptRule::default() });
        assert_eq!((canary.kld, canary.health()), (None, Health::Broken));
    }

    #[test]
    fn rows_that_give_no_logits_have_none() {
        let mut config = crate::plan::tests::config();
        assert!(is_possible(&config));
        config.compute.embeddings = true;
        assert!(!is_possible(&config));
    }
}
