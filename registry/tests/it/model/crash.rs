//! What a model finds after a crash.

use std::collections::BTreeMap;

use super::ModelFiles;
use super::world::{Change, File, Folder, Ino, Node, World};

/// How the processes ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    /// They were killed; the system lives, and with it all that they wrote.
    Kill,
    /// The power was cut.
    PowerCut(Cut),
}

/// What a power cut leaves of what was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) names: Names,
    pub(crate) content: Content,
}

/// Which changes of names have happened, of those not synced, counted over all folders.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Names {
    None,
    All,
    Only(usize),
    AllBut(usize),
    /// Those whose bit is set.
    Bits(u64),
    /// Each or not, and in any order.
    Random(u64),
}

/// What has become of content that was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Lost,
    Kept,
    /// Half of it is there.
    Prefix,
    /// It is as long as it was, and empty.
    Zeros,
    /// It is as long as it was, and anything.
    Garbage(u64),
    /// One of these for each file.
    Random(u64),
}

/// So many changes of names are tried in all combinations; of more, a selection.
const EXHAUSTIVE_MAX: usize = 6;
const RANDOM_CUTS: u64 = 32;

impl ModelFiles {
    /// The files as they are found after a crash, by processes that nothing happens to.
    pub(crate) fn crash(&self, crash: Crash) -> ModelFiles {
        let mut world = self.state().world.clone();
        if let Crash::PowerCut(cut) = crash {
            world.cut(cut);
        }
        ModelFiles::on(world)
    }

    /// The power cuts that are worth trying now.
    pub(crate) fn power_cuts(&self) -> Vec<Cut> {
        let state = self.state();
        let names = state.world.unsynced_names();
        let has_content = state.world.has_unsynced_content();
        let mut cuts = Vec::new();
        let random = (0..RANDOM_CUTS).map(Names::Random);
        let selections: Vec<Names> = if names <= EXHAUSTIVE_MAX {
            (0..1 << names).map(Names::Bits).collect()
        } else {
            let single = (0..names).flat_map(|at| [Names::Only(at), Names::AllBut(at)]);
            single.chain(random).collect()
        };
        for (seed, names) in (0..).zip(selections) {
            cuts.push(Cut { names, content: Content::Lost });
            if has_content {
                cuts.push(Cut { names, content: Content::Random(seed) });
            }
        }
        for names in [Names::None, Names::All] {
            cuts.extend(
                [Content::Lost, Content::Kept, Content::Prefix]
                    .into_iter()
                    .chain([Content::Zeros, Content::Garbage(0)])
                    .map(|content| Cut { names, content }),
            );
        }
        cuts
    }

    /// The few power cuts that show whether what was acknowledged is durable.
    pub(crate) fn plain_power_cuts(&self) -> Vec<Cut> {
        let cut = |names, content| Cut { names, content };
        vec![
            cut(Names::None, Content::Lost),
            cut(Names::All, Content::Lost),
            cut(Names::All, Content::Garbage(0)),
        ]
    }
}

impl World {
    fn unsynced_names(&self) -> usize {
        self.folders().map(|(_, folder)| folder.unsynced.len()).sum()
    }

    fn has_unsynced_content(&self) -> bool {
        let is_dirty = |node: &Node| matches!(node, Node::File(file) if !file.unsynced.is_empty());
        self.nodes.iter().any(is_dirty)
    }

    fn folders(&self) -> impl Iterator<Item = (Ino, &Folder)> {
        self.nodes.iter().enumerate().filter_map(|(ino, node)| match node {
            Node::Folder(folder) => Some((ino, folder)),
            Node::File(_) => None,
        })
    }

    fn cut(&mut self, cut: Cut) {
        let mut count = 0;
        let selected: BTreeMap<Ino, Vec<usize>> = self
            .folders()
            .map(|(ino, folder)| {
                let first = count;
                count += folder.unsynced.len();
                (ino, cut.names.select(first, folder.unsynced.len()))
            })
            .collect();
        for (ino, node) in self.nodes.iter_mut().enumerate() {
            match node {
                Node::File(file) => file.seen = cut.content.found(ino as u64, file),
                Node::Folder(folder) => {
                    folder.seen = folder.durable.clone();
                    for at in &selected[&ino] {
                        folder.unsynced[*at].apply(&mut folder.seen);
                    }
                }
            }
        }
        self.settle();
    }
}

impl Names {
    /// Which of a folder's changes have happened, in the order in which they did; `first` is how many
    /// changes the folders before it have.
    fn select(self, first: usize, len: usize) -> Vec<usize> {
        let all = 0..len;
        match self {
            Names::None => vec![],
            Names::All => all.collect(),
            Names::Only(one) => all.filter(|at| first + at == one).collect(),
            Names::AllBut(one) => all.filter(|at| first + at != one).collect(),
            Names::Bits(bits) => all.filter(|at| bits >> (first + at) & 1 == 1).collect(),
            Names::Random(seed) => {
                let draw = |at: usize, salt| mix(seed, (first + at) as u64, salt);
                let mut some: Vec<usize> = all.filter(|at| draw(*at, 0) & 1 == 1).collect();
                some.sort_by_key(|at| draw(*at, 1));
                some
            }
        }
    }
}

impl Content {
    fn found(self, ino: u64, file: &File) -> Vec<u8> {
        let mut found = file.durable.clone();
        let mut apply = |changes: &[Change]| {
            for change in changes {
                change.apply(&mut found);
            }
        };
        match self {
            Content::Lost => {}
            Content::Kept => apply(&file.unsynced),
            Content::Prefix => {
                let mut left = file.unsynced.iter().map(written).sum::<usize>() / 2;
                for change in &file.unsynced {
                    apply(&[first(change, left)]);
                    left = left.saturating_sub(written(change));
                    if left == 0 {
                        break;
                    }
                }
            }
            Content::Zeros => apply(&replaced(&file.unsynced, |_| 0)),
            Content::Garbage(seed) => {
                apply(&replaced(&file.unsynced, |at| mix(seed, ino, at).to_le_bytes()[0]));
            }
            Content::Random(seed) => {
                let some = match mix(seed, ino, 2) % 5 {
                    0 => Content::Lost,
                    1 => Content::Kept,
                    2 => Content::Prefix,
                    3 => Content::Zeros,
                    _ => Content::Garbage(seed),
                };
                return some.found(ino, file);
            }
        }
        found
    }
}

fn written(change: &Change) -> usize {
    match change {
        Change::Write { bytes, .. } => bytes.len(),
        Change::Truncate(_) => 0,
    }
}

fn first(change: &Change, len: usize) -> Change {
    match change {
        Change::Write { at, bytes } => {
            Change::Write { at: *at, bytes: bytes[..len.min(bytes.len())].to_vec() }
        }
        Change::Truncate(len) => Change::Truncate(*len),
    }
}

fn replaced(changes: &[Change], byte: impl Fn(u64) -> u8) -> Vec<Change> {
    let replace = |change: &Change| match change {
        Change::Write { at, bytes } => {
            let bytes = (0..bytes.len()).map(|offset| byte((at + offset) as u64)).collect();
            Change::Write { at: *at, bytes }
        }
        Change::Truncate(len) => Change::Truncate(*len),
    };
    changes.iter().map(replace).collect()
}

/// Numbers that look drawn, and are the same for the same seed (the finaliser of `SplitMix64`).
fn mix(seed: u64, a: u64, b: u64) -> u64 {
    let mut z = seed
        .wrapping_add(a.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(b.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
