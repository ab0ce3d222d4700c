//! The values behind a run's masks, and whose they are.
//!
//! Which values are among them is told by their bytes: that all of a value is hidden, as a line or an
//! encoding of another, does not mean that its own encodings are.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::secret::SecretValue;

/// All values, in an order that only ever grows at the end: counts of what was found name places in it.
#[derive(Default)]
pub(super) struct Held {
    values: Vec<SecretValue>,
    /// Whose value stands at each place.
    owners: Vec<Owner>,
    /// What was added with all that is made of it, and from which place on it stands.
    whole: BTreeMap<(Core, Owner), usize>,
    pub(super) late_count: usize,
    pub(super) late_len: usize,
}

/// Whose a value is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A declared secret of this name.
    Secret(Arc<str>),
    /// A value that a step registered.
    Registered,
    /// A part or a quoted form of values, made while the run went on.
    Derived,
}

impl Owner {
    /// As reports name it. No declared name has a blank or a bracket in it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Owner::Secret(name) => name,
            Owner::Registered => "(registered by a step)",
            Owner::Derived => "(derived from secrets)",
        }
    }
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn values(&self) -> &[SecretValue] {
        &self.values
    }

    pub(super) fn owner(&self, place: usize) -> Option<&Owner> {
        self.owners.get(place)
    }

    pub(super) fn push(&mut self, owner: &Owner, value: SecretValue) {
        self.owners.push(owner.clone());
        self.values.push(value);
    }

    /// Notes that what follows is a value and all that is made of it; `false` if that is there already.
    pub(super) fn note(&mut self, owner: &Owner, value: &SecretValue) -> bool {
        let place = self.values.len();
        let key = (Core(value.clone()), owner.clone());
        let is_new = !self.whole.contains_key(&key);
        if is_new {
            self.whole.insert(key, place);
        }
        is_new
    }

    /// Whether a value was added with all that is made of it, whosoever it is.
    pub(super) fn knows(&self, value: &SecretValue) -> bool {
        let core = Core(value.clone());
        let least = (core, Owner::Secret("".into()));
        self.whole.range(&least..).next().is_some_and(|((found, _), _)| *found == least.0)
    }

    /// Takes back what was added at `place` and after it.
    pub(super) fn truncate(&mut self, place: usize) {
        self.values.truncate(place);
        self.owners.truncate(place);
        self.whole.retain(|_, noted| *noted < place);
    }
}

/// A value by the bytes that are hidden of it: without the blanks around them.
pub(crate) struct Core(pub(crate) SecretValue);

impl Core {
    #[expect(clippy::disallowed_methods, reason = "values are put in the order of their bytes")]
    fn bytes(&self) -> &[u8] {
        self.0.expose().trim_ascii()
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.bytes().is_empty()
    }
}

impl Ord for Core {
    fn cmp(&self, other: &Core) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for Core {
    fn partial_cmp(&self, other: &Core) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Core {
    fn eq(&self, other: &Core) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Core {}
