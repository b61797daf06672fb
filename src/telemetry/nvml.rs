//! NVIDIA's management library, as far as a benchmark asks it: one look at a device costs microseconds,
//! but for the energy counter, which takes milliseconds.

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, PerformancePolicy, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::{Device, Nvml};

use crate::machine::cards::bus_id;
use crate::units::Bytes;

/// Names another library than the driver's, for tests and for drivers in odd places.
pub(super) const LIBRARY: &str = "LBENCH_NVML";

/// Opens the library.
///
/// # Errors
/// Why there is none, in a sentence: no driver, no permission.
pub fn open() -> Result<Nvml, String> {
    let mut builder = Nvml::builder();
    let library = std::env::var_os(LIBRARY);
    if let Some(library) = &library {
        builder.lib_path(library);
    }
    // On many systems only the name with a number is there.
    let opened = builder.init().or_else(|error| match &library {
        Some(_) => Err(error),
        None => Nvml::builder().lib_path("libnvidia-ml.so.1".as_ref()).init(),
    });
    opened.map_err(|error| error.to_string())
}

/// Whether a device is the one at this PCI bus id, by whatever domain width it is written with, or of this UUID.
pub fn is_at(device: &Device<'_>, id: &str) -> bool {
    device.pci_info().is_ok_and(|pci| bus_id(&pci.bus_id) == bus_id(id))
        || device.uuid().is_ok_and(|uuid| uuid == id)
}

/// What a device looks like at one moment. Whatever it does not tell is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// Memory of the process that was asked about; `None` where the driver does not list it.
    pub process: Option<Bytes>,
    /// Memory of everybody, what the driver keeps for itself aside.
    pub used: Option<Bytes>,
    /// Power, in watts.
    pub watts: Option<f64>,
    /// Clock of the processors, in MHz.
    pub sm_mhz: Option<u32>,
    /// Clock of the memory, in MHz.
    pub memory_mhz: Option<u32>,
    /// Temperature, in degrees Celsius.
    pub celsius: Option<u32>,
    /// Share of the last moments in which it computed.
    pub utilisation: Option<f64>,
    /// Why clocks are lower than they could be.
    pub reasons: Vec<&'static str>,
}

/// Reasons that have a name here. Those marked are no limits that a card has anyway: something is wrong.
static REASONS: [(ThrottleReasons, &str, bool); 7] = [
    (ThrottleReasons::SW_POWER_CAP, "power_cap", false),
    (ThrottleReasons::SYNC_BOOST, "sync_boost", false),
    (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "clocks_setting", false),
    (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown", true),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal", true),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal", true),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power_brake", true),
];

/// Whether a reason is more than a card's usual limits.
pub fn is_trouble(reason: &str) -> bool {
    REASONS.iter().any(|(_, name, trouble)| *name == reason && *trouble)
}

/// Looks at a device, on behalf of a process.
pub fn look(device: &Device<'_>, pid: u32) -> Look {
    let reasons = device.current_throttle_reasons().unwrap_or(ThrottleReasons::NONE);
    let named = REASONS.iter().filter(|(reason, ..)| reasons.contains(*reason));
    Look {
        process: process_memory(device, pid),
        used: used_memory(device),
        watts: device.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1000.0),
        sm_mhz: device.clock_info(Clock::SM).ok(),
        memory_mhz: device.clock_info(Clock::Memory).ok(),
        celsius: device.temperature(TemperatureSensor::Gpu).ok(),
        utilisation: device.utilization_rates().ok().map(|rates| f64::from(rates.gpu) / 100.0),
        reasons: named.map(|(_, name, _)| *name).collect(),
    }
}

/// Memory of everybody.
pub fn used_memory(device: &Device<'_>) -> Option<Bytes> {
    device.memory_info().ok().map(|memory| Bytes(memory.used))
}

/// Memory of a process; `None` where it is not listed, as in a container that has process numbers of its
/// own, or the driver keeps the figure to itself.
fn process_memory(device: &Device<'_>, pid: u32) -> Option<Bytes> {
    let processes = device.running_compute_processes().ok()?;
    let own = processes.iter().filter(|process| process.pid == pid);
    let used = own.map(|process| match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    });
    // A card that is cut into instances lists a process for each.
    let used: Option<Vec<u64>> = used.collect();
    let used = used.filter(|used| !used.is_empty())?;
    Some(Bytes(used.into_iter().fold(0, u64::saturating_add)))
}

/// The energy counter, in joules. Takes milliseconds, and advances ten times a second.
pub fn energy(device: &Device<'_>) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)] // millijoules; 2^53 of them are nine billion kilojoules
    device.total_energy_consumption().ok().map(|millijoules| millijoules as f64 / 1000.0)
}

/// For how long heat or power has held the device back since the driver started, in nanoseconds.
pub fn held_back(device: &Device<'_>) -> Option<u64> {
    let policies = [PerformancePolicy::Thermal, PerformancePolicy::Power];
    let times = policies.map(|policy| device.violation_status(policy).ok());
    times.into_iter().flatten().map(|time| time.violation_time).reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cap_is_no_trouble() {
        assert!(is_trouble("hw_thermal") && !is_trouble("power_cap") && !is_trouble("?"));
    }
}
