//! Weights: where a loaded model's weights ended up. The engine tells in its log only, one line for each buffer:
//! `load_tensors: CUDA0 model buffer size = 252.00 MiB`.

use super::logs::LogLine;

/// Backends that hold weights, joined with `,`, a remote one last; `CPU` where no other does.
///
/// `buffers` pairs the buffer name of each offload device with its backend, in the order of the
/// devices. Anything else is memory of the host: pinned for a GPU, mapped, or repacked.
pub(super) fn backends(lines: &[LogLine], buffers: &[(String, String)]) -> String {
    let holders: Vec<_> = lines.iter().filter_map(|line| buffer(&line.text)).collect();
    let mut backends: Vec<&str> = Vec::new();
    for (name, backend) in buffers {
        let holds = holders.iter().any(|holder| is_of(holder, name, backend));
        if holds && !backends.contains(&backend.as_str()) {
            backends.push(backend);
        }
    }
    let is_known =
        |holder: &&&str| buffers.iter().any(|(name, backend)| is_of(holder, name, backend));
    // Some other memory that is not the host's: devices that act as one.
    let others = holders.iter().filter(|holder| !is_of_host(holder));
    if backends.is_empty() && others.clone().any(|holder| !is_known(&holder)) {
        backends.extend(buffers.iter().map(|(_, backend)| backend.as_str()));
        backends.dedup();
    }
    backends.sort_by_key(|backend| *backend == "RPC");
    if backends.is_empty() { "CPU".to_owned() } else { backends.join(",") }
}

/// The buffer that a log line reports, unless it is empty.
fn buffer(line: &str) -> Option<&str> {
    let (name, size) = line.split_once(" model buffer size = ")?;
    let size: f64 = size.trim().strip_suffix("MiB")?.trim().parse().ok()?;
    let name = name.split_once(": ").map_or(name, |(_, name)| name).trim();
    (size > 0.0).then_some(name)
}

/// Whether a buffer is memory of the host: the CPU's, mapped or repacked (for AMX under a name of its own), or
/// pinned for a device.
pub(super) fn is_of_host(buffer: &str) -> bool {
    buffer.starts_with("CPU") || buffer == "AMX" || buffer.ends_with("_Host")
}

/// Whether `holder` is the device's buffer `name`, a variety of it (`MTL0_Mapped`), or one that the
/// backend splits over its devices (`CUDA_Split`).
fn is_of(holder: &str, name: &str, backend: &str) -> bool {
    let variety = holder.strip_prefix(name).is_some_and(|v| v.is_empty() || v.starts_with('_'));
    variety || holder.strip_prefix(backend) == Some("_Split")
}

#[cfg(test)]
mod tests {
    use super::super::logs::Level;
    use super::*;

    fn holders(log: &[&str], devices: &[(&str, &str)]) -> String {
        let line = |text: &&str| LogLine { level: Level::Info, text: (*text).to_owned() };
        let lines: Vec<_> = log.iter().map(line).collect();
        let pair = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        backends(&lines, &devices.iter().map(pair).collect::<Vec<_>>())
    }

    #[test]
    fn memory_of_the_host_is_the_cpu() {
        let log = [
            "load_tensors:   CPU_Mapped model buffer size =   205.49 MiB",
            "load_tensors:   CPU_REPACK model buffer size =   100.00 MiB",
            "load_tensors:          AMX model buffer size =    80.00 MiB",
            "load_tensors:    CUDA_Host model buffer size =   205.49 MiB",
        ];
        assert_eq!(holders(&log, &[("CUDA0", "CUDA")]), "CPU");
        assert_eq!(holders(&log, &[]), "CPU");
    }

    #[test]
    fn devices_are_named_by_their_backend_once_and_remote_ones_last() {
        let log = [
            "load_tensors: offloaded 29/29 layers to GPU",
            "load_tensors:   CPU_Mapped model buffer size =   308.23 MiB",
            "load_tensors:        CUDA0 model buffer size =  1217.00 MiB",
            "load_tensors:        CUDA1 model buffer size =  1217.00 MiB",
            "load_tensors: RPC0[127.0.0.1:50052] model buffer size =    88.00 MiB",
        ];
        let rpc = ("RPC0[127.0.0.1:50052]", "RPC");
        let devices = [rpc, ("CUDA0", "CUDA"), ("CUDA1", "CUDA")];
        assert_eq!(holders(&log, &devices), "CUDA,RPC");
    }

    #[test]
    fn devices_that_act_as_one_are_their_backend() {
        let log = [
            "load_tensors:   CPU_Mapped model buffer size =   308.23 MiB",
            "load_tensors:   Meta(CUDA0,CUDA1) model buffer size =  1217.00 MiB",
        ];
        assert_eq!(holders(&log, &[("CUDA0", "CUDA"), ("CUDA1", "CUDA")]), "CUDA");
    }

    #[test]
    fn similar_names_are_told_apart() {
        let log = [
            "load_tensors:       CUDA10 model buffer size =  1217.00 MiB",
            "load_tensors:  MTL0_Mapped model buffer size =  1217.00 MiB",
            "load_tensors:      Vulkan0 model buffer size =     0.00 MiB",
        ];
        let devices = [("CUDA1", "CUDA"), ("MTL0", "MTL"), ("Vulkan0", "Vulkan")];
        assert_eq!(holders(&log, &devices), "MTL");
        assert_eq!(holders(&["x: CUDA_Split model buffer size = 1.00 MiB"], &devices), "CUDA");
    }
}
