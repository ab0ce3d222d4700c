//! What a tool gave, told to the step's streams.

use std::io;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use subrosa_engine::kind::Hiding;
use subrosa_engine::sink::StepIo;
use zeroize::Zeroizing;

#[derive(Deserialize)]
struct Given<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(rename = "structuredContent", borrow, default)]
    structured: Option<&'a RawValue>,
    #[serde(rename = "isError", default)]
    is_error: bool,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    resource: Option<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    text: Option<String>,
}

/// Writes the result of a call, and says whether the tool did what it should; nothing if it is no result.
/// What it says of a failure goes where failures are told.
pub(super) fn write(
    result: &[u8],
    wants_json: bool,
    hiding: &Hiding,
    io: &mut StepIo,
) -> io::Result<Option<bool>> {
    let Ok(given) = serde_json::from_slice::<Given<'_>>(result) else { return Ok(None) };
    let content = given.content.map_or("[]", RawValue::get);
    let Ok(items) = serde_json::from_str::<Vec<Item>>(content) else { return Ok(None) };
    if wants_json && !given.is_error {
        let structured = given.structured.map(RawValue::get).filter(|text| *text != "null");
        let is_read = line(structured.unwrap_or(content), hiding, io)?;
        return Ok(is_read.then_some(true));
    }
    for item in items {
        let text = item.text.or(item.resource.and_then(|resource| resource.text));
        let Some(text) = text.map(Zeroizing::new) else {
            let known = ["image", "audio", "resource", "resource_link"];
            let kind = known.into_iter().find(|known| *known == item.kind).unwrap_or("other");
            io.tell(format!("left out: {kind}; `output: json` has it\n").as_bytes())?;
            continue;
        };
        let end: &[u8] = if text.ends_with('\n') { b"" } else { b"\n" };
        for piece in [text.as_bytes(), end] {
            if given.is_error {
                io.tell(piece)?;
            } else {
                io.split().0.write(piece)?;
            }
        }
    }
    Ok(Some(!given.is_error))
}

/// Writes a JSON document as a line; texts in it are masked one by one before they are shown. Says whether it
/// could be read: one that is too deep cannot.
pub(super) fn line(document: &str, hiding: &Hiding, io: &mut StepIo) -> io::Result<bool> {
    let Ok(value) = serde_json::from_str::<Value>(document) else { return Ok(false) };
    let mut raw = Zeroizing::new(Vec::with_capacity(document.len() + 1));
    // JSON has line endings between values only.
    raw.extend(document.bytes().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { b }));
    raw.push(b'\n');
    let mut shown = hiding.line(value);
    shown.push(b'\n');
    io.split().0.write_apart(&raw, &shown)?;
    Ok(true)
}
