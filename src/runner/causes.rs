//! Causes: what kind of trouble an error text or a log is about. The engine has no codes for it, only words.

use crate::record::Trouble;

/// Words of the engine, in lower case, and the trouble that they stand for. The first that is found
/// counts, so the telling ones come first.
static WORDS: [(&str, Trouble); 33] = [
    ("quantized v cache", Trouble::CacheType),
    ("v cache quantization requires", Trouble::CacheType),
    ("requires flash_attn", Trouble::CacheType),
    ("unknown model architecture", Trouble::Architecture),
    ("unsupported model architecture", Trouble::Architecture),
    ("remote rpc server crashed", Trouble::Remote),
    ("failed to connect to", Trouble::Remote),
    ("rpc: ", Trouble::Remote),
    ("failed to send rpc command", Trouble::Remote),
    ("rpc handshake failed", Trouble::Remote),
    ("cudamalloc failed", Trouble::DeviceMemory),
    ("cuda error: out of memory", Trouble::DeviceMemory),
    ("out of device memory", Trouble::DeviceMemory),
    ("erroroutofdevicememory", Trouble::DeviceMemory),
    ("hipmalloc failed", Trouble::DeviceMemory),
    ("failed to allocate cuda", Trouble::DeviceMemory),
    ("unable to allocate cuda", Trouble::DeviceMemory),
    ("failed to allocate rpc", Trouble::DeviceMemory),
    ("unable to allocate rpc", Trouble::DeviceMemory),
    ("thread creation failed", Trouble::Threads),
    ("ggml_assert(rc == 0) failed", Trouble::Threads),
    ("the system gives no further thread", Trouble::Threads),
    ("failed to allocate cpu buffer", Trouble::HostMemory),
    ("failed to allocate buffer", Trouble::HostMemory),
    ("unable to allocate", Trouble::HostMemory),
    ("no memory for the computation", Trouble::HostMemory),
    ("bad_alloc", Trouble::HostMemory),
    ("mmap failed: cannot allocate memory", Trouble::HostMemory),
    ("insufficient memory", Trouble::HostMemory),
    ("memory allocation of", Trouble::HostMemory),
    ("not within the file bounds", Trouble::File),
    ("invalid magic", Trouble::File),
    ("tensor data is out of bounds", Trouble::File),
];

/// The trouble that these lines speak of.
pub(super) fn trouble<'a>(lines: impl Iterator<Item = &'a str>) -> Trouble {
    let text = lines.collect::<Vec<_>>().join("\n").to_lowercase();
    let found = WORDS.iter().find(|(words, _)| text.contains(words));
    found.map_or(Trouble::Other, |(_, trouble)| *trouble)
}

/// What to try, where the kind of trouble tells.
pub(super) fn advice(trouble: Trouble) -> Option<&'static str> {
    Some(match trouble {
        Trouble::DeviceMemory => {
            "the device has no room: offload fewer layers (-ngl), or use a smaller context, batch or type"
        }
        Trouble::HostMemory => {
            "memory has no room for it: use a smaller model, context or batch, or offload more layers"
        }
        Trouble::Threads => {
            "the system allows no more threads (ulimit -u, pids of the control group): use fewer (-t)"
        }
        Trouble::CacheType => "a quantized V cache needs flash attention: -fa on",
        Trouble::Architecture => "this llama.cpp does not know the model's architecture",
        Trouble::File => "the model file is damaged or incomplete: fetch it again",
        Trouble::Remote => "the RPC server is gone or cannot be reached: see to it that it runs",
        Trouble::Instruction | Trouble::Other => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_recognised() {
        let of = |text: &str| trouble(text.lines());
        assert_eq!(of("alloc: cudaMalloc failed: out of memory"), Trouble::DeviceMemory);
        assert_eq!(
            of("unable to allocate CUDA0 buffer (failed to allocate CUDA0 buffer of size 9)"),
            Trouble::DeviceMemory
        );
        assert_eq!(of("failed to allocate CPU buffer of size 9"), Trouble::HostMemory);
        assert_eq!(of("quantized V cache requires flash_attn to be enabled"), Trouble::CacheType);
        assert_eq!(of("unknown model architecture: 'foo'"), Trouble::Architecture);
        assert_eq!(
            of("a\nRemote RPC server crashed or returned malformed response\n#1 x"),
            Trouble::Remote
        );
        assert_eq!(of("GGML_ASSERT(x) failed"), Trouble::Other);
        assert_eq!(of("mmap failed: Cannot allocate memory"), Trouble::HostMemory);
        assert_eq!(
            of("libgomp: Thread creation failed: Resource temporarily unavailable"),
            Trouble::Threads
        );
    }

    #[test]
    fn words_can_be_found() {
        assert!(WORDS.iter().all(|(words, _)| *words == words.to_lowercase()));
    }
}
