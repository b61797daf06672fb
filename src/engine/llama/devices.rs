//! Devices: what the engine can compute on: backends, devices, and the kernels that were compiled for the CPU.

use std::ffi::{CStr, c_char, c_void};

use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};
use llama_cpp_sys_2 as sys;

use crate::engine::EngineError;
use crate::machine::{Device, DeviceKind};
use crate::record::DeviceMemory;
use crate::units::Bytes;

/// Every device, the CPU included.
pub(super) fn list() -> Vec<Device> {
    let devices = list_llama_ggml_backend_devices().into_iter();
    devices
        .filter_map(|device| {
            let kind = match device.device_type {
                LlamaBackendDeviceType::Cpu => DeviceKind::Cpu,
                LlamaBackendDeviceType::Gpu => DeviceKind::Gpu,
                LlamaBackendDeviceType::IntegratedGpu => DeviceKind::Igpu,
                LlamaBackendDeviceType::Accelerator => DeviceKind::Accel,
                LlamaBackendDeviceType::Unknown => return None,
            };
            Some(Device {
                name: device.name,
                description: device.description,
                kind,
                id: pci_bus_id(device.index),
                backend: device.backend,
                free: device.memory_free as u64,
                total: device.memory_total as u64,
            })
        })
        .collect()
}

/// PCI bus id of a device, where its backend tells.
fn pci_bus_id(index: usize) -> Option<String> {
    // SAFETY: the index came from the list; the backend fills in the struct, and its strings live as long
    // as the process.
    let id = unsafe {
        let mut props: sys::ggml_backend_dev_props = std::mem::zeroed();
        sys::ggml_backend_dev_get_props(sys::ggml_backend_dev_get(index), &raw mut props);
        text(props.device_id)
    };
    (!id.is_empty()).then_some(id)
}

/// The device of this name.
pub(super) fn named(name: &str) -> Result<sys::ggml_backend_dev_t, EngineError> {
    let c_name = std::ffi::CString::new(name)
        .map_err(|_| EngineError(format!("{name:?} is no name of a device")))?;
    // SAFETY: a NUL-terminated name; devices live as long as the process.
    let device = unsafe { sys::ggml_backend_dev_by_name(c_name.as_ptr()) };
    if device.is_null() {
        let known: Vec<_> = list().into_iter().map(|device| device.name).collect();
        return Err(EngineError(format!(
            "there is no device {name} here; there are {}",
            known.join(", ")
        )));
    }
    Ok(device)
}

/// The buffer type of this name: that of a device.
pub(super) fn buffer_type(name: &str) -> Result<sys::ggml_backend_buffer_type_t, EngineError> {
    let mut known = Vec::new();
    for device in list_llama_ggml_backend_devices() {
        // SAFETY: the index came from the list; devices and buffer types live as long as the process.
        let (buft, is) = unsafe {
            let buft = sys::ggml_backend_dev_buffer_type(sys::ggml_backend_dev_get(device.index));
            (buft, text(sys::ggml_backend_buft_name(buft)))
        };
        if is == name {
            return Ok(buft);
        }
        known.push(is);
    }
    Err(EngineError(format!(
        "-ot: there is no buffer type {name} here; there are {}",
        known.join(", ")
    )))
}

/// The devices that can take layers off the CPU; a remote one counts as a GPU.
pub(super) fn offload() -> Vec<Device> {
    let mut devices = list();
    devices.retain(|device| matches!(device.kind, DeviceKind::Gpu | DeviceKind::Igpu));
    devices
}

/// What each offload device has given away since `before`.
pub(super) fn memory_since(before: &[Device]) -> Vec<DeviceMemory> {
    let now = offload().into_iter();
    now.map(|device| {
        let free_before = before.iter().find(|d| d.name == device.name).map_or(0, |d| d.free);
        DeviceMemory {
            used: Bytes(free_before.saturating_sub(device.free)),
            after_load: None,
            after_context: None,
            total: Bytes(device.total),
            device: device.name,
        }
    })
    .collect()
}

/// Backends in the order they registered.
pub(super) fn backends() -> Vec<String> {
    // SAFETY: every index is below the count; a registry lives as long as the process.
    let name = |i| unsafe { text(sys::ggml_backend_reg_name(sys::ggml_backend_reg_get(i))) };
    // SAFETY: takes nothing.
    let count = unsafe { sys::ggml_backend_reg_count() };
    (0..count).map(name).collect()
}

/// Names of the buffers in which each offload device keeps weights, with the device's backend.
pub(super) fn weight_buffers() -> Vec<(String, String)> {
    let mut buffers = Vec::new();
    for device in list_llama_ggml_backend_devices() {
        let kind = device.device_type;
        if !matches!(kind, LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu) {
            continue;
        }
        // SAFETY: the index came from the list; devices and buffer types live as long as the process.
        let name = unsafe {
            let handle = sys::ggml_backend_dev_get(device.index);
            text(sys::ggml_backend_buft_name(sys::ggml_backend_dev_buffer_type(handle)))
        };
        buffers.push((name, device.backend));
    }
    buffers
}

/// The buffer name of each offload device, and the device's own name.
pub(super) fn buffers() -> Vec<(String, String)> {
    let names = weight_buffers().into_iter().map(|(buffer, _)| buffer);
    names.zip(offload().into_iter().map(|device| device.name)).collect()
}

/// The CPU's registry; `None` where no CPU backend is loaded.
pub(super) fn cpu() -> Option<sys::ggml_backend_reg_t> {
    // SAFETY: a null device is not passed on; devices live as long as the process.
    unsafe {
        let device = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU);
        (!device.is_null()).then(|| sys::ggml_backend_dev_backend_reg(device))
    }
}

/// Address of a function that the CPU backend offers by name; null where it does not.
pub(super) fn cpu_function(name: &CStr) -> *mut c_void {
    let Some(cpu) = cpu() else {
        return std::ptr::null_mut();
    };
    // SAFETY: a live registry and a NUL-terminated name.
    unsafe { sys::ggml_backend_reg_get_proc_address(cpu, name.as_ptr()) }
}

/// Instruction sets that the CPU kernels were compiled for, as ggml names them.
pub(super) fn cpu_features() -> Vec<String> {
    let address = cpu_function(c"ggml_backend_get_features");
    // SAFETY: null becomes `None`; any other address under this name is a function of this type.
    let get: sys::ggml_backend_get_features_t = unsafe { std::mem::transmute(address) };
    let (Some(get), Some(cpu)) = (get, cpu()) else {
        return Vec::new();
    };
    let mut features = Vec::new();
    // SAFETY: the array ends with a null name and lives as long as the process.
    unsafe {
        let mut next = get(cpu);
        while !next.is_null() && !(*next).name.is_null() {
            if text((*next).value) == "1" {
                features.push(text((*next).name));
            }
            next = next.add(1);
        }
    }
    features
}

/// Instruction sets that this CPU has and the kernels lack. AMX is left out: some virtual machines
/// announce it and then trap.
pub(super) fn cpu_features_unused(compiled: &[String]) -> Vec<String> {
    let present = cpu_has().into_iter().filter_map(|(name, has)| has.then_some(name));
    present.filter(|name| !compiled.iter().any(|c| c == name)).map(str::to_owned).collect()
}

/// Instruction sets that ggml has kernels for, and whether this CPU has them.
#[cfg(target_arch = "x86_64")]
fn cpu_has() -> Vec<(&'static str, bool)> {
    use std::arch::is_x86_feature_detected as has;
    vec![
        ("AVX", has!("avx")),
        ("AVX_VNNI", has!("avxvnni")),
        ("AVX2", has!("avx2")),
        ("F16C", has!("f16c")),
        ("FMA", has!("fma")),
        ("BMI2", has!("bmi2")),
        ("AVX512", has!("avx512f")),
        ("AVX512_VBMI", has!("avx512vbmi")),
        ("AVX512_VNNI", has!("avx512vnni")),
        ("AVX512_BF16", has!("avx512bf16")),
    ]
}

/// Instruction sets that ggml has kernels for, and whether this CPU has them.
#[cfg(target_arch = "aarch64")]
fn cpu_has() -> Vec<(&'static str, bool)> {
    use std::arch::is_aarch64_feature_detected as has;
    vec![
        ("NEON", has!("neon")),
        ("FP16_VA", has!("fp16")),
        ("MATMUL_INT8", has!("i8mm")),
        ("SVE", has!("sve")),
        ("DOTPROD", has!("dotprod")),
    ]
}

/// Instruction sets that ggml has kernels for, and whether this CPU has them.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_has() -> Vec<(&'static str, bool)> {
    Vec::new()
}

/// A string of the engine's; empty for null.
///
/// # Safety
/// `pointer` is null or a NUL-terminated string.
pub(super) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller promises the rest.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amx_is_never_called_unused() {
        let unused = cpu_features_unused(&[]);
        assert!(unused.iter().all(|name| !name.contains("AMX")), "{unused:?}");
    }

    #[test]
    fn what_the_kernels_use_is_not_unused() {
        let all: Vec<_> = cpu_has().into_iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(cpu_features_unused(&all), Vec::<String>::new());
    }
}
