//! A registry of one connection, named `here`.

use std::collections::BTreeMap;
use std::fs;

use secrecy::SecretSlice;
use subrosa_connections::record::{Record, TokenState};
use subrosa_connections::types::Types;
use subrosa_registry::{
    Address, FoundRecord, Lookup, LookupError, RecordAnswer, RecordReader, RecordSeen,
    RegistryError, Scope, SecretRef,
};

/// The connection, and the type that it is of if that is none of ours.
pub(crate) struct Kept {
    record: Record,
    parts: BTreeMap<String, String>,
    kind: Option<String>,
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Kept {
    /// A connection of a type with public fields and sealed parts.
    pub(crate) fn new(kind: &str, fields: &[(&str, &str)], parts: &[(&str, &str)]) -> Kept {
        let has_token = parts.iter().any(|(name, _)| *name == "access_token");
        let tokens = has_token.then(|| TokenState { expires: None, ..TokenState::default() });
        let record = Record { kind: kind.to_owned(), fields: pairs(fields), tokens };
        Kept { record, parts: pairs(parts), kind: None }
    }

    /// With the declaration of the type.
    pub(crate) fn of(self, declaration: String) -> Kept {
        Kept { kind: Some(declaration), ..self }
    }

    /// The types that there are.
    pub(crate) fn types(&self) -> Types {
        let mut types = Types::shipped();
        if let Some(kind) = &self.kind {
            let folder = tempfile::tempdir().unwrap();
            let name = format!("{}.yaml", self.record.kind);
            fs::write(folder.path().join(name), kind).unwrap();
            let flawed = types.add_folder(folder.path()).unwrap();
            assert!(flawed.is_empty(), "{flawed:?}");
        }
        types
    }

    fn seen(&self, key: &SecretRef) -> Result<RecordSeen, LookupError> {
        if key.connection_name() != Some("here") {
            return Err(LookupError::NotFound);
        }
        Ok(RecordSeen {
            public: self.record.to_text(),
            parts: self.parts.keys().cloned().collect(),
            address: Address { reference: key.clone(), scope: Scope::default() },
            version: 1,
            expires: None,
        })
    }
}

impl RecordReader for Kept {
    fn open_records(
        &self,
        _: &Lookup,
        references: &[SecretRef],
    ) -> Result<RecordAnswer, RegistryError> {
        let opened = |key: &SecretRef| {
            let RecordSeen { public, address, version, expires, .. } = self.seen(key)?;
            let part = |(name, text): (&String, &String)| {
                (name.clone(), SecretSlice::from(text.clone().into_bytes()))
            };
            let parts = self.parts.iter().map(part).collect();
            Ok(FoundRecord { public, parts, retired: Vec::new(), address, version, expires })
        };
        Ok(RecordAnswer { results: references.iter().map(opened).collect(), warnings: Vec::new() })
    }

    fn look_records(
        &self,
        _: &Lookup,
        references: &[SecretRef],
    ) -> Result<Vec<Result<RecordSeen, LookupError>>, RegistryError> {
        Ok(references.iter().map(|key| self.seen(key)).collect())
    }
}
