//! The masks of a run, shared by every sink; they only ever grow.
//!
//! A called workflow adds its own secrets, a field taken out of a JSON secret is added when it is
//! taken. Sinks look for a newer set before each piece they write.
//!
//! What we make of a value ourselves is masked like the value: its text where it is not UTF-8, and its
//! quoted form, since variables and results in JSON put values into other values. The masker makes most of these
//! forms itself, but not all that is made *of* them: base64 of a quoted value (of `DAG_PARAMS_JSON`), JSON in JSON
//! in JSON, quoted forms of values under 8 bytes, of single lines, and of values that are not UTF-8.

mod held;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use subrosa_masker::{MASK, MaskSet, MaskWriter, MaskedText, Policy, Reach, TooLarge};
use zeroize::Zeroizing;

pub(crate) use self::held::{Core, Owner};

use self::held::Held;
use crate::host::Host;
use crate::late::{BYTES_MAX, VALUES_MAX};
use crate::secret::SecretValue;
use crate::select;
use crate::structured::{self, KeyRules};
use crate::workflow::Workflow;

/// Strings inside a JSON secret are masked from this length on, as lines of a multi-line value are.
const PART_LEN_MIN: usize = 8;

pub(crate) struct Masks {
    policy: Policy,
    keys: KeyRules,
    current: RwLock<Arc<MaskSet>>,
    held: Mutex<Held>,
}

/// Why values that a step registered cannot be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    TooMany,
    TooLarge,
    Unmaskable,
}

impl Masks {
    pub(crate) fn new(policy: Policy, keys: KeyRules) -> Masks {
        Masks {
            policy,
            keys,
            current: RwLock::new(Arc::new(MaskSet::empty())),
            held: Mutex::new(Held::default()),
        }
    }

    pub(crate) fn current(&self) -> Arc<MaskSet> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Those of a run of a workflow.
    pub(crate) fn of_run(workflow: &Workflow, host: &Host) -> Masks {
        let default = Policy::default();
        let short = host.short.or(workflow.masking.short).unwrap_or(default.short);
        Masks::new(Policy { short, ..default }, KeyRules::new(&workflow.masking.keys))
    }

    /// The keys whose texts are hidden.
    pub(crate) fn keys(&self) -> &KeyRules {
        &self.keys
    }

    /// Adds values, and the strings inside those that are JSON.
    pub(crate) fn add(&self, added: Vec<(Owner, SecretValue)>) -> Result<(), TooLarge> {
        if added.is_empty() {
            return Ok(());
        }
        self.add_to(&mut self.held(), added)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds all of them or, if they are too large, none.
    fn add_to(&self, held: &mut Held, added: Vec<(Owner, SecretValue)>) -> Result<(), TooLarge> {
        let before = held.len();
        for (owner, value) in added {
            if !held.note(&owner, &value) {
                continue;
            }
            let parts = select::strings(&value, PART_LEN_MIN);
            for part in parts {
                // One that is JSON again has parts of its own, which are not made here.
                if !select::strings(&part, PART_LEN_MIN).is_empty() || held.note(&owner, &part) {
                    self.push(held, &owner, part);
                }
            }
            self.push(held, &owner, value);
        }
        if held.len() == before {
            return Ok(());
        }
        let set = self.build(held.values()).inspect_err(|_| held.truncate(before))?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(())
    }

    fn push(&self, held: &mut Held, owner: &Owner, value: SecretValue) {
        for form in self.forms(&value) {
            held.push(owner, form);
        }
        held.push(owner, value);
    }

    /// Adds what a step registered, as far as it is new.
    #[expect(clippy::disallowed_methods, reason = "the bounds count the bytes of the values")]
    pub(crate) fn register(&self, late: &BTreeSet<Core>) -> Result<(), Refused> {
        let mut held = self.held();
        let new: Vec<SecretValue> =
            late.iter().map(|Core(late)| late.clone()).filter(|late| !held.knows(late)).collect();
        let late_count = held.late_count + new.len();
        let late_len = held.late_len + new.iter().map(|late| late.expose().len()).sum::<usize>();
        if late_count > VALUES_MAX {
            return Err(Refused::TooMany);
        }
        if late_len > BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        let added = new.into_iter().map(|late| (Owner::Registered, late)).collect();
        self.add_to(&mut held, added).map_err(|_| Refused::Unmaskable)?;
        (held.late_count, held.late_len) = (late_count, late_len);
        Ok(())
    }

    /// Whose value stands at a place of the sets.
    pub(crate) fn owner(&self, place: usize) -> Owner {
        self.held().owner(place).cloned().unwrap_or(Owner::Derived)
    }

    /// Adds parts that were taken out of `whole`, if that is nothing but a secret.
    pub(crate) fn add_parts<'a>(
        &self,
        whole: &SecretValue,
        parts: impl IntoIterator<Item = &'a SecretValue>,
    ) -> Result<(), TooLarge> {
        if self.covers(whole) { self.add_new(parts) } else { Ok(()) }
    }

    /// Adds those of the values that are not there yet: a reference may be filled any number of times.
    /// That all of a value is hidden is not enough: as a line of another it has no forms of its own.
    pub(crate) fn add_new<'a>(
        &self,
        values: impl IntoIterator<Item = &'a SecretValue>,
    ) -> Result<(), TooLarge> {
        let mut held = self.held();
        let new = values.into_iter().filter(|value| !held.knows(value));
        let new = new.map(|value| (Owner::Derived, value.clone())).collect();
        self.add_to(&mut held, new)
    }

    /// Adds what quoting makes of values that hold secrets, where the masks do not know it yet: a
    /// secret that is quoted a second time.
    #[expect(clippy::disallowed_methods, reason = "needles are made of the values")]
    pub(crate) fn add_quoted<'a>(
        &self,
        values: impl IntoIterator<Item = &'a SecretValue>,
    ) -> Result<(), TooLarge> {
        let set = self.current();
        let unknown = values.into_iter().filter_map(|value| {
            let quoted = quoted(value.expose());
            let of_masked = Zeroizing::new(set.mask_bytes(value.expose()));
            let differs = set.finds(value.expose())
                && set.mask_bytes(&quoted) != self::quoted(&of_masked).as_slice();
            differs.then(|| (Owner::Derived, SecretValue::new(quoted.to_vec())))
        });
        self.add(unknown.collect())
    }

    /// Adds the tail of an output that was cut off, if it is the beginning of a secret.
    #[expect(clippy::disallowed_methods, reason = "it is masked before it is looked at")]
    pub(crate) fn add_cut(&self, output: &SecretValue) -> Result<(), TooLarge> {
        let set = self.current();
        let ended = Zeroizing::new(set.mask_bytes(output.expose()));
        let mut writer = MaskWriter::new(set, Vec::new());
        let cut = writer.write_all(output.expose()).and_then(|()| writer.finish_cut());
        let cut = cut.expect("writing to memory does not fail");
        let same = ended.iter().zip(&cut).take_while(|(a, b)| a == b).count();
        let tail = ended[same..].to_vec();
        if tail.is_empty() {
            Ok(())
        } else {
            self.add(vec![(Owner::Derived, SecretValue::new(tail))])
        }
    }

    /// Whether all of a value is hidden.
    #[expect(clippy::disallowed_methods, reason = "it is only looked at")]
    fn covers(&self, value: &SecretValue) -> bool {
        self.current().mask_bytes(value.expose().trim_ascii()) == MASK.as_bytes()
    }

    /// What we make of a value, or of a line of it, where that differs.
    #[expect(clippy::disallowed_methods, reason = "needles are made of the values")]
    fn forms(&self, value: &SecretValue) -> Vec<SecretValue> {
        let core = value.expose().trim_ascii();
        if self.policy.reach(core) == Reach::Nowhere {
            return Vec::new();
        }
        let lines = core.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.filter(|line| line.len() >= PART_LEN_MIN && line.len() < core.len());
        let mut forms = Vec::new();
        for part in lines.chain([core]) {
            let text = Zeroizing::new(String::from_utf8_lossy(part).into_owned());
            for form in [quoted(part).to_vec(), text.as_bytes().to_vec()] {
                if form != part {
                    forms.push(SecretValue::new(form));
                }
            }
        }
        forms
    }

    #[expect(clippy::disallowed_methods, reason = "needles are made of the values")]
    fn build(&self, values: &[SecretValue]) -> Result<MaskSet, TooLarge> {
        MaskSet::new(values.iter().map(SecretValue::expose), &self.policy)
    }

    pub(crate) fn text(&self, text: &str) -> MaskedText {
        self.current().mask_text(text)
    }

    /// The text as it may be shown, and whether masking changed it.
    #[expect(clippy::disallowed_methods, reason = "it is masked before it goes anywhere")]
    pub(crate) fn value(&self, value: &SecretValue) -> (MaskedText, bool) {
        let set = self.current();
        let bytes = value.expose();
        (set.mask_text(&String::from_utf8_lossy(bytes)), set.finds(bytes))
    }

    /// The text for a record, and whether it is not the value: masked, or no text to begin with.
    #[expect(clippy::disallowed_methods, reason = "it is compared with its masked text")]
    pub(crate) fn record(&self, value: &SecretValue) -> (MaskedText, bool) {
        let (text, masked) = self.value(value);
        let differs = text.as_str().as_bytes() != value.expose();
        (text, masked || differs)
    }

    /// The same for the text of a field, whose name may be one that hides it.
    #[expect(clippy::disallowed_methods, reason = "it is masked and compared with its masked text")]
    pub(crate) fn record_field(&self, name: &str, value: &SecretValue) -> (MaskedText, bool) {
        let (text, masked) = self.record(value);
        let by_rule = structured::field(name, &String::from_utf8_lossy(value.expose()), self);
        if by_rule == text.as_str() { (text, masked) } else { (self.text(&by_rule), true) }
    }
}

/// A value as it stands between the quotes of a JSON string.
fn quoted(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    let json = Zeroizing::new(serde_json::to_vec(&*text).unwrap_or_default());
    let inner = json.strip_prefix(b"\"").and_then(|json| json.strip_suffix(b"\""));
    Zeroizing::new(inner.unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use subrosa_masker::Policy;

    use super::{Masks, Owner};
    use crate::env::from_text;
    use crate::secret::SecretValue;
    use crate::structured::KeyRules;

    fn masks(secret: &[u8]) -> Masks {
        let masks = Masks::new(Policy::default(), KeyRules::default());
        masks.add(vec![(Owner::Secret("S".into()), SecretValue::new(secret.to_vec()))]).unwrap();
        masks
    }

    fn check(secret: &[u8], text: &str, expected: &str) {
        assert_eq!(masks(secret).text(text).as_str(), expected);
    }

    #[test]
    fn what_we_make_of_a_value_is_masked() {
        check(b"say \"hunter2\" \\o/\n", r#"{"a":"say \"hunter2\" \\o/"}"#, r#"{"a":"*******"}"#);
        check(
            b"first \"1\"\nsecond\t2",
            r#"["first \"1\"","second\t2"]"#,
            r#"["*******","*******"]"#,
        );
        check(b"hunter2\xffhunter2", "`/hunter2\u{fffd}hunter2/x`", "`/*******/x`");
    }

    #[test]
    fn a_value_quoted_once_more_than_its_forms_is_masked_once_it_was_quoted() {
        let masks = masks(b"hunter\"2\"");
        let quote = |text: &str| serde_json::json!({ "a": text }).to_string();
        let thrice = quote(&quote(&quote("hunter\"2\"")));
        let masked = masks.text(&thrice);
        assert!(masked.as_str().contains("*******") && !masked.as_str().contains("hunter"));
        masks.add_quoted([&from_text(&thrice), &from_text("no \"secret\"")]).unwrap();
        assert_eq!(masks.text(&quote(&thrice)).as_str(), r#"{"a":"*******"}"#);
        assert_eq!(masks.text(r#"no \"secret\""#).as_str(), r#"no \"secret\""#);
    }

    #[test]
    fn a_part_of_nothing_but_a_secret_is_a_secret() {
        let masks = masks(br#"{"pin":"4711x","user":"bob"}"#);
        masks.add_parts(&from_text("pin: 4711x"), [&from_text("4711x")]).unwrap();
        assert_eq!(masks.text("4711x").as_str(), "4711x");
        let whole = from_text(r#"{"pin":"4711x","user":"bob"}"#);
        masks.add_parts(&whole, [&from_text("4711x")]).unwrap();
        assert_eq!(masks.text("4711x bob").as_str(), "******* bob");
    }

    #[test]
    fn parts_are_secrets_of_their_own_in_one_new_set() {
        let lines = ["alice:pa55word1", "bob:hunter2222!"];
        let whole = lines.join("\n");
        let masks = masks(whole.as_bytes());
        let base64 = "YWxpY2U6cGE1NXdvcmQx";
        let percent = "bob%3Ahunter2222%21";
        masks.add_parts(&from_text(&whole), lines.map(from_text).each_ref()).unwrap();
        assert_eq!(masks.text(&format!("{base64}, {percent}")).as_str(), "*******, *******");
        let set = masks.current();
        masks.add_parts(&from_text(&whole), lines.map(from_text).each_ref()).unwrap();
        assert!(Arc::ptr_eq(&set, &masks.current()), "nothing is new the second time");
    }

    #[test]
    fn what_is_too_large_leaves_the_masks_as_they_were() {
        let masks = masks(b"first-one");
        let large = || (Owner::Derived, SecretValue::new(vec![b'x'; 5 << 20]));
        assert!(masks.add(vec![(Owner::Derived, from_text("second-one")), large()]).is_err());
        masks.add_new([&from_text("third-one")]).unwrap();
        let text = "first-one second-one third-one";
        assert_eq!(masks.text(text).as_str(), "******* second-one *******");
        masks.add_new([&from_text("second-one")]).unwrap();
        assert_eq!(masks.text(text).as_str(), "******* ******* *******");
    }
}
