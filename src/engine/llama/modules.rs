//! Backends in files of their own: a GPU's, and the CPU's where the build keeps even that in one.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::c_int;
use std::path::{Path, PathBuf};

use llama_cpp_sys_2 as sys;

use super::{devices, logs, model, reason};
use crate::machine::{Module, build};

/// Why a build that has its engine linked in takes no modules: each would bring another engine along.
const LINKED_IN: &str = "this build has its engine linked in and takes no modules";

/// Loads the backends that are not linked in: from `folder` if one is named, else from `backends/` beside
/// the program, else from where the engine looks by itself. What became of each file is returned, and what
/// went wrong in those that were loaded is added to `errors`.
pub(super) fn load(folder: Option<&Path>, errors: &mut Vec<String>) -> Vec<Module> {
    let has_cpu = devices::cpu().is_some();
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("backends")));
    let beside = beside.filter(|path| path.is_dir() && build::SHARED);
    let Some(folder) = folder.map(Path::to_path_buf).or(beside) else {
        if !has_cpu {
            // SAFETY: takes nothing.
            unsafe { sys::ggml_backend_load_all() }
        }
        return Vec::new();
    };
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        files.map(|entry| entry.path()).filter(|path| is_module(path)).collect();
    files.sort();
    let (kernels, mut chosen): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| is_cpu(path));
    // Accelerators first, the CPU last, as the engine orders its own. A second CPU is one too many.
    chosen.extend(best(kernels, score).filter(|_| !has_cpu));
    chosen.iter().map(|path| load_one(path, errors)).collect()
}

/// Of the files with kernels for the CPU, one for each level of CPUs, the one that suits this CPU best.
/// A second one would be a second CPU.
fn best(mut files: Vec<PathBuf>, score: impl Fn(&Path) -> c_int) -> Option<PathBuf> {
    if files.len() < 2 { files.pop() } else { files.into_iter().max_by_key(|path| score(path)) }
}

/// How well a file's kernels suit this CPU, by the file's own word: 0 is not at all.
fn score(path: &Path) -> c_int {
    // SAFETY: a module of the engine does nothing when it is opened or closed, and its function of this name
    // takes nothing and looks at the CPU alone. It is not called after the file is closed.
    unsafe {
        let Ok(library) = libloading::Library::new(path) else {
            return 0;
        };
        let function = library.get::<unsafe extern "C" fn() -> c_int>(b"ggml_backend_score\0");
        // One without a score is for any CPU.
        function.map_or(1, |score| score())
    }
}

fn load_one(path: &Path, errors: &mut Vec<String>) -> Module {
    let file = path.display().to_string();
    if !build::SHARED {
        return Module { file, trouble: Some(LINKED_IN.into()) };
    }
    logs::begin();
    let loaded = model::c_path(path).is_ok_and(|c_path| {
        // SAFETY: a NUL-terminated path that outlives the call.
        !unsafe { sys::ggml_backend_load(c_path.as_ptr()) }.is_null()
    });
    let trouble = (!loaded).then(|| reason::failure("it did not load").0);
    if loaded {
        errors.extend(reason::errors());
    }
    Module { file, trouble }
}

fn is_module(path: &Path) -> bool {
    let name = file_name(path);
    let (begins, ends) = (format!("{DLL_PREFIX}ggml-"), DLL_SUFFIX);
    name.starts_with(&begins) && name.ends_with(ends) && !name.contains("ggml-base")
}

fn is_cpu(path: &Path) -> bool {
    file_name(path).contains("ggml-cpu")
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_of_kernels_is_loaded_and_it_is_the_best() {
        let score = |path: &Path| match file_name(path).as_str() {
            "libggml-cpu-haswell.so" => 7,
            "libggml-cpu-x64.so" => 1,
            _ => 0,
        };
        let files = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(PathBuf::from).collect() };
        let of = |names: &[&str]| best(files(names), score).map(|path| file_name(&path));
        let all = ["libggml-cpu-haswell.so", "libggml-cpu-icelake.so", "libggml-cpu-x64.so"];
        assert_eq!(of(&all).as_deref(), Some("libggml-cpu-haswell.so"));
        // Alone, it is for the engine to refuse, with a reason.
        assert_eq!(of(&["libggml-cpu-icelake.so"]).as_deref(), Some("libggml-cpu-icelake.so"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_file_that_cannot_be_opened_suits_nothing() {
        assert_eq!(score(Path::new("there/is/no/libggml-cpu-x64.so")), 0);
    }
}
