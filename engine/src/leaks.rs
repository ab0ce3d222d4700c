//! What a run's record says of masked secrets: names, forms and counts, never a value; and its texts, once a
//! step has registered more of them.

use subrosa_masker::{MaskedText, Shape, Tally};

use crate::event::Stream;
use crate::masks::Masks;
use crate::record::{MaskedCount, RunRecord};
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

/// Masks again what a record holds of values: texts that were written into it before a step registered a
/// value that is in them.
pub(crate) fn mask_again(record: &mut RunRecord<MaskedText>, masks: &Masks) {
    let again = |text: &mut MaskedText| {
        let masked = masks.text(text.as_str());
        let has_changed = masked != *text;
        *text = masked;
        has_changed
    };
    for param in &mut record.params {
        param.masked |= again(&mut param.value);
    }
    for step in &mut record.steps {
        for output in &mut step.outputs {
            output.masked |= again(&mut output.value);
        }
        if let Some(message) = &mut step.message {
            again(message);
        }
    }
}
