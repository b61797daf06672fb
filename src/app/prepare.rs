//! Preparation: what a sweep needs before it runs: models, plan, links, predictions, and words of warning.

use std::path::Path;

use super::out::tell;
use crate::cli::defaults::Asked;
use crate::cli::{BenchArgs, EngineArgs};
use crate::error::Error;
use crate::hub::{Hub, Shown};
use crate::job::Job;
use crate::journal::Links;
use crate::machine::cards::Cards;
use crate::machine::{DeviceKind, Host};
use crate::models;
use crate::models::prompts;
use crate::plan::{self, Plan, Sweep, Titled};
use crate::record::MemorySplit;
use crate::runner::Runner;
use crate::setup::{Model, Process, Setup};
use crate::telemetry::cards;
use crate::telemetry::sampler::Sampler;
use crate::units::Bytes;
use crate::work::Text;

/// The sweeps as one plan.
pub(super) fn plan_of(
    sweeps: &[Asked],
    models: &[Model],
    host: &Host,
    runner: &mut Runner,
) -> Result<Plan, Error> {
    let sweeps = sweeps_of(sweeps, models, host, runner)?;
    match sweeps.as_slice() {
        [one] => plan::expand(&one.sweep, host),
        several => plan::expand_all(several, host),
    }
}

/// The sweeps, with all that a plan needs of them.
pub(super) fn sweeps_of(
    sweeps: &[Asked],
    models: &[Model],
    host: &Host,
    runner: &mut Runner,
) -> Result<Vec<Titled>, Error> {
    let sweep = |asked: &Asked| {
        let args = &asked.args;
        let (axes, mut works) = (args.axes.resolve(host), args.works.works()?);
        works.extend(args.works.quality.works()?);
        let reference = args.works.quality.reference.as_deref();
        let reference = reference.map(models::of_reference).transpose()?;
        let texts = match &args.works.prompt_file {
            Some(path) => texts_of(path, models, runner)?,
            None => Vec::new(),
        };
        let (models, collapse) = (models.to_vec(), !args.no_collapse);
        let sweep = Sweep { models, axes, works, texts, reference, collapse };
        Ok(Titled { title: asked.title.clone().unwrap_or_default(), cold: args.cold, sweep })
    };
    sweeps.iter().map(sweep).collect()
}

/// Refuses a limit that nobody could keep.
pub(super) fn refuse_unforeseeable(args: &BenchArgs, plan: &Plan) -> Result<(), Error> {
    let placed = |job: &Job| {
        let Setup::Llama(config) = &job.setup;
        config.loading.places_tensors() || config.loading.fits()
    };
    if args.max_vram.is_some() && plan.measured().any(placed) {
        let text = "--max-vram needs a prediction, and there is none for what -ot, -ncmoe, -fitt and -fitc \
                    place: give it without them";
        return Err(Error::Usage(text.into()));
    }
    Ok(())
}

/// The prompts of a file, as each model takes them apart.
fn texts_of(path: &Path, models: &[Model], runner: &mut Runner) -> Result<Vec<Vec<Text>>, Error> {
    let prompts = prompts::read(path)?;
    let mut of_model = |model: &Model| {
        let mut texts = Vec::new();
        // An answer is one message, which has a greatest length.
        for part in prompts::parts(&prompts) {
            let asked = part.iter().map(|prompt| prompt.text.clone()).collect();
            let tokens = runner.tokenize(&model.path, asked)?.map_err(|reason| {
                let (file, model) = (path.display(), model.path.display());
                Error::Usage(format!("--prompt-file {file} cannot be used with {model}: {reason}"))
            })?;
            let named = part.iter().zip(tokens);
            texts.extend(
                named.map(|(prompt, tokens)| Text::new(prompt.name.clone(), &prompt.text, tokens)),
            );
        }
        Ok(texts)
    };
    models.iter().map(&mut of_model).collect()
}

/// The models of `-m` and then those of `-hf`, or the one that is measured without either.
pub(super) fn find_models(args: &BenchArgs) -> Result<Vec<Model>, Error> {
    let wanted = args.hub.wanted()?;
    let none = args.model.is_empty() && wanted.is_empty();
    let names = if none { vec![models::DEFAULT.to_string()] } else { models::names(&args.model) };
    if none {
        tell(&format!(
            "no -m given: measuring {}, a small model with random weights",
            models::DEFAULT
        ));
    }
    let write = !args.dry_run && args.engine.is_real();
    let found = models::resolve(&names, &args.models_dir, write, &mut |text| tell(&text));
    let mut models = found.map_err(|error| models::cut_at_comma(error, &args.model))?;
    if !wanted.is_empty() {
        let hub = Hub::of_user(args.hub.token(), args.hub.offline)?;
        let found = hub.get_all(wanted, Shown::new(args.progress))?;
        for found in &found {
            models.push(models::of_hub(found)?);
        }
    }
    Ok(models)
}

/// The links to all RPC servers of a plan, measured once.
pub(super) fn links_of(runner: &mut Runner, plan: &Plan) -> Result<Links, Error> {
    let mut endpoints: Vec<&String> = Vec::new();
    for endpoint in plan.measured().flat_map(|job| job.setup.servers()) {
        if !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    }
    let measured = endpoints.into_iter().map(|endpoint| {
        tell(&format!("RPC {endpoint}: measuring the link …"));
        Ok((endpoint.clone(), runner.link(endpoint)?))
    });
    measured.collect()
}

/// Most jobs whose memory is predicted beforehand: each takes a moment.
const PREDICTIONS: usize = 200;

/// What each row of a plan would take, where that is known, and that there is not so much.
pub(super) fn predictions(
    runner: &mut Runner,
    plan: &Plan,
    engine: &EngineArgs,
) -> Result<Vec<Option<String>>, Error> {
    let mut texts: Vec<Option<String>> = Vec::new();
    let few = plan.measured().count() <= PREDICTIONS;
    let room = engine.limits().room(None).filter(|_| engine.is_limited());
    let in_words = |split: &MemorySplit| {
        let (device, total) = (&split.device, split.total());
        let lacking = room.as_ref().filter(|room| device == "host" && room.left < total);
        let lacking = lacking.map(|room| format!(", and {room}")).unwrap_or_default();
        format!("{device} {total}{lacking}")
    };
    for planned in &plan.jobs {
        let text = match &planned.same_as {
            Some(same) => texts.get(same.index).cloned().flatten(),
            None if few && planned.is_possible() => {
                runner.predict(&planned.job)?.ok().map(|splits| {
                    let parts = splits.iter().filter(|split| split.total().0 > 0);
                    parts.map(in_words).collect::<Vec<_>>().join(", ")
                })
            }
            None => None,
        };
        texts.push(text.filter(|text| !text.is_empty()));
    }
    Ok(texts)
}

/// The machine with what its engine and its driver tell.
pub(super) fn host(runner: &mut Runner, engine: &EngineArgs) -> Result<Host, Error> {
    let mut host = Host::take(runner.describe()?, &engine.limits());
    host.cards = cards(engine).unwrap_or_default();
    Ok(host)
}

/// The GPUs of this machine. The scripted engine has devices of its own: unless a test plays the machine,
/// what is there is none of its business.
pub(super) fn cards(engine: &EngineArgs) -> Option<Cards> {
    (engine.is_real() || cards::is_played()).then(cards::look)
}

/// Share of a device's memory below which what is free is worth a word.
const CROWDED: u64 = 10;

/// What is worth a word before it starts: a GPU that is there for nothing, kernels that leave speed on the
/// table, flags that change nothing here, modules that were refused.
pub(super) fn warnings(process: Process, host: &Host, plan: &Plan) -> Vec<String> {
    let mut texts = Vec::new();
    let idle = host.cards.unused(&host.engine).filter(|_| plan.asks_for_a_device());
    if let Some(idle) = &idle {
        let all = if host.can_offload { "" } else { ": every row runs on the CPU" };
        texts.push(format!("{idle}{all}"));
    }
    for device in host.engine.devices.iter().filter(|device| device.kind == DeviceKind::Gpu) {
        if device.free < device.total / CROWDED && plan.asks_for_a_device() {
            texts.push(format!(
                "{} has {} of {} free: what other programs hold is not there for this run",
                device.name,
                Bytes(device.free),
                Bytes(device.total)
            ));
        }
    }
    let unused = &host.engine.cpu_features_unused;
    if !unused.is_empty() {
        texts.push(format!(
            "this CPU has {} and the CPU kernels were built without: `make build` makes faster ones",
            unused.join(", ")
        ));
    }
    if process.numa.is_some() && host.numa_nodes == Some(1) {
        texts.push("--numa changes nothing here: this machine has one NUMA node".into());
    }
    // A module that is the reason for the word above needs no second one.
    for module in host.engine.modules.iter().filter(|_| idle.is_none()) {
        if let Some(why) = &module.trouble {
            texts.push(format!("{} was refused: {why}", module.file));
        }
    }
    texts
}

/// What looks at the devices, from before the first worker; why there is nothing, where no driver answers.
pub(super) fn sampler(args: &BenchArgs) -> Option<Result<Sampler, String>> {
    (!args.no_telemetry && !args.dry_run && !args.list_devices).then(Sampler::start)
}

/// Has the devices watched, where the driver knows some of them.
pub(super) fn watch_devices(
    runner: &mut Runner,
    sampler: Option<Result<Sampler, String>>,
    host: &Host,
) {
    let Some(sampler) = sampler else { return };
    let devices = &host.engine.devices;
    if devices.iter().all(|device| device.id.is_none()) {
        return;
    }
    let none = || "it knows none of the devices".to_string();
    let named = sampler.and_then(|sampler| {
        let known = sampler.name(devices);
        if known { Ok(sampler) } else { Err(none()) }
    });
    match named {
        Ok(sampler) => runner.watch_devices(sampler),
        Err(reason) => tell(&format!(
            "no telemetry of the devices: NVIDIA's management library: {reason}; memory figures are \
             the engine's"
        )),
    }
}
