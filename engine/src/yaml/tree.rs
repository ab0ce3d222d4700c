//! Builds nodes from events, keeping the bounds and resolving anchors and merge keys.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::diagnostic::Diagnostic;
use crate::names::shown;
use crate::source::Span;

use super::{
    DEPTH_MAX, DOCUMENTS_MAX, EXPANDED_BYTES_MAX, Entry, Kind, NODES_MAX, Node, Scalar, Weight,
};

/// Collects events into documents.
#[derive(Default)]
pub(super) struct Builder {
    frames: Vec<Frame>,
    root: Option<Rc<Node>>,
    anchors: HashMap<usize, Rc<Node>>,
    total: Weight,
    /// Problems that do not end the parsing.
    pub(super) problems: Vec<Diagnostic>,
    /// Values of keys that were dropped.
    pub(super) dropped: Vec<Span>,
}

/// A collection that is not closed yet.
struct Frame {
    anchor: usize,
    start: Span,
    weight: Weight,
    content: Content,
}

enum Content {
    Sequence(Vec<Rc<Node>>),
    Mapping { entries: Vec<(Rc<Node>, Rc<Node>)>, key: Option<Rc<Node>> },
}

/// Why the tree cannot be completed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    TooDeep,
    TooManyNodes,
    TooManyBytes,
    TooManyDocuments,
    SelfAlias,
    UnknownTag,
}

impl Stop {
    pub(super) fn diagnostic(self, span: Span) -> Diagnostic {
        match self {
            Stop::TooDeep => too_deep(span),
            Stop::TooManyNodes => Diagnostic::error(
                "yaml-too-large",
                format!("the file has more than {NODES_MAX} values, aliases expanded"),
            )
            .at(span, "")
            .help("use fewer aliases, or split the file"),
            Stop::TooManyBytes => Diagnostic::error(
                "yaml-too-large",
                "the file's texts are larger than 8 MiB, aliases expanded",
            )
            .at(span, "")
            .help("use fewer aliases, or split the file"),
            Stop::TooManyDocuments => Diagnostic::error(
                "yaml-too-large",
                format!("the file has more than {DOCUMENTS_MAX} documents"),
            )
            .at(span, "")
            .help("split the file"),
            Stop::SelfAlias => {
                Diagnostic::error("yaml-alias", "an alias stands inside of what it stands for")
                    .at(span, "")
                    .help("write the value out instead of the alias")
            }
            Stop::UnknownTag => {
                Diagnostic::error("yaml-tag", "a tag that means nothing here").at(span, "").help(
                    "remove the `!...`; only `!!str`, `!!int`, `!!float`, `!!bool`, `!!null` work",
                )
            }
        }
    }
}

/// The parser has a bound of its own on flow collections; both are told in the same words.
pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("yaml-too-deep", format!("nested more than {DEPTH_MAX} levels deep"))
        .at(span, "")
        .help("a workflow needs no more than a handful of levels")
}

impl Builder {
    pub(super) fn start_document(&mut self) {
        self.anchors.clear();
        self.frames.clear();
        self.root = None;
    }

    pub(super) fn take_root(&mut self) -> Option<Rc<Node>> {
        self.root.take()
    }

    pub(super) fn scalar(&mut self, scalar: Scalar, anchor: usize, span: Span) -> Result<(), Stop> {
        let weight = Weight { nodes: 1, bytes: scalar.text.len(), height: 1 };
        if scalar.text.contains('\0') {
            self.problems.push(
                Diagnostic::error("control-character", "an escape stands for a NUL byte")
                    .at(span, "")
                    .help("remove it; neither variables nor arguments can hold one"),
            );
        }
        let node = Rc::new(Node { kind: Kind::Scalar(scalar), span, weight });
        self.remember(anchor, &node);
        self.place(node)
    }

    pub(super) fn alias(&mut self, anchor: usize, _span: Span) -> Result<(), Stop> {
        let node = self.anchors.get(&anchor).cloned().ok_or(Stop::SelfAlias)?;
        self.place(node)
    }

    pub(super) fn start_sequence(&mut self, anchor: usize, start: Span) -> Result<(), Stop> {
        self.open(anchor, start, Content::Sequence(Vec::new()))
    }

    pub(super) fn start_mapping(&mut self, anchor: usize, start: Span) -> Result<(), Stop> {
        self.open(anchor, start, Content::Mapping { entries: Vec::new(), key: None })
    }

    /// Where the collections begin that are not closed yet, the innermost last.
    pub(super) fn open_collections(&self) -> impl DoubleEndedIterator<Item = Span> {
        self.frames.iter().map(|frame| frame.start)
    }

    fn open(&mut self, anchor: usize, start: Span, content: Content) -> Result<(), Stop> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(Stop::TooDeep);
        }
        self.frames.push(Frame { anchor, start, weight: Weight::default(), content });
        Ok(())
    }

    pub(super) fn end(&mut self, end: Span) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let mut weight = frame.weight;
        weight.nodes += 1;
        weight.height += 1;
        let (kind, last) = match frame.content {
            Content::Sequence(items) => {
                let last = items.last().map(|item| item.span);
                (Kind::Sequence(items), last)
            }
            Content::Mapping { entries, key: _ } => {
                let last = entries.last().map(|(key, value)| furthest(key.span, value.span));
                (Kind::Mapping(self.close_mapping(entries)), last)
            }
        };
        let span = Span::new(frame.start.start..collection_end(frame.start, last, end));
        // The children were counted when they were placed.
        self.count(Weight { nodes: 1, bytes: 0, height: 0 })?;
        let node = Rc::new(Node { kind, span, weight });
        self.remember(frame.anchor, &node);
        self.attach(node);
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Rc<Node>) {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(node));
        }
    }

    /// Puts a finished node where it belongs, with its whole cost.
    fn place(&mut self, node: Rc<Node>) -> Result<(), Stop> {
        if self.frames.len() + node.weight.height > DEPTH_MAX + 1 {
            return Err(Stop::TooDeep);
        }
        self.count(node.weight)?;
        self.attach(node);
        Ok(())
    }

    fn count(&mut self, weight: Weight) -> Result<(), Stop> {
        self.total.nodes = self.total.nodes.saturating_add(weight.nodes);
        self.total.bytes = self.total.bytes.saturating_add(weight.bytes);
        if self.total.nodes > NODES_MAX {
            return Err(Stop::TooManyNodes);
        }
        if self.total.bytes > EXPANDED_BYTES_MAX {
            return Err(Stop::TooManyBytes);
        }
        Ok(())
    }

    fn attach(&mut self, node: Rc<Node>) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.weight.nodes += node.weight.nodes;
        frame.weight.bytes += node.weight.bytes;
        frame.weight.height = frame.weight.height.max(node.weight.height);
        match &mut frame.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, key } => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
    }

    /// Checks keys and resolves `<<`; what is written in the mapping itself wins over merged entries.
    fn close_mapping(&mut self, pairs: Vec<(Rc<Node>, Rc<Node>)>) -> Vec<Entry> {
        let mut own: HashMap<Rc<str>, Span> = HashMap::with_capacity(pairs.len());
        let mut kept = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let Some(scalar) = key.scalar() else {
                self.problems.push(composite_key(key.span));
                self.dropped.extend([key.span, value.span]);
                continue;
            };
            let text: Rc<str> = Rc::from(scalar.text.as_str());
            let merge = scalar.plain && &*text == "<<";
            if let Some(first) = own.get(&text).filter(|_| !merge) {
                self.problems.push(duplicate_key(&text, key.span, *first));
                self.dropped.push(value.span);
                continue;
            }
            if !merge {
                own.insert(Rc::clone(&text), key.span);
            }
            kept.push((merge, Entry { key: text, key_span: key.span, value }));
        }
        let mut seen: HashSet<Rc<str>> = own.into_keys().collect();
        let mut entries = Vec::with_capacity(kept.len());
        for (merge, entry) in kept {
            if merge {
                self.merge(&entry, &mut seen, &mut entries);
            } else {
                entries.push(entry);
            }
        }
        entries
    }

    fn merge(&mut self, merge: &Entry, seen: &mut HashSet<Rc<str>>, entries: &mut Vec<Entry>) {
        let sources = match &merge.value.kind {
            Kind::Sequence(items) => items.as_slice(),
            Kind::Mapping(_) | Kind::Scalar(_) => std::slice::from_ref(&merge.value),
        };
        for source in sources {
            let Kind::Mapping(merged) = &source.kind else {
                self.problems.push(
                    Diagnostic::error("yaml-merge", "`<<` merges something that is no mapping")
                        .at(merge.key_span, "")
                        .help("merge an alias of a mapping, such as `<<: *common`"),
                );
                self.dropped.push(source.span);
                continue;
            };
            entries.extend(merged.iter().filter(|e| seen.insert(Rc::clone(&e.key))).cloned());
        }
    }
}

fn furthest(a: Span, b: Span) -> Span {
    if b.end > a.end { b } else { a }
}

/// A block collection ends with its last value (the event comes with the next token), a flow
/// collection with its bracket. A last value that is an alias stands elsewhere and does not count.
fn collection_end(start: Span, last: Option<Span>, end: Span) -> usize {
    if end.end > end.start {
        return end.end;
    }
    last.map_or(start.end, |last| last.end).max(start.start)
}

fn duplicate_key(key: &str, again: Span, first: Span) -> Diagnostic {
    Diagnostic::error("duplicate-key", format!("{} is there twice", shown(key)))
        .at(again, "again here")
        .at(first, "first here")
        .help("keep one of them")
}

fn composite_key(span: Span) -> Diagnostic {
    Diagnostic::error("yaml-key", "a key that is a list or a mapping")
        .at(span, "")
        .help("a key is a name; quote a text that begins with `[`, `{` or `?`")
}
