//! The masks of a run, shared by every sink; they only ever grow.
//!
//! A called workflow adds its own secrets, a field taken out of a JSON secret is added when it is
//! taken. Sinks look for a newer set before each piece they write.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use subrosa_masker::{MaskSet, MaskedText, Policy, TooLarge};

use crate::secret::SecretValue;
use crate::select;

/// Strings inside a JSON secret are masked from this length on, as lines of a multi-line value are.
const JSON_STRING_LEN_MIN: usize = 8;

pub(crate) struct Masks {
    policy: Policy,
    current: RwLock<Arc<MaskSet>>,
    values: Mutex<Vec<SecretValue>>,
}

impl Masks {
    pub(crate) fn new(policy: Policy) -> Masks {
        Masks {
            policy,
            current: RwLock::new(Arc::new(MaskSet::empty())),
            values: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn current(&self) -> Arc<MaskSet> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Adds values, and the strings inside those that are JSON.
    pub(crate) fn add(&self, added: Vec<SecretValue>) -> Result<(), TooLarge> {
        if added.is_empty() {
            return Ok(());
        }
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        for value in added {
            values.extend(select::strings(&value, JSON_STRING_LEN_MIN));
            values.push(value);
        }
        let set = self.build(&values)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(())
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
}
