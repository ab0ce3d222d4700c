//! What a run's record says of masked secrets: names, forms and counts, never a value.

use subrosa_masker::{MaskedText, Shape, Tally};

use crate::event::Stream;
use crate::masks::Masks;
use crate::record::MaskedCount;
use crate::run::status_word;

/// Adds what was found in a stream of a step to what is known of the step.
pub(crate) fn count(
    counts: &mut Vec<MaskedCount<MaskedText>>,
    stream: Stream,
    tally: &Tally,
    masks: &Masks,
) {
    for (found, times) in tally.iter() {
        let offset = match found.shape {
            Shape::Encoded { offset, .. } => offset,
            Shape::Value | Shape::Line | Shape::Layout => 0,
        };
        let new = MaskedCount {
            secret: masks.text(masks.owner(found.value).name()),
            form: found.shape.name().to_owned(),
            offset,
            stream: status_word(stream),
            count: 0,
        };
        let same = counts.iter().position(|known| MaskedCount { count: 0, ..known.clone() } == new);
        let at = same.unwrap_or_else(|| {
            counts.push(new);
            counts.len() - 1
        });
        counts[at].count += times;
    }
}
