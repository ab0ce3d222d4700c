//! Where the key of the registry is: told, never shown.

use subrosa_server::channel::Refusal;
use subrosa_server::channel::keys::{KeyStatus, KeyView, KeysCall};

use super::{Runner, refusal, reply};
use crate::command::key::status::Told;

/// Answers what is asked about the key.
pub(super) fn answer(runner: &Runner, id: u64, call: KeysCall) {
    match call {
        KeysCall::KeyStatus(asked) => reply::<KeyStatus>(id, status(runner, &asked)),
    }
}

fn status(runner: &Runner, _: &KeyStatus) -> Result<KeyView, Refusal> {
    let told = Told::of(&runner.secrets, &runner.world);
    let told = told.map_err(|error| refusal::registry(&error))?;
    Ok(KeyView {
        // A registry that cannot be opened has none that could be believed.
        generation: runner.secrets.registry.generation().ok(),
        store: told.status.store.as_str().to_owned(),
        place: told.status.place.clone(),
        chosen_by: told.why.word().to_owned(),
        key: told.id().map(str::to_owned),
        wanted: told.status.wanted.clone(),
        state: told.state.word().to_owned(),
        error: told.error(),
        rotation: told.rotation().map(|(word, _)| word.to_owned()),
    })
}
