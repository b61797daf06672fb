//! Remote devices: the engine's own RPC backend, on either end of the link.
//!
//! A server that goes away ends the process that talks to it: the engine has no other way out. That is the
//! worker's death, and a row.

use std::convert::Infallible;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;

use llama_cpp_sys_2 as sys;

use super::roofline::{Backend, Space, TensorMemory};
use super::{devices, params, reason};
use crate::engine::EngineError;
use crate::machine::Link;
use crate::units::Nanos;

type AddServer = unsafe extern "C" fn(*const c_char) -> sys::ggml_backend_reg_t;
type StartServer =
    unsafe extern "C" fn(*const c_char, *const c_char, usize, usize, *mut sys::ggml_backend_dev_t);

/// Elements of the tensor that travels: 4 MiB, below the size from which servers look for a copy of theirs.
const ELEMENTS: i64 = 1 << 20;
/// Round trips that are timed.
const ROUND_TRIPS: usize = 50;
/// Time for each direction.
const BUDGET: Nanos = Nanos(1_000_000_000);

/// Makes the devices of a server known to the engine.
pub(super) fn add(endpoint: &str) -> Result<(), EngineError> {
    let address = function(c"ggml_backend_rpc_add_server")?;
    let c_endpoint = text(endpoint)?;
    // SAFETY: not null, and a function of this type under this name; a NUL-terminated text, which the
    // engine copies.
    let registry = unsafe {
        let add = std::mem::transmute::<*mut c_void, AddServer>(address);
        add(c_endpoint.as_ptr())
    };
    if registry.is_null() {
        return Err(reason::failure(&format!("failed to connect to {endpoint}")));
    }
    // SAFETY: a live registry, which lives as long as the process.
    unsafe { sys::ggml_backend_register(registry) };
    Ok(())
}

/// Serves the named devices (all but remote ones if none is named) at `endpoint`, until the process ends.
///
/// # Errors
/// When a device does not exist or the endpoint cannot be listened at; otherwise it does not return.
pub fn serve(
    endpoint: &str,
    cache: Option<&Path>,
    n_threads: u32,
    names: &[String],
) -> Result<Infallible, EngineError> {
    let address = function(c"ggml_backend_rpc_start_server")?;
    let names = if names.is_empty() {
        let gpus = devices::offload().into_iter().map(|device| device.name);
        let gpus: Vec<_> = gpus.collect();
        if gpus.is_empty() { vec!["CPU".to_string()] } else { gpus }
    } else {
        names.to_vec()
    };
    let mut served =
        names.iter().map(|name| devices::named(name)).collect::<Result<Vec<_>, _>>()?;
    let c_endpoint = text(endpoint)?;
    let c_cache = cache.map(super::model::c_path).transpose()?;
    let n_threads = params::thread_count(n_threads)?.unsigned_abs() as usize;
    // SAFETY: not null, and a function of this type under this name; texts and devices outlive the call.
    unsafe {
        let start = std::mem::transmute::<*mut c_void, StartServer>(address);
        let cache = c_cache.as_ref().map_or(std::ptr::null(), |cache| cache.as_ptr());
        start(c_endpoint.as_ptr(), cache, n_threads, served.len(), served.as_mut_ptr());
    }
    Err(EngineError(format!("the server at {endpoint} did not start, or stopped")))
}

/// Measures the link to a server: its devices, round trips, and bytes a second both ways.
pub(super) fn link(endpoint: &str) -> Result<Link, EngineError> {
    let known: Vec<_> = devices::list().into_iter().map(|device| device.name).collect();
    add(endpoint)?;
    let mut remote = devices::list();
    remote.retain(|device| !known.contains(&device.name));
    let first = remote.first().ok_or_else(|| EngineError("the server has no devices".into()))?;
    let backend = Backend::new(&first.name, 1)?;
    let traveller = Traveller::new(&backend).ok_or_else(|| reason::failure("no room there"))?;
    let mut trips: Vec<_> = (0..ROUND_TRIPS).map(|_| traveller.fetch(4)).collect();
    trips.sort_unstable();
    let round_trip = trips[trips.len() / 2];
    // What is sent has no answer of its own: the small fetch behind it has.
    let up = rate(|| {
        traveller.send();
        traveller.fetch(4);
    });
    let down = rate(|| {
        traveller.fetch(traveller.data.len());
    });
    Ok(Link {
        // Who greeted the server knows it.
        protocol: None,
        devices: remote,
        round_trip,
        up: up.map(|seconds| traveller.per_second(seconds, round_trip)),
        down: down.map(|seconds| traveller.per_second(seconds, round_trip)),
    })
}

/// Seconds that one turn takes, over many; `None` if the clock saw none.
fn rate(mut turn: impl FnMut()) -> Option<f64> {
    turn();
    let start = Nanos::monotonic();
    let mut turns = 0_u32;
    while turns < 3 || Nanos::monotonic().since(start) < BUDGET {
        turn();
        turns += 1;
    }
    let seconds = Nanos::monotonic().since(start).seconds() / f64::from(turns);
    (seconds > 0.0).then_some(seconds)
}

/// A tensor on the remote device.
struct Traveller {
    tensor: *mut sys::ggml_tensor,
    data: Vec<u8>,
    // What the tensor lies in.
    _memory: TensorMemory,
    _space: Space,
}

impl Traveller {
    fn new(backend: &Backend) -> Option<Self> {
        let space = Space::new(1, false)?;
        // SAFETY: a live space with room for one tensor, and a live backend that gives it memory.
        let (tensor, memory) = unsafe {
            let tensor = sys::ggml_new_tensor_1d(space.as_ptr(), sys::GGML_TYPE_F32, ELEMENTS);
            (tensor, sys::ggml_backend_alloc_ctx_tensors(space.as_ptr(), backend.as_ptr()))
        };
        let memory = TensorMemory::of(memory)?;
        // Nothing that could be compressed on the way.
        let bytes = usize::try_from(ELEMENTS).ok()? * 4;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        let data = (0..bytes).map(|_| byte()).collect();
        Some(Self { tensor, data, _memory: memory, _space: space })
    }

    /// Sends all of it.
    fn send(&self) {
        // SAFETY: a tensor with memory of this size.
        unsafe {
            let data = self.data.as_ptr().cast::<c_void>();
            sys::ggml_backend_tensor_set(self.tensor, data, 0, self.data.len());
        }
    }

    /// Fetches its first bytes: how long that takes.
    fn fetch(&self, bytes: usize) -> Nanos {
        let mut into = vec![0_u8; bytes.min(self.data.len())];
        let start = Nanos::monotonic();
        // SAFETY: a tensor with memory of at least this size, and as much room here.
        unsafe {
            let data = into.as_mut_ptr().cast::<c_void>();
            sys::ggml_backend_tensor_get(self.tensor, data, 0, into.len());
        }
        Nanos::monotonic().since(start)
    }

    /// Bytes a second, when all of it takes this long with one round trip in it.
    #[allow(clippy::cast_precision_loss)] // megabytes
    fn per_second(&self, seconds: f64, round_trip: Nanos) -> f64 {
        self.data.len() as f64 / (seconds - round_trip.seconds()).max(seconds / 10.0)
    }
}

/// A function of the RPC backend.
fn function(name: &CStr) -> Result<*mut c_void, EngineError> {
    // SAFETY: NUL-terminated names; a null registry is not passed on.
    let address = unsafe {
        let registry = sys::ggml_backend_reg_by_name(c"RPC".as_ptr());
        if registry.is_null() {
            std::ptr::null_mut()
        } else {
            sys::ggml_backend_reg_get_proc_address(registry, name.as_ptr())
        }
    };
    if address.is_null() {
        return Err(EngineError("this build of llama.cpp has no RPC backend".into()));
    }
    Ok(address)
}

fn text(text: &str) -> Result<CString, EngineError> {
    CString::new(text).map_err(|_| EngineError(format!("{text:?} is no endpoint")))
}
