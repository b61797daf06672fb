//! Near words: what was probably meant by a word that nobody knows.

/// Least likeness of two words of which one is a slip of the other, by Jaro and Winkler, who give a common
/// beginning more weight; from 0 to 1.
const LIKE: f64 = 0.8;

/// Whether a word is a slip of another.
pub fn is_near(word: &str, known: &str) -> bool {
    strsim::jaro_winkler(word, known) > LIKE
}

/// Of what goes by a known word each, that whose word is the nearest to `word`, where any is near.
pub fn nearest<T>(
    word: &str,
    known: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> &str,
) -> Option<T> {
    let scored = known.into_iter().map(|known| (strsim::jaro_winkler(word, name(&known)), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > LIKE).map(|(_, known)| known)
}

/// All that are near, the nearest first.
pub fn all<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let scored = known.into_iter().map(|known| (strsim::jaro_winkler(word, known), known));
    let mut near: Vec<_> = scored.filter(|(likeness, _)| *likeness > LIKE).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        let known = ["threads", "n-gpu-layers", "batch-size", "ngl", "ctk"];
        let meant = |word: &str| nearest(word, known, |known| known);
        assert_eq!(meant("thread"), Some("threads"));
        assert_eq!(meant("n-gpu-layer"), Some("n-gpu-layers"));
        assert_eq!(meant("nglx"), Some("ngl"));
        assert_eq!(meant("ctkv"), Some("ctk"));
        assert_eq!(meant("nonsense"), None);
        assert_eq!(all("batchsize", known), ["batch-size"]);
        assert!(is_near("treads", "threads") && !is_near("temperature", "threads"));
    }
}
