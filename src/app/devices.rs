//! `lbench --list-devices`: what the engine finds on this machine.

use std::io;

use crate::machine::Host;

/// Lists it.
pub(super) fn list(host: &Host, out: &mut dyn io::Write) -> io::Result<()> {
    let engine = &host.engine;
    writeln!(out, "{}, backends: {}", engine.engine, engine.backends.join(", "))?;
    writeln!(out, "Available devices:")?;
    for device in &engine.devices {
        let mib = |bytes: u64| bytes / 1024 / 1024;
        writeln!(
            out,
            "  {}: {} ({} MiB, {} MiB free)",
            device.name,
            device.description,
            mib(device.total),
            mib(device.free)
        )?;
    }
    for card in host.cards.lines(engine) {
        writeln!(out, "GPU {card}")?;
    }
    for module in &engine.modules {
        let state =
            module.trouble.as_deref().map_or("loaded".into(), |why| format!("refused: {why}"));
        writeln!(out, "Module {}: {state}", module.file)?;
    }
    if !engine.cpu_features.is_empty() {
        writeln!(out, "CPU kernels: {}", engine.cpu_features.join(", "))?;
    }
    Ok(())
}
