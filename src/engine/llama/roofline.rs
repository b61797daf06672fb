//! Roof of a device: what a device can do at best, found out with the engine's own matrix products: a matrix times a
//! vector reads the matrix once from memory, a matrix times 512 vectors computes. Of several element
//! types the best counts, so that a model of any type stays below it.

use std::ffi::CString;
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use super::handles::Threads;
use super::{params, reason};
use crate::engine::EngineError;
use crate::machine::Roof;
use crate::units::Nanos;

/// Time for each element type, after a first run that is not counted.
const BUDGET: Nanos = Nanos(150_000_000);
/// Runs for each element type, whatever they take.
const LEAST_RUNS: u32 = 3;
/// Length of a row: whole blocks of every type.
const ROW: i64 = 4096;
/// Vectors of the product that computes: a physical batch.
const BATCH: i64 = 512;

/// Measures the device of this name, the CPU with `n_threads` threads.
pub(super) fn measure(name: &str, n_threads: u32) -> Result<Roof, EngineError> {
    let backend = Backend::new(name, n_threads)?;
    // Working sets far beyond the caches, and a quarter of what is free at most.
    let (set, rows, products) = if backend.is_cpu {
        (256 << 20, 1024, i64::from(n_threads / 8).clamp(1, 16))
    } else {
        (1 << 30, 8192, 8)
    };
    let set = i64::try_from(backend.free() / 4).unwrap_or(i64::MAX).min(set);
    let streams = [sys::GGML_TYPE_F32, sys::GGML_TYPE_F16, sys::GGML_TYPE_Q8_0];
    let bandwidth = streams.into_iter().filter_map(|element| {
        // SAFETY: a valid type.
        let row_bytes = i64::try_from(unsafe { sys::ggml_row_size(element, ROW) }).ok()?;
        let rows = 4096;
        let count = set / (row_bytes * rows);
        let shape = ProductShape { element, rows, vectors: 1, count };
        let seconds = Products::new(&backend, shape, backend.memory())?.seconds(&backend)?;
        Some(float(row_bytes * rows * count) / seconds)
    });
    let bandwidth = bandwidth.reduce(f64::max);
    let types = [sys::GGML_TYPE_F32, sys::GGML_TYPE_F16, sys::GGML_TYPE_Q8_0, sys::GGML_TYPE_Q4_0];
    let kinds = backend.kinds_of_memory();
    let pairs =
        types.into_iter().flat_map(|element| kinds.iter().map(move |kind| (element, *kind)));
    let compute = pairs.filter_map(|(element, kind)| {
        let shape = ProductShape { element, rows, vectors: BATCH, count: products };
        let seconds = Products::new(&backend, shape, kind)?.seconds(&backend)?;
        Some(2.0 * float(ROW * rows * BATCH * products) / seconds)
    });
    Ok(Roof { bandwidth, compute: compute.reduce(f64::max) })
}

#[allow(clippy::cast_precision_loss)] // below 2^53
fn float(n: i64) -> f64 {
    n as f64
}

/// Owner of a device's stream of work, and of its threads if it is the CPU.
pub(super) struct Backend {
    handle: sys::ggml_backend_t,
    device: sys::ggml_backend_dev_t,
    is_cpu: bool,
    // Kept for as long as the stream computes with them.
    threads: Option<Threads>,
}

impl Backend {
    pub(super) fn new(name: &str, n_threads: u32) -> Result<Self, EngineError> {
        let n_threads = params::thread_count(n_threads)?;
        let missing = || EngineError(format!("there is no device {name}"));
        let c_name = CString::new(name).map_err(|_| missing())?;
        // SAFETY: a NUL-terminated name.
        let device = unsafe { sys::ggml_backend_dev_by_name(c_name.as_ptr()) };
        if device.is_null() {
            return Err(missing());
        }
        // SAFETY: a live device; it takes no parameters.
        let (handle, kind) = unsafe {
            (
                sys::ggml_backend_dev_init(device, std::ptr::null()),
                sys::ggml_backend_dev_type(device),
            )
        };
        if handle.is_null() {
            return Err(reason::failure("the device did not start"));
        }
        let is_cpu = kind == sys::GGML_BACKEND_DEVICE_TYPE_CPU;
        let mut backend = Self { handle, device, is_cpu, threads: None };
        if is_cpu {
            let threads = Threads::new(params::plain_threadpool(n_threads))?;
            threads.drive(backend.handle, n_threads);
            backend.threads = Some(threads);
        }
        Ok(backend)
    }

    /// The handle, for the calls of others. Valid as long as this value.
    pub(super) fn as_ptr(&self) -> sys::ggml_backend_t {
        self.handle
    }

    /// Free memory of the device.
    fn free(&self) -> usize {
        let (mut free, mut total) = (0, 0);
        // SAFETY: a live device and two numbers to write to.
        unsafe { sys::ggml_backend_dev_memory(self.device, &raw mut free, &raw mut total) };
        free
    }

    /// The kind of memory that tensors usually lie in.
    fn memory(&self) -> sys::ggml_backend_buffer_type_t {
        // SAFETY: a live device.
        unsafe { sys::ggml_backend_dev_buffer_type(self.device) }
    }

    /// Every kind of memory that weights may lie in: on a CPU also those in which they are repacked.
    fn kinds_of_memory(&self) -> Vec<sys::ggml_backend_buffer_type_t> {
        let mut kinds = vec![self.memory()];
        // SAFETY: a live device, whose registry lives as long as the process; null becomes `None`, and
        // any other address under this name has this type.
        let extra: sys::ggml_backend_dev_get_extra_bufts_t = unsafe {
            let registry = sys::ggml_backend_dev_backend_reg(self.device);
            let name = c"ggml_backend_dev_get_extra_bufts".as_ptr();
            std::mem::transmute(sys::ggml_backend_reg_get_proc_address(registry, name))
        };
        if let Some(extra) = extra {
            // SAFETY: null, or an array that ends with null and lives as long as the process.
            unsafe {
                let mut next = extra(self.device);
                while !next.is_null() && !(*next).is_null() {
                    kinds.push(*next);
                    next = next.add(1);
                }
            }
        }
        kinds
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed only here, before its threads.
        unsafe { sys::ggml_backend_free(self.handle) }
    }
}

/// Which products are computed in one go: `count` matrices of `rows` rows, each times `vectors` vectors.
#[derive(Clone, Copy)]
struct ProductShape {
    element: sys::ggml_type,
    rows: i64,
    vectors: i64,
    count: i64,
}

/// Owner of a space for descriptions of tensors.
pub(super) struct Space(NonNull<sys::ggml_context>);

impl Space {
    pub(super) fn new(tensors: usize, graph: bool) -> Option<Self> {
        // SAFETY: the engine makes the space by itself, of this size, and takes numbers only.
        let space = unsafe {
            let graph = if graph { sys::ggml_graph_overhead_custom(tensors, false) } else { 0 };
            sys::ggml_init(sys::ggml_init_params {
                mem_size: tensors * sys::ggml_tensor_overhead() + graph,
                mem_buffer: std::ptr::null_mut(),
                no_alloc: true,
            })
        };
        NonNull::new(space).map(Self)
    }

    /// The handle, for the calls of others. Valid as long as this value.
    pub(super) fn as_ptr(&self) -> *mut sys::ggml_context {
        self.0.as_ptr()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed only here.
        unsafe { sys::ggml_free(self.0.as_ptr()) }
    }
}

/// Owner of memory for tensors.
pub(super) struct TensorMemory(NonNull<sys::ggml_backend_buffer>);

impl TensorMemory {
    /// Takes what the engine made; `None` for null.
    pub(super) fn of(memory: sys::ggml_backend_buffer_t) -> Option<Self> {
        NonNull::new(memory).map(Self)
    }
}

impl Drop for TensorMemory {
    fn drop(&mut self) {
        // SAFETY: made by the engine, freed only here.
        unsafe { sys::ggml_backend_buffer_free(self.0.as_ptr()) }
    }
}

/// Products that are ready to be computed.
struct Products {
    graph: *mut sys::ggml_cgraph,
    // What the graph points to.
    _memory: [TensorMemory; 2],
    _spaces: [Space; 2],
}

impl Products {
    /// Makes them, the matrices in memory of this `kind`; `None` where the device does not compute such
    /// a product, or has no room for it.
    fn new(
        backend: &Backend,
        shape: ProductShape,
        kind: sys::ggml_backend_buffer_type_t,
    ) -> Option<Self> {
        let count = usize::try_from(shape.count).ok().filter(|&count| count > 0)?;
        let (weights, work) = (Space::new(count, false)?, Space::new(2 * count + 1, true)?);
        let of = |space: &Space| space.0.as_ptr();
        // SAFETY: live spaces with room for these tensors and this graph.
        let (matrices, products, graph) = unsafe {
            let vectors =
                sys::ggml_new_tensor_2d(of(&work), sys::GGML_TYPE_F32, ROW, shape.vectors);
            let matrix = |_| sys::ggml_new_tensor_2d(of(&weights), shape.element, ROW, shape.rows);
            let matrices: Vec<_> = (0..count).map(matrix).collect();
            let product = |matrix: &_| sys::ggml_mul_mat(of(&work), *matrix, vectors);
            let products: Vec<_> = matrices.iter().map(product).collect();
            let graph = sys::ggml_new_graph_custom(of(&work), 2 * count + 1, false);
            (matrices, products, graph)
        };
        if !supported(backend, matrices[0], products[0], kind) {
            return None;
        }
        // SAFETY: live spaces, whose tensors have no memory yet.
        let memory = unsafe {
            [
                sys::ggml_backend_alloc_ctx_tensors_from_buft(of(&weights), kind),
                sys::ggml_backend_alloc_ctx_tensors(of(&work), backend.handle),
            ]
        };
        let [a, b] = memory.map(|memory| NonNull::new(memory).map(TensorMemory));
        let memory = [a?, b?];
        let data = encoded(shape.element, shape.rows);
        for matrix in matrices {
            fill(matrix, &data);
        }
        // SAFETY: the tensors have memory now, and the graph has room for them; the vectors are the
        // second operand of every product.
        unsafe {
            fill((*products[0]).src[1], &encoded(sys::GGML_TYPE_F32, shape.vectors));
            for product in products {
                sys::ggml_build_forward_expand(graph, product);
            }
        }
        Some(Self { graph, _memory: memory, _spaces: [weights, work] })
    }

    /// Seconds of the fastest of several runs; `None` where one fails.
    fn seconds(&self, backend: &Backend) -> Option<f64> {
        let mut fastest = f64::INFINITY;
        self.run(backend)?;
        let start = Nanos::monotonic();
        let mut runs = 0;
        while runs < LEAST_RUNS || Nanos::monotonic().since(start) < BUDGET {
            fastest = fastest.min(self.run(backend)?);
            runs += 1;
        }
        (fastest > 0.0).then_some(fastest)
    }

    fn run(&self, backend: &Backend) -> Option<f64> {
        let start = Nanos::monotonic();
        // SAFETY: a live backend, and a graph whose tensors have memory of it. It waits for the device.
        let status = unsafe { sys::ggml_backend_graph_compute(backend.handle, self.graph) };
        let took = Nanos::monotonic().since(start);
        (status == sys::GGML_STATUS_SUCCESS).then(|| took.seconds())
    }
}

/// Whether the device computes this product with its matrix in memory of this kind. The engine looks at
/// the matrix's memory to tell, so it gets an empty one for a moment.
fn supported(
    backend: &Backend,
    matrix: *mut sys::ggml_tensor,
    product: *mut sys::ggml_tensor,
    kind: sys::ggml_backend_buffer_type_t,
) -> bool {
    // SAFETY: live tensors without memory; the empty memory is taken away again before it is freed.
    unsafe {
        let empty = sys::ggml_backend_buft_alloc_buffer(kind, 0);
        (*matrix).buffer = empty;
        let supported = sys::ggml_backend_dev_supports_op(backend.device, product);
        (*matrix).buffer = std::ptr::null_mut();
        sys::ggml_backend_buffer_free(empty);
        supported
    }
}

/// So many rows of small numbers in this type. Not zeros, with which some devices are faster.
fn encoded(element: sys::ggml_type, rows: i64) -> Vec<u8> {
    let pattern = |i: i64| f32::from(u8::try_from(i * 37 % 251).unwrap_or(0)) / 251.0 - 0.5;
    let numbers: Vec<f32> = (0..ROW).map(pattern).collect();
    // SAFETY: a valid type.
    let mut row = vec![0_u8; unsafe { sys::ggml_row_size(element, ROW) }];
    // SAFETY: as many numbers as a row has, and room for their encoding; these types need no importance
    // matrix.
    unsafe {
        let to = row.as_mut_ptr().cast();
        sys::ggml_quantize_chunk(element, numbers.as_ptr(), to, 0, 1, ROW, std::ptr::null());
    }
    row.repeat(usize::try_from(rows).unwrap_or(0))
}

/// Sets all of a tensor's data.
fn fill(tensor: *mut sys::ggml_tensor, data: &[u8]) {
    // SAFETY: a live tensor with memory, and data of exactly its size.
    unsafe {
        debug_assert_eq!(sys::ggml_nbytes(tensor), data.len());
        sys::ggml_backend_tensor_set(tensor, data.as_ptr().cast(), 0, data.len());
    }
}
