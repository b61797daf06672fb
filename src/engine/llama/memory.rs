//! Memory: what the engine takes of each device: read off its log after a load, and worked out before one.
//!
//! The engine keeps its account in a C++ map that the bindings do not reach, and prints it a buffer a line:
//! `load_tensors: CUDA0 model buffer size = 252.00 MiB`. A simulated load prints what the computation would
//! need in the same way; what the weights would take follows from where each layer goes.

use super::logs::LogLine;
use crate::record::MemorySplit;
use crate::setup::Config;
use crate::units::Bytes;

/// The name under which the machine's own memory goes.
const HOST: &str = "host";

/// What the buffers in a log take, by device; `buffers` pairs the buffer name of each offload device with
/// its name. Devices that act as one have a buffer of another name, which then stands for them.
pub(super) fn split(lines: &[LogLine], buffers: &[(String, String)]) -> Vec<MemorySplit> {
    let mut splits = Splits::default();
    for (name, what, bytes) in lines.iter().filter_map(|line| buffer(&line.text)) {
        let is_of = |buffer: &str| {
            name.strip_prefix(buffer).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        let device = buffers.iter().find(|(buffer, _)| is_of(buffer));
        // Pinned memory of a device's backend is the host's.
        let device = device.filter(|_| !name.ends_with("_Host"));
        let other = if super::weights::is_of_host(name) { HOST } else { name };
        let split = splits.of(device.map_or(other, |(_, device)| device));
        let part = match what {
            "model" => &mut split.weights,
            "compute" | "output" => &mut split.compute,
            // KV, RS and whatever else a context keeps.
            _ => &mut split.context,
        };
        part.0 = part.0.saturating_add(bytes);
    }
    splits.0
}

/// A line about a buffer: its name, what is in it, its bytes.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and `as` saturates
fn buffer(line: &str) -> Option<(&str, &str, u64)> {
    let (left, size) = line.split_once(" buffer size = ")?;
    let mib: f64 = size.trim().strip_suffix("MiB")?.trim().parse().ok()?;
    let named = left.split_once(": ").map_or(left, |(_, named)| named).trim();
    let (name, what) = named.split_once(' ')?;
    (mib > 0.0).then(|| (name, what.trim(), (mib * 1024.0 * 1024.0).round() as u64))
}

/// What a load would take, from the log of a simulated one (`lines`), for devices of this much free memory
/// each (by name).
pub(super) fn predicted(
    config: &Config,
    lines: &[LogLine],
    buffers: &[(String, String)],
    devices: &[(String, u64)],
) -> Vec<MemorySplit> {
    let mut splits = Splits(split(lines, buffers));
    for split in &mut splits.0 {
        (split.weights, split.context) = (Bytes(0), Bytes(0));
    }
    let layout = &config.model.layout;
    let blocks = layout.blocks.len();
    let cache = cache(lines);
    let places = places(config, devices);
    let mut add = |device: &str, weights: u64, context: u64| {
        let split = splits.of(device);
        split.weights.0 = split.weights.0.saturating_add(weights);
        split.context.0 = split.context.0.saturating_add(context);
    };
    for (block, place) in layout.blocks.iter().zip(&places) {
        let share = cache / u64::try_from(blocks).unwrap_or(1).max(1);
        let place = place.as_deref().unwrap_or(HOST);
        add(place, block.0, 0);
        add(if config.compute.no_kv_offload { HOST } else { place }, 0, share);
    }
    let output = places.last().and_then(Option::as_deref);
    match output {
        Some(device) => add(device, layout.output.0, 0),
        // The table of a tied model is there once.
        None if layout.tied => {}
        None => add(HOST, layout.output.0, 0),
    }
    add(HOST, layout.input.0, 0);
    splits.0
}

/// The device of each block and, at the end, of the output layer; `None` is the host. As the engine does
/// it: the last layers go to devices, in order, by the devices' shares.
#[allow(clippy::cast_precision_loss)] // memory sizes and layers
fn places(config: &Config, devices: &[(String, u64)]) -> Vec<Option<String>> {
    let all = config.model.layout.blocks.len() + 1;
    let layers = config.effective_gpu_layers(!devices.is_empty()) as usize;
    let start = all.saturating_sub(layers);
    let used: Vec<_> = match config.split_mode {
        crate::setup::SplitMode::None => {
            devices.iter().skip(config.main_gpu as usize).take(1).collect()
        }
        _ => devices.iter().collect(),
    };
    let share = |(index, (_, free)): (usize, &&(String, u64))| match config.tensor_split.as_slice()
    {
        [] => *free as f64,
        shares => f64::from(shares.get(index).copied().unwrap_or(0)),
    };
    let shares: Vec<_> = used.iter().enumerate().map(share).collect();
    let sum: f64 = shares.iter().sum();
    let place = |layer: usize| {
        if layer < start || used.is_empty() {
            return None;
        }
        let at = (layer - start) as f64 / layers.max(1) as f64;
        let mut reached = 0.0;
        let found = shares.iter().position(|share| {
            reached += share / sum.max(1.0);
            reached > at
        });
        used.get(found.unwrap_or(used.len() - 1)).map(|(name, _)| name.clone())
    };
    (0..all).map(place).collect()
}

/// Bytes of all caches, from `llama_kv_cache: size = 14.00 MiB (512 cells, …`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and `as` saturates
fn cache(lines: &[LogLine]) -> u64 {
    let size = |line: &LogLine| {
        let (name, rest) = line.text.split_once(": size = ")?;
        let mib: f64 = rest.split_once("MiB (")?.0.trim().parse().ok()?;
        (name.contains("kv_cache") || name.contains("memory")).then_some(mib)
    };
    (lines.iter().filter_map(size).sum::<f64>() * 1024.0 * 1024.0) as u64
}

/// Splits by device, in the order in which devices came up.
#[derive(Default)]
struct Splits(Vec<MemorySplit>);

impl Splits {
    fn of(&mut self, device: &str) -> &mut MemorySplit {
        let at = self.0.iter().position(|split| split.device == device);
        let at = at.unwrap_or_else(|| {
            self.0.push(MemorySplit { device: device.into(), ..MemorySplit::default() });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

#[cfg(test)]
mod tests {
    use super::super::logs::Level;
    use super::*;
    use crate::plan::tests::config;

    fn lines(log: &[&str]) -> Vec<LogLine> {
        log.iter().map(|text| LogLine { level: Level::Info, text: (*text).to_owned() }).collect()
    }

    fn buffers() -> Vec<(String, String)> {
        vec![("CUDA0".into(), "CUDA0".into()), ("CUDA1".into(), "CUDA1".into())]
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn buffers_are_put_down_to_their_devices() {
        let log = lines(&[
            "load_tensors:   CPU_Mapped model buffer size =   308.23 MiB",
            "load_tensors:        CUDA0 model buffer size =  1217.00 MiB",
            "load_tensors:        CUDA1 model buffer size =     0.00 MiB",
            "llama_context:  CUDA_Host  output buffer size =     0.50 MiB",
            "llama_kv_cache:      CUDA0 KV buffer size =    14.00 MiB",
            "sched_reserve:      CUDA0 compute buffer size =   254.50 MiB",
            "sched_reserve:  CUDA_Host compute buffer size =     5.00 MiB",
            "llama_kv_cache: size =   14.00 MiB (   512 cells,  28 layers",
        ]);
        let splits = split(&log, &buffers());
        assert_eq!(splits.len(), 2, "{splits:?}");
        assert_eq!((splits[0].device.as_str(), splits[0].weights.mib().round()), ("host", 308.0));
        assert_eq!(splits[0].compute, Bytes(5 * MIB + MIB / 2));
        assert_eq!((splits[1].weights, splits[1].context), (Bytes(1217 * MIB), Bytes(14 * MIB)));
        assert_eq!(splits[1].compute, Bytes(254 * MIB + MIB / 2));
    }

    #[test]
    fn layers_go_where_the_engine_puts_them() {
        let mut config = config();
        config.model.layout.blocks = vec![Bytes(10 * MIB); 4];
        config.model.layout.input = Bytes(100 * MIB);
        config.model.layout.output = Bytes(101 * MIB);
        config.model.layout.tied = true;
        config.model.n_layers = 4;
        let log = lines(&["llama_kv_cache: size =    8.00 MiB (   512 cells,   4 layers"]);
        let devices = |n: usize| {
            let both = [("CUDA0".to_string(), 100), ("CUDA1".to_string(), 100)];
            both.into_iter().take(n).collect::<Vec<_>>()
        };
        let mut weights = |ngl: i32, n: usize| -> Vec<(String, u64, u64)> {
            config.n_gpu_layers = ngl;
            let splits = predicted(&config, &log, &buffers(), &devices(n));
            let each = splits.iter();
            each.map(|s| (s.device.clone(), s.weights.0 / MIB, s.context.0 / MIB)).collect()
        };
        let host = |weights, context| ("host".to_string(), weights, context);
        let card = |n: usize, weights, context| (format!("CUDA{n}"), weights, context);
        assert_eq!(weights(0, 1), [host(140, 8)]);
        assert_eq!(weights(2, 1), [host(130, 6), card(0, 111, 2)]);
        assert_eq!(weights(99, 1), [card(0, 141, 8), host(100, 0)]);
        // Five layers over two: three and two, the output with the last.
        assert_eq!(weights(-1, 2), [card(0, 30, 6), card(1, 111, 2), host(100, 0)]);
    }
}
