//! Manifests of Secrets: `NAME/KEY`, or `NAMESPACE/NAME/KEY`, values as base64.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::export::{Entry, ExportError};
use crate::format::Format;
use crate::wiped::WipedText;

/// Of namespaces; a segment is no longer than 64.
const LABEL_LEN_MAX: usize = 63;

pub(super) fn write(entries: &[Entry<'_>], errors: &mut Vec<ExportError>) -> Zeroizing<Vec<u8>> {
    // By Secret: `a/b`, `a/b/c`, `a/d` is the order of refs, and a Secret that came in two manifests
    // would lose the keys of the first when the second is applied.
    let mut secrets: BTreeMap<_, Vec<(&str, &[u8])>> = BTreeMap::new();
    for Entry { reference, bytes } in entries {
        match placed(reference.as_str()) {
            Ok(Place { namespace, name, key }) => {
                secrets.entry((namespace, name)).or_default().push((key, bytes));
            }
            Err(why) => errors.push(ExportError::Unnameable {
                reference: (*reference).clone(),
                format: Format::Kubernetes,
                why,
            }),
        }
    }
    let mut out = WipedText::with_capacity(entries.len() * 64);
    for (count, ((namespace, name), pairs)) in secrets.into_iter().enumerate() {
        if count > 0 {
            out.push_str("---\n");
        }
        push_head(&mut out, namespace, name);
        for (key, bytes) in pairs {
            push_pair(&mut out, key, bytes);
        }
    }
    out.into_bytes()
}

fn push_pair(out: &mut WipedText, key: &str, bytes: &[u8]) {
    let mut encoded = Zeroizing::new(vec![0; BASE64.encode_len(bytes.len())]);
    BASE64.encode_mut(bytes, &mut encoded);
    out.push_str("  \"");
    out.push_str(key);
    out.push_str("\": \"");
    out.push_bytes(&encoded);
    out.push_str("\"\n");
}

/// Quoted: names may be made of digits alone.
fn push_head(out: &mut WipedText, namespace: Option<&str>, name: &str) {
    out.push_str("apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"");
    out.push_str(name);
    if let Some(namespace) = namespace {
        out.push_str("\"\n  namespace: \"");
        out.push_str(namespace);
    }
    out.push_str("\"\ntype: Opaque\ndata:\n");
}

struct Place<'a> {
    namespace: Option<&'a str>,
    name: &'a str,
    key: &'a str,
}

fn placed(reference: &str) -> Result<Place<'_>, &'static str> {
    let segments: Vec<&str> = reference.split('/').collect();
    let place = match segments[..] {
        [name, key] => Place { namespace: None, name, key },
        [namespace, name, key] => Place { namespace: Some(namespace), name, key },
        _ => return Err("a ref must be `NAME/KEY` or `NAMESPACE/NAME/KEY`"),
    };
    if place.namespace.is_some_and(|namespace| namespace.len() > LABEL_LEN_MAX) {
        return Err("a namespace has at most 63 characters");
    }
    if [place.namespace, Some(place.name)].into_iter().flatten().any(|name| name.ends_with('-')) {
        return Err("names of Secrets and namespaces cannot end with `-`");
    }
    Ok(place)
}
