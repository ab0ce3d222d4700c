//! What should be mended although a value was got: each thing is told once for a run.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rustix::fs::Mode;
use subrosa_engine::provider::{ProviderWarning, SecretRequest};

use crate::place::SecretFile;

/// The warnings of one client.
#[derive(Default)]
pub(crate) struct Warnings(Mutex<Told>);

#[derive(Default)]
struct Told {
    places: BTreeSet<PathBuf>,
    waiting: Vec<ProviderWarning>,
}

impl Warnings {
    /// Looks at who may read a file that holds plaintext; `what` the file is, in words.
    pub(crate) fn look_at(&self, request: &SecretRequest, what: &str, file: &SecretFile) {
        let who = if file.mode.contains(Mode::ROTH) {
            "everyone"
        } else if file.mode.contains(Mode::RGRP) {
            "its group"
        } else {
            return;
        };
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.places.insert(file.place.clone()) {
            return;
        }
        let place = file.place.display();
        told.waiting.push(ProviderWarning {
            secret: request.name.clone(),
            message: format!("{what} may be read by {who}: {place}"),
            help: Some(format!(
                "take that away with `chmod go-rwx`, or mount it with a mode such as `0400`; its mode \
                 is {:04o}",
                file.mode.bits() & 0o7777
            )),
        });
    }

    /// What is to be told and was not yet.
    pub(crate) fn take(&self) -> Vec<ProviderWarning> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting)
    }
}
