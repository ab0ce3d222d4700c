//! From the parser's events to documents.
//!
//! Looks at the raw text first (size, encoding, control characters), then follows the events until
//! the end, the first syntax error or the first broken bound.

use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::diagnostic::Diagnostic;
use crate::source::{SourceFile, Span};

use super::tree::{Builder, Stop};
use super::{BYTES_MAX, DOCUMENTS_MAX, Node, Parsed, Scalar, Tag, syntax};

pub(super) fn parse(source: &SourceFile) -> Parsed {
    let mut parsed = Parsed::default();
    if let Some(problem) = unreadable(source) {
        parsed.problems.push(problem);
        parsed.broken = true;
        return parsed;
    }
    let text = source.text();
    let offsets = Offsets::new(text);
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let end = loop {
        match parser.next_event() {
            None => break Ok(()),
            Some(Err(error)) => {
                let at = offsets.byte(error.marker().index());
                let is_bracket = |span: &Span| text[span.start..].starts_with(['[', '{']);
                let bracket = builder.open_collections().rev().find(is_bracket);
                break Err(syntax::problem(error.info(), at, text, bracket));
            }
            Some(Ok((event, span))) => {
                let span = offsets.span(text, &span);
                if let Err(stop) = follow(&mut builder, &mut parsed.documents, event, span) {
                    break Err(stop.diagnostic(span));
                }
            }
        }
    };
    parsed.problems.append(&mut builder.problems);
    parsed.dropped = builder.dropped;
    if let Err(problem) = end {
        parsed.problems.push(problem);
        parsed.broken = true;
    }
    parsed
}

/// What makes the text no YAML before any parsing.
fn unreadable(source: &SourceFile) -> Option<Diagnostic> {
    let text = source.text();
    if text.len() > BYTES_MAX {
        return Some(
            Diagnostic::error("file-too-large", "the file is larger than 1 MiB")
                .help("split it, and let one workflow `call` the others"),
        );
    }
    if let Some(at) = source.invalid_utf8() {
        return Some(
            Diagnostic::error("not-utf8", "the file is not UTF-8 from here on")
                .at(Span::new(at..at), "")
                .help("save it as UTF-8; binary data does not belong in a workflow"),
        );
    }
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let (at, found) = text.char_indices().find(|(_, c)| control(*c))?;
    let (message, help) = match found {
        '\0' => ("a NUL byte stands in the file".to_owned(), "remove it"),
        other => (
            format!("a control character (U+{:04X}) stands in the file", u32::from(other)),
            "remove it; in double quotes it can be written as an escape such as `\\x1b`",
        ),
    };
    let span = Span::new(at..at + found.len_utf8());
    Some(Diagnostic::error("control-character", message).at(span, "").help(help))
}

fn follow(
    builder: &mut Builder,
    documents: &mut Vec<Rc<Node>>,
    event: Event<'_>,
    span: Span,
) -> Result<(), Stop> {
    match event {
        Event::Nothing | Event::StreamStart | Event::StreamEnd => Ok(()),
        Event::DocumentStart(_) => {
            builder.start_document();
            Ok(())
        }
        Event::DocumentEnd => {
            documents.extend(builder.take_root());
            if documents.len() > DOCUMENTS_MAX { Err(Stop::TooManyDocuments) } else { Ok(()) }
        }
        Event::Alias(anchor) => builder.alias(anchor, span),
        Event::Scalar(text, style, anchor, tag) => {
            let tag = tag.map(|tag| core_tag(&tag.handle, &tag.suffix)).transpose()?;
            let plain = style == ScalarStyle::Plain;
            builder.scalar(
                Scalar { text: text.into_owned(), plain, tag: tag.flatten() },
                anchor,
                span,
            )
        }
        Event::SequenceStart(anchor, tag) => {
            tag.map(|tag| core_tag(&tag.handle, &tag.suffix)).transpose()?;
            builder.start_sequence(anchor, span)
        }
        Event::MappingStart(anchor, tag) => {
            tag.map(|tag| core_tag(&tag.handle, &tag.suffix)).transpose()?;
            builder.start_mapping(anchor, span)
        }
        Event::SequenceEnd | Event::MappingEnd => builder.end(span),
    }
}

/// The tag, `None` for one that changes nothing.
fn core_tag(handle: &str, suffix: &str) -> Result<Option<Tag>, Stop> {
    if handle == "!" && suffix.is_empty() {
        return Ok(Some(Tag::Str));
    }
    if handle != "tag:yaml.org,2002:" && handle != "!!" {
        return Err(Stop::UnknownTag);
    }
    match suffix {
        "str" => Ok(Some(Tag::Str)),
        "int" => Ok(Some(Tag::Int)),
        "float" => Ok(Some(Tag::Float)),
        "bool" => Ok(Some(Tag::Bool)),
        "null" => Ok(Some(Tag::Null)),
        "map" | "seq" => Ok(None),
        _ => Err(Stop::UnknownTag),
    }
}

/// Turns the parser's counts of characters into offsets of bytes.
struct Offsets {
    /// Start of each character, and the end; empty if all are one byte.
    starts: Vec<u32>,
    /// Bytes of a byte order mark, which the parser does not see.
    skipped: usize,
    len: usize,
}

impl Offsets {
    fn new(text: &str) -> Offsets {
        let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        let starts = if rest.is_ascii() {
            Vec::new()
        } else {
            let end = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            let starts = rest.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX));
            starts.chain([end]).collect()
        };
        Offsets { starts, skipped: text.len() - rest.len(), len: text.len() }
    }

    fn byte(&self, index: usize) -> usize {
        let at = match self.starts.get(index) {
            Some(start) => *start as usize,
            None if self.starts.is_empty() => index,
            None => self.len,
        };
        (at + self.skipped).min(self.len)
    }

    /// The span without the white space that the parser counts to the end of block texts.
    fn span(&self, text: &str, span: &saphyr_parser::Span) -> Span {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        let slice = text.get(start..end).unwrap_or("");
        Span::new(start..start + slice.trim_end().len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Node};
    use super::parse;
    use crate::source::SourceFile;

    /// Every scalar without escapes or folding stands where its span says.
    fn check_spans(file: &SourceFile, node: &Node) -> usize {
        match &node.kind {
            Kind::Scalar(scalar) => {
                assert_eq!(file.slice(node.span).trim_matches(['"', '\'']), scalar.text);
                1
            }
            Kind::Sequence(items) => items.iter().map(|item| check_spans(file, item)).sum(),
            Kind::Mapping(entries) => {
                let keys = entries.iter().map(|entry| {
                    assert_eq!(file.slice(entry.key_span), &*entry.key);
                    check_spans(file, &entry.value)
                });
                keys.sum()
            }
        }
    }

    fn check(text: &str, scalars: usize) {
        let file = SourceFile::new("w.yaml", text);
        let parsed = parse(&file);
        assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
        let found: usize = parsed.documents.iter().map(|node| check_spans(&file, node)).sum();
        assert_eq!(found, scalars);
    }

    #[test]
    fn spans_count_bytes_whatever_the_characters_and_line_ends() {
        check("a: b\nc: [d, \"e\"]\n", 3);
        check("ä: ö\r\nß: ['漢字', 🦀, z]\r\nend: here\r\n", 5);
        check("\u{feff}ключ: значение\nend: x\n", 2);
        check("--- \na: 1\n---\nb: ü\n...\n---\nc: 3", 3);
    }

    #[test]
    fn collections_end_with_their_last_value() {
        let file = SourceFile::new("w.yaml", "steps:\n  - a: 1\n    b: 2\n\n\nnext: 1\n");
        let parsed = parse(&file);
        let Kind::Mapping(entries) = &parsed.documents[0].kind else { panic!() };
        assert_eq!(file.slice(entries[0].value.span), "- a: 1\n    b: 2");
    }
}
