//! Texts that a model is asked to foretell: one that lbench has, and files.

use std::path::Path;

use crate::encoding;
use crate::error::Error;
use crate::work::quality::Passage;

/// Name of the text that lbench has.
pub const BUILT_IN: &str = "mixed";

/// Prose, technical writing, verse, dialogue and code: `mixed.md` says where it comes from.
static MIXED: &str = include_str!("mixed.txt");

/// Largest text, in bytes.
const MOST: u64 = 1 << 30;

/// The text that lbench has.
pub fn built_in() -> Passage {
    Passage::new(BUILT_IN.into(), MIXED.as_bytes(), None)
}

/// Where the excerpt begins and ends, in bytes.
const EXCERPT: std::ops::Range<usize> = 20_000..24_000;

/// A piece of the text that lbench has: some thousand letters of prose, always the same.
pub fn excerpt() -> &'static str {
    let from = MIXED.ceil_char_boundary(EXCERPT.start);
    &MIXED[from..MIXED.floor_char_boundary(EXCERPT.end)]
}

/// The text in a file.
///
/// # Errors
/// When it cannot be read, or is no text.
pub fn of_file(path: &Path) -> Result<Passage, Error> {
    let refuse = |reason: String| Error::Usage(format!("--text {}: {reason}", path.display()));
    let text = file(path).map_err(refuse)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Passage::new(name, text.as_bytes(), Some(path.to_owned())))
}

/// What a passage says.
///
/// # Errors
/// When its file cannot be read any more, or has become another one.
pub fn read(passage: &Passage) -> Result<String, String> {
    let Some(path) = &passage.path else {
        return if passage.hash == built_in().hash {
            Ok(MIXED.into())
        } else {
            Err(format!("the text {} is that of another version of lbench", passage.name))
        };
    };
    let say = |reason: String| format!("{}: {reason}", path.display());
    let text = file(path).map_err(say)?;
    if Passage::new(String::new(), text.as_bytes(), None).hash != passage.hash {
        return Err(say("the text has changed since the run began".into()));
    }
    Ok(text)
}

fn file(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MOST {
        return Err("it is larger than 1 GiB".into());
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    encoding::decode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_it_was_when_the_run_began() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        std::fs::write(&path, "one two").unwrap();
        let passage = of_file(&path).unwrap();
        assert_eq!((passage.name.as_str(), read(&passage).unwrap().as_str()), ("a.txt", "one two"));
        std::fs::write(&path, "one three").unwrap();
        assert!(read(&passage).unwrap_err().ends_with("changed since the run began"));
        std::fs::write(&path, [0xc3, 0x28]).unwrap();
        let refused = of_file(&path).unwrap_err().to_string();
        assert!(refused.ends_with("a.txt: it is neither UTF-8 nor UTF-16"), "{refused}");
        assert!(of_file(&dir.path().join("no")).unwrap_err().to_string().contains("--text"));
    }

    #[test]
    fn a_text_is_the_same_in_any_encoding() {
        let dir = tempfile::tempdir().unwrap();
        let passage = |bytes: &[u8]| {
            let path = dir.path().join("a.txt");
            std::fs::write(&path, bytes).unwrap();
            let passage = of_file(&path).unwrap();
            assert_eq!(read(&passage).unwrap(), "naïve");
            passage
        };
        let plain = passage("naïve".as_bytes());
        let wide: Vec<u8> = "\u{feff}naïve".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!([passage("\u{feff}naïve".as_bytes()), passage(&wide)], [plain.clone(), plain]);
    }

    #[test]
    fn the_built_in_text_is_long_enough_and_plain() {
        let text = read(&built_in()).unwrap();
        // Four bytes a token: 64 chunks of 512 tokens, and some more.
        assert!(text.len() > 64 * 512 * 4, "{}", text.len());
        assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        let changed = Passage { hash: "0".into(), ..built_in() };
        assert!(read(&changed).is_err());
    }
}
