//! The shared vectors, `testdata/mask/masker-vectors.json`; their first element says what they mean.
//!
//! Every vector is fed as given, in one write, and byte by byte.

use std::io::Write;
use std::sync::Arc;

use serde_json::Value;
use subrosa_masker::{Forms, MaskSet, MaskWriter, Policy, Short};

use crate::sha256::sha256;

const VECTORS: &str = include_str!("../../../testdata/mask/masker-vectors.json");

#[test]
fn vectors_hold() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let is_optional = |vector: &Value| vector["options"]["optional"] == true;
    let failing = |optional: bool| -> Vec<_> {
        let chosen = vectors[1..].iter().filter(|vector| is_optional(vector) == optional);
        chosen.filter_map(|vector| Some((vector["id"].as_str(), check(vector).err()?))).collect()
    };
    let (required, optional) = (failing(false), failing(true));
    assert!(required.is_empty(), "required vectors fail: {required:#?}");
    assert!(optional.is_empty(), "optional vectors fail: {optional:#?}");
}

/// Feeds a vector in all three ways and says what does not hold.
fn check(vector: &Value) -> Result<(), String> {
    let masks = masks(vector);
    let writes = writes(vector);
    let whole = vec![writes.concat()];
    let single: Vec<Vec<u8>> = whole[0].iter().map(|&byte| vec![byte]).collect();
    for (feeding, writes) in
        [("as given", &writes), ("one write", &whole), ("single bytes", &single)]
    {
        let mut writer = MaskWriter::new(Arc::clone(&masks), Vec::new());
        for (index, write) in writes.iter().enumerate() {
            writer.write_all(write).unwrap();
            if feeding == "as given" {
                check_emitted(vector, index, writer.get_ref())?;
            }
        }
        check_output(vector, &writer.finish().unwrap())
            .map_err(|what| format!("{feeding}: {what}"))?;
    }
    Ok(())
}

/// What must and must not be out after the write with this number.
fn check_emitted(vector: &Value, write: usize, out: &[u8]) -> Result<(), String> {
    for bound in list(&vector["emitted_after"]) {
        if bound["chunk"].as_u64() == Some(write as u64) {
            let (least, most) = (base64(&bound["at_least"]), base64(&bound["at_most"]));
            if !out.starts_with(&least) || !most.starts_with(out) {
                return Err(format!("after write {write}: {}", out.escape_ascii()));
            }
        }
    }
    Ok(())
}

fn check_output(vector: &Value, out: &[u8]) -> Result<(), String> {
    let shown = || out[..out.len().min(500)].escape_ascii().to_string();
    if !vector["expect"].is_null() && base64(&vector["expect"]) != out {
        return Err(format!("unexpected output {}", shown()));
    }
    if vector["expect_len"].as_u64().is_some_and(|len| len != out.len() as u64) {
        return Err(format!("{} bytes", out.len()));
    }
    if vector["expect_sha256"].as_str().is_some_and(|hash| hash != sha256(out)) {
        return Err("another hash".to_owned());
    }
    let unwanted = list(&vector["must_not_contain"]).iter().map(base64);
    let parts = list(&vector["no_run"]).iter().flat_map(|run| {
        let len = usize::try_from(run["len"].as_u64().unwrap()).unwrap();
        base64(&run["of"]).windows(len).map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    if let Some(found) = unwanted.chain(parts).find(|bytes| contains(out, bytes)) {
        return Err(format!("{} is in {}", found.escape_ascii(), shown()));
    }
    match list(&vector["must_contain"]).iter().map(base64).find(|bytes| !contains(out, bytes)) {
        Some(wanted) => Err(format!("{} is not in {}", wanted.escape_ascii(), shown())),
        None => Ok(()),
    }
}

fn masks(vector: &Value) -> Arc<MaskSet> {
    let options = &vector["options"];
    let values: Vec<Vec<u8>> = list(&vector["secrets"])
        .iter()
        .map(|secret| match secret.as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => base64(&secret["b64"]),
        })
        .collect();
    let policy = Policy {
        forms: if options["forms"] == "raw" { Forms::Raw } else { Forms::All },
        short: match options["short"].as_str() {
            Some("always") => Short::Always,
            Some("never") => Short::Never,
            _ => Short::Word,
        },
        min_len: options["min_length"].as_u64().map_or(4, |len| usize::try_from(len).unwrap()),
    };
    Arc::new(MaskSet::new(values.iter().map(Vec::as_slice), &policy).unwrap())
}

fn writes(vector: &Value) -> Vec<Vec<u8>> {
    let repeated =
        list(&vector["chunks"]).iter().flat_map(|chunk| match chunk["repeat"].as_u64() {
            Some(repeat) => vec![base64(&chunk["b64"]); usize::try_from(repeat).unwrap()],
            None => vec![base64(chunk)],
        });
    repeated.collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn contains(text: &[u8], bytes: &[u8]) -> bool {
    text.windows(bytes.len()).any(|window| window == bytes)
}

fn base64(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap().bytes().filter(|&digit| digit != b'=');
    let values = digits.map(|digit| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        _ => 63,
    });
    let mut bytes = Vec::new();
    let (mut bits, mut bit_count) = (0_u32, 0);
    for value in values {
        bits = bits << 6 | u32::from(value);
        bit_count += 6;
        if bit_count >= 8 {
            bit_count -= 8;
            bytes.push((bits >> bit_count & 0xff) as u8);
        }
    }
    bytes
}
