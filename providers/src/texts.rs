//! Texts that are made once for a run (decrypted, printed by a program) and give several values.

use subrosa_engine::provider::{Environment, ProviderError};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use crate::document::{Document, Field, Format};
use crate::once::Once;
use crate::value;

/// The texts of one client, by what they are made from.
pub(crate) struct Texts<K> {
    whole: Once<K, Zeroizing<Vec<u8>>>,
    documents: Once<(K, Format), Document>,
}

impl<K: Ord> Default for Texts<K> {
    fn default() -> Texts<K> {
        Texts { whole: Once::default(), documents: Once::default() }
    }
}

impl<K: Ord + Clone + Send> Texts<K> {
    /// A field of the text, or all of it; `make` makes it if nobody has. `place` is for messages.
    pub(crate) async fn value(
        &self,
        key: K,
        field: Option<Field>,
        environment: &Environment,
        place: &str,
        make: impl Future<Output = Result<Zeroizing<Vec<u8>>, ProviderError>> + Send,
    ) -> Result<SecretValue, ProviderError> {
        let whole = self.whole.of(key.clone(), make);
        let Some(field) = field else {
            let bytes = Zeroizing::new(whole.await?.to_vec());
            return value::from_bytes(bytes, || place.to_owned());
        };
        let parse = async { Document::parse(&whole.await?, field.format, place) };
        let document = self.documents.of((key, field.format), parse).await?;
        document.field(&field, environment, place)
    }
}
