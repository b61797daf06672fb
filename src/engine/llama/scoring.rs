//! Scoring of a text: the logits behind each of its tokens, in parts that memory has room for.

use super::handles::SEQUENCE;
use super::session::LlamaSession;
use crate::engine::{EngineError, Session as _, Token};

/// Most bytes of logits that are kept at a time.
const LOGITS: usize = 256 << 20;

impl LlamaSession {
    /// See [`crate::engine::Session::score`].
    pub(super) fn score_in_parts(
        &mut self,
        tokens: &[Token],
        first: usize,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), EngineError> {
        self.clear();
        let row = self.n_vocab.unsigned_abs() as usize * size_of::<f32>();
        let most_outputs = (LOGITS / row.max(1)).max(1);
        let most = self.batch.capacity() as usize;
        let mut done = 0;
        while done < tokens.len() {
            let outputs_from = first.saturating_sub(done);
            let part =
                (tokens.len() - done).min(most).min(outputs_from.saturating_add(most_outputs));
            self.batch.clear();
            for &token in &tokens[done..done + part] {
                let is_output = self.position.unsigned_abs() as usize >= first;
                self.batch.push(token, SEQUENCE, self.position, is_output)?;
                self.position += 1;
            }
            self.decode()?;
            self.synchronize();
            for place in outputs_from.min(part)..part {
                let place_in_batch = i32::try_from(place).unwrap_or(i32::MAX);
                each(done + place, self.logits_of(place_in_batch)?);
            }
            done += part;
        }
        Ok(())
    }
}
