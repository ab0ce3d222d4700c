//! What a run's record says of masked secrets: names, forms and counts, never a value; and its texts, once a
//! step has registered more of them.

use std::collections::BTreeMap;

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
    let stream = status_word(stream);
    // A step may have registered many values, each found in many forms.
    let known = counts.iter().enumerate().filter(|(_, known)| known.stream == stream);
    let mut places: BTreeMap<(MaskedText, String, u8), usize> = known
        .map(|(place, known)| ((known.secret.clone(), known.form.clone(), known.offset), place))
        .collect();
    for (found, times) in tally.iter() {
        let offset = match found.shape {
            Shape::Encoded { offset, .. } => offset,
            Shape::Value | Shape::Line | Shape::Layout => 0,
        };
        let secret = masks.text(masks.owner(found.value).name());
        let form = found.shape.name().to_owned();
        let place = *places.entry((secret.clone(), form.clone(), offset)).or_insert(counts.len());
        if place == counts.len() {
            counts.push(MaskedCount { secret, form, offset, stream: stream.clone(), count: 0 });
        }
        counts[place].count += times;
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use subrosa_masker::{End, MaskWriter, Policy};

    use super::count;
    use crate::env::from_text;
    use crate::event::Stream;
    use crate::masks::{Masks, Owner};
    use crate::structured::KeyRules;

    #[test]
    fn what_is_found_is_counted_by_secret_form_and_stream() {
        let masks = Masks::new(Policy::default(), KeyRules::default());
        let secret = |name: &str, value| (Owner::Secret(name.into()), from_text(value));
        masks.add(vec![secret("A", "hunter2-first"), secret("A", "hunter2-second")]).unwrap();
        masks.add(vec![secret("B", "swordfish")]).unwrap();
        let mut counts = Vec::new();
        let mut print = |stream, text: &str| {
            let mut writer = MaskWriter::new(masks.current(), Vec::new());
            writer.write_all(text.as_bytes()).unwrap();
            let (_, tally) = writer.finish_counted(End::Whole).unwrap();
            count(&mut counts, stream, &tally, &masks);
        };
        print(Stream::Stdout, "hunter2-first hunter2-second c3dvcmRmaXNo");
        print(Stream::Stderr, "swordfish");
        print(Stream::Stdout, "hunter2-first c3dvcmRmaXNo swordfish");
        let counts: Vec<_> = counts
            .iter()
            .map(|found| {
                let (secret, form, stream) = (found.secret.as_str(), &found.form, &found.stream);
                format!("{secret} {form} {stream} {}", found.count)
            })
            .collect();
        let expected =
            ["A value stdout 3", "B base64 stdout 2", "B value stderr 1", "B value stdout 1"];
        assert_eq!(counts, expected);
    }
}
