//! Several changes of a secret at once, its value aside.

use super::write::{Expiry, put_expiry};
use super::{Admin, description};
use crate::audit::Action;
use crate::change::Deed;
use crate::error::RegistryError;
use crate::names::Address;

/// What is changed of a secret; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    /// What it is for, as [`Admin::describe`] takes it.
    pub description: Option<String>,
    /// When its value expires, as [`Admin::expire`] takes it.
    pub expiry: Option<Expiry>,
    /// How many versions to keep, as [`Admin::prune`] takes it.
    pub keep: Option<u32>,
}

impl Admin<'_> {
    /// Makes several changes in one transaction: all of them or none. The audit log has a line for each.
    ///
    /// # Errors
    /// [`RegistryError`]. An amendment without any change is one that finds the secret there.
    pub fn amend(&self, address: &Address, amendment: &Amendment) -> Result<(), RegistryError> {
        let Amendment { description: text, expiry, keep } = amendment;
        let text = text.as_deref().map(description).transpose()?;
        let actions = [
            text.as_ref().map(|_| Action::Describe),
            expiry.map(|_| Action::Expire),
            keep.map(|_| Action::Prune),
        ];
        let actions: Vec<Action> = actions.into_iter().flatten().collect();
        let deed = self.deed(actions.first().copied().unwrap_or(Action::Describe), address);
        self.registry.change(&deed, |change| {
            let mut entry = self.present(change, address)?;
            if actions.is_empty() {
                return Ok(());
            }
            self.enter(change, address)?;
            if let Some(text) = &text {
                entry.description.clone_from(text);
            }
            if let Some(expiry) = *expiry {
                put_expiry(&mut entry, expiry);
            }
            if let Some(keep) = keep.map(|keep| keep.max(1)) {
                entry.keep = Some(keep);
                entry.prune(keep, change.now);
            }
            entry.updated = change.now;
            change.put(address, entry);
            for action in &actions {
                change.tell(&Deed { action: *action, ..deed.clone() }, address, None);
            }
            Ok(())
        })
    }
}
