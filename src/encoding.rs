//! Encodings of text files that people hand over: UTF-8, with or without a mark, and UTF-16, as Windows' tools write
//! it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek as _};

/// The mark that may stand at the beginning of a text.
pub const MARK: char = '\u{feff}';
/// It in UTF-8.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether the low byte of each unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

/// The order of a text in UTF-16: by its mark, or by the zeros that Latin letters have there.
fn order(start: &[u8]) -> Option<Order> {
    match start {
        // UTF-32 has the mark of UTF-16, and zeros behind it.
        [0xff, 0xfe, 0, 0, ..] => None,
        [0xff, 0xfe, ..] => Some(Order::Little),
        [0xfe, 0xff, ..] => Some(Order::Big),
        &[a, 0, b, 0, ..] if a > 0 && b > 0 => Some(Order::Little),
        &[0, a, 0, b, ..] if a > 0 && b > 0 => Some(Order::Big),
        _ => None,
    }
}

/// The characters of a text in UTF-16, without its mark; `None` where it is none.
fn utf16(bytes: &[u8], order: Order) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let of = |unit: &[u8; 2]| match order {
        Order::Little => u16::from_le_bytes(*unit),
        Order::Big => u16::from_be_bytes(*unit),
    };
    let units: Vec<_> = units.iter().map(of).collect();
    let text = String::from_utf16(&units).ok().filter(|_| rest.is_empty())?;
    Some(text.strip_prefix(MARK).map_or_else(|| text.clone(), str::to_string))
}

/// The text of a file, without its mark.
///
/// # Errors
/// When it is in neither encoding, in half a sentence.
pub fn decode(bytes: Vec<u8>) -> Result<String, String> {
    let none = || "it is neither UTF-8 nor UTF-16".to_string();
    match order(&bytes) {
        Some(order) => utf16(&bytes, order).ok_or_else(none),
        None => match String::from_utf8(bytes) {
            Ok(text) if text.starts_with(MARK) => Ok(text[MARK.len_utf8()..].to_string()),
            other => other.map_err(|_| none()),
        },
    }
}

/// The same, with a sign in the place of what is no text.
pub fn decode_lossy(bytes: &[u8]) -> String {
    let text = order(bytes).and_then(|order| utf16(bytes, order));
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
    text.strip_prefix(MARK).map_or_else(|| text.clone(), str::to_string)
}

/// A file's text, line by line in UTF-8 and without its mark; bytes that are no text stay as they are.
///
/// # Errors
/// When the file cannot be read.
pub fn reader(mut file: File) -> io::Result<Box<dyn BufRead>> {
    let mut start = Vec::new();
    Read::take(&mut file, 4).read_to_end(&mut start)?;
    if let Some(order) = order(&start) {
        let mut bytes = start;
        file.read_to_end(&mut bytes)?;
        let text = utf16(&bytes, order).map_or(bytes, String::into_bytes);
        return Ok(Box::new(Cursor::new(text)));
    }
    let skipped = if start.starts_with(UTF8_MARK) { UTF8_MARK.len() } else { 0 };
    // A pipe cannot be wound back.
    if file.rewind().is_ok() {
        file.seek_relative(skipped.try_into().unwrap_or(0))?;
        return Ok(Box::new(BufReader::new(file)));
    }
    let start = Cursor::new(start.split_off(skipped.min(start.len())));
    Ok(Box::new(BufReader::new(start.chain(file))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text in every encoding that is read.
    fn all(text: &str) -> Vec<Vec<u8>> {
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        let little = |text: &str| units(text).iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big = |text: &str| units(text).iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let marked = format!("{MARK}{text}");
        vec![
            text.as_bytes().to_vec(),
            marked.clone().into_bytes(),
            little(&marked),
            big(&marked),
            // Without a mark, the zeros tell.
            little(text),
            big(text),
        ]
    }

    #[test]
    fn one_text_in_every_encoding() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in all("ok äöü 😀\r\n{}\n") {
            assert_eq!(decode(bytes.clone()).unwrap(), "ok äöü 😀\r\n{}\n");
            assert_eq!(decode_lossy(&bytes), "ok äöü 😀\r\n{}\n");
            let path = dir.path().join("file");
            std::fs::write(&path, &bytes).unwrap();
            let mut text = String::new();
            reader(File::open(&path).unwrap()).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "ok äöü 😀\r\n{}\n");
        }
    }

    #[test]
    fn what_is_no_text_is_said_or_marked() {
        for bytes in
            [&b"a\xff"[..], b"\xff\xfe\x00\xd8", b"\xff\xfea", b"\xff\xfe\x00\x00a\x00\x00\x00"]
        {
            assert!(decode(bytes.to_vec()).is_err(), "{bytes:?}");
        }
        assert_eq!(decode_lossy(b"a\xff"), "a\u{fffd}");
        assert_eq!(decode(Vec::new()).unwrap(), "");
    }
}
