//! Possibility: what is possible with a model: tests that its kind has not, that its positions do not reach, or that its batches do
//! not hold are not begun.

use crate::job::Job;
use crate::setup::{Config, ModelKind, Setup};
use crate::units::counted;
use crate::work::{Quality, Speed, Work};

/// Why a job cannot be measured, in words; `None` if nothing is known against it.
pub(super) fn obstacle(job: &Job) -> Option<String> {
    let Setup::Llama(config) = &job.setup;
    let speed = match &job.work {
        Work::Speed(speed) => speed,
        Work::Quality(quality) => return of_a_text(config, quality),
    };
    let whole = config.model.kind.reads_at_once();
    let of_kind = || if whole { of_one_text(config.model.kind, speed) } else { None };
    // Larger batches would not help beyond the positions.
    let of_batches = || if whole { too_small(config, speed.n_prompt) } else { None };
    of_kind().or_else(|| positions(config, speed)).or_else(of_batches)
}

/// What stands against having a model foretell a text.
fn of_a_text(config: &Config, quality: &Quality) -> Option<String> {
    let kind = config.model.kind;
    if kind.is_mute() || kind == ModelKind::EncoderDecoder {
        return Some(format!("{} does not foretell a text token by token", kind.in_words()));
    }
    let positions = config.model.n_positions.filter(|positions| quality.n_ctx > *positions)?;
    let chunk = counted(quality.n_ctx, "token");
    Some(format!(
        "a chunk has {chunk}, and this model has positions for {positions}: give --quality-ctx {positions}"
    ))
}

/// What a model that takes a text at once cannot do.
fn of_one_text(kind: ModelKind, speed: &Speed) -> Option<String> {
    let name = kind.in_words();
    if kind.is_mute() && speed.n_gen > 0 {
        let what = match kind {
            ModelKind::Diffusion => "writes a whole text at once, not a token at a time",
            _ => "generates nothing: no token comes of a text",
        };
        return Some(format!("{name} {what}"));
    }
    if kind.is_mute() && speed.n_depth > 0 {
        return Some(format!("{name} keeps nothing of earlier texts, so there is no depth"));
    }
    if speed.n_depth > 0 && speed.n_prompt > 0 {
        return Some(format!("{name} takes a text at once, which has no depth"));
    }
    if speed.n_parallel > 1 {
        return Some(format!("{name} is given one text at a time here, so there is no -np"));
    }
    None
}

/// The batches that do not hold a text, and what to give instead.
fn too_small(config: &Config, n_prompt: u32) -> Option<String> {
    let batches = [("-b", config.n_batch), ("-ub", config.n_ubatch)];
    let small: Vec<_> = batches.into_iter().filter(|(_, size)| *size < n_prompt).collect();
    if small.is_empty() {
        return None;
    }
    let words =
        |of: &dyn Fn(&(&str, u32)) -> String| small.iter().map(of).collect::<Vec<_>>().join(" ");
    let given = words(&|(flag, size)| format!("{flag} {size}"));
    let wanted = words(&|(flag, _)| format!("{flag} {n_prompt}"));
    let verb = if small.len() == 1 { "does" } else { "do" };
    Some(format!(
        "{} takes a text at once, never in pieces, and {given} {verb} not hold {}: give {wanted}",
        config.model.kind.in_words(),
        counted(n_prompt, "token")
    ))
}

/// More tokens than there are positions for.
fn positions(config: &Config, speed: &Speed) -> Option<String> {
    let (reach, positions) = (reach(speed), config.model.n_positions?);
    (reach > u64::from(positions)).then(|| {
        format!("{}, and this model has positions for {positions}", counted(reach, "token"))
    })
}

/// Tokens of the longest sequence of a test.
pub(super) fn reach(speed: &Speed) -> u64 {
    [speed.n_depth, speed.n_prompt, speed.n_gen].into_iter().map(u64::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::config;

    fn why(kind: ModelKind, change: impl FnOnce(&mut Config), work: Work) -> Option<String> {
        let mut config = config();
        config.model.kind = kind;
        change(&mut config);
        obstacle(&Job::new(config, work))
    }

    #[test]
    fn what_foretells_nothing_has_no_quality() {
        let passage = crate::work::quality::Passage::new("a".into(), b"", None);
        let role = crate::work::quality::Role::Alone;
        let text = |n_ctx| {
            let passage = passage.clone();
            let (n_chunks, seed, per_mille, role) = (1, None, 0, role.clone());
            Work::Quality(Quality { passage, n_ctx, n_chunks, seed, per_mille, role })
        };
        let said =
            |kind, n_ctx| why(kind, |config| config.model.n_positions = Some(64), text(n_ctx));
        assert!(
            said(ModelKind::Encoder, 64)
                .unwrap()
                .ends_with("does not foretell a text token by token")
        );
        assert!(said(ModelKind::EncoderDecoder, 64).is_some());
        assert_eq!(said(ModelKind::Recurrent, 64), None);
        assert!(said(ModelKind::Decoder, 65).unwrap().ends_with("give --quality-ctx 64"));
    }

    #[test]
    fn an_encoder_reads_one_text_at_a_time() {
        let encoder = |work: Work| why(ModelKind::Encoder, |_| {}, work);
        assert_eq!(encoder(Work::prompt(512)), None);
        let said = |work, words: &str| {
            let why = encoder(work).expect(words);
            assert!(why.starts_with("an encoder ") && why.contains(words), "{why}");
        };
        said(Work::generate(4), "generates nothing");
        said(Work::prompt_generate(4, 4), "generates nothing");
        said(Work::prompt(4).with_depth(128), "no depth");
        said(Work::prompt(4).with_parallel(2, false), "no -np");
        said(Work::prompt(4).with_parallel(2, true), "no -np");
        said(Work::prompt(513), "-ub 512 does not hold 513 tokens: give -ub 513");
        said(Work::prompt(4096), "-b 2048 -ub 512 do not hold 4096 tokens: give -b 4096 -ub 4096");
        let small = |config: &mut Config| config.n_batch = 32;
        let why = why(ModelKind::Encoder, small, Work::prompt(512)).unwrap();
        assert!(why.ends_with("-b 32 does not hold 512 tokens: give -b 512"), "{why}");
    }

    #[test]
    fn kinds_differ_in_what_they_cannot_do() {
        use ModelKind::{Decoder, Diffusion, EncoderDecoder, Hybrid, Recurrent};
        let plain = |kind, work| why(kind, |_| {}, work);
        for kind in [Decoder, Recurrent, Hybrid] {
            let all = Work::prompt_generate(4096, 4).with_depth(9).with_parallel(4, true);
            assert_eq!(plain(kind, all), None);
        }
        let writes = plain(Diffusion, Work::generate(4)).unwrap();
        assert!(writes.starts_with("a diffusion model writes a whole text at once"), "{writes}");
        assert_eq!(plain(Diffusion, Work::prompt(4)), None);
        assert_eq!(plain(EncoderDecoder, Work::prompt_generate(4, 4)), None);
        assert_eq!(plain(EncoderDecoder, Work::generate(4).with_depth(9)), None);
        assert!(plain(EncoderDecoder, Work::prompt(4).with_depth(9)).is_some());
        assert!(plain(EncoderDecoder, Work::generate(4).with_parallel(2, false)).is_some());
        assert!(plain(EncoderDecoder, Work::prompt(513)).is_some());
    }

    #[test]
    fn larger_batches_are_offered_where_they_help() {
        let of_64 = |config: &mut Config| {
            (config.model.n_positions, config.n_ubatch) = (Some(64), 32);
        };
        let why = |n| why(ModelKind::Encoder, of_64, Work::prompt(n)).unwrap();
        assert!(why(64).ends_with("give -ub 64"));
        assert_eq!(why(65), "65 tokens, and this model has positions for 64");
    }

    #[test]
    fn positions_end() {
        let of_64 = |config: &mut Config| config.model.n_positions = Some(64);
        let reach = |work| why(ModelKind::Decoder, of_64, work);
        assert_eq!(reach(Work::prompt(64)), None);
        assert_eq!(reach(Work::prompt_generate(30, 30).with_depth(4)), None);
        let said = "65 tokens, and this model has positions for 64";
        assert_eq!(reach(Work::prompt(65)).unwrap(), said);
        assert_eq!(reach(Work::generate(1).with_depth(64)).unwrap(), said);
        assert_eq!(reach(Work::prompt_generate(30, 30).with_depth(5)).unwrap(), said);
        assert!(reach(Work::prompt(u32::MAX).with_depth(u32::MAX)).is_some());
    }
}
